//! Checks that the pages are well formed, and that their tables match the code.

mod addresses;
mod limits;
mod options;
mod troubleshooting;

use std::fs;
use std::path::{Path, PathBuf};

use super::{PAGES, Page};

/// The rows of the tables in a page, each with the heading above it. Cells have no blanks around
/// them; the rows with the titles of the columns are left out.
fn table_rows(name: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let page = Page::find(name).unwrap();
    let mut heading = "";
    let mut rows = Vec::new();
    let mut lines = page.text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_titles = lines.peek().is_some_and(|next| next.starts_with("|---"));
        if let Some(title) = line.strip_prefix("## ") {
            heading = title;
        } else if line.starts_with("| ") && !is_titles {
            let cells = line.trim_matches('|').split('|').map(str::trim);
            rows.push((heading, cells.collect()));
        }
    }
    rows
}

/// Returns the words in backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Returns the text of a file of `src`, or of all Rust and JavaScript files of a folder but its
/// tests.
fn source(name: &str) -> String {
    text_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name))
}

fn text_of(path: &Path) -> String {
    if path.is_file() {
        return fs::read_to_string(path).unwrap();
    }
    let entries = fs::read_dir(path).unwrap();
    let entries = entries.map(|entry| entry.unwrap().path());
    let is_text = |path: &PathBuf| {
        let ending = path.extension().unwrap_or_default();
        path.is_dir() && !path.ends_with("tests") || ending == "rs" || ending == "js"
    };
    entries.filter(is_text).map(|path| text_of(&path)).collect()
}

/// Returns the lines of a page that are not code.
fn prose(page: &Page) -> String {
    let fenced = page.text.split("\n```").step_by(2);
    fenced.collect::<Vec<_>>().join("\n")
}

#[test]
fn pages_start_with_a_title_of_their_own() {
    let mut titles: Vec<&str> = PAGES.iter().map(Page::title).collect();
    for page in PAGES {
        assert!(page.text.starts_with("# "), "{}", page.name);
        assert!(!page.title().is_empty(), "{}", page.name);
        let titles = prose(page)
            .lines()
            .filter(|line| line.starts_with("# "))
            .count();
        assert_eq!(titles, 1, "{}", page.name);
        assert_eq!(Page::find(page.name), Some(page));
    }
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), PAGES.len());
}

/// In rustdoc, a block of code without a language would be compiled as Rust.
#[test]
fn code_blocks_name_their_language() {
    for page in PAGES {
        let fences = page.text.lines().filter(|line| line.starts_with("```"));
        let opening = fences.step_by(2);
        for fence in opening {
            assert!(fence.len() > 3, "{}: a block without language", page.name);
        }
    }
}

#[test]
fn links_between_pages_have_a_target_on_git_hosts_and_in_rustdoc() {
    let declared = include_str!("../mod.rs");
    for page in PAGES {
        assert!(declared.contains(&format!(
            "[{}]: self::{}\"]",
            page.name,
            page.name.replace('-', "_")
        )));
        let text = prose(page);
        for used in text.split("][").skip(1) {
            let name = used.split(']').next().unwrap_or_default();
            let target = format!("\n[{name}]: {name}.md");
            assert!(page.text.contains(&target), "{}: {name}", page.name);
        }
        for target in text.lines().filter(|line| line.contains("]: ")) {
            let name = target.trim_start_matches('[').split(']').next();
            let name = name.unwrap_or_default();
            assert!(Page::find(name).is_some(), "{}: {target}", page.name);
            assert!(
                text.contains(&format!("][{name}]")),
                "{}: {target} is not used",
                page.name
            );
        }
    }
}

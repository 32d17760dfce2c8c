//! Checks the documents beside the code: the length of the README, and what documents link to and
//! which commands they name.

use std::fs;
use std::path::Path;

const README_LINES_MAX: usize = 200;
const README_BYTES_MAX: usize = 12 * 1024;

const DOCUMENTS: [&str; 6] = [
    "README.md",
    "benches/README.md",
    "tests/README.md",
    "tests/fuzz/README.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
];

#[test]
fn readme_is_at_most_200_lines_and_12_kib() {
    let text = read("README.md");
    let (lines, bytes) = (text.lines().count(), text.len());
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines");
    assert!(bytes <= README_BYTES_MAX, "README.md has {bytes} bytes");
}

#[test]
fn relative_links_lead_to_files_and_headings() {
    let mut dead = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let directory = Path::new(document).parent().unwrap_or(Path::new(""));
            let path = match file {
                "" => super::root().join(document),
                _ => super::root().join(directory).join(file),
            };
            let is_there = path.exists()
                && (heading.is_empty()
                    || fs::read_to_string(&path).is_ok_and(|text| has_heading(&text, heading)));
            if !is_there {
                dead.push(format!("{document}: {target}"));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
}

#[test]
fn commands_name_tests_benches_and_scripts_that_exist() {
    let mut unknown = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let words: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || "`|;".contains(c))
            .filter(|word| !word.is_empty())
            .collect();
        for pair in words.windows(2) {
            let path = match pair {
                ["--test", name] => format!("tests/{name}/main.rs"),
                ["--bench", "raw"] => "benches/raw.rs".to_owned(),
                ["--bench", name] => format!("benches/{name}/main.rs"),
                ["bash", path] if path.ends_with(".sh") => (*path).to_owned(),
                _ => continue,
            };
            if !super::root().join(&path).exists() {
                unknown.push(format!("{document}: {}", pair.join(" ")));
            }
        }
    }
    assert_eq!(unknown, Vec::<String>::new());
}

fn read(document: &str) -> String {
    fs::read_to_string(super::root().join(document)).expect(document)
}

/// Returns whether a document has a heading with this fragment, as Git hosts derive it.
fn has_heading(text: &str, fragment: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.into_iter().any(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let slug: String = title
            .chars()
            .filter(|c| c.is_alphanumeric() || "- _".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        slug == fragment
    })
}

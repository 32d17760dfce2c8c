//! The map in `lib.rs`: the reading order with its line counts, and the functions on the way of a
//! frame.

use std::fs;

/// A count in the reading order may be off by this many parts of a hundred, so that it needs no
/// change with each line.
const TOLERANCE_PERCENT: usize = 10;

/// The most functions from a driver's pipe to a viewer's socket.
const FRAME_FUNCTIONS_MAX: usize = 25;

/// Returns the lines of the section `# TITLE` of the crate's documentation.
fn section(title: &str) -> Vec<String> {
    let text = fs::read_to_string(super::root().join("src/lib.rs")).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| line.trim().to_owned());
    let mut lines = lines
        .skip_while(|line| *line != format!("# {title}"))
        .skip(1)
        .peekable();
    assert!(
        lines.peek().is_some(),
        "src/lib.rs has no section '{title}'"
    );
    lines.take_while(|line| !line.starts_with("# ")).collect()
}

/// Returns the rows of the reading order: a file or folder of `src`, and the lines it is said to
/// have.
fn reading_order() -> Vec<(String, usize)> {
    let rows = section("The reading order")
        .into_iter()
        .filter(|line| line.starts_with("| `"));
    let row = |line: String| {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        (
            columns[1].trim_matches('`').to_owned(),
            columns[2].parse().unwrap(),
        )
    };
    rows.map(row).collect()
}

#[test]
fn reading_order_names_files_with_their_line_counts() {
    let order = reading_order();
    assert!(order.len() >= 10, "{order:?}");
    let mut faults = Vec::new();
    for (name, stated) in order {
        if !super::root().join("src").join(&name).exists() {
            faults.push(format!("there is no src/{name}"));
            continue;
        }
        let lines: usize = super::line_counts(&name).into_iter().sum();
        if stated.abs_diff(lines) > stated * TOLERANCE_PERCENT / 100 {
            faults.push(format!("src/{name} has {lines} lines, not {stated}"));
        }
    }
    assert_eq!(
        faults,
        Vec::<String>::new(),
        "the reading order in src/lib.rs"
    );
}

#[test]
fn life_of_a_frame_names_few_functions_that_all_exist() {
    let lines = section("The life of a frame");
    let items: Vec<_> = lines
        .iter()
        .filter_map(|line| line.split_once(". "))
        .collect();
    let items: Vec<_> = items
        .into_iter()
        .filter(|(number, _)| number.parse::<usize>().is_ok())
        .collect();
    assert!(
        (10..=FRAME_FUNCTIONS_MAX).contains(&items.len()),
        "{} functions",
        items.len()
    );
    for (_, item) in items {
        let path: Vec<&str> = item
            .split('`')
            .nth(1)
            .unwrap_or_default()
            .split("::")
            .collect();
        let [modules @ .., _, function] = path.as_slice() else {
            panic!("src/lib.rs: {item}")
        };
        assert!(
            defines(modules, function),
            "src/lib.rs: there is no function {}",
            path.join("::")
        );
    }
}

/// Whether a module, or one of its children, has a function of that name.
fn defines(modules: &[&str], function: &str) -> bool {
    let place = super::root().join("src").join(modules.join("/"));
    let mut files = if place.is_dir() {
        super::rust_files(&place)
    } else {
        Vec::new()
    };
    files.push(place.with_extension("rs"));
    let is_in = |text: String| {
        [format!("fn {function}("), format!("fn {function}<")]
            .iter()
            .any(|head| text.contains(head))
    };
    files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .any(is_in)
}

//! Checks the rules that the source itself must keep: which layer may import which, which files may
//! not import each other, how long a file, a function or a line may be, and that the map in
//! `lib.rs` matches what is there.

mod documents;
mod exercises;
mod imports;
mod map;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 620;
const FUNCTION_LINES_MAX: usize = 120;
const LINE_COLUMNS_MAX: usize = 120;

/// For each layer, what it must never know: modules of ours, and words of others.
const FORBIDDEN: [(&str, &[&str]); 16] = [
    ("wire", &ABOVE_WIRE),
    // It is part of the library, which handles no credentials.
    ("wire", &["crate::text"]),
    ("text", &ABOVE_WIRE),
    (
        "stream",
        &[
            "crate::hub",
            "crate::site",
            "crate::server",
            "crate::drivers",
            "crate::bench",
            "crate::options",
        ],
    ),
    (
        "hub",
        &[
            "crate::site",
            "crate::server",
            "crate::drivers",
            "crate::bench",
            "crate::options",
        ],
    ),
    (
        "site",
        &[
            "crate::server",
            "crate::drivers",
            "crate::bench",
            "crate::options",
        ],
    ),
    (
        "server",
        &[
            "crate::drivers",
            "crate::publish",
            "crate::bench",
            "crate::options",
        ],
    ),
    (
        "drivers",
        &[
            "crate::stream",
            "crate::hub",
            "crate::site",
            "crate::server",
            "crate::bench",
            "crate::options",
        ],
    ),
    (
        "publish",
        &[
            "crate::stream",
            "crate::hub",
            "crate::site",
            "crate::server",
            "crate::bench",
            "crate::options",
        ],
    ),
    (
        "bench",
        &[
            "crate::stream",
            "crate::hub",
            "crate::site",
            "crate::server",
            "crate::drivers",
            "crate::options",
        ],
    ),
    ("logging.rs", &ABOVE_WIRE),
    ("health.rs", &ABOVE_WIRE),
    ("clock.rs", &["crate::"]),
    ("trust.rs", &["crate::"]),
    ("generate", &ABOVE_WIRE),
    ("guide", &["crate::"]),
];

/// What a module that stands on `wire` alone does not know.
const ABOVE_WIRE: [&str; 8] = [
    "crate::stream",
    "crate::hub",
    "crate::site",
    "crate::server",
    "crate::drivers",
    "crate::publish",
    "crate::bench",
    "crate::options",
];

/// The pure layers use no socket, no clock and no file. Addresses are plain values:
/// `std::net::IpAddr` is fine.
const PURE: [&str; 5] = ["wire", "text", "stream", "hub", "site"];
const IMPURE: [&str; 9] = [
    "mio::",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "Listener",
    "Instant::now",
    "SystemTime::now",
    "std::fs",
];

/// What must be readable in an hour: a file or a folder, the files and lines it may have. Comments
/// and blank lines count, unit tests do not.
const BUDGETS: [(&str, usize, usize); 2] = [("hub", 13, 1515), ("server/event_loop.rs", 1, 300)];

/// Rooms whose files do not import in a circle.
const WITHOUT_CYCLES: [&str; 7] = ["drivers", "hub", "server", "site", "stream", "text", "wire"];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Returns the Rust files of a folder without those of its unit tests, which may use all rooms.
fn code_files(folder: &Path) -> Vec<PathBuf> {
    let is_test = |file: &PathBuf| {
        let mut parts = file.strip_prefix(root()).unwrap().iter();
        parts.any(|part| part == "tests" || part == "tests.rs")
    };
    let mut files = rust_files(folder);
    files.retain(|file| !is_test(file));
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The lines that are code, with their numbers from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim().starts_with("//"))
}

#[test]
fn imports_only_go_down() {
    let mut faults = Vec::new();
    for (layer, forbidden) in FORBIDDEN {
        let place = root().join("src").join(layer);
        for file in if place.is_dir() {
            code_files(&place)
        } else {
            vec![place]
        } {
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in code(&text) {
                let found = forbidden.iter().filter(|word| line.contains(**word));
                faults
                    .extend(found.map(|word| format!("{}:{number} knows {word}", file.display())));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn pure_layers_use_no_socket_clock_or_file() {
    let mut faults = Vec::new();
    for layer in PURE {
        for file in code_files(&root().join("src").join(layer)) {
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in code(&text) {
                let found = IMPURE.iter().filter(|word| line.contains(**word));
                faults
                    .extend(found.map(|word| format!("{}:{number} knows {word}", file.display())));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// The one file that may hold `unsafe`: the requests to a camera's driver.
const UNSAFE: &str = "src/drivers/v4l2/kernel.rs";

#[test]
fn unsafe_code_is_in_one_file() {
    for file in rust_files(&root().join("src"))
        .into_iter()
        .filter(|file| !file.ends_with(UNSAFE))
    {
        let text = fs::read_to_string(&file).unwrap();
        let found = code(&text)
            .find(|(_, line)| line.contains("unsafe ") || line.contains("allow(unsafe_code)"));
        assert_eq!(found, None, "{}", file.display());
    }
}

#[test]
fn files_functions_and_lines_fit_a_screen() {
    let mut faults = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for file in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let name = file.strip_prefix(root()).unwrap().display().to_string();
            if text.lines().count() > FILE_LINES_MAX {
                faults.push(format!("{name} has {} lines", text.lines().count()));
            }
            let wide = text
                .lines()
                .enumerate()
                .filter(|(_, line)| line.chars().count() > LINE_COLUMNS_MAX);
            faults.extend(wide.map(|(index, _)| format!("{name}:{} is too wide", index + 1)));
            faults.extend(long_functions(&text).map(|function| format!("{name}: {function}")));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// Functions with too many lines. rustfmt's layout tells where one ends: at the brace that stands
/// as deep as its `fn`.
fn long_functions(text: &str) -> impl Iterator<Item = String> + '_ {
    let lines: Vec<&str> = text.lines().collect();
    let is_function = |line: &str| {
        let words = line
            .split_whitespace()
            .take_while(|word| !word.starts_with('('));
        words.clone().any(|word| word == "fn")
            && !line.trim_start().starts_with("//")
            && !line.ends_with(';')
    };
    let starts = (0..lines.len())
        .filter(move |&index| is_function(text.lines().nth(index).unwrap_or_default()));
    let starts: Vec<usize> = starts.collect();
    starts.into_iter().filter_map(move |start| {
        let depth = lines[start].len() - lines[start].trim_start().len();
        let closing = format!("{}}}", " ".repeat(depth));
        let length = lines[start..].iter().position(|line| **line == *closing)? + 1;
        (length > FUNCTION_LINES_MAX).then(|| format!("{} has {length} lines", lines[start].trim()))
    })
}

#[test]
fn long_function_is_found() {
    let body = "        work();\n".repeat(FUNCTION_LINES_MAX);
    let text = format!("impl X {{\n    pub fn long(&self) {{\n{body}    }}\n}}\n");
    assert_eq!(long_functions(&text).count(), 1);
    let text = format!("fn short() {{\n}}\n{}", "// words\n".repeat(100));
    assert_eq!(long_functions(&text).count(), 0);
}

#[test]
fn files_of_a_room_do_not_import_in_a_circle() {
    for room in WITHOUT_CYCLES {
        let graph = imports::graph_of_room(&root().join("src"), room);
        assert_eq!(imports::cycle(&graph), None);
    }
}

/// Returns the lines of the file, or of each file of the folder, `src/NAME`, without unit tests.
fn line_counts(name: &str) -> Vec<usize> {
    let place = root().join("src").join(name);
    let files = if place.is_dir() {
        code_files(&place)
    } else {
        vec![place]
    };
    let count = |file: &PathBuf| {
        imports::without_unit_tests(&fs::read_to_string(file).unwrap())
            .lines()
            .count()
    };
    files.iter().map(count).collect()
}

#[test]
fn core_stays_within_its_budget() {
    for (name, files_max, lines_max) in BUDGETS {
        let counts = line_counts(name);
        let (files, lines) = (counts.len(), counts.iter().sum::<usize>());
        assert!(
            files <= files_max && lines <= lines_max,
            "src/{name}: {lines} lines in {files} files"
        );
    }
}

//! Words that no text of the project contains. The subject of a sentence is a noun from the code or
//! a standard, and the verb says what happens.

use std::fs;
use std::path::{Path, PathBuf};

const WORDS: [&str; 8] = [
    "whoever",
    "nobody",
    "somebody",
    "everybody",
    "household",
    "told of",
    "anew",
    "taken in",
];

/// Each as a phrase of two words.
const PHRASES: [(&[&str], &[&str]); 2] = [
    (
        &["who"],
        &[
            "has", "have", "ask", "asks", "watch", "watches", "read", "reads", "want", "wants",
        ],
    ),
    (&["let", "lets"], &["go of"]),
];

/// Returns the text files below `folder`, without what a fuzzer or a build has made.
fn text_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_made = ["corpus", "target"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !is_made {
            files.extend(text_files(&path));
        } else if path.is_file() && !path.ends_with("tidy/words.rs") {
            files.push(path);
        }
    }
    files
}

/// Returns the banned words in a line, which stand there as whole words.
fn banned(line: &str) -> impl Iterator<Item = String> {
    let words: Vec<String> = line
        .to_lowercase()
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let line = format!(" {} ", words.join(" "));
    let phrases = PHRASES.iter().flat_map(|(first, second)| {
        first
            .iter()
            .flat_map(|first| second.iter().map(move |second| format!("{first} {second}")))
    });
    WORDS
        .iter()
        .map(|&word| word.to_owned())
        .chain(phrases)
        .filter(move |word| line.contains(&format!(" {word} ")))
}

#[test]
fn banned_words_occur_nowhere() {
    let mut files = vec![
        super::root().join("README.md"),
        super::root().join("CHANGELOG.md"),
    ];
    for folder in ["src", "tests", "benches", ".github"] {
        files.extend(text_files(&super::root().join(folder)));
    }
    let mut faults = Vec::new();
    for file in files {
        // Pictures are no text.
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        let name = file.strip_prefix(super::root()).unwrap().display();
        for (index, line) in text.lines().enumerate() {
            faults.extend(banned(line).map(|word| format!("{name}:{}: {word}", index + 1)));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn banned_word_is_found_in_any_case_and_as_a_whole_word() {
    let found = |line| banned(line).collect::<Vec<_>>();
    assert_eq!(found("// Nobody is told of it."), ["nobody", "told of"]);
    assert_eq!(
        found("it lets go of a client who has left"),
        ["who has", "lets go of"]
    );
    assert_eq!(found("the whole household_size, manew"), ["household"]);
    assert!(found("A viewer reads; the anewer thing").is_empty());
}

//! The command line, which cargo shares among all tests.

use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

/// The fixed set, which a debug build runs in seconds; `tests/all.sh` runs 10,000 seeds.
const SEEDS: Range<u64> = 0..300;
const STEPS: usize = 2_000;

#[derive(Clone, Debug)]
pub enum Task {
    /// The command line names other tests.
    Nothing,
    One(u64),
    Many(Range<u64>),
    Trace(PathBuf),
    /// All faults, or one.
    Faults(Option<String>),
}

#[derive(Clone, Debug)]
pub struct Options {
    pub task: Task,
    pub steps: usize,
    pub is_verbose: bool,
}

impl Options {
    /// Parses the words behind `--`. Those of the standard test runner are accepted: a bare word is a filter,
    /// `--ignored` selects other tests, and the rest has no meaning here.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { task: Task::Many(SEEDS), steps: STEPS, is_verbose: false };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seed" => options.task = Task::One(number(&word, words.next())?),
                "--seeds" => options.task = Task::Many(range(words.next())?),
                "--trace" => options.task = Task::Trace(words.next().ok_or("--trace takes a file")?.into()),
                "--steps" => options.steps = number(&word, words.next())?,
                "--verbose" => options.is_verbose = true,
                "--faults" => options.task = Task::Faults(None),
                "--fault" => options.task = Task::Faults(Some(words.next().ok_or("--fault takes a name")?)),
                "--ignored" | "--list" => options.task = Task::Nothing,
                "--skip" | "--test-threads" => drop(words.next()),
                _ if !word.starts_with('-') && !"simulation".contains(&word) => options.task = Task::Nothing,
                _ => {}
            }
        }
        Ok(options)
    }
}

fn number<T: FromStr>(option: &str, word: Option<String>) -> Result<T, String> {
    word.and_then(|word| word.parse().ok()).ok_or_else(|| format!("{option} takes a number"))
}

fn range(word: Option<String>) -> Result<Range<u64>, String> {
    let bounds = word.as_deref().and_then(|word| word.split_once(".."));
    let bounds = bounds.and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
    bounds.ok_or_else(|| "--seeds takes a range such as 0..1000".into())
}

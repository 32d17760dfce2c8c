//! The command line, which cargo shares among all tests.

use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

/// The default seeds, which a debug build runs in seconds. `tests/all.sh` runs 10,000.
const SEEDS: Range<u64> = 0..300;
const STEPS: usize = 2_000;

#[derive(Clone, Debug)]
pub enum Task {
    /// The command line selects other tests.
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
    /// Parses the arguments after `--`. Those of the standard test runner are accepted: a bare word
    /// is a filter, `--ignored` selects other tests, and the others are ignored.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            task: Task::Many(SEEDS),
            steps: STEPS,
            is_verbose: false,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{argument} takes a value"))
            };
            match argument.as_str() {
                "--seed" => options.task = Task::One(number(&value()?)?),
                "--seeds" => {
                    let range = value()?;
                    let (start, end) = range
                        .split_once("..")
                        .ok_or("--seeds takes a range such as 0..1000")?;
                    options.task = Task::Many(number(start)?..number(end)?);
                }
                "--trace" => options.task = Task::Trace(value()?.into()),
                "--steps" => options.steps = number(&value()?)?,
                "--verbose" => options.is_verbose = true,
                "--faults" => options.task = Task::Faults(None),
                "--fault" => options.task = Task::Faults(Some(value()?)),
                "--ignored" | "--list" => options.task = Task::Nothing,
                "--skip" | "--test-threads" => drop(value()),
                _ if !argument.starts_with('-') && !"simulation".contains(&argument) => {
                    options.task = Task::Nothing
                }
                _ => {}
            }
        }
        Ok(options)
    }
}

fn number<T: FromStr>(argument: &str) -> Result<T, String> {
    argument
        .parse()
        .map_err(|_| format!("{argument}: expected a number"))
}

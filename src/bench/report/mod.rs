//! The figures of a run, or of a whole ramp, as one HTML page that needs nothing but itself.
//!
//! - `page`: what stands where, and the words.
//! - `plot`: figures against viewers, and latency by percentile, drawn by `plotters`.
//! - `strip`: who was starved, viewer by viewer.
//! - `tables`: all figures.
//! - `machine`: where it was measured.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::BenchError;
use super::outcome::Outcome;

mod machine;
mod page;
mod plot;
mod strip;
mod tables;

pub use page::page;

/// Where and how figures were taken.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The command as it could be typed again, with credentials masked.
    pub command: String,
    /// Processor, memory and kernel.
    pub machine: String,
    /// When the report was made, in UTC.
    pub date: String,
}

impl Setting {
    /// Here and now.
    pub fn current() -> Self {
        let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self {
            command: machine::command_line(
                std::env::args_os()
                    .map(|word| word.to_string_lossy().into_owned())
                    .collect(),
            ),
            machine: machine::describe(),
            date: date.replace('T', " ").replace('Z', " UTC"),
        }
    }
}

/// A report that is to be written.
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
}

impl Report {
    /// Makes sure that the file can be written, before figures are taken for it.
    ///
    /// # Errors
    /// It cannot.
    pub fn create(path: &Path) -> Result<Self, BenchError> {
        let report = Self {
            path: path.to_owned(),
        };
        File::create(path).map_err(|source| report.error(source))?;
        Ok(report)
    }

    /// Writes the page of these steps.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn write(&self, steps: &[Outcome]) -> Result<(), BenchError> {
        let page = page(steps, &Setting::current()).map_err(io::Error::other);
        page.and_then(|page| fs::write(&self.path, page))
            .map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> BenchError {
        BenchError::Report {
            path: self.path.clone(),
            source,
        }
    }
}

/// Text as it may stand between tags and in quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_become_a_tag() {
        assert_eq!(
            escape(r#"<a href="x?a&b">"#),
            "&lt;a href=&quot;x?a&amp;b&quot;&gt;"
        );
    }
}

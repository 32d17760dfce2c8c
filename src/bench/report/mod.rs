//! The figures of a run or a ramp as one self-contained HTML page.
//!
//! - `page`: layout and text.
//! - `plot`: figures by viewers, and latency by percentile, drawn by `plotters`.
//! - `strip`: the frame rate of each viewer.
//! - `tables`: all figures.
//! - `machine`: processor, memory and kernel.

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

/// The command, machine and date of a measurement.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The command line, with masked credentials.
    pub command: String,
    /// Processor, memory and kernel.
    pub machine: String,
    /// The date of the report, in UTC.
    pub date: String,
}

impl Setting {
    /// Returns the setting of this process.
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

/// A report file.
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
}

impl Report {
    /// Creates the file before the measurement, so that an error comes early.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: &Path) -> Result<Self, BenchError> {
        let report = Self {
            path: path.to_owned(),
        };
        File::create(path).map_err(|source| report.error(source))?;
        Ok(report)
    }

    /// Writes the page for these steps.
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

/// Escapes text for HTML content and attributes.
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
    fn html_special_characters_are_escaped() {
        assert_eq!(
            escape(r#"<a href="x?a&b">"#),
            "&lt;a href=&quot;x?a&amp;b&quot;&gt;"
        );
    }
}

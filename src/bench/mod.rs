//! `framecast bench`: load-tests any MJPEG server with many viewers in one event loop.
//!
//! - [`Plan`]: the options of a run, as plain values.
//! - [`Parser`]: follows the stream of one viewer and finds damaged parts; without sockets.
//! - `viewer`: one socket and its state; `tls`: its session for `https://`.
//! - [`Load`]: the event loop with all viewers.
//! - [`Outcome`]: the figures; its `Display` is the table. [`verdict`]: a summary in sentences.
//! - [`process`]: CPU time and memory of a process. [`listening`]: finds the process of a server.
//! - [`report`]: the figures as a page with plots.
//! - [`command`]: the command line.
//!
//! The bench must use less CPU time than the server, or it measures itself. So it has one thread and
//! one buffer, and discards bodies inside the kernel unless they are verified.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::text::secret::SecretAddress;

mod answer;
mod command;
mod figures;
pub mod listening;
mod load;
pub mod outcome;
mod parser;
mod part;
mod plan;
pub mod process;
mod progress;
pub mod report;
mod table;
mod terms;
#[cfg(test)]
mod tests;
mod tls;
pub mod verdict;
mod viewer;

pub use command::{Args, command};
pub use load::Load;
pub use outcome::Outcome;
pub use plan::Plan;
pub use progress::Moment;

/// The time between connecting and the measurement, in which the burst of new viewers ends.
const SETTLING_TIME: Duration = Duration::from_secs(1);

/// The reason why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The plan is invalid.
    #[error("{0}")]
    Plan(String),
    /// The URL is invalid.
    #[error("{url}: invalid URL: {why}")]
    Url {
        /// The URL.
        url: SecretAddress,
        /// The problem.
        why: &'static str,
    },
    /// The host is unknown.
    #[error("{url}: unknown host: {source}; check the spelling")]
    Lookup {
        /// The URL.
        url: SecretAddress,
        /// The error of the resolver.
        source: io::Error,
    },
    /// The plan needs more open files than the hard limit.
    #[error(
        "{wanted} open files needed, {allowed} allowed; raise the hard limit (ulimit -Hn) or use fewer viewers"
    )]
    FileLimit {
        /// Open files that the plan needs.
        wanted: u64,
        /// The hard limit.
        allowed: u64,
    },
    /// The process to measure does not exist.
    #[error("--pid {pid}: {source}; expected the id of a process on this machine")]
    Process {
        /// The process.
        pid: u32,
        /// The error of `/proc`.
        source: io::Error,
    },
    /// The first viewer got no frame.
    #[error("{url}: cannot watch: {why}")]
    Refused {
        /// The URL.
        url: SecretAddress,
        /// The reason.
        why: String,
    },
    /// The server ended the streams of all viewers.
    #[error(
        "{url}: the server ended all streams, {seconds:.1} s after the measurement of {viewers} viewers began"
    )]
    AllClosed {
        /// The URL.
        url: SecretAddress,
        /// The number of viewers.
        viewers: usize,
        /// The time since the measurement began, in seconds.
        seconds: f64,
    },
    /// There were faults, see [`verdict::faults`].
    #[error("{0}")]
    Faults(String),
    /// The report could not be written.
    #[error("--report {path:?}: cannot write: {source}; choose a file in a writable folder")]
    Report {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// A system call of the event loop failed.
    #[error("event loop: {0}")]
    Poll(io::Error),
    /// The figures could not be printed.
    #[error("cannot write to standard output: {0}")]
    Print(io::Error),
}

/// Runs a plan: connects the viewers, waits a second, and measures. Reports the progress.
///
/// # Errors
/// The plan is invalid, the stream cannot be watched, or the server ended all streams early.
pub fn run(plan: &Plan, report: &mut dyn FnMut(Moment)) -> Result<Outcome, BenchError> {
    let mut load = Load::new(plan)?;
    load.join(report)?;
    load.watch(SETTLING_TIME)?;
    let outcome = load.measure(plan.duration(), report)?;
    match outcome.watching() {
        0 => Err(BenchError::AllClosed {
            url: plan.url.clone(),
            viewers: plan.staying(),
            seconds: outcome.seconds,
        }),
        _ => Ok(outcome),
    }
}

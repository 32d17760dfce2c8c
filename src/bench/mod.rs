//! `framecast bench`: a crowd of viewers in one loop of its own. Stands on [`crate::wire`] alone,
//! and takes any server that sends motion JPEG over HTTP.
//!
//! - [`Plan`]: what is asked for, as plain values.
//! - [`Parser`]: one viewer's place in its stream; pure, cheap, and where tearing is seen.
//! - `viewer`: one socket and the state it is in; `tls`, what lies between the two on `https://`.
//! - [`Crowd`]: the loop.
//! - [`Outcome`]: the figures; its `Display` is the table. [`verdict`]: what they come down to in
//!   words.
//! - [`process`]: what a process costs. [`listening`]: which one serves an address.
//! - [`report`]: the figures as a page with plots.
//! - [`command`]: all of it as it is typed.
//!
//! The crowd must cost less than the server it measures, or it measures itself: one thread, one
//! buffer, and bodies that are thrown away inside the kernel unless they are to be verified.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::text::secret::SecretAddress;

mod answer;
mod command;
mod crowd;
mod ledger;
pub mod listening;
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
pub use crowd::Crowd;
pub use outcome::Outcome;
pub use plan::Plan;
pub use progress::Moment;

/// How long everybody watches before figures are taken: the burst of joining is over by then.
const SETTLING_TIME: Duration = Duration::from_secs(1);

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The plan makes no sense.
    #[error("{0}")]
    Plan(String),
    /// The address is not one that can be watched.
    #[error("{url} cannot be watched: {why}")]
    Url {
        /// The address as it was given.
        url: SecretAddress,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The address's host is unknown.
    #[error("the host of {url} was not found: {source}; check how it is spelt")]
    Lookup {
        /// The address as it was given.
        url: SecretAddress,
        /// What the resolver said.
        source: io::Error,
    },
    /// More viewers than this process may have open files.
    #[error(
        "{wanted} open files are needed and {allowed} allowed: raise the hard limit (ulimit -Hn), or take fewer viewers"
    )]
    FileLimit {
        /// Open files that the plan needs.
        wanted: u64,
        /// The hard limit.
        allowed: u64,
    },
    /// The process to be measured is not there.
    #[error(
        "the figures of process {pid} cannot be read: {source}; --pid takes the number of one that runs on this machine"
    )]
    Process {
        /// The process.
        pid: u32,
        /// What `/proc` said.
        source: io::Error,
    },
    /// The first viewer got no picture, so nobody would.
    #[error("{url} cannot be watched: {why}")]
    Refused {
        /// The address as it was given.
        url: SecretAddress,
        /// What that viewer met.
        why: String,
    },
    /// The server ended the streams of all viewers.
    #[error(
        "the server of {url} ended every stream, after {seconds:.1} s of figures with {viewers} viewers"
    )]
    Deserted {
        /// The address as it was given.
        url: SecretAddress,
        /// How many there were.
        viewers: usize,
        /// How long figures had been taken.
        seconds: f64,
    },
    /// Viewers met what they should not: see [`verdict::faults`].
    #[error("{0}")]
    Faults(String),
    /// The report could not be written.
    #[error(
        "the report {path:?} cannot be written: {source}; --report takes a file in a folder that may be written to"
    )]
    Report {
        /// Where to.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The kernel refused what the loop itself needs.
    #[error("the loop cannot run: {0}")]
    Poll(io::Error),
    /// The figures could not be written.
    #[error("the figures cannot be printed: {0}")]
    Print(io::Error),
}

/// Joins, waits a second, and takes figures: a whole run, which ends by itself.
///
/// # Errors
/// The plan makes no sense, nobody can watch, or the server ended the stream of everybody before
/// the end.
pub fn run(plan: &Plan, tell: &mut dyn FnMut(Moment)) -> Result<Outcome, BenchError> {
    let mut crowd = Crowd::gather(plan)?;
    crowd.join(tell)?;
    crowd.watch(SETTLING_TIME)?;
    let outcome = crowd.measure(plan.duration(), tell)?;
    match outcome.watching() {
        0 => Err(BenchError::Deserted {
            url: plan.url.clone(),
            viewers: plan.staying(),
            seconds: outcome.seconds,
        }),
        _ => Ok(outcome),
    }
}

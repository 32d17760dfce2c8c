//! `framecast bench`: a crowd of viewers in one loop of its own. Stands on [`crate::wire`] alone, and takes any server
//! that sends motion JPEG over HTTP.
//!
//! - [`Plan`]: what is asked for, as plain values.
//! - [`Parser`]: one viewer's place in its stream; pure, cheap, and where tearing is seen.
//! - `viewer`: one socket and the state it is in.
//! - [`Crowd`]: the loop.
//! - [`Outcome`]: the figures; its `Display` is the table.
//! - [`process`]: what a process costs.
//! - [`listening`]: which process serves an address.
//!
//! The crowd must cost less than the server it measures, or it measures itself: one thread, one buffer, and bodies that
//! are thrown away inside the kernel unless they are to be verified.

use std::io;
use std::time::Duration;

mod answer;
mod crowd;
mod ledger;
pub mod listening;
mod outcome;
mod parser;
mod part;
mod plan;
pub mod process;
mod table;
mod viewer;

pub use answer::Refusal;
pub use crowd::Crowd;
pub use outcome::{Fps, Group, Outcome, Quantiles};
pub use parser::{Arrival, Novelty, Parser, Scrutiny, Tally};
pub use plan::{Plan, Target};

/// How long everybody watches before figures are taken: the burst of joining is over by then.
const SETTLING_TIME: Duration = Duration::from_secs(1);

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The plan makes no sense.
    #[error("{0}")]
    Plan(String),
    /// The address is not one that can be watched.
    #[error("{url:?} cannot be watched: {why}")]
    Url {
        /// The address as it was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The address's host is unknown.
    #[error("the host of {url:?} was not found: {source}")]
    Lookup {
        /// The address as it was given.
        url: String,
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
    #[error("the figures of process {pid} cannot be read: {source}")]
    Process {
        /// The process.
        pid: u32,
        /// What `/proc` said.
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
pub fn run(plan: &Plan) -> Result<Outcome, BenchError> {
    let mut crowd = Crowd::gather(plan)?;
    crowd.join()?;
    crowd.watch(SETTLING_TIME)?;
    crowd.measure(plan.duration())
}

/// The options of `framecast bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The stream to watch: `http://HOST[:PORT][/PATH]`
    pub url: String,
    /// Viewers that read as fast as they can
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub viewers: usize,
    /// How long figures are taken, once everybody has joined
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    pub seconds: f64,
    /// Viewers on top that read at --slow-rate
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub slow: usize,
    /// What a slow viewer reads, in bytes per second
    #[arg(long, default_value_t = 50_000, value_name = "BYTES")]
    pub slow_rate: usize,
    /// Viewers on top that ask for the stream and never read it
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub stalled: usize,
    /// Viewers on top that come each second, to stay for one second
    #[arg(long, default_value_t = 0.0, value_name = "R")]
    pub churn: f64,
    /// The server's process: reports what it and its children used
    #[arg(long)]
    pub pid: Option<u32>,
    /// Sum every byte, and compare pictures of the same number between viewers
    #[arg(long)]
    pub verify: bool,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs `framecast bench` and prints what it found.
pub fn command(args: &Args) -> Result<(), BenchError> {
    let plan = Plan {
        slow: args.slow,
        slow_bytes_per_second: args.slow_rate,
        stalled: args.stalled,
        churn_per_second: args.churn,
        verify: args.verify,
        pid: args.pid,
        ..Plan::new(&args.url, args.viewers, args.seconds)
    };
    let outcome = run(&plan)?;
    let mut out = io::stdout().lock();
    print(&outcome, args.json, &mut out).map_err(BenchError::Print)
}

fn print(outcome: &Outcome, json: bool, out: &mut impl io::Write) -> io::Result<()> {
    match json {
        true => {
            serde_json::to_writer_pretty(&mut *out, outcome)?;
            writeln!(out)
        }
        false => write!(out, "{outcome}"),
    }
}

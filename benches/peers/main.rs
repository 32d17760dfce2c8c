//! Compares framecast with other MJPEG servers.
//!
//! The same crowd of viewers reads from each installed server in turn: framecast, ustreamer,
//! mjpg-streamer, the same service on tokio and axum, and the usual Flask camera under gevent
//! ([`peer`]). A server, with all its threads and children, runs on core 0 and the viewers on core
//! 1. The result is the CPU time of the server and its children per delivered frame.
//!
//! Latency is measured from `X-Timestamp`. ustreamer sets it when it writes a part to a viewer, so
//! its latency lacks the time before; the other servers set it when they take the picture.
//!
//! `cargo bench --bench peers`, or `-- --viewers 100 --only framecast --only axum`

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use framecast::bench::Plan;

mod peer;
// The viewers of `framecast bench`, and the modules that they use.
extern crate self as framecast;
include!("../shared/rooms.rs");

#[path = "../shared/mod.rs"]
mod shared;

use peer::{Input, Kind, Peer};
use shared::figures::{self, Run, median};
use shared::server;

/// Compare framecast with other MJPEG servers: CPU time per delivered frame.
#[derive(Parser)]
struct Options {
    /// Number of viewers
    #[arg(long, default_value_t = 1000)]
    viewers: usize,
    /// Bytes of each picture
    #[arg(long, default_value_t = 15_000)]
    bytes: usize,
    /// Frames per second
    #[arg(long, default_value_t = 30.0)]
    fps: f64,
    /// Seconds of measurement per server and run
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Runs of each server
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Run only this server; repeatable
    #[arg(long)]
    only: Vec<Kind>,
    /// `cargo bench` adds this to the arguments of every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    shared::exit_code(run(&Options::parse()))
}

/// A peer and its runs so far.
struct Contestant {
    peer: Peer,
    runs: Vec<Run>,
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    // Before this process is pinned to one core, because this builds one of the servers.
    let mut contestants = find_contestants(options);
    server::prepare()?;
    let stills = tempfile::tempdir()?;
    shared::write_stills(stills.path(), options.bytes)?;
    let input = Input {
        stills: stills.path(),
        fps: options.fps,
    };
    let Options {
        viewers,
        bytes,
        fps,
        seconds,
        ..
    } = options;
    println!(
        "{viewers} viewers, {bytes} bytes, {fps} fps, {seconds} s; servers on core 0, viewers on core 1\n"
    );
    println!("{}", figures::heading("run", "server"));
    for run in 1..=options.runs {
        contestants.retain_mut(
            |contestant| match measure(options, &input, &contestant.peer) {
                Ok(measured) => {
                    let name = contestant.peer.kind.name();
                    println!(
                        "{}",
                        figures::row(&run.to_string(), name, std::slice::from_ref(&measured))
                    );
                    if let Some(failure) = &measured.outcome.first_failure {
                        println!("{:8}first failed viewer: {failure}", "");
                    }
                    contestant.runs.push(measured);
                    true
                }
                Err(error) => {
                    println!(
                        "{:8}{:14}skipped from now on: {error}",
                        "",
                        contestant.peer.kind.name()
                    );
                    false
                }
            },
        );
        // The first server of a run finds colder caches, so the order rotates.
        if !contestants.is_empty() {
            contestants.rotate_left(1);
        }
    }
    print_medians(&mut contestants);
    Ok(())
}

/// Finds the installed servers; prints for each other one how to install it.
fn find_contestants(options: &Options) -> Vec<Contestant> {
    let wanted = Kind::ALL
        .into_iter()
        .filter(|kind| options.only.is_empty() || options.only.contains(kind));
    let found = wanted.filter_map(|kind| match Peer::find(kind) {
        Ok(peer) => Some(Contestant {
            peer,
            runs: Vec::new(),
        }),
        Err(why) => {
            println!("{}: skipped: {why}", kind.name());
            None
        }
    });
    found.collect()
}

fn measure(options: &Options, input: &Input, peer: &Peer) -> Result<Run, Box<dyn Error>> {
    let server = peer.start(input)?;
    Run::measure(&server, Plan::new("", options.viewers, options.seconds))
}

fn print_medians(contestants: &mut [Contestant]) {
    contestants.sort_by(|a, b| {
        median(&a.runs, Run::family_us).total_cmp(&median(&b.runs, Run::family_us))
    });
    println!();
    for Contestant { peer, runs } in contestants {
        println!("{}", figures::row("median", peer.kind.name(), runs));
    }
    println!("\n{}", figures::LEGEND);
}

//! framecast beside other servers of motion JPEG.
//!
//! By turns, the same crowd watches each of those that are installed here: framecast, ustreamer,
//! mjpg-streamer, the same service on tokio and axum, and the usual Flask camera under gevent
//! ([`peer`]). Every server, with all its threads and children, has core 0 to itself and the crowd
//! core 1. What is compared is the processor time of all of them per delivered frame.
//!
//! Latency is told by `X-Timestamp`, and what that says is up to the server: ustreamer stamps a
//! part when it is written to a viewer, so its latency is without what came before; all others
//! stamp a picture when it is taken.
//!
//! `cargo bench --bench peers`, or `-- --viewers 100 --only framecast --only axum`

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use framecast::bench::Plan;

mod peer;
#[path = "../shared/mod.rs"]
mod shared;

use peer::{Kind, Peer, Scene};
use shared::figures::{self, Run, median};
use shared::server;

/// Compare framecast with other servers of motion JPEG: processor time per delivered frame.
#[derive(Parser)]
struct Options {
    /// Viewers that watch at once
    #[arg(long, default_value_t = 1000)]
    viewers: usize,
    /// The size of each picture
    #[arg(long, default_value_t = 15_000)]
    bytes: usize,
    /// Pictures per second
    #[arg(long, default_value_t = 30.0)]
    fps: f64,
    /// How long figures are taken, per server and run
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How often every server has its turn
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Leave out all servers but this one; may be given several times
    #[arg(long)]
    only: Vec<Kind>,
    /// What `cargo bench` adds to every benchmark's arguments.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    shared::conclude(run(&Options::parse()))
}

/// A peer and its runs so far.
struct Contestant {
    peer: Peer,
    runs: Vec<Run>,
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    // Before this process is tied to a core: one of the peers is built here.
    let mut contestants = find_contestants(options);
    server::prepare()?;
    let stills = tempfile::tempdir()?;
    shared::write_stills(stills.path(), options.bytes)?;
    let scene = Scene {
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
        "{viewers} viewers, {bytes} bytes, {fps} fps, {seconds} s; the servers on core 0, the crowd on core 1\n"
    );
    println!("{}", figures::heading("run", "server"));
    for run in 1..=options.runs {
        contestants.retain_mut(
            |contestant| match watch(options, &scene, &contestant.peer) {
                Ok(watched) => {
                    let name = contestant.peer.kind.name();
                    println!(
                        "{}",
                        figures::row(&run.to_string(), name, std::slice::from_ref(&watched))
                    );
                    if let Some(failure) = &watched.outcome.first_failure {
                        println!("{:8}the first viewer that failed: {failure}", "");
                    }
                    contestant.runs.push(watched);
                    true
                }
                Err(error) => {
                    println!(
                        "{:8}{:14}is left out from here on: {error}",
                        "",
                        contestant.peer.kind.name()
                    );
                    false
                }
            },
        );
        // Whoever comes first finds a colder machine, so all take turns at that too.
        if !contestants.is_empty() {
            contestants.rotate_left(1);
        }
    }
    print_medians(&mut contestants);
    Ok(())
}

/// The peers that can be had; for each of the others a line that says how to have it.
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
            println!("{} is left out: {why}", kind.name());
            None
        }
    });
    found.collect()
}

fn watch(options: &Options, scene: &Scene, peer: &Peer) -> Result<Run, Box<dyn Error>> {
    let server = peer.start(scene)?;
    Run::watch(&server, Plan::new("", options.viewers, options.seconds))
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

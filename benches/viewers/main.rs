//! Compares framecast with the minimum that one thread must spend: a bare loop of `send`.
//!
//! The same crowd of viewers reads the same pictures from two servers, in turn:
//!
//! - the **bare loop** ([`bare_loop`]): one `send` per viewer and frame, and nothing else;
//! - **framecast**.
//!
//! The server runs on core 0, the viewers and framecast's driver on core 1. The result is the CPU
//! time per delivered frame, and the ratio of the two: the cost of the whole server over the bare
//! loop.
//!
//! `cargo bench --bench viewers` runs the first of the [`cases`]; `-- --list` lists them and `--
//! --case NAME` runs another one.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use framecast::bench::process;
use rustix::process::Pid;

mod bare_loop;
mod cases;
// The viewers of `framecast bench`, and the modules that they use.
extern crate self as framecast;
include!("../shared/rooms.rs");

#[path = "../shared/mod.rs"]
mod shared;
mod syscalls;

use cases::{CASES, Case, Load};
use shared::figures::{self, Figure, Run, median};
use shared::server::{self, CROWD_CORE, Server};

/// Compare framecast with a bare loop: CPU time per delivered frame.
#[derive(Parser)]
struct Options {
    /// Case to run; see --list
    #[arg(long, default_value = CASES[0].name, value_parser = cases::find)]
    case: &'static Case,
    /// List the cases
    #[arg(long)]
    list: bool,
    /// Seconds of measurement per server and run
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Runs of each server
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Number of viewers, instead of the case's
    #[arg(long)]
    viewers: Option<usize>,
    /// Bytes of each picture, instead of the case's
    #[arg(long)]
    bytes: Option<usize>,
    /// Frames per second, instead of the case's
    #[arg(long)]
    fps: Option<f64>,
    /// Compare every byte between viewers; the viewers may then become the limit
    #[arg(long)]
    verify: bool,
    /// Also count framecast's system calls per delivered frame (needs strace)
    #[arg(long)]
    syscalls: bool,
    /// `cargo bench` adds this to the arguments of every bench.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// Commands of the child processes that this program starts from its own executable.
#[derive(Subcommand)]
enum Part {
    /// Run the bare loop.
    #[command(hide = true)]
    BareLoop { stills: PathBuf, fps: f64 },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.part {
        Some(Part::BareLoop { stills, fps }) => bare_loop::serve(stills, *fps).map_err(Into::into),
        None if options.list => {
            CASES
                .iter()
                .for_each(|case| println!("{:<8}{}", case.name, case.about));
            Ok(())
        }
        None => run(&options),
    };
    shared::exit_code(done)
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    server::prepare()?;
    println!(
        "{}; server on core 0, viewers and driver on core 1",
        options.case.about
    );
    let mut comparisons = Vec::new();
    for load in options.loads() {
        comparisons.push(compare(options, load)?);
    }
    if comparisons.len() > 1 {
        println!("\nmedians\n{}", figures::heading("viewers", "server"));
        for comparison in &comparisons {
            comparison.print_medians(
                &comparison
                    .load
                    .plan(options.seconds)
                    .connections()
                    .to_string(),
            );
        }
        comparisons.iter().for_each(Comparison::print_ratios);
    }
    println!("\n{}", figures::LEGEND);
    if options.syscalls {
        options.loads().try_for_each(count_syscalls)?;
    }
    Ok(())
}

impl Options {
    fn loads(&self) -> impl Iterator<Item = Load> {
        self.case.loads.iter().map(|load| Load {
            viewers: self.viewers.unwrap_or(load.viewers),
            bytes: self.bytes.unwrap_or(load.bytes),
            fps: self.fps.unwrap_or(load.fps),
            ..*load
        })
    }
}

/// The servers compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    BareLoop,
    Framecast,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::BareLoop => "bare loop",
            Self::Framecast => "framecast",
        }
    }

    fn start(self, stills: &Path, fps: f64) -> Result<Server, Box<dyn Error>> {
        let command = match self {
            Self::Framecast => server::framecast(stills, fps),
            Self::BareLoop => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("bare-loop").arg(stills).arg(fps.to_string());
                command
            }
        };
        let server = Server::start(command, None, "/stream")?;
        for camera in process::children(server.pid()) {
            server::pin(Pid::from_raw(camera as i32), CROWD_CORE)?;
        }
        Ok(server)
    }
}

/// All runs of one load, of both servers.
struct Comparison {
    load: Load,
    bare: Vec<Run>,
    framecast: Vec<Run>,
}

fn compare(options: &Options, load: Load) -> Result<Comparison, Box<dyn Error>> {
    let stills = tempfile::tempdir()?;
    shared::write_stills(stills.path(), load.bytes)?;
    println!(
        "\n{load}, {} s\n{}",
        options.seconds,
        figures::heading("run", "server")
    );
    let mut comparison = Comparison {
        load,
        bare: Vec::new(),
        framecast: Vec::new(),
    };
    for run in 1..=options.runs {
        // The first server of a run finds colder caches, so the order alternates.
        let order = match run % 2 {
            1 => [Kind::BareLoop, Kind::Framecast],
            _ => [Kind::Framecast, Kind::BareLoop],
        };
        for kind in order {
            let server = kind.start(stills.path(), load.fps)?;
            let plan = bench::Plan {
                verify: options.verify,
                ..load.plan(options.seconds)
            };
            let measured = Run::measure(&server, plan)?;
            println!(
                "{}",
                figures::row(
                    &run.to_string(),
                    kind.name(),
                    std::slice::from_ref(&measured)
                )
            );
            match kind {
                Kind::BareLoop => comparison.bare.push(measured),
                Kind::Framecast => comparison.framecast.push(measured),
            }
        }
    }
    comparison.print_medians("median");
    comparison.print_ratios();
    Ok(comparison)
}

impl Comparison {
    fn print_medians(&self, first: &str) {
        println!("{}", figures::row(first, Kind::BareLoop.name(), &self.bare));
        println!(
            "{}",
            figures::row(first, Kind::Framecast.name(), &self.framecast)
        );
    }

    fn print_ratios(&self) {
        let ratio = |figure: Figure, floor: Figure| {
            median(&self.framecast, figure) / median(&self.bare, floor)
        };
        println!(
            "{}: ratio framecast / bare loop: CPU per frame {:.2}, with the driver {:.2}; p99 latency {:.2}",
            self.load,
            ratio(Run::own_us, Run::own_us),
            ratio(Run::family_us, Run::own_us),
            ratio(Run::p99_ms, Run::p99_ms),
        );
    }
}

fn count_syscalls(load: Load) -> Result<(), Box<dyn Error>> {
    let stills = tempfile::tempdir()?;
    shared::write_stills(stills.path(), load.bytes)?;
    let server = Kind::Framecast.start(stills.path(), load.fps)?;
    // strace slows each system call many times. With few viewers, the server still keeps up and
    // makes the calls that it makes without strace.
    let viewers = load.viewers.min(syscalls::VIEWERS_MAX);
    let plan = bench::Plan::new(&server.url, viewers, syscalls::SECONDS);
    let Some(trace) = syscalls::Trace::attach(server.pid())? else {
        println!("strace: not installed; system calls are not counted");
        return Ok(());
    };
    let outcome = bench::run(&plan, &mut |_| ())?;
    let parts = outcome.parts() + outcome.joining_parts;
    println!(
        "\nsystem calls per delivered frame, {viewers} viewers, {} fps, {parts} frames:",
        load.fps
    );
    for (name, calls) in trace.finish()? {
        println!("{name:<16}{calls:>10}{:>10.4}", calls as f64 / parts as f64);
    }
    Ok(())
}

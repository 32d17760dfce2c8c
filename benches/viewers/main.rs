//! What framecast's one thread adds to what one thread must pay at least.
//!
//! In one run, by turns, the same crowd watches the same pictures from two servers:
//!
//! - the **bare loop** ([`bare_loop`]): one `send` per viewer and frame and nothing else, which is
//!   the floor;
//! - **framecast** itself.
//!
//! Each server has core 0 to itself; the crowd and framecast's camera share core 1. What is
//! compared is processor time per delivered frame, and the ratio of both is what the whole server
//! costs above the floor.
//!
//! `cargo bench --bench viewers` runs the first of the [`cases`]; `-- --list` names them, `--
//! --case NAME` runs another.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use framecast::bench::{self, process};
use rustix::process::Pid;

mod bare_loop;
mod cases;
#[path = "../shared/mod.rs"]
mod shared;
mod syscalls;

use cases::{CASES, Case, Load};
use shared::figures::{self, Figure, Run, median};
use shared::server::{self, CROWD_CORE, Server};

/// Compare framecast with a bare loop: processor time per delivered frame.
#[derive(Parser)]
struct Options {
    /// Which crowd; --list names them all
    #[arg(long, default_value = CASES[0].name, value_parser = cases::named)]
    case: &'static Case,
    /// Name the cases
    #[arg(long)]
    list: bool,
    /// How long figures are taken, per server and run
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How often both servers have their turn
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Another number of viewers than the case has
    #[arg(long)]
    viewers: Option<usize>,
    /// Another size of each picture
    #[arg(long)]
    bytes: Option<usize>,
    /// Another number of pictures per second
    #[arg(long)]
    fps: Option<f64>,
    /// Sum every byte and compare pictures between viewers; the crowd may then become the limit
    #[arg(long)]
    verify: bool,
    /// Also count framecast's system calls per delivered frame with strace, if it is installed
    #[arg(long)]
    syscalls: bool,
    /// What `cargo bench` adds to every benchmark's arguments.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program does when it starts itself again.
#[derive(Subcommand)]
enum Part {
    /// Be the bare loop.
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
    shared::conclude(done)
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    server::prepare()?;
    println!(
        "{}; the server on core 0, the crowd and the camera on core 1",
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

/// Which server.
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
        // Whoever comes first finds a colder machine, so they take turns at that too.
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
            let watched = Run::watch(&server, plan)?;
            println!(
                "{}",
                figures::row(
                    &run.to_string(),
                    kind.name(),
                    std::slice::from_ref(&watched)
                )
            );
            match kind {
                Kind::BareLoop => comparison.bare.push(watched),
                Kind::Framecast => comparison.framecast.push(watched),
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
            "{}: framecast costs {:.2} times the bare loop per delivered frame, with its camera {:.2} times; \
             p99 {:.2} times",
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
    // Tracing makes each system call many times slower: a small crowd leaves the server time to do
    // what it always does.
    let viewers = load.viewers.min(syscalls::VIEWERS_MAX);
    let plan = bench::Plan::new(&server.url, viewers, syscalls::SECONDS);
    let Some(trace) = syscalls::Trace::attach(server.pid())? else {
        println!("strace is not installed, so system calls are not counted");
        return Ok(());
    };
    let outcome = bench::run(&plan)?;
    let parts = outcome.parts() + outcome.parts_before;
    println!(
        "\nsystem calls per delivered frame, {viewers} viewers, {} fps, {parts} frames:",
        load.fps
    );
    for (name, calls) in trace.finish()? {
        println!("{name:<16}{calls:>10}{:>10.4}", calls as f64 / parts as f64);
    }
    Ok(())
}

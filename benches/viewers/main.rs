//! What framecast's one thread adds to what one thread must pay at least.
//!
//! In one run, by turns, the same crowd watches the same pictures from two servers:
//!
//! - the **bare loop** ([`bare_loop`]): one `send` per viewer and frame and nothing else, which is the floor;
//! - **framecast** itself.
//!
//! Each server has core 0 to itself; the crowd and framecast's camera share core 1. What is compared is processor time
//! per delivered frame, and the ratio of both is what the whole server costs above the floor.
//!
//! `cargo bench --bench viewers -- --viewers 1000 --bytes 15000 --fps 30 --seconds 5 --runs 5`

use std::error::Error;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use framecast::bench::{self, Outcome, Plan};

mod bare_loop;
mod servers;
mod stills;
mod syscalls;

use servers::{CROWD_CORE, Kind, Server};

/// Compare framecast with a bare loop: processor time per delivered frame.
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
    /// How often both servers have their turn
    #[arg(long, default_value_t = 5)]
    runs: usize,
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
    part: Option<servers::Part>,
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    let done = match options.part.take() {
        Some(part) => part.play().map_err(Into::into),
        None => run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    servers::pin(None, CROWD_CORE)?;
    let directory = tempfile::tempdir()?;
    stills::write(directory.path(), options.bytes)?;
    println!(
        "{} viewers, {} bytes, {} fps, {} s; the server on core 0, the crowd on core 1",
        options.viewers, options.bytes, options.fps, options.seconds
    );
    compare(options, directory.path())?;
    if options.syscalls {
        count_syscalls(options, directory.path())?;
    }
    Ok(())
}

/// The figures of all runs, of both servers.
#[derive(Default)]
struct Runs {
    bare: Vec<Outcome>,
    framecast: Vec<Outcome>,
}

fn compare(options: &Options, stills: &Path) -> Result<(), Box<dyn Error>> {
    println!("{HEADING}");
    let mut runs = Runs::default();
    for run in 1..=options.runs {
        // Whoever comes first finds a colder machine, so they take turns at that too.
        let order = match run % 2 {
            1 => [Kind::BareLoop, Kind::Framecast],
            _ => [Kind::Framecast, Kind::BareLoop],
        };
        for kind in order {
            let outcome = watch(options, stills, kind)?;
            println!("{run:<7}{}", row(kind, &Medians::of(std::slice::from_ref(&outcome))));
            match kind {
                Kind::BareLoop => runs.bare.push(outcome),
                Kind::Framecast => runs.framecast.push(outcome),
            }
        }
    }
    let (bare, framecast) = (Medians::of(&runs.bare), Medians::of(&runs.framecast));
    println!("{:<7}{}", "median", row(Kind::BareLoop, &bare));
    println!("{:<7}{}", "median", row(Kind::Framecast, &framecast));
    println!(
        "framecast costs {:.2} times the bare loop per delivered frame; with its camera {:.2} times",
        framecast.own_us / bare.own_us,
        framecast.family_us / bare.own_us
    );
    Ok(())
}

fn watch(options: &Options, stills: &Path, kind: Kind) -> Result<Outcome, Box<dyn Error>> {
    let server = Server::start(kind, stills, options.fps)?;
    let plan = Plan {
        pid: Some(server.pid()),
        verify: options.verify,
        ..Plan::new(&server.url, options.viewers, options.seconds)
    };
    Ok(bench::run(&plan)?)
}

fn count_syscalls(options: &Options, stills: &Path) -> Result<(), Box<dyn Error>> {
    let server = Server::start(Kind::Framecast, stills, options.fps)?;
    // Tracing makes each system call many times slower: a small crowd leaves the server time to do what it always does.
    let plan = Plan::new(&server.url, options.viewers.min(syscalls::VIEWERS_MAX), syscalls::SECONDS);
    let Some(trace) = syscalls::Trace::attach(server.pid())? else {
        println!("strace is not installed, so system calls are not counted");
        return Ok(());
    };
    let outcome = bench::run(&plan)?;
    let parts = outcome.parts() + outcome.parts_before;
    println!("\nsystem calls per delivered frame, {} viewers, {parts} frames:", plan.viewers);
    for (name, calls) in trace.finish()? {
        println!("{name:<16}{calls:>10}{:>10.4}", calls as f64 / parts as f64);
    }
    Ok(())
}

const HEADING: &str = "run    server      us/frame  +camera  fps min  median  short   torn fallen  \
                       failed closed   p50 ms   p99 ms  crowd %";

/// One figure of each kind: of one run, or the medians of several.
struct Medians {
    own_us: f64,
    family_us: f64,
    fps_min: f64,
    fps_median: f64,
    short: f64,
    torn: f64,
    fallen: f64,
    failed: f64,
    closed: f64,
    p50_ms: f64,
    p99_ms: f64,
    crowd_percent: f64,
}

impl Medians {
    fn of(outcomes: &[Outcome]) -> Self {
        let median = |figure: fn(&Outcome) -> f64| {
            let mut figures: Vec<f64> = outcomes.iter().map(figure).collect();
            figures.sort_unstable_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
        };
        Self {
            own_us: median(|outcome| outcome.cpu_per_part_us().unwrap_or(f64::NAN)),
            family_us: median(|outcome| outcome.family_cpu_per_part_us().unwrap_or(f64::NAN)),
            fps_min: median(|outcome| outcome.steady.fps.map_or(0.0, |fps| fps.min)),
            fps_median: median(|outcome| outcome.steady.fps.map_or(0.0, |fps| fps.median)),
            short: median(|outcome| outcome.steady.fps.map_or(0.0, |fps| fps.short_viewers as f64)),
            torn: median(|outcome| outcome.steady.tally.torn as f64),
            fallen: median(|outcome| outcome.steady.tally.out_of_order as f64),
            failed: median(|outcome| outcome.steady.failed as f64),
            closed: median(|outcome| outcome.steady.closed_by_server as f64),
            p50_ms: median(|outcome| outcome.steady.latency.p50_ms),
            p99_ms: median(|outcome| outcome.steady.latency.p99_ms),
            crowd_percent: median(|outcome| outcome.crowd.cpu_percent),
        }
    }
}

fn row(kind: Kind, figures: &Medians) -> String {
    let name = match kind {
        Kind::BareLoop => "bare loop",
        Kind::Framecast => "framecast",
    };
    let Medians { own_us, family_us, fps_min, fps_median, .. } = figures;
    let Medians { short, torn, fallen, failed, closed, .. } = figures;
    let Medians { p50_ms, p99_ms, crowd_percent, .. } = figures;
    format!(
        "{name:<12}{own_us:>8.3}{family_us:>9.3}{fps_min:>9.2}{fps_median:>8.2}{short:>7}{torn:>7}{fallen:>7}\
         {failed:>8}{closed:>7}{p50_ms:>9.2}{p99_ms:>9.2}{crowd_percent:>9.1}"
    )
}

/// An error with a sentence of its own.
fn error(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}

//! Servers whose cameras are other servers: what each level of such a tree adds to a frame's way.
//!
//! By turns, the same crowds watch a server itself (the origin), two edges that take its frames
//! from a Redis channel, two relays that take its stream, and two relays of a relay. A frame keeps
//! the time at which the origin captured it, so that latency is measured from there to a viewer's
//! last byte, through however many levels. Every server, Redis and the drivers have core 0 and the
//! crowds core 1.
//!
//! `cargo bench --bench tree`, or `-- --viewers 100 --fps 30`

use std::error::Error;
use std::net::TcpListener;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;

use clap::Parser;
use framecast::bench::{self, Outcome, Plan};
use tempfile::TempDir;

#[allow(
    dead_code,
    reason = "most of its figures are of one server each, those of a tree of several"
)]
#[path = "../shared/mod.rs"]
mod shared;

use shared::figures::median;
use shared::server::{self, Server};

/// Servers at the end of the tree, each with a crowd of its own.
const EDGES: usize = 2;

/// Measure what each level of servers adds to a frame's way
#[derive(Parser)]
struct Options {
    /// Viewers that watch each edge
    #[arg(long, default_value_t = 2000)]
    viewers: usize,
    /// The size of each picture
    #[arg(long, default_value_t = 15_000)]
    bytes: usize,
    /// Pictures per second
    #[arg(long, default_value_t = 10.0)]
    fps: f64,
    /// How long figures are taken, per tree and run
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How often every tree has its turn
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// What `cargo bench` adds to every benchmark's arguments.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    shared::conclude(run(&Options::parse()))
}

/// How frames come from the origin to the edges.
#[derive(Clone, Copy)]
enum Tree {
    /// There is nothing between: the origin is watched.
    Origin,
    /// Over a Redis channel.
    Redis,
    /// As streams, through so many levels of relays, the edges included.
    Relays(usize),
}

impl Tree {
    const ALL: [Self; 4] = [Self::Origin, Self::Redis, Self::Relays(1), Self::Relays(2)];

    fn name(self) -> String {
        match self {
            Self::Origin => "the origin itself".into(),
            Self::Redis => format!("Redis, then {EDGES} edges"),
            Self::Relays(1) => format!("{EDGES} relays"),
            Self::Relays(levels) => format!("{EDGES} relays, level {levels}"),
        }
    }

    fn levels(self) -> usize {
        match self {
            Self::Origin => 0,
            Self::Redis => 1,
            Self::Relays(levels) => levels,
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    server::prepare()?;
    let stills = tempfile::tempdir()?;
    shared::write_stills(stills.path(), options.bytes)?;
    let redis = Redis::start()?;
    let Options {
        viewers,
        bytes,
        fps,
        seconds,
        ..
    } = options;
    println!("{viewers} viewers for each of {EDGES} edges, {bytes} bytes, {fps} fps, {seconds} s");
    println!("run     tree                       p50 ms   p99 ms added a level  fps min   torn");
    let mut runs: Vec<Vec<Row>> = Tree::ALL.iter().map(|_| Vec::new()).collect();
    for run in 1..=options.runs {
        let mut direct = f64::NAN;
        for (tree, rows) in Tree::ALL.into_iter().zip(&mut runs) {
            let outcomes = watch(tree, options, &stills, &redis)?;
            let mut row = Row::of(&outcomes);
            match tree.levels() {
                0 => direct = row.p50_ms,
                levels => row.added_ms = (row.p50_ms - direct) / levels as f64,
            }
            row.print(&run.to_string(), &tree.name());
            rows.push(row);
        }
    }
    println!();
    for (tree, rows) in Tree::ALL.into_iter().zip(&runs) {
        Row::median(rows).print("median", &tree.name());
    }
    Ok(())
}

/// Grows a tree, has a crowd watch each of its ends at once, and cuts it down.
fn watch(
    tree: Tree,
    options: &Options,
    stills: &TempDir,
    redis: &Redis,
) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let mut command = server::framecast(stills.path(), options.fps);
    let url = format!("redis://{}/cam", redis.address);
    if matches!(tree, Tree::Redis) {
        command.args(["--publish", &url]);
    }
    let origin = Server::start(command, None, "/stream")?;
    let mut between = Vec::new();
    let mut source = origin.url.clone();
    if matches!(tree, Tree::Redis) {
        source = url;
    }
    for _ in 1..tree.levels() {
        let relay = Server::start(relay(&source), None, "/stream")?;
        source = relay.url.clone();
        between.push(relay);
    }
    let edges = match tree {
        Tree::Origin => vec![origin.url.clone(); EDGES],
        _ => {
            let edges: Vec<Server> = (0..EDGES)
                .map(|_| Server::start(relay(&source), None, "/stream"))
                .collect::<Result<_, _>>()?;
            let urls = edges.iter().map(|edge| edge.url.clone()).collect();
            between.extend(edges);
            urls
        }
    };
    let crowds: Vec<_> = edges
        .into_iter()
        .map(|url| {
            let plan = Plan::new(&url, options.viewers, options.seconds);
            thread::spawn(move || bench::run(&plan).map_err(|error| error.to_string()))
        })
        .collect();
    let outcomes = crowds.into_iter().map(|crowd| {
        crowd
            .join()
            .map_err(|_| "a crowd panicked")?
            .map_err(Into::into)
    });
    let outcomes = outcomes.collect();
    // From the leaves to the root, or those that are left would say that they have lost their
    // camera.
    while between.pop().is_some() {}
    outcomes
}

/// A server that shows what another one does.
fn relay(source: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command.args([
        "serve",
        "--quiet",
        "--listen",
        "127.0.0.1:0",
        "--camera",
        source,
    ]);
    command
}

/// The figures of one tree, the worst of its crowds each.
#[derive(Clone, Copy)]
struct Row {
    p50_ms: f64,
    p99_ms: f64,
    /// What each level adds to the median.
    added_ms: f64,
    fps_min: f64,
    torn: u64,
}

impl Row {
    fn of(outcomes: &[Outcome]) -> Self {
        let steady = || outcomes.iter().map(|outcome| &outcome.steady);
        let fps_min = steady()
            .map(|steady| steady.fps.map_or(0.0, |fps| fps.min))
            .fold(f64::INFINITY, f64::min);
        Self {
            p50_ms: steady()
                .map(|steady| steady.latency.p50_ms)
                .fold(0.0, f64::max),
            p99_ms: steady()
                .map(|steady| steady.latency.p99_ms)
                .fold(0.0, f64::max),
            added_ms: f64::NAN,
            fps_min,
            torn: steady()
                .map(|steady| steady.tally.torn + steady.tally.out_of_order)
                .sum(),
        }
    }

    fn median(rows: &[Self]) -> Self {
        let median = |figure: fn(&Self) -> f64| median(rows, figure);
        Self {
            p50_ms: median(|row| row.p50_ms),
            p99_ms: median(|row| row.p99_ms),
            added_ms: median(|row| row.added_ms),
            fps_min: median(|row| row.fps_min),
            torn: rows.iter().map(|row| row.torn).sum(),
        }
    }

    fn print(&self, first: &str, tree: &str) {
        let added = if self.added_ms.is_nan() {
            "-".into()
        } else {
            format!("{:.2}", self.added_ms)
        };
        let Self {
            p50_ms,
            p99_ms,
            fps_min,
            torn,
            ..
        } = self;
        println!(
            "{first:<8}{tree:<24}{p50_ms:>9.2}{p99_ms:>9.2}{added:>14}{fps_min:>9.2}{torn:>7}"
        );
    }
}

/// A Redis of our own, on a free port and without a file.
struct Redis {
    child: Child,
    address: String,
}

impl Redis {
    fn start() -> Result<Self, Box<dyn Error>> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--daemonize",
            "no",
        ]);
        let started = server::on_server_core(|| command.stdout(Stdio::null()).spawn())?;
        let child = started
            .map_err(|error| format!("redis-server cannot be started: {error}; install it"))?;
        Ok(Self {
            child,
            address: format!("127.0.0.1:{port}"),
        })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

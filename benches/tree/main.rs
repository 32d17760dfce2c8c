//! Measures a tree of servers whose cameras are other servers: the latency added by each level.
//!
//! The same crowds of viewers read, in turn, from the first server (the origin), from two edges
//! that receive its frames through a Redis channel, from two relays that receive its stream, and
//! from two relays of a relay. A frame keeps the origin's capture time, so latency is measured from
//! the origin's driver to the viewer's last byte, at any depth. All servers, Redis and the drivers
//! run on core 0, the viewers on core 1.
//!
//! `cargo bench --bench tree`, or `-- --viewers 100 --fps 30`

use std::error::Error;
use std::net::TcpListener;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;

use clap::Parser;
use framecast::bench::{Outcome, Plan};
use tempfile::TempDir;

// The viewers of `framecast bench`, and the modules that they use.
extern crate self as framecast;
include!("../shared/rooms.rs");

#[allow(
    dead_code,
    reason = "most shared figures are for one server; this bench measures several"
)]
#[path = "../shared/mod.rs"]
mod shared;

use shared::figures::median;
use shared::server::{self, Server};

/// Servers in the last level, each with its own viewers.
const EDGES: usize = 2;

/// Measure the latency added by each level of a tree of servers
#[derive(Parser)]
struct Options {
    /// Viewers of each edge
    #[arg(long, default_value_t = 2000)]
    viewers: usize,
    /// Bytes of each picture
    #[arg(long, default_value_t = 15_000)]
    bytes: usize,
    /// Frames per second
    #[arg(long, default_value_t = 10.0)]
    fps: f64,
    /// Seconds of measurement per tree and run
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Runs of each tree
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// `cargo bench` adds this to the arguments of every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    shared::exit_code(run(&Options::parse()))
}

/// The path of frames from the origin to the edges.
#[derive(Clone, Copy)]
enum Tree {
    /// No path: viewers read from the origin.
    Origin,
    /// A Redis channel.
    Redis,
    /// This many levels of relays, including the edges.
    Relays(usize),
}

impl Tree {
    const ALL: [Self; 4] = [Self::Origin, Self::Redis, Self::Relays(1), Self::Relays(2)];

    fn name(self) -> String {
        match self {
            Self::Origin => "origin".into(),
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
    println!("run     tree                       p50 ms   p99 ms added/level    fps min   damaged");
    let mut runs: Vec<Vec<Row>> = Tree::ALL.iter().map(|_| Vec::new()).collect();
    for run in 1..=options.runs {
        let mut direct = f64::NAN;
        for (tree, rows) in Tree::ALL.into_iter().zip(&mut runs) {
            let outcomes = measure(tree, options, &stills, &redis)?;
            let mut row = Row::from_outcomes(&outcomes);
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

/// Starts a tree, measures all edges at the same time, and ends the tree.
fn measure(
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
    let mut servers = Vec::new();
    let mut source = origin.url.clone();
    if matches!(tree, Tree::Redis) {
        source = url;
    }
    for _ in 1..tree.levels() {
        let relay = Server::start(relay(&source), None, "/stream")?;
        source = relay.url.clone();
        servers.push(relay);
    }
    let edges = match tree {
        Tree::Origin => vec![origin.url.clone(); EDGES],
        _ => {
            let edges: Vec<Server> = (0..EDGES)
                .map(|_| Server::start(relay(&source), None, "/stream"))
                .collect::<Result<_, _>>()?;
            let urls = edges.iter().map(|edge| edge.url.clone()).collect();
            servers.extend(edges);
            urls
        }
    };
    let crowds: Vec<_> = edges
        .into_iter()
        .map(|url| {
            let plan = Plan::new(&url, options.viewers, options.seconds);
            thread::spawn(move || bench::run(&plan, &mut |_| ()).map_err(|error| error.to_string()))
        })
        .collect();
    let outcomes = crowds.into_iter().map(|crowd| {
        crowd
            .join()
            .map_err(|_| "a thread of viewers panicked")?
            .map_err(Into::into)
    });
    let outcomes = outcomes.collect();
    // From the edges to the origin: otherwise a remaining server would log that its camera is
    // offline.
    while servers.pop().is_some() {}
    outcomes
}

/// Returns the command of a server whose camera is another server or a Redis channel.
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

/// The figures of one tree: of each figure, the worst over its edges.
#[derive(Clone, Copy)]
struct Row {
    p50_ms: f64,
    p99_ms: f64,
    /// Median latency added by each level.
    added_ms: f64,
    fps_min: f64,
    damaged: u64,
}

impl Row {
    fn from_outcomes(outcomes: &[Outcome]) -> Self {
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
            damaged: steady()
                .map(|steady| steady.tally.damaged + steady.tally.out_of_order)
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
            damaged: rows.iter().map(|row| row.damaged).sum(),
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
            damaged,
            ..
        } = self;
        println!(
            "{first:<8}{tree:<24}{p50_ms:>9.2}{p99_ms:>9.2}{added:>14}{fps_min:>9.2}{damaged:>10}"
        );
    }
}

/// A Redis server on a free port, without persistence.
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
            .map_err(|error| format!("redis-server: {error}; run apt install redis-server"))?;
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

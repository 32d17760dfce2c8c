//! Measured figures as columns of a table: one row per run, and a row of medians over several runs.

use std::error::Error;

use framecast::bench::outcome::{Group, Quantiles};
use framecast::bench::process::Meter;
use framecast::bench::{self, Outcome, Plan};

use super::server::Server;

/// One measurement: one crowd of viewers against one server.
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    /// The server's resident memory before the viewers connected.
    rss_idle_bytes: u64,
}

/// Returns one figure of a run, or NaN if the run did not measure it.
pub(crate) type Figure = fn(&Run) -> f64;

/// Heading, number of decimals, figure.
const COLUMNS: [(&str, usize, Figure); 15] = [
    ("us/frame", 3, Run::own_us),
    ("+child", 3, Run::family_us),
    ("fps min", 2, |run| {
        run.outcome.steady.fps.map_or(0.0, |fps| fps.min)
    }),
    ("median", 2, |run| {
        run.outcome.steady.fps.map_or(0.0, |fps| fps.median)
    }),
    ("short", 0, |run| {
        run.outcome
            .steady
            .fps
            .map_or(0.0, |fps| fps.short_viewers as f64)
    }),
    ("damaged", 0, |run| run.sum(|group| group.tally.damaged)),
    ("order", 0, |run| run.sum(|group| group.tally.out_of_order)),
    ("failed", 0, |run| run.sum(|group| group.failed as u64)),
    ("closed", 0, |run| {
        run.sum(|group| group.closed_by_server as u64)
    }),
    ("p50 ms", 2, |run| run.latency(|latency| latency.p50_ms)),
    ("p99 ms", 2, Run::p99_ms),
    ("bench %", 1, |run| run.outcome.bench.cpu_percent),
    ("MiB", 1, |run| {
        mebibytes(run.outcome.server.map(|server| server.own.rss_peak_bytes))
    }),
    ("+child", 1, |run| {
        mebibytes(
            run.outcome
                .server
                .map(|server| server.children.rss_peak_bytes),
        )
    }),
    ("KiB/view", 2, Run::kibibytes_per_viewer),
];

/// Explains the columns.
pub(crate) const LEGEND: &str = "\
us/frame: CPU time of the server per delivered frame; +child: the same including its child processes
fps, short, latency: viewers that read at full speed; short: viewers with fewer frames than the best one
damaged, order: incomplete parts and parts out of order, over all viewers
failed, closed: viewers without a response, and viewers that the server closed
bench %: CPU of the viewers' core; near 100, the viewers are the limit and not the server
MiB: peak resident memory, of the server and of its children; KiB/view: growth over the idle server, per viewer";

impl Run {
    /// Runs a plan's viewers against a server.
    pub(crate) fn measure(server: &Server, plan: Plan) -> Result<Self, Box<dyn Error>> {
        let rss_idle_bytes = Meter::start(server.pid())?.finish().own.rss_end_bytes;
        let outcome = bench::run(
            &Plan {
                pid: Some(server.pid()),
                url: server.url.clone().into(),
                ..plan
            },
            &mut |_| (),
        )?;
        Ok(Self {
            outcome,
            rss_idle_bytes,
        })
    }

    /// Returns the server's own CPU time per delivered frame, in microseconds.
    pub(crate) fn own_us(&self) -> f64 {
        self.outcome.cpu_per_part_us().unwrap_or(f64::NAN)
    }

    /// Returns the CPU time per delivered frame including child processes, in microseconds.
    pub(crate) fn family_us(&self) -> f64 {
        self.outcome.family_cpu_per_part_us().unwrap_or(f64::NAN)
    }

    /// Returns the 99th percentile of the latency, in milliseconds.
    pub(crate) fn p99_ms(&self) -> f64 {
        self.latency(|latency| latency.p99_ms)
    }

    /// Returns the growth of the server's resident memory per viewer, in KiB.
    pub(crate) fn kibibytes_per_viewer(&self) -> f64 {
        let peak = self
            .outcome
            .server
            .map_or(f64::NAN, |server| server.own.rss_peak_bytes as f64);
        (peak - self.rss_idle_bytes as f64) / 1024.0 / self.outcome.plan.connections() as f64
    }

    fn latency(&self, figure: fn(&Quantiles) -> f64) -> f64 {
        let latency = &self.outcome.steady.latency;
        if latency.count > 0 {
            figure(latency)
        } else {
            f64::NAN
        }
    }

    fn sum(&self, figure: fn(&Group) -> u64) -> f64 {
        self.outcome
            .groups()
            .iter()
            .map(|(_, group)| figure(group))
            .sum::<u64>() as f64
    }
}

/// Returns the median of a figure over several runs.
pub(crate) fn median<T>(runs: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Formats the headings over the rows of [`row`].
pub(crate) fn heading(first: &str, second: &str) -> String {
    let columns: String = COLUMNS
        .iter()
        .map(|(heading, _, _)| format!("{heading:>9}"))
        .collect();
    format!("{first:<8}{second:<14}{columns}")
}

/// Formats one run, or the medians of several.
pub(crate) fn row(first: &str, second: &str, runs: &[Run]) -> String {
    let cell = |(_, decimals, figure): &(&str, usize, Figure)| match median(runs, *figure) {
        figure if figure.is_nan() => format!("{:>9}", "-"),
        figure => format!("{figure:>9.decimals$}"),
    };
    format!(
        "{first:<8}{second:<14}{}",
        COLUMNS.iter().map(cell).collect::<String>()
    )
}

fn mebibytes(bytes: Option<u64>) -> f64 {
    bytes.map_or(f64::NAN, |bytes| bytes as f64 / (1024.0 * 1024.0))
}

//! The figures of runs, as columns of a table; of several runs, the median of each.

use std::error::Error;

use framecast::bench::process::Meter;
use framecast::bench::{self, Group, Outcome, Plan, Quantiles};

use super::server::Server;

/// One crowd that has watched one server.
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    /// The server's resident memory before the crowd came.
    rss_idle_bytes: u64,
}

/// One figure of a run; not a number where the run does not tell it.
pub(crate) type Figure = fn(&Run) -> f64;

/// A heading, the decimals shown, and the figure.
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
    ("torn", 0, |run| run.sum(|group| group.tally.torn)),
    ("fallen", 0, |run| run.sum(|group| group.tally.out_of_order)),
    ("failed", 0, |run| run.sum(|group| group.failed as u64)),
    ("closed", 0, |run| {
        run.sum(|group| group.closed_by_server as u64)
    }),
    ("p50 ms", 2, |run| run.latency(|latency| latency.p50_ms)),
    ("p99 ms", 2, Run::p99_ms),
    ("crowd %", 1, |run| run.outcome.crowd.cpu_percent),
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

/// What the columns mean.
pub(crate) const LEGEND: &str = "\
us/frame: the server's processor time for each frame it delivered, and with its children's
fps, short, latency: of the viewers that read as fast as they can; short are those that lack frames the best one got
torn, fallen, failed, closed: of all viewers; parts cut or out of order, viewers never served or let go
crowd %: of its core; near 100 the crowd is the limit, not the server
MiB: resident memory at its peak, the server's and its children's; KiB/view: its growth over the idle server's";

impl Run {
    /// Lets the crowd of a plan watch a server.
    pub(crate) fn watch(server: &Server, plan: Plan) -> Result<Self, Box<dyn Error>> {
        let rss_idle_bytes = Meter::start(server.pid())?.finish().own.rss_end_bytes;
        let outcome = bench::run(&Plan {
            pid: Some(server.pid()),
            url: server.url.clone().into(),
            ..plan
        })?;
        Ok(Self {
            outcome,
            rss_idle_bytes,
        })
    }

    /// The server's own processor time for each delivered frame, in microseconds.
    pub(crate) fn own_us(&self) -> f64 {
        self.outcome.cpu_per_part_us().unwrap_or(f64::NAN)
    }

    /// The same with its children's.
    pub(crate) fn family_us(&self) -> f64 {
        self.outcome.family_cpu_per_part_us().unwrap_or(f64::NAN)
    }

    /// All but a hundredth of the frames are no later, in milliseconds.
    pub(crate) fn p99_ms(&self) -> f64 {
        self.latency(|latency| latency.p99_ms)
    }

    /// What each viewer adds to the server's resident memory, in KiB.
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

/// The median of a figure over runs, of whatever each of them is.
pub(crate) fn median<T>(runs: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The headings over [`row`]s.
pub(crate) fn heading(first: &str, second: &str) -> String {
    let columns: String = COLUMNS
        .iter()
        .map(|(heading, _, _)| format!("{heading:>9}"))
        .collect();
    format!("{first:<8}{second:<14}{columns}")
}

/// One run, or the medians of several.
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

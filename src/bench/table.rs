//! Formats an outcome as text tables.

use std::fmt;

use super::outcome::{Group, Outcome, Quantiles};
use super::process::{FamilyUsage, Usage};

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let url = &self.plan.url;
        writeln!(
            out,
            "{url}: measured for {:.1} s, after connecting all viewers in {:.1} s",
            self.seconds, self.joining_seconds
        )?;
        writeln!(out)?;
        self.write_deliveries(out)?;
        writeln!(out)?;
        self.write_times(out)?;
        writeln!(out)?;
        if let Some(server) = &self.server {
            self.write_server(out, server)?;
        }
        write_usage(out, "bench", &self.bench)?;
        if let Some(failure) = &self.first_failure {
            writeln!(out, "\nthe first viewer that failed: {failure}")?;
        }
        Ok(())
    }
}

impl Outcome {
    fn write_deliveries(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(
            out,
            "{:<9}{:>8}{:>8}{:>8}{:>10}",
            "viewers", "joined", "failed", "closed", "frames"
        )?;
        write!(
            out,
            "{:>9}{:>8}{:>8}{:>8}",
            "fps min", "median", "max", "short"
        )?;
        writeln!(
            out,
            "{:>9}{:>9}{:>14}{:>9}{:>8}",
            "skipped", "repeated", "out of order", "damaged", "differ"
        )?;
        for (name, group) in self.present_groups() {
            let tally = &group.tally;
            let joined = group.viewers.saturating_sub(group.failed);
            write!(
                out,
                "{name:<9}{joined:>8}{:>8}{:>8}{:>10}",
                group.failed, group.closed_by_server, tally.frames
            )?;
            match group.fps {
                Some(fps) => {
                    write!(
                        out,
                        "{:>9.2}{:>8.2}{:>8.2}{:>8}",
                        fps.min, fps.median, fps.max, fps.short_viewers
                    )?;
                }
                None => write!(out, "{:>9}{:>8}{:>8}{:>8}", "-", "-", "-", "-")?,
            }
            let differ = if self.plan.verify {
                group.mismatched.to_string()
            } else {
                "-".to_owned()
            };
            let skipped = tally
                .skipped
                .map_or("-".to_owned(), |skipped| skipped.to_string());
            write!(out, "{skipped:>9}{:>9}", tally.repeated)?;
            writeln!(
                out,
                "{:>14}{:>9}{differ:>8}",
                tally.out_of_order, tally.damaged
            )?;
        }
        let bytes: u64 = self
            .groups()
            .iter()
            .map(|(_, group)| group.tally.bytes)
            .sum();
        let megabytes = bytes as f64 / 1e6;
        writeln!(
            out,
            "{megabytes:.1} MB received, {:.1} MB/s",
            megabytes / self.seconds
        )
    }

    fn write_times(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let [p50, p90, p99, max] = ["p50", "p90", "p99", "max"];
        writeln!(
            out,
            "{:<26}{p50:>10}{p90:>10}{p99:>10}{max:>10}",
            "milliseconds"
        )?;
        for (name, group) in self.present_groups() {
            write_quantiles(out, &format!("{name}: latency"), &group.latency)?;
            write_quantiles(out, &format!("{name}: first frame"), &group.first_frame)?;
        }
        write_quantiles(out, "spread", &self.spread)
    }

    fn write_server(&self, out: &mut fmt::Formatter, server: &FamilyUsage) -> fmt::Result {
        write_usage(out, "server", &server.own)?;
        if server.has_children() {
            write_usage(out, "children", &server.children)?;
        }
        match (self.cpu_per_part_us(), self.family_cpu_per_part_us()) {
            (Some(own), Some(family)) if server.has_children() => writeln!(
                out,
                "CPU per frame: server {own:.2} us, with its children {family:.2} us"
            ),
            (Some(own), _) => writeln!(out, "CPU per frame: server {own:.2} us"),
            (None, _) => Ok(()),
        }
    }

    fn present_groups(&self) -> impl Iterator<Item = (&'static str, &Group)> {
        self.groups()
            .into_iter()
            .filter(|(_, group)| group.viewers > 0)
    }
}

/// The heading of a ramp.
pub(super) const RAMP_HEADING: &str = concat!(
    " viewers  joined  fps min  median  damaged    p50 ms    p99 ms",
    "  CPU us/frame  server %  server MiB  bench %"
);

/// Formats a step of a ramp: its steady viewers, and the usage of the server without children.
pub(super) fn ramp_row(step: &Outcome) -> String {
    let steady = &step.steady;
    let (fps, latency) = (steady.fps.unwrap_or_default(), steady.latency);
    let known =
        |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.2}"));
    let timed = |milliseconds| known((latency.count > 0).then_some(milliseconds));
    let server = step.server.map(|server| server.own);
    format!(
        "{:>8}{:>8}{:>9.2}{:>8.2}{:>9}{:>10}{:>10}{:>14}{:>10}{:>12}{:>9.1}",
        steady.viewers,
        steady.viewers - steady.failed,
        fps.min,
        fps.median,
        step.groups()
            .iter()
            .map(|(_, group)| group.tally.damaged)
            .sum::<u64>(),
        timed(latency.p50_ms),
        timed(latency.p99_ms),
        known(step.cpu_per_part_us()),
        known(server.map(|server| server.cpu_percent)),
        known(server.map(|server| mebibytes(server.rss_end_bytes))),
        step.bench.cpu_percent,
    )
}

fn write_quantiles(out: &mut fmt::Formatter, name: &str, times: &Quantiles) -> fmt::Result {
    if times.count == 0 {
        return Ok(());
    }
    let Quantiles {
        p50_ms,
        p90_ms,
        p99_ms,
        max_ms,
        ..
    } = times;
    writeln!(
        out,
        "{name:<26}{p50_ms:>10.2}{p90_ms:>10.2}{p99_ms:>10.2}{max_ms:>10.2}"
    )
}

fn write_usage(out: &mut fmt::Formatter, name: &str, usage: &Usage) -> fmt::Result {
    writeln!(
        out,
        "{name:<13} CPU {:>8.3} s, {:>5.1} % of a core; \
         memory {:.1} MiB at the start, {:.1} MiB at the end, peak {:.1} MiB",
        usage.cpu_seconds,
        usage.cpu_percent,
        mebibytes(usage.rss_start_bytes),
        mebibytes(usage.rss_end_bytes),
        mebibytes(usage.rss_peak_bytes),
    )
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

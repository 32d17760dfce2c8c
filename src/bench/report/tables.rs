//! All figures of all steps, as HTML tables.

use crate::bench::outcome::{Group, Outcome, Quantiles};
use crate::bench::process::Usage;
use crate::bench::verdict::grouped;

use super::escape;

/// A column: its name and its unit, which may be empty.
type Column = (&'static str, &'static str);

const SUMMARY: [Column; 11] = [
    ("viewers", ""),
    ("min", "fps"),
    ("median", "fps"),
    ("damaged", "frames"),
    ("latency p50", "ms"),
    ("p99", "ms"),
    ("CPU per frame", "µs"),
    ("with children", "µs"),
    ("server CPU", "% of a core"),
    ("server memory", "MiB"),
    ("bench CPU", "% of a core"),
];

const DELIVERIES: [Column; 15] = [
    ("viewers", ""),
    ("kind", ""),
    ("joined", ""),
    ("failed", ""),
    ("closed", ""),
    ("frames", ""),
    ("min", "fps"),
    ("median", "fps"),
    ("max", "fps"),
    ("short", "viewers"),
    ("skipped", "frames"),
    ("repeated", "frames"),
    ("out of order", "frames"),
    ("damaged", "frames"),
    ("differ", "frames"),
];

const TIMES: [Column; 7] = [
    ("viewers", ""),
    ("time", ""),
    ("count", ""),
    ("p50", "ms"),
    ("p90", "ms"),
    ("p99", "ms"),
    ("max", "ms"),
];

const PROCESSES: [Column; 7] = [
    ("viewers", ""),
    ("process", ""),
    ("CPU", "s"),
    ("CPU", "% of a core"),
    ("memory at the start", "MiB"),
    ("at the end", "MiB"),
    ("peak", "MiB"),
];

/// Returns the overview table, with a row per step.
pub(super) fn summary(steps: &[Outcome]) -> String {
    let row = |step: &Outcome| {
        let Outcome {
            steady,
            server,
            bench,
            ..
        } = step;
        let damaged: u64 = step
            .groups()
            .iter()
            .map(|(_, group)| group.tally.damaged)
            .sum();
        let latency = |milliseconds| (steady.latency.count > 0).then_some(milliseconds);
        vec![
            viewers(step),
            known(steady.fps.map(|fps| fps.min)),
            known(steady.fps.map(|fps| fps.median)),
            grouped(damaged),
            known(latency(steady.latency.p50_ms)),
            known(latency(steady.latency.p99_ms)),
            known(step.cpu_per_part_us()),
            known(step.family_cpu_per_part_us()),
            known(server.map(|server| server.own.cpu_percent)),
            known(server.map(|server| mebibytes(server.own.rss_end_bytes))),
            known(Some(bench.cpu_percent)),
        ]
    };
    table(&SUMMARY, steps.iter().map(row))
}

/// Returns the table of frames by role.
pub(super) fn deliveries(steps: &[Outcome]) -> String {
    let row = |step: &Outcome, kind: &str, group: &Group| {
        let Group {
            failed,
            closed_by_server,
            tally,
            mismatched,
            fps,
            ..
        } = group;
        let mut row = vec![
            viewers(step),
            kind.to_owned(),
            grouped((group.viewers - failed) as u64),
        ];
        row.extend([*failed as u64, *closed_by_server as u64, tally.frames].map(grouped));
        row.extend(
            [
                fps.map(|fps| fps.min),
                fps.map(|fps| fps.median),
                fps.map(|fps| fps.max),
            ]
            .map(known),
        );
        row.push(fps.map_or_else(unknown, |fps| grouped(fps.short_viewers as u64)));
        row.push(tally.skipped.map_or_else(unknown, grouped));
        row.extend([tally.repeated, tally.out_of_order, tally.damaged].map(grouped));
        row.push(if step.plan.verify {
            grouped(*mismatched)
        } else {
            unknown()
        });
        row
    };
    table(
        &DELIVERIES,
        steps
            .iter()
            .flat_map(|step| present(step).map(move |(kind, group)| row(step, kind, group))),
    )
}

/// Returns the table of times: latency, first frame and spread.
pub(super) fn times(steps: &[Outcome]) -> String {
    let row = |step: &Outcome, what: String, times: &Quantiles| {
        let mut row = vec![viewers(step), what, grouped(times.count)];
        row.extend(
            [times.p50_ms, times.p90_ms, times.p99_ms, times.max_ms].map(|time| known(Some(time))),
        );
        row
    };
    let rows = steps.iter().flat_map(|step| {
        let groups = present(step).flat_map(|(kind, group)| {
            [
                (format!("{kind}: latency"), &group.latency),
                (format!("{kind}: first frame"), &group.first_frame),
            ]
        });
        let all = groups.chain([("spread".to_owned(), &step.spread)]);
        all.filter(|(_, times)| times.count > 0)
            .map(move |(what, times)| row(step, what, times))
    });
    table(&TIMES, rows)
}

/// Returns the table of processes.
pub(super) fn processes(steps: &[Outcome]) -> String {
    let row = |step: &Outcome, process: &str, usage: &Usage| {
        let mut row = vec![viewers(step), process.to_owned()];
        let memory = [
            usage.rss_start_bytes,
            usage.rss_end_bytes,
            usage.rss_peak_bytes,
        ]
        .map(mebibytes);
        let figures = [usage.cpu_seconds, usage.cpu_percent]
            .into_iter()
            .chain(memory);
        row.extend(figures.map(|figure| known(Some(figure))));
        row
    };
    let rows = steps.iter().flat_map(|step| {
        let server = step.server.iter().map(|server| ("server", &server.own));
        let children = step.server.iter().filter(|server| server.has_children());
        server
            .chain(children.map(|server| ("children", &server.children)))
            .chain([("bench", &step.bench)])
            .map(move |(process, usage)| row(step, process, usage))
    });
    table(&PROCESSES, rows)
}

fn present(step: &Outcome) -> impl Iterator<Item = (&'static str, &Group)> {
    step.groups()
        .into_iter()
        .filter(|(_, group)| group.viewers > 0)
}

fn viewers(step: &Outcome) -> String {
    grouped(step.plan.viewers as u64)
}

fn known(figure: Option<f64>) -> String {
    figure.map_or_else(unknown, |figure| format!("{figure:.2}"))
}

fn unknown() -> String {
    "–".to_owned()
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// Renders a table, with numbers aligned to the right and words to the left.
fn table(columns: &[Column], rows: impl Iterator<Item = Vec<String>>) -> String {
    let is_word = |name: &str| matches!(name, "kind" | "time" | "process");
    let class = |name: &str| {
        if is_word(name) {
            r#" class="word""#
        } else {
            ""
        }
    };
    let head =
        |(name, unit): &Column| format!("<th{}>{name}<small>{unit}</small></th>", class(name));
    let cell =
        |((name, _), text): (&Column, &String)| format!("<td{}>{}</td>", class(name), escape(text));
    let heads: String = columns.iter().map(head).collect();
    let rows: String = rows
        .map(|row| {
            format!(
                "<tr>{}</tr>\n",
                columns.iter().zip(&row).map(cell).collect::<String>()
            )
        })
        .collect();
    format!(
        "<div class=\"table\"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

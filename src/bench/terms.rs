//! The terms of the figures, with their definitions. Text, report and options use the same ones.

use super::outcome::{Group, Outcome};

/// Viewers that read as fast as they can.
pub(super) const STEADY: &str = "steady";
/// Viewers that read at a limited rate.
pub(super) const SLOW: &str = "slow";
/// Viewers that read nothing.
pub(super) const STALLED: &str = "stalled";
/// Viewers that come and go.
pub(super) const CHURN: &str = "churn";

/// The kinds of viewers.
const KINDS: [Term; 4] = [
    (
        STEADY,
        "viewers that read as fast as they can, for the whole run (--viewers)",
    ),
    (
        SLOW,
        "viewers that read no faster than --slow-rate (--slow)",
    ),
    (
        STALLED,
        "viewers that request the stream and never read it (--stalled)",
    ),
    (
        CHURN,
        "viewers that connect, watch for one second and leave (--churn)",
    ),
];

/// A term and its definition.
type Term = (&'static str, &'static str);

const JOINED: Term = ("joined", "viewers that did not fail");
const DAMAGED: Term = ("damaged", "frames with missing or wrong bytes");

/// The figures of a kind of viewers.
const FIGURES: [Term; 12] = [
    JOINED,
    (
        "failed",
        "viewers that got no first frame: refused, timed out, or no stream",
    ),
    ("closed", "viewers whose stream the server ended"),
    (
        "frames",
        "whole frames, summed over the viewers; repeated ones are counted apart",
    ),
    (
        "min, median, max",
        "frames a second of the viewer that got fewest, of the one in the middle, of the one that got most",
    ),
    (
        "short",
        "viewers that got less than 99 % of the frames of the one that got most, and at least 3 frames fewer",
    ),
    (
        "skipped",
        "frames that the server left out for viewers that were behind: gaps in their numbers \
         (X-Frame-Sequence); unknown without numbers",
    ),
    (
        "repeated",
        "frames sent once more because there was no newer one",
    ),
    ("out of order", "frames older than the one before"),
    DAMAGED,
    (
        "differ",
        "frames whose bytes are not those that another viewer got under the same number; unknown without --verify",
    ),
    (
        "MB",
        "bytes that all viewers received, in millions, with the headers of HTTP and of the parts",
    ),
];

const LATENCY: Term = (
    "latency",
    "time from the capture of a frame, as the server states it (X-Timestamp), to the arrival of its last byte",
);

/// Times.
const TIMES: [Term; 3] = [
    (
        "first frame",
        "time from the start of connecting to the arrival of the first whole frame",
    ),
    (
        "spread",
        "time from the arrival of a frame at the first steady viewer to its arrival at the last one",
    ),
    (
        "p50, p90, p99, max",
        "50 %, 90 %, 99 % and all of the times are at most this long (percentiles)",
    ),
];

/// The usage of the server.
const CPU_PER_FRAME: Term = (
    "CPU per frame",
    "CPU time of the server, divided by the frames that all viewers received, with repeated, out of order and \
     damaged ones",
);
const CHILDREN: Term = (
    "children",
    "the server's child processes, such as the drivers of cameras",
);

/// The usage of every process.
const PROCESSES: [Term; 3] = [
    ("CPU", "user and system time; 100 % is one core"),
    (
        "memory",
        "resident memory (RSS) at the start and at the end of the measurement, and the peak in between",
    ),
    (
        "bench",
        "this program; near 100 % of a core it is the limit, not the server",
    ),
];

/// The columns of the text table of a ramp.
const RAMP: [Term; 10] = [
    ("viewers", "steady viewers of this step (--ramp)"),
    JOINED,
    (
        "fps min, median",
        "frames a second of the steady viewer that got fewest, and of the one in the middle",
    ),
    DAMAGED,
    (
        "p50 ms, p99 ms",
        "50 % and 99 % of the frames reached a steady viewer within this time after their capture (X-Timestamp)",
    ),
    (
        "CPU us/frame",
        "CPU time of the server without its child processes, in microseconds, divided by the frames that all \
         viewers received, with repeated, out of order and damaged ones",
    ),
    (
        "server %",
        "CPU time of the server without its child processes; 100 % is one core",
    ),
    (
        "server MiB",
        "resident memory (RSS) of the server without its child processes, at the end of the step",
    ),
    (
        "bench %",
        "CPU time of this program; near 100 % of a core it is the limit, not the server",
    ),
    (
        "-",
        "unknown: the server does not send it, or its process is not known (--pid)",
    ),
];

/// Returns the terms in the output of these steps, with their definitions.
pub(super) fn used_in(steps: &[Outcome]) -> impl Iterator<Item = Term> {
    let has_latency = |(_, group): (&str, &Group)| group.latency.count > 0;
    let latency = steps
        .iter()
        .any(|step| step.groups().into_iter().any(has_latency));
    let server = steps.iter().any(|step| step.server.is_some());
    let children = steps
        .iter()
        .filter_map(|step| step.server)
        .any(|server| server.has_children());
    kinds(steps)
        .chain(FIGURES)
        .chain(latency.then_some(LATENCY))
        .chain(TIMES)
        .chain(PROCESSES)
        .chain(server.then_some(CPU_PER_FRAME))
        .chain(children.then_some(CHILDREN))
}

/// Returns the kinds of viewers in these steps.
fn kinds(steps: &[Outcome]) -> impl Iterator<Item = Term> {
    let has_viewers = |name: &str| {
        let is_present = |(kind, group): (&str, &Group)| kind == name && group.viewers > 0;
        steps
            .iter()
            .any(|step| step.groups().into_iter().any(is_present))
    };
    KINDS.into_iter().filter(move |(name, _)| has_viewers(name))
}

/// Returns the definitions as lines of text.
pub(super) fn legend(steps: &[Outcome], is_ramp: bool) -> String {
    let line = |(term, meaning): Term| format!("  {term:<18}  {meaning}\n");
    if is_ramp {
        kinds(steps).chain(RAMP).map(line).collect()
    } else {
        used_in(steps).map(line).collect()
    }
}

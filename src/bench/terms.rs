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
const KINDS: [(&str, &str); 4] = [
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

/// The figures of a kind of viewers.
const FIGURES: [(&str, &str); 12] = [
    ("joined", "viewers that did not fail"),
    (
        "failed",
        "viewers that got no first frame: refused, timed out, or no stream",
    ),
    ("closed", "viewers whose stream the server ended"),
    (
        "frames",
        "whole frames, summed over the viewers, without repeats",
    ),
    (
        "min, median, max",
        "frames a second of the viewer that got fewest, of the one in the middle, of the one that got most",
    ),
    (
        "short",
        "viewers that got less than 99 % of the frames of the one that got most, and lack more than two",
    ),
    (
        "skipped",
        "frames that the server left out for viewers that were behind: gaps in their numbers (X-Frame-Sequence)",
    ),
    (
        "repeated",
        "frames sent once more because there was no newer one",
    ),
    ("out of order", "frames older than the one before"),
    ("damaged", "frames with missing or wrong bytes"),
    (
        "differ",
        "frames whose bytes are not those that another viewer got under the same number (--verify)",
    ),
    (
        "latency",
        "from the capture of a frame, as the server states it (X-Timestamp), to its last byte",
    ),
];

/// Times and processes.
const OTHERS: [(&str, &str); 5] = [
    (
        "first frame",
        "from the start of connecting to the last byte of the first whole frame",
    ),
    (
        "spread",
        "of one frame, from the first steady viewer that got it to the last",
    ),
    (
        "CPU per frame",
        "the server's processor time for each frame that a viewer got, repeats included",
    ),
    (
        "children",
        "the server's child processes, such as the drivers of cameras",
    ),
    (
        "bench",
        "this program; near 100 % of a core it is the limit, not the server",
    ),
];

/// Returns the terms in the output of these steps, with their definitions.
pub(super) fn used_in(steps: &[Outcome]) -> impl Iterator<Item = (&'static str, &'static str)> {
    let has_viewers = |name: &str| {
        let is_present = |(kind, group): (&str, &Group)| kind == name && group.viewers > 0;
        steps
            .iter()
            .any(|step| step.groups().into_iter().any(is_present))
    };
    let kinds: Vec<_> = KINDS
        .into_iter()
        .filter(|(name, _)| has_viewers(name))
        .collect();
    kinds.into_iter().chain(FIGURES).chain(OTHERS)
}

/// Returns the definitions as lines of text.
pub(super) fn legend(steps: &[Outcome]) -> String {
    used_in(steps)
        .map(|(term, meaning)| format!("  {term:<17} {meaning}\n"))
        .collect()
}

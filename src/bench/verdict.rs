//! Summarizes the figures of a run, or of all steps of a ramp, in sentences.

use super::outcome::{Group, Outcome, enough_frames};

/// Above this CPU usage, in percent of a core, the bench itself may be the limit.
const BENCH_CPU_PERCENT_MAX: f64 = 90.0;

/// Returns the full rate, in frames per second: that of the best viewer in any step. 0 without steps.
pub fn full_fps(steps: &[Outcome]) -> f64 {
    steps
        .iter()
        .filter_map(|step| step.steady.fps)
        .map(|fps| fps.max)
        .fold(0.0, f64::max)
}

/// Returns the number of viewers of the smallest step in which one got less than the full rate.
pub fn starved(steps: &[Outcome]) -> Option<usize> {
    let full_fps = full_fps(steps);
    let is_starved = |step: &&Outcome| {
        let enough = enough_frames(full_fps * step.seconds);
        step.steady
            .frames_by_viewer
            .iter()
            .any(|frames| (*frames as f64) < enough)
    };
    steps
        .iter()
        .filter(is_starved)
        .map(|step| step.plan.viewers)
        .min()
}

/// Returns the number of viewers of the largest step up to which each got the full rate.
pub fn sustained(steps: &[Outcome]) -> Option<usize> {
    let starved = starved(steps).unwrap_or(usize::MAX);
    steps
        .iter()
        .map(|step| step.plan.viewers)
        .filter(|viewers| *viewers < starved)
        .max()
}

/// Returns how many viewers got the full rate, as a sentence.
pub fn headline(steps: &[Outcome]) -> String {
    let viewers = |count: usize| match count {
        1 => "1 viewer".to_owned(),
        _ => format!("{} viewers", grouped(count as u64)),
    };
    let full_fps = full_fps(steps);
    let best = format!("the {full_fps:.1} fps of the best one");
    let full = format!("{best}, less at most 1 % or 2 frames");
    match (sustained(steps).map(viewers), starved(steps).map(viewers)) {
        (Some(sustained), None) if full_fps > 0.0 => format!("With {sustained}, each got {full}."),
        (Some(sustained), Some(starved)) => {
            format!("Up to {sustained}, each got {full}; with {starved}, some got less.")
        }
        (None, Some(starved)) => format!("With {starved}, some got less than {best}."),
        (_, None) => "No steady viewer got a frame.".to_owned(),
    }
}

/// Returns a warning if the bench may have been the limit, not the server.
pub fn warning(steps: &[Outcome]) -> Option<String> {
    let busiest = steps
        .iter()
        .max_by(|one, other| one.bench.cpu_percent.total_cmp(&other.bench.cpu_percent))?;
    let percent = busiest.bench.cpu_percent;
    (percent > BENCH_CPU_PERCENT_MAX).then(|| {
        let viewers = grouped(busiest.plan.viewers as u64);
        format!(
            "The bench itself used {percent:.0} % of its core with {viewers} viewers: \
             it may be the limit, not the server."
        )
    })
}

/// Returns the faults of a step; `None` if all viewers connected and stayed, and all frames were whole
/// and in order.
///
/// Closed streams of slow and stalled viewers are no fault: a server may disconnect them.
pub fn faults(step: &Outcome) -> Option<String> {
    let sum = |figure: fn(&Group) -> u64| {
        step.groups()
            .iter()
            .map(|(_, group)| figure(group))
            .sum::<u64>()
    };
    let failed = match &step.first_failure {
        Some(why) => format!("failed viewers ({why})"),
        None => "failed viewers".to_owned(),
    };
    let faults = [
        (
            (step.steady.failed + step.churn.failed) as u64,
            failed.as_str(),
        ),
        (
            step.steady.closed_by_server as u64,
            "streams ended by the server",
        ),
        (sum(|group| group.tally.damaged), "damaged frames"),
        (sum(|group| group.tally.out_of_order), "frames out of order"),
        (
            sum(|group| group.mismatched),
            "frames that differed between viewers",
        ),
    ];
    let found: Vec<String> = faults
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what}: {count}"))
        .collect();
    (!found.is_empty()).then(|| {
        format!(
            "with {} viewers: {}",
            grouped(step.plan.viewers as u64),
            found.join(", ")
        )
    })
}

/// Formats a number with separators for thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}

//! What the figures of a run, or of all steps of a ramp, come down to in words.

use super::outcome::{Group, Outcome, enough_frames};

/// A crowd that used more of its one core than this may have been the limit itself, in percent.
const CROWD_CPU_PERCENT_MAX: f64 = 90.0;

/// Frames per second of the viewer that got most in any step: the rate that others are held
/// against. 0 without steps.
pub fn full_fps(steps: &[Outcome]) -> f64 {
    steps
        .iter()
        .filter_map(|step| step.steady.fps)
        .map(|fps| fps.max)
        .fold(0.0, f64::max)
}

/// The least viewers in a step where one got less than the full rate; `None` if none did in any
/// step.
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

/// The most viewers in a step where each got the full rate, as in every smaller step.
pub fn carried(steps: &[Outcome]) -> Option<usize> {
    let starved = starved(steps).unwrap_or(usize::MAX);
    steps
        .iter()
        .map(|step| step.plan.viewers)
        .filter(|viewers| *viewers < starved)
        .max()
}

/// How many viewers the server carries, in a sentence.
pub fn headline(steps: &[Outcome]) -> String {
    let viewers = |count: usize| match count {
        1 => "1 viewer".to_owned(),
        _ => format!("{} viewers", grouped(count as u64)),
    };
    let full_fps = full_fps(steps);
    let full = format!("the full {full_fps:.1} fps");
    match (carried(steps).map(viewers), starved(steps).map(viewers)) {
        (Some(carried), None) if full_fps > 0.0 => format!("With {carried}, all had {full}."),
        (Some(carried), Some(starved)) => {
            format!("Up to {carried}, all had {full}; with {starved}, some had less.")
        }
        (None, Some(starved)) => format!("With {starved}, some had less than {full}."),
        (_, None) => "No steady viewer got a frame while figures were taken.".to_owned(),
    }
}

/// Says so when the crowd may have been the limit, and not the server.
pub fn doubt(steps: &[Outcome]) -> Option<String> {
    let busiest = steps
        .iter()
        .max_by(|one, other| one.bench.cpu_percent.total_cmp(&other.bench.cpu_percent))?;
    let percent = busiest.bench.cpu_percent;
    (percent > CROWD_CPU_PERCENT_MAX).then(|| {
        let viewers = grouped(busiest.plan.viewers as u64);
        format!("The bench itself used {percent:.0} % of its core with {viewers} viewers: it may be the limit itself.")
    })
}

/// What no viewer should have met; nothing if all joined and stayed, and every frame was whole and
/// in order.
///
/// Only viewers that read must be served and only steady ones kept: to let go who does not keep up
/// is a server's right.
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
    let met: Vec<String> = faults
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what}: {count}"))
        .collect();
    (!met.is_empty()).then(|| {
        format!(
            "with {} viewers: {}",
            grouped(step.plan.viewers as u64),
            met.join(", ")
        )
    })
}

/// A whole number with its thousands set apart.
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
    fn thousands_are_set_apart() {
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

//! The figures of a run, for text and JSON.

use serde::Serialize;

use super::parser::Tally;
use super::plan::Plan;
use super::process::{FamilyUsage, Usage};
use super::terms::{CHURN, SLOW, STALLED, STEADY};

/// A viewer is short if it got less than this share of the frames of the best viewer ...
const SHORT_SHARE: f64 = 0.99;

/// ... and lacks more than two: one at the beginning and one at the end of the measurement.
const EDGE_FRAMES: f64 = 2.0;

/// The figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The plan.
    pub plan: Plan,
    /// Duration of the measurement, in seconds.
    pub seconds: f64,
    /// Time until all viewers had connected, in seconds. Not part of other figures.
    pub joining_seconds: f64,
    /// Parts received by all viewers before the measurement.
    pub joining_parts: u64,
    /// Viewers that read as fast as they can.
    pub steady: Group,
    /// Viewers that read at a limited rate.
    pub slow: Group,
    /// Viewers that read nothing.
    pub stalled: Group,
    /// Viewers that connected and left after a second.
    pub churn: Group,
    /// For each frame, the time from its first to its last arrival at a steady viewer.
    pub spread: Quantiles,
    /// The usage of the server, if its process is known.
    pub server: Option<FamilyUsage>,
    /// The usage of the bench itself. Near 100 % of a core, the bench is the limit, not the server.
    pub bench: Usage,
    /// The reason of the first failed viewer.
    pub first_failure: Option<String>,
}

impl Outcome {
    /// Returns the groups with their names.
    pub fn groups(&self) -> [(&'static str, &Group); 4] {
        [
            (STEADY, &self.steady),
            (SLOW, &self.slow),
            (STALLED, &self.stalled),
            (CHURN, &self.churn),
        ]
    }

    /// Returns the number of parts that all viewers received, with repeated and damaged ones.
    pub fn parts(&self) -> u64 {
        self.groups()
            .iter()
            .map(|(_, group)| group.tally.parts())
            .sum()
    }

    /// Returns the server's CPU time per received part, in microseconds, without child processes.
    pub fn cpu_per_part_us(&self) -> Option<f64> {
        Some(self.per_part_us(self.server?.own.cpu_seconds))
    }

    /// Returns the CPU time of the server and its child processes per received part, in microseconds.
    pub fn family_cpu_per_part_us(&self) -> Option<f64> {
        let server = self.server?;
        Some(self.per_part_us(server.own.cpu_seconds + server.children.cpu_seconds))
    }

    /// Returns the number of viewers at the end: not failed, and not closed by the server.
    pub fn watching(&self) -> usize {
        self.groups()
            .iter()
            .map(|(_, group)| group.viewers - group.failed - group.closed_by_server)
            .sum()
    }

    fn per_part_us(&self, cpu_seconds: f64) -> f64 {
        match self.parts() {
            0 => 0.0,
            parts => cpu_seconds * 1e6 / parts as f64,
        }
    }
}

/// The figures of viewers with the same role.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Group {
    /// Viewers opened.
    pub viewers: usize,
    /// Viewers that got no frame: refused, timed out, no stream.
    pub failed: usize,
    /// Viewers whose stream the server ended.
    pub closed_by_server: usize,
    /// The sum of their counts.
    #[serde(flatten)]
    pub tally: Tally,
    /// Frames whose bytes differ from those of another viewer under the same number; only with
    /// `verify`.
    pub mismatched: u64,
    /// Frames per second over the viewers.
    pub fps: Option<Fps>,
    /// The frames of each viewer, in the order of connecting; 0 for failed ones. Not printed.
    #[serde(skip)]
    pub frames_by_viewer: Vec<u64>,
    /// Time from `X-Timestamp` to the last byte. Empty if the server uses another clock.
    pub latency: Quantiles,
    /// The latency curve, in ascending order.
    #[serde(skip)]
    pub latency_curve: Vec<CurvePoint>,
    /// Time from connecting to the first whole frame.
    pub first_frame: Quantiles,
}

/// Frames per second, over the viewers of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Fps {
    /// The lowest rate.
    pub min: f64,
    /// The median rate.
    pub median: f64,
    /// The highest rate.
    pub max: f64,
    /// Viewers that got less than 99 % of the frames of the best viewer and lack more than two.
    pub short_viewers: usize,
}

impl Fps {
    /// Returns the rates of viewers that got these numbers of frames in `seconds`; `None` without
    /// viewers.
    pub fn over(mut frames: Vec<u64>, seconds: f64) -> Option<Self> {
        frames.sort_unstable();
        let (min, max) = (*frames.first()?, *frames.last()?);
        let median = *frames.get(frames.len() / 2)?;
        let enough = enough_frames(max as f64);
        let rate = |frames: u64| frames as f64 / seconds;
        Some(Self {
            min: rate(min),
            median: rate(median),
            max: rate(max),
            short_viewers: frames.partition_point(|frames| (*frames as f64) < enough),
        })
    }
}

/// Returns the number of frames below which a viewer is short.
pub(super) fn enough_frames(best: f64) -> f64 {
    (best * SHORT_SHARE).min(best - EDGE_FRAMES).max(0.0)
}

/// A point of a latency curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// The share of values up to this one, from 0 to below 1.
    pub quantile: f64,
    /// The value.
    pub milliseconds: f64,
}

/// The distribution of a time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// The number of values; if 0, the other fields mean nothing.
    pub count: u64,
    /// The median.
    pub p50_ms: f64,
    /// The 90th percentile.
    pub p90_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The maximum.
    pub max_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewer_is_short_if_it_lacks_more_than_two_frames() {
        let short = |frames: &[u64]| Fps::over(frames.to_vec(), 10.0).unwrap().short_viewers;
        assert_eq!(short(&[23, 24, 25]), 0);
        assert_eq!(short(&[22, 24, 25]), 1);
        assert_eq!(short(&[988, 989, 990, 1000]), 2);
        assert_eq!(short(&[0, 1, 2]), 0);
        assert_eq!(Fps::over(Vec::new(), 10.0), None);
    }

    #[test]
    fn rates_are_frames_divided_by_seconds() {
        let fps = Fps::over(vec![300, 100, 200], 10.0).unwrap();
        assert_eq!((fps.min, fps.median, fps.max), (10.0, 20.0, 30.0));
    }
}

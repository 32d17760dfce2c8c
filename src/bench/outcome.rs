//! What a run found out: figures, ready to be printed or written as JSON.

use serde::Serialize;

use super::parser::Tally;
use super::plan::Plan;
use super::process::{FamilyUsage, Usage};
use super::terms::{CHURN, SLOW, STALLED, STEADY};

/// A viewer is short when it got less than this share of the frames that the best one got ...
const SHORT_SHARE: f64 = 0.99;

/// ... and by more than these: the one that the beginning of the figures cuts in two for some, and
/// the one at their end.
const EDGE_FRAMES: f64 = 2.0;

/// The figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What was asked for.
    pub plan: Plan,
    /// How long figures were taken, in seconds.
    pub seconds: f64,
    /// How long it took until everybody had joined, in seconds. No other figure counts that time.
    pub joining_seconds: f64,
    /// Parts that all viewers got before the figures began.
    pub joining_parts: u64,
    /// The viewers that read as fast as they could.
    pub steady: Group,
    /// The viewers that read at a rate.
    pub slow: Group,
    /// The viewers that read nothing.
    pub stalled: Group,
    /// The viewers that came and went.
    pub churn: Group,
    /// For each picture, the time from the first steady viewer that got it to the last.
    pub spread: Quantiles,
    /// What the server used, if its process is known.
    pub server: Option<FamilyUsage>,
    /// What the crowd itself used. Near 100 % the crowd is the limit, not the server.
    pub bench: Usage,
    /// Why the first viewer that failed did so.
    pub first_failure: Option<String>,
}

impl Outcome {
    /// The groups with their names.
    pub fn groups(&self) -> [(&'static str, &Group); 4] {
        [
            (STEADY, &self.steady),
            (SLOW, &self.slow),
            (STALLED, &self.stalled),
            (CHURN, &self.churn),
        ]
    }

    /// Parts that all viewers got while figures were taken, repeats and damaged ones included.
    pub fn parts(&self) -> u64 {
        self.groups()
            .iter()
            .map(|(_, group)| group.tally.parts())
            .sum()
    }

    /// The server's own processor time for each part it delivered, in microseconds.
    pub fn cpu_per_part_us(&self) -> Option<f64> {
        Some(self.per_part_us(self.server?.own.cpu_seconds))
    }

    /// The same with the server's children.
    pub fn family_cpu_per_part_us(&self) -> Option<f64> {
        let server = self.server?;
        Some(self.per_part_us(server.own.cpu_seconds + server.children.cpu_seconds))
    }

    /// Viewers that were there until the end: they had not failed, and the server had not ended
    /// their stream.
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
    /// Viewers that began to connect.
    pub viewers: usize,
    /// Those that never got a picture: refused, timed out, no stream.
    pub failed: usize,
    /// Those whose stream the server ended.
    pub closed_by_server: usize,
    /// What they got together.
    #[serde(flatten)]
    pub tally: Tally,
    /// Pictures whose bytes were not those another viewer got under the same number; counted only
    /// with `verify`.
    pub mismatched: u64,
    /// Frames per second over the viewers.
    pub fps: Option<Fps>,
    /// The frames that each viewer got, in the order of joining; those that failed got none. Too
    /// long to be printed.
    #[serde(skip)]
    pub frames_by_viewer: Vec<u64>,
    /// From `X-Timestamp` to the last byte. A server that stamps with another clock than this
    /// machine's has none.
    pub latency: Quantiles,
    /// The same in full, in ascending order.
    #[serde(skip)]
    pub latency_curve: Vec<CurvePoint>,
    /// From the beginning of the handshake to the first whole picture.
    pub first_frame: Quantiles,
}

/// Frames per second, over the viewers of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Fps {
    /// Of the viewer that got least.
    pub min: f64,
    /// Of the one in the middle.
    pub median: f64,
    /// Of the one that got most.
    pub max: f64,
    /// Viewers that got less than 99 % of the frames of the one that got most, and lack more than
    /// the two frames that the beginning and the end of the figures may cut off.
    pub short_viewers: usize,
}

impl Fps {
    /// The figures for viewers that got these numbers of frames in `seconds`; `None` if there are
    /// none.
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

/// The frames that are enough for a viewer where the best one got `best`.
pub(super) fn enough_frames(best: f64) -> f64 {
    (best * SHORT_SHARE).min(best - EDGE_FRAMES).max(0.0)
}

/// One point of a curve of quantiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// The share of times that are no longer, from 0 to below 1.
    pub quantile: f64,
    /// The longest of those.
    pub milliseconds: f64,
}

/// How a time is distributed, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many times were measured; with none, the rest means nothing.
    pub count: u64,
    /// The median.
    pub p50_ms: f64,
    /// Nine tenths are no longer.
    pub p90_ms: f64,
    /// All but a hundredth are no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_is_short_when_it_lacks_more_than_the_edges() {
        let short = |frames: &[u64]| Fps::over(frames.to_vec(), 10.0).unwrap().short_viewers;
        assert_eq!(short(&[23, 24, 25]), 0);
        assert_eq!(short(&[22, 24, 25]), 1);
        assert_eq!(short(&[988, 989, 990, 1000]), 2);
        assert_eq!(short(&[0, 1, 2]), 0);
        assert_eq!(Fps::over(Vec::new(), 10.0), None);
    }

    #[test]
    fn rates_are_over_the_time_given() {
        let fps = Fps::over(vec![300, 100, 200], 10.0).unwrap();
        assert_eq!((fps.min, fps.median, fps.max), (10.0, 20.0, 30.0));
    }
}

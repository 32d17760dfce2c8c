//! A channel: the newest frame of one camera, its history, and its counts.

use std::time::{Duration, Instant};

use super::counts::{FrameCounts, Meter};
use super::frame::{Captured, Frame};
use super::histogram::Histogram;
use super::history::History;
use super::numbering::Numbering;
use super::retained::Retained;
use crate::wire::multipart::PartFormat;

/// The frames of one camera.
#[derive(Debug)]
pub struct Channel {
    /// The newest frame of the camera itself.
    pub live: Option<Frame>,
    /// Past frames.
    pub history: History,
    /// Frames published, placeholders included: the number of the newest one.
    pub published: u64,
    /// Live frames per second.
    pub rate: Meter,
    /// Connected viewers.
    pub viewers: usize,
    /// The frame counts of all viewers that have left.
    pub closed_totals: FrameCounts,
    /// The age of each live frame at its publication.
    pub capture_to_publish: Histogram,
    /// The age of each live frame when the transport took its last byte, once for each viewer. Not
    /// counted: a viewer's first frame if it is older than the viewer, frames that a rate limit or
    /// a delay held back, and repeats.
    pub capture_to_last_byte: Histogram,
    /// The frame that viewers get: the newest live frame, or a placeholder.
    newest: Option<Frame>,
    numbering: Numbering,
}

impl Channel {
    /// Creates a channel without a frame; the limits are those of its history.
    pub fn new(history_span: Duration, history_bytes_max: usize) -> Self {
        Self {
            live: None,
            history: History::new(history_span, history_bytes_max),
            published: 0,
            rate: Meter::default(),
            viewers: 0,
            closed_totals: FrameCounts::default(),
            capture_to_publish: Histogram::default(),
            capture_to_last_byte: Histogram::default(),
            newest: None,
            numbering: Numbering::default(),
        }
    }

    /// Makes a picture the newest frame, live or a placeholder. Adds the frames that it replaces to
    /// `retained`: viewers may still hold them.
    pub fn publish(
        &mut self,
        part_format: PartFormat<'_>,
        captured: &Captured<'_>,
        is_live: bool,
        retained: &mut Retained,
        now: Instant,
    ) -> Frame {
        self.published += 1;
        let sequence = self.numbering.next(captured.sequence);
        let frame = Frame::encode(part_format, self.published, sequence, captured, now);
        let mut replaced = [self.newest.replace(frame.clone()), None];
        if is_live {
            self.rate.tick(now);
            self.capture_to_publish
                .add(now.saturating_duration_since(frame.captured));
            replaced[1] = self.live.replace(frame.clone());
        }
        self.history.push(&frame, is_live);
        self.retire(replaced, retained);
        self.outdate(retained, now);
        frame
    }

    /// Removes the newest frame: it is out of date, and new viewers must not get it.
    pub fn clear(&mut self, retained: &mut Retained) {
        let removed = [self.newest.take(), self.live.take()];
        self.retire(removed, retained);
    }

    /// Removes the frames that the limits of the history exclude.
    pub fn outdate(&mut self, retained: &mut Retained, now: Instant) {
        while let Some(frame) = self.history.pop_outdated(now) {
            self.retire([Some(frame), None], retained);
        }
    }

    /// Adds frames to `retained`, unless the channel itself still refers to them.
    fn retire(&mut self, replaced: [Option<Frame>; 2], retained: &mut Retained) {
        let mut last = 0;
        for frame in replaced.into_iter().flatten() {
            if frame.number != last && !self.refers_to(frame.number) {
                retained.add(frame.allocation().clone());
            }
            last = frame.number;
        }
    }

    fn refers_to(&self, number: u64) -> bool {
        let is_same =
            |frame: &Option<Frame>| frame.as_ref().is_some_and(|frame| frame.number == number);
        is_same(&self.live) || is_same(&self.newest) || self.history.holds(number)
    }

    /// Returns the newest frame for a viewer that watches `delay` behind, and when the next one is
    /// due, if that is known.
    #[inline]
    pub fn newest(&self, delay: Duration, now: Instant) -> (Option<&Frame>, Option<Instant>) {
        if delay.is_zero() {
            return (self.newest.as_ref(), None);
        }
        let newest = now
            .checked_sub(delay)
            .and_then(|time| self.history.newest_at(time));
        let next = self
            .history
            .next_after(newest.map_or(0, |frame| frame.number));
        (newest, next.map(|frame| frame.published_at + delay))
    }

    /// Returns the number of that frame; if it has been removed, the number that it had.
    #[inline]
    pub fn newest_number(&self, delay: Duration, now: Instant) -> u64 {
        if delay.is_zero() {
            self.published
        } else {
            self.newest(delay, now)
                .0
                .map_or(self.history.dropped(), |frame| frame.number)
        }
    }

    /// Removes a viewer, and adds its counts to the totals.
    pub fn viewer_left(&mut self, counts: &FrameCounts) {
        self.viewers -= 1;
        self.closed_totals.add(counts);
    }

    /// Returns the sequence of the newest live frame; 0 if there is none.
    pub fn live_sequence(&self) -> u64 {
        self.live.as_ref().map_or(0, |frame| frame.sequence)
    }

    /// Returns how many sequences of the camera were ignored because they jumped.
    pub fn sequences_ignored(&self) -> u64 {
        self.numbering.ignored()
    }
}

//! The frame counts of one viewer, by subtraction of frame numbers.

use std::time::{Duration, Instant};

use super::channel::Channel;
use super::counts::{FrameCounts, Meter};
use super::frame::Frame;

/// Counts the frames of one viewer. Each published frame is delivered, cut, skipped, in flight or
/// waiting. The skipped frames are those between two sent ones: the difference of their numbers
/// counts each exactly once.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Frames delivered per second.
    pub rate: Meter,
    /// Frames up to this number were published before the viewer subscribed, except the newest.
    start: u64,
    /// The newest frame when the viewer subscribed.
    newest_at_start: u64,
    /// The newest frame whose first byte has left.
    last: u64,
    /// The stream is ending: frames above this number are not for the viewer.
    end: Option<u64>,
    counts: FrameCounts,
}

/// Why a frame is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The viewer's rate limit.
    Rate,
    /// The viewer's transport was too slow.
    Slow,
}

impl Tally {
    /// Creates the tally of a viewer that subscribes now. The newest frame is its first one.
    pub fn new(channel: &Channel, delay: Duration, now: Instant) -> Self {
        let newest = channel.newest_number(delay, now);
        let start = newest - u64::from(newest > 0 && channel.newest(delay, now).0.is_some());
        let (rate, counts) = (Meter::default(), FrameCounts::default());
        Self {
            rate,
            start,
            newest_at_start: newest,
            last: start,
            end: None,
            counts,
        }
    }

    /// Whether the viewer has not been sent the frame before.
    pub fn is_new(&self, frame: &Frame) -> bool {
        frame.number > self.last
    }

    /// Whether the frame was published after the viewer subscribed.
    pub fn has_followed(&self, frame: &Frame) -> bool {
        frame.number > self.newest_at_start
    }

    /// Counts the frames that were skipped before the one whose first byte has left.
    pub fn begun(&mut self, number: u64, reason: Skip) {
        count(&mut self.counts, reason, number - self.last - 1);
        self.last = number;
    }

    /// Counts a frame whose last byte has left.
    pub fn delivered(&mut self, is_repeat: bool, now: Instant) {
        if is_repeat {
            self.counts.repeated += 1;
        } else {
            self.counts.delivered += 1;
            self.rate.tick(now);
        }
    }

    /// Ends the stream after the frames up to `newest`.
    pub fn end(&mut self, newest: u64) {
        self.end = Some(newest.max(self.last));
    }

    /// Whether the stream is ending.
    pub fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Returns the counts up to the frame of number `newest`. That frame itself is in no count
    /// while it waits.
    pub fn counts(&self, newest: u64, reason: Skip) -> FrameCounts {
        let newest = self.newest_for_it(newest);
        let mut counts = self.counts;
        counts.offered = newest - self.start;
        count(
            &mut counts,
            reason,
            (newest - self.last).saturating_sub(u64::from(self.end.is_none())),
        );
        counts
    }

    /// Returns the final counts: a frame in flight counts as cut, a waiting one as skipped.
    pub fn close(&mut self, newest: u64, is_cut: bool, reason: Skip) -> FrameCounts {
        self.counts.cut += u64::from(is_cut);
        self.end = Some(self.newest_for_it(newest));
        self.counts(newest, reason)
    }

    fn newest_for_it(&self, newest: u64) -> u64 {
        self.end.unwrap_or(newest.max(self.last))
    }
}

fn count(counts: &mut FrameCounts, reason: Skip, frames: u64) {
    match reason {
        Skip::Rate => counts.skipped_rate += frames,
        Skip::Slow => counts.skipped_slow += frames,
    }
}

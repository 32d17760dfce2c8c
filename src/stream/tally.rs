//! What became of one viewer's frames, by subtraction of their numbers.

use std::time::{Duration, Instant};

use super::channel::Channel;
use super::counts::{FrameCounts, Meter};
use super::frame::Frame;

/// Counts the frames of one viewer. Each published frame is delivered, cut, skipped, in flight or
/// waiting: those between two frames that were sent are the skipped ones, so no frame can be
/// counted twice or forgotten.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Frames delivered a second.
    pub rate: Meter,
    /// Frames up to this number are not for the viewer.
    start: u64,
    /// The newest frame when the viewer came.
    greeting: u64,
    /// The newest frame that has begun to leave.
    last: u64,
    /// Frames above this number are not for the viewer: its stream is ending.
    end: Option<u64>,
    counts: FrameCounts,
}

/// Why a frame is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The viewer asked for fewer.
    Rate,
    /// Its transport was too slow.
    Slow,
}

impl Tally {
    /// The tally of a viewer that subscribes now: the newest frame is for it, if there is one.
    pub fn new(channel: &Channel, delay: Duration, now: Instant) -> Self {
        let newest = channel.newest_number(delay, now);
        let start = newest - u64::from(newest > 0 && channel.newest(delay, now).0.is_some());
        let (rate, counts) = (Meter::default(), FrameCounts::default());
        Self {
            rate,
            start,
            greeting: newest,
            last: start,
            end: None,
            counts,
        }
    }

    /// Whether a frame has not begun to leave before.
    pub fn is_new(&self, frame: &Frame) -> bool {
        frame.number > self.last
    }

    /// Whether a frame was published after the viewer came.
    pub fn has_followed(&self, frame: &Frame) -> bool {
        frame.number > self.greeting
    }

    /// Counts the frames that are skipped for one that has begun to leave.
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

    /// The counts up to the frame of number `newest`. That one, if it has not begun, is in no count
    /// yet.
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

    /// The final counts: a frame in flight is cut, those that wait are skipped.
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

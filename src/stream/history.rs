//! The history of a camera: past frames for clips and for viewers with a delay.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::frame::Frame;

/// The frames that were published within a span of time, oldest first, up to a number of bytes.
///
/// It holds references to the frames that viewers share. It keeps the newest frame even if that
/// alone exceeds the bytes, since the frame is in memory anyway.
#[derive(Debug)]
pub struct History {
    span: Duration,
    bytes_max: usize,
    bytes: usize,
    frames: VecDeque<Entry>,
    /// The number of the newest frame that was removed, and whether the limit of bytes removed it
    /// rather than its age.
    dropped: u64,
    is_cut_short: bool,
}

#[derive(Debug)]
struct Entry {
    frame: Frame,
    is_live: bool,
}

impl History {
    /// Creates an empty history. A `span` of zero keeps nothing.
    pub fn new(span: Duration, bytes_max: usize) -> Self {
        Self {
            span,
            bytes_max,
            bytes: 0,
            frames: VecDeque::new(),
            dropped: 0,
            is_cut_short: false,
        }
    }

    /// Returns how far back it reaches at most; zero if it keeps nothing.
    pub fn span(&self) -> Duration {
        self.span
    }

    /// Returns the bytes of the frames, with their part headers.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the number of frames.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether it has no frame.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Adds the newest frame, live or a placeholder. [`History::pop_outdated`] must follow.
    pub fn push(&mut self, frame: &Frame, is_live: bool) {
        if !self.span.is_zero() {
            self.bytes += frame.allocation().len();
            self.frames.push_back(Entry {
                frame: frame.clone(),
                is_live,
            });
        }
    }

    /// Removes and returns the oldest frame if the bytes exceed the limit, or if the frame after it
    /// has reached the span as well. Until then, the oldest frame is what was visible a span ago.
    pub fn pop_outdated(&mut self, now: Instant) -> Option<Frame> {
        let is_too_much = self.bytes > self.bytes_max && self.frames.len() > 1;
        let next = self.frames.get(1).or(self.frames.front());
        let is_outdated = next.is_some_and(|next| next.frame.age(now) >= self.span);
        let oldest = self.frames.pop_front_if(|_| is_too_much || is_outdated)?;
        self.bytes -= oldest.frame.allocation().len();
        self.dropped = oldest.frame.number;
        self.is_cut_short = !is_outdated;
        Some(oldest.frame)
    }

    /// Returns the number of the newest frame that was removed; 0 if none was.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns when the last frame is to be removed, if no more come.
    pub fn ends_at(&self) -> Option<Instant> {
        self.frames
            .back()
            .map(|newest| newest.frame.published_at + self.span)
    }

    /// Whether the frame of this number is in the history.
    pub fn holds(&self, number: u64) -> bool {
        self.frames
            .binary_search_by_key(&number, |entry| entry.frame.number)
            .is_ok()
    }

    /// Returns the live frames within `length` before the newest one, oldest first.
    pub fn last(&self, length: Duration) -> impl DoubleEndedIterator<Item = &Frame> {
        let live = || {
            self.frames
                .iter()
                .filter(|entry| entry.is_live)
                .map(|entry| &entry.frame)
        };
        let newest = live().next_back().map(|newest| newest.published_at);
        live().filter(move |frame| newest.is_some_and(|newest| frame.age(newest) <= length))
    }

    /// Returns the first frame with a number above `number`.
    pub fn next_after(&self, number: u64) -> Option<&Frame> {
        let place = self
            .frames
            .partition_point(|entry| entry.frame.number <= number);
        self.frames.get(place).map(|entry| &entry.frame)
    }

    /// Returns the newest frame that was published at `time` or before. If the limit of bytes has
    /// removed it, returns the oldest frame instead.
    pub fn newest_at(&self, time: Instant) -> Option<&Frame> {
        let place = self
            .frames
            .partition_point(|entry| entry.frame.published_at <= time);
        let place = if self.is_cut_short {
            place.max(1)
        } else {
            place
        };
        self.frames
            .get(place.checked_sub(1)?)
            .map(|entry| &entry.frame)
    }
}

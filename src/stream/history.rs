//! A camera's history: its frames of the last while, for clips and for viewers who watch the past.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::frame::Frame;

/// The frames that were published within a span of time, oldest first, as far as they fit a number of bytes.
///
/// What it keeps are references: a frame costs its bytes once, whoever else is being sent it. The newest frame is kept
/// even where it alone is larger than the bound: it is in memory anyway.
#[derive(Debug)]
pub struct History {
    span: Duration,
    bytes_max: usize,
    bytes: usize,
    frames: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    frame: Frame,
    is_live: bool,
}

impl History {
    /// An empty history of such bounds. A `span` of zero keeps nothing.
    pub fn new(span: Duration, bytes_max: usize) -> Self {
        Self { span, bytes_max, bytes: 0, frames: VecDeque::new() }
    }

    /// How far back it reaches at most; zero if nothing is kept.
    pub fn span(&self) -> Duration {
        self.span
    }

    /// The bytes of the frames that are kept, with what they are sent with.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The frames that are kept.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether no frame is kept.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Adds the newest frame, which is live or stands in for one that is. What is over the bounds for it must be taken
    /// with [`History::pop_outdated`].
    pub fn push(&mut self, frame: &Frame, is_live: bool) {
        if !self.span.is_zero() {
            self.bytes += frame.allocation().len();
            self.frames.push_back(Kept { frame: frame.clone(), is_live });
        }
    }

    /// Takes the oldest frame, if it is older than the span, or one too many for the bytes there may be.
    pub fn pop_outdated(&mut self, now: Instant) -> Option<Frame> {
        let is_too_much = self.bytes > self.bytes_max && self.frames.len() > 1;
        let oldest = self.frames.pop_front_if(|oldest| is_too_much || oldest.frame.age(now) >= self.span)?;
        self.bytes -= oldest.frame.allocation().len();
        Some(oldest.frame)
    }

    /// When the last frame leaves, if no more of them come.
    pub fn ends_at(&self) -> Option<Instant> {
        self.frames.back().map(|newest| newest.frame.published_at + self.span)
    }

    /// Whether the frame of this sequence is kept.
    pub fn holds(&self, sequence: u64) -> bool {
        self.frames.binary_search_by_key(&sequence, |kept| kept.frame.sequence).is_ok()
    }

    /// The live frames of the last while that ends with the newest of them, oldest first.
    pub fn last(&self, length: Duration) -> impl DoubleEndedIterator<Item = &Frame> {
        let live = || self.frames.iter().filter(|kept| kept.is_live).map(|kept| &kept.frame);
        let newest = live().next_back().map(|newest| newest.published_at);
        live().filter(move |frame| newest.is_some_and(|newest| frame.age(newest) <= length))
    }

    /// The first frame with a sequence above `sequence`.
    pub fn next_after(&self, sequence: u64) -> Option<&Frame> {
        let place = self.frames.partition_point(|kept| kept.frame.sequence <= sequence);
        self.frames.get(place).map(|kept| &kept.frame)
    }

    /// The newest frame that was published at `time` or before.
    pub fn newest_at(&self, time: Instant) -> Option<&Frame> {
        let place = self.frames.partition_point(|kept| kept.frame.published_at <= time);
        self.frames.get(place.checked_sub(1)?).map(|kept| &kept.frame)
    }
}

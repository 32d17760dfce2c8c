//! A camera's history: its frames of the last while, for clips and for viewers who watch the past.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::frame::Frame;

/// The frames that were published within a span of time, oldest first, as far as they fit a number
/// of bytes.
///
/// What it keeps are references: a frame costs its bytes once, whoever else is being sent it. The
/// newest frame is kept even where it alone is larger than the bound: it is in memory anyway.
#[derive(Debug)]
pub struct History {
    span: Duration,
    bytes_max: usize,
    bytes: usize,
    frames: VecDeque<Kept>,
    /// The number of the newest frame that was dropped, and whether it was for its bytes rather
    /// than its age.
    dropped: u64,
    is_cut_short: bool,
}

#[derive(Debug)]
struct Kept {
    frame: Frame,
    is_live: bool,
}

impl History {
    /// An empty history of such bounds. A `span` of zero keeps nothing.
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

    /// Adds the newest frame, which is live or stands in for one that is. What is over the bounds
    /// for it must be taken with [`History::pop_outdated`].
    pub fn push(&mut self, frame: &Frame, is_live: bool) {
        if !self.span.is_zero() {
            self.bytes += frame.allocation().len();
            self.frames.push_back(Kept {
                frame: frame.clone(),
                is_live,
            });
        }
    }

    /// Removes and returns the oldest frame, if there are too many bytes with it, or if the one
    /// after it is older than the span, too: until then, it is what there was to see a span ago.
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

    /// The number of the newest frame that has left; 0 if none has.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When the last frame leaves, if no more of them come.
    pub fn ends_at(&self) -> Option<Instant> {
        self.frames
            .back()
            .map(|newest| newest.frame.published_at + self.span)
    }

    /// Whether the frame of this number is kept.
    pub fn holds(&self, number: u64) -> bool {
        self.frames
            .binary_search_by_key(&number, |kept| kept.frame.number)
            .is_ok()
    }

    /// The live frames of the last while that ends with the newest of them, oldest first.
    pub fn last(&self, length: Duration) -> impl DoubleEndedIterator<Item = &Frame> {
        let live = || {
            self.frames
                .iter()
                .filter(|kept| kept.is_live)
                .map(|kept| &kept.frame)
        };
        let newest = live().next_back().map(|newest| newest.published_at);
        live().filter(move |frame| newest.is_some_and(|newest| frame.age(newest) <= length))
    }

    /// The first frame with a number above `number`.
    pub fn next_after(&self, number: u64) -> Option<&Frame> {
        let place = self
            .frames
            .partition_point(|kept| kept.frame.number <= number);
        self.frames.get(place).map(|kept| &kept.frame)
    }

    /// The newest frame that was published at `time` or before. Where frames have left before their
    /// time, because there were too many bytes, that is the oldest that is left.
    pub fn newest_at(&self, time: Instant) -> Option<&Frame> {
        let place = self
            .frames
            .partition_point(|kept| kept.frame.published_at <= time);
        let place = if self.is_cut_short {
            place.max(1)
        } else {
            place
        };
        self.frames
            .get(place.checked_sub(1)?)
            .map(|kept| &kept.frame)
    }
}

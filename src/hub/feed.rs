//! What the hub keeps of one camera.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::hub::channel::Channel;
use crate::hub::key::Key;
use crate::hub::limits::Limits;
use crate::stream::frame::Frame;
use crate::stream::histogram::Histogram;
use crate::stream::history::History;
use crate::stream::metrics::{FrameCounts, Meter};
use crate::stream::numbering::Numbering;

/// A camera's frames and its viewers.
#[derive(Debug)]
pub struct Feed {
    /// What is shown: the newest live frame, or a placeholder; and every viewer, delayed or not.
    pub(super) channel: Channel<Frame>,
    /// The newest frame the camera itself has given.
    pub live: Option<Frame>,
    /// Those it gave before.
    pub history: History,
    /// Requests that wait for a frame.
    pub(super) waiting: BTreeSet<Key>,
    /// Numbers its frames.
    pub numbering: Numbering,
    /// Frames shown, placeholders included: the number of the newest one.
    pub published: u64,
    /// Live frames a second.
    pub rate: Meter,
    /// What became of the frames, over the viewers that are closed.
    pub departed: FrameCounts,
    /// How old live frames were when they were published.
    pub capture_to_publish: Histogram,
    /// How old live frames were when the transport took their last byte: one count for each viewer that a frame was
    /// delivered to. Left out are the frame that greets a newcomer, those held back by the rate that a viewer asked
    /// for, and repeats.
    pub capture_to_last_byte: Histogram,
}

impl Feed {
    /// A camera that has given nothing yet.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            channel: Channel::new(1),
            live: None,
            history: History::new(limits.history_span, limits.history_bytes_max),
            waiting: BTreeSet::new(),
            numbering: Numbering::default(),
            published: 0,
            rate: Meter::default(),
            departed: FrameCounts::default(),
            capture_to_publish: Histogram::default(),
            capture_to_last_byte: Histogram::default(),
        }
    }

    /// The newest frame there is for a viewer that is shown frames `delay` late, and when it is due the one after it,
    /// if that is known.
    #[inline]
    pub fn newest(&self, delay: Duration, now: Instant) -> (Option<&Frame>, Option<Instant>) {
        if delay.is_zero() {
            return (self.channel.latest(), None);
        }
        let newest = now.checked_sub(delay).and_then(|time| self.history.newest_at(time));
        let next = self.history.next_after(newest.map_or(0, |frame| frame.number));
        (newest, next.map(|frame| frame.published_at + delay))
    }

    /// The number of that frame, or of the one that was it last.
    #[inline]
    pub fn newest_number(&self, delay: Duration, now: Instant) -> u64 {
        match delay.is_zero() {
            true => self.published,
            false => self.newest(delay, now).0.map_or(self.history.dropped(), |frame| frame.number),
        }
    }

    /// Returns how many viewers it has.
    pub fn viewers_len(&self) -> usize {
        self.channel.subscribers().len()
    }

    /// Whether a frame is in memory even if no connection holds it: as the newest, or as one of the history.
    pub(super) fn is_kept(&self, number: u64) -> bool {
        let is_it = |frame: Option<&Frame>| frame.is_some_and(|frame| frame.number == number);
        is_it(self.live.as_ref()) || is_it(self.channel.latest()) || self.history.holds(number)
    }
}

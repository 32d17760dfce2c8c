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
pub(super) struct Feed {
    /// What is shown: the newest live frame, or a placeholder; and every viewer, delayed or not.
    pub(super) channel: Channel<Frame>,
    /// The newest frame the camera itself has given.
    pub(super) live: Option<Frame>,
    /// Those it gave before.
    pub(super) history: History,
    /// Requests that wait for a frame.
    pub(super) waiting: BTreeSet<Key>,
    pub(super) numbering: Numbering,
    /// Frames shown, placeholders included: the number of the newest one.
    pub(super) published: u64,
    pub(super) rate: Meter,
    /// What became of the frames, over the viewers that are closed.
    pub(super) departed: FrameCounts,
    pub(super) capture_to_publish: Histogram,
    pub(super) capture_to_last_byte: Histogram,
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
    pub(super) fn newest(&self, delay: Duration, now: Instant) -> (Option<&Frame>, Option<Instant>) {
        if delay.is_zero() {
            return (self.channel.latest(), None);
        }
        let newest = now.checked_sub(delay).and_then(|time| self.history.newest_at(time));
        let next = self.history.next_after(newest.map_or(0, |frame| frame.number));
        (newest, next.map(|frame| frame.published_at + delay))
    }

    /// The number of that frame, or of the one that was it last.
    #[inline]
    pub(super) fn newest_number(&self, delay: Duration, now: Instant) -> u64 {
        match delay.is_zero() {
            true => self.published,
            false => self.newest(delay, now).0.map_or(self.history.dropped(), |frame| frame.number),
        }
    }

    /// Whether a frame is in memory even if no connection holds it: as the newest, or as one of the history.
    pub(super) fn is_kept(&self, number: u64) -> bool {
        let is_it = |frame: Option<&Frame>| frame.is_some_and(|frame| frame.number == number);
        is_it(self.live.as_ref()) || is_it(self.channel.latest()) || self.history.holds(number)
    }
}

//! A channel: one camera's newest frame, those before it, and their figures.

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
    /// The newest frame that the camera itself has given.
    pub live: Option<Frame>,
    /// Those before it.
    pub history: History,
    /// Frames published, placeholders included: the number of the newest one.
    pub published: u64,
    /// Live frames a second.
    pub rate: Meter,
    /// How many viewers there are.
    pub viewers: usize,
    /// What became of the frames, over the viewers that have left.
    pub closed_totals: FrameCounts,
    /// How old live frames were when they were published.
    pub capture_to_publish: Histogram,
    /// How old live frames were when the transport took their last byte: one count for each viewer
    /// that a frame was delivered to. Left out are the frame that greets a newcomer, those held
    /// back by the rate that a viewer asked for, and repeats.
    pub capture_to_last_byte: Histogram,
    /// What viewers are shown: the newest live frame, or a placeholder.
    newest: Option<Frame>,
    numbering: Numbering,
}

impl Channel {
    /// A channel without a frame, whose history keeps so much.
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

    /// Makes a picture the newest frame, a live one or a placeholder. Frames that it replaces are
    /// `retained` for as long as viewers hold them.
    pub fn publish(
        &mut self,
        division: PartFormat<'_>,
        captured: &Captured<'_>,
        is_live: bool,
        retained: &mut Retained,
        now: Instant,
    ) -> Frame {
        self.published += 1;
        let sequence = self.numbering.next(captured.sequence);
        let frame = Frame::encode(division, self.published, sequence, captured, now);
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

    /// Forgets the newest frame: it is no longer live, and a newcomer must not be shown it.
    pub fn clear(&mut self, retained: &mut Retained) {
        let forgotten = [self.newest.take(), self.live.take()];
        self.retire(forgotten, retained);
    }

    /// Drops the frames that are older than the history reaches, or do not fit it.
    pub fn outdate(&mut self, retained: &mut Retained, now: Instant) {
        while let Some(frame) = self.history.pop_outdated(now) {
            self.retire([Some(frame), None], retained);
        }
    }

    /// From here on only slow viewers hold these frames, except for those that are shown, live or
    /// in the history.
    fn retire(&mut self, replaced: [Option<Frame>; 2], retained: &mut Retained) {
        let mut last = 0;
        for frame in replaced.into_iter().flatten() {
            if frame.number != last && !self.is_kept(frame.number) {
                retained.add(frame.allocation().clone());
            }
            last = frame.number;
        }
    }

    fn is_kept(&self, number: u64) -> bool {
        let is_it =
            |frame: &Option<Frame>| frame.as_ref().is_some_and(|frame| frame.number == number);
        is_it(&self.live) || is_it(&self.newest) || self.history.holds(number)
    }

    /// The newest frame for a viewer that is sent frames `delay` late, and when the one after it is
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

    /// The number of that frame, or of the last one that it was.
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

    /// Counts a viewer no longer, and adds its counts.
    pub fn viewer_left(&mut self, counts: &FrameCounts) {
        self.viewers -= 1;
        self.closed_totals.add(counts);
    }

    /// The sequence of the newest live frame; 0 if there is none.
    pub fn live_sequence(&self) -> u64 {
        self.live.as_ref().map_or(0, |frame| frame.sequence)
    }

    /// Numbers that the camera stated and that were not taken, because they jump.
    pub fn sequences_ignored(&self) -> u64 {
        self.numbering.ignored()
    }
}

//! A viewer: the body that is a camera's frames, from now on.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::answer::Subscription;
use super::limits::Limits;
use super::producer::Next;
use super::queue::{Chunk, Shown};
use crate::stream::frame::Frame;
use crate::stream::metrics::{CloseReason, FrameCounts, Meter};
use crate::stream::pace::Schedule;
use crate::stream::sabotage::{self, Sabotage};
use crate::wire::multipart::Framing;

/// One subscriber of one camera: what it asked for, where it stands, and what it was sent.
#[derive(Debug)]
pub struct Viewer {
    /// Which camera, from 0.
    pub camera: usize,
    /// How long after it was published a frame is sent; zero for at once.
    pub delay: Duration,
    /// How its parts are framed.
    pub framing: Framing,
    /// The word by which it asks for its own figures; may be empty.
    pub label: Box<str>,
    /// When it subscribed.
    pub since: Instant,
    /// Frames delivered a second.
    pub rate: Meter,
    /// Whether there may be a frame for it.
    pub(super) is_ready: bool,
    /// Where no frame is on its way: when there is one, or the newest is repeated.
    next_at: Instant,
    schedule: Option<Box<Schedule>>,
    /// Frames up to this number are not for it; the newest frame when it came is the one that greets it.
    start: u64,
    greeting: u64,
    /// The number of the newest frame that has begun to leave.
    last: u64,
    /// What became of the frames up to that one.
    counts: FrameCounts,
    /// When a frame last began to leave, when the transport last took a byte (or was first asked to), and when the
    /// frame in flight began.
    sent_at: Instant,
    progress_at: Instant,
    begun_at: Option<Instant>,
    /// When it last had no frame on its way; `None` if the transport had no room for the next one.
    free_since: Option<Instant>,
    end: End,
}

/// How far the end of a stream is.
#[derive(Clone, Debug)]
enum End {
    /// It has not been asked for.
    None,
    /// The closing delimiter follows what has begun. Frames above this number are not for the viewer.
    Due { closing: Bytes, last: u64 },
    /// The closing delimiter is queued.
    Queued { last: u64 },
}

impl Viewer {
    /// A viewer that has just subscribed to a camera whose newest frame has the number `newest`, and which shows it,
    /// unless it was taken back.
    pub fn new(subscription: &Subscription, newest: u64, is_shown: bool, now: Instant) -> Self {
        let start = newest - u64::from(is_shown && newest > 0);
        Self {
            camera: subscription.camera,
            delay: subscription.delay,
            framing: subscription.framing,
            label: subscription.label.as_str().into(),
            since: now,
            rate: Meter::default(),
            is_ready: true,
            next_at: now,
            schedule: (!subscription.pace.is_unlimited()).then(|| Box::new(Schedule::new(subscription.pace, now))),
            start,
            greeting: newest,
            last: start,
            counts: FrameCounts::default(),
            sent_at: now,
            progress_at: now,
            begun_at: None,
            free_since: Some(now),
            end: End::None,
        }
    }

    /// Returns the next chunk of the stream: the newest frame, if it is new to the viewer and its rate allows it; the
    /// same frame again after a while, since clients give up after ten seconds of silence. Nothing changes before
    /// the chunk has begun to leave: one that finds no room is asked for again, and is then newer.
    ///
    /// `newest` is the newest frame there is for the viewer, and `next_at` when there is another one, if that is known.
    pub(super) fn next(
        &mut self,
        newest: Option<&Frame>,
        next_at: Option<Instant>,
        limits: &Limits,
        now: Instant,
    ) -> Next {
        match &self.end {
            End::None => {}
            End::Due { closing, last } => {
                let (closing, last) = (closing.clone(), *last);
                self.end = End::Queued { last };
                return Next::Chunk(closing.into());
            }
            End::Queued { .. } => return Next::End,
        }
        let due = self.schedule.as_ref().map_or(now, |schedule| schedule.due());
        let (is_repeat, at) = match newest {
            Some(frame) if self.is_new(frame) => (false, due),
            Some(_) => (true, due.max(self.sent_at + limits.repeat_after)),
            None => (true, now + limits.repeat_after),
        };
        match newest.filter(|_| at <= now && !(is_repeat && sabotage::is(Sabotage::ForgetRepeat))) {
            Some(frame) => Next::Chunk(self.chunk(frame, is_repeat, due)),
            None => {
                self.is_ready = false;
                self.next_at = next_at.map_or(at, |next_at| next_at.min(at)).max(now);
                if !is_repeat && sabotage::is(Sabotage::LoseHeld) {
                    self.next_at = now + limits.stall_timeout;
                }
                Next::NotYet
            }
        }
    }

    fn chunk(&self, frame: &Frame, is_repeat: bool, due: Instant) -> Chunk {
        // A frame that greets a newcomer, or was held back for its rate or delay, is as old as it is.
        let is_held = self.schedule.is_some() && due > frame.published_at;
        let is_timed = !is_repeat && !is_held && self.delay.is_zero() && frame.number > self.greeting;
        let bytes = frame.part(self.framing);
        let shown = Shown {
            number: frame.number,
            sequence: frame.sequence,
            bytes: bytes.len(),
            is_repeat,
            captured: is_timed.then_some(frame.captured),
        };
        Chunk { bytes, frame: Some(shown) }
    }

    /// Has the viewer asked for a frame in this turn.
    pub(super) fn wake(&mut self, limits: &Limits, now: Instant) {
        self.is_ready = true;
        self.next_at = now + limits.repeat_after;
    }

    /// Whether a frame has not begun to leave before.
    pub fn is_new(&self, frame: &Frame) -> bool {
        frame.number > self.last
    }

    /// Called when the transport has taken the first bytes of a frame. Those between it and the frame before are
    /// skipped. Returns how many.
    pub(super) fn begun(&mut self, frame: Shown, now: Instant) -> u64 {
        let mut skipped = 0;
        if !frame.is_repeat {
            skipped = frame.number - self.last - 1;
            self.skip(skipped * (1 + u64::from(sabotage::is(Sabotage::SkipTwice))));
            self.last = frame.number;
        }
        if let Some(schedule) = &mut self.schedule {
            schedule.charge(frame.bytes, now);
            if sabotage::is(Sabotage::PayTwice) {
                schedule.charge(frame.bytes, now);
            }
        }
        self.sent_at = now;
        self.begun_at = Some(now);
        skipped
    }

    /// Called when the transport has no room for the frame that is due.
    pub(super) fn blocked(&mut self, now: Instant) {
        if self.free_since.take().is_some() {
            self.progress_at = now;
        }
    }

    /// Called when the last byte of a frame has left.
    pub(super) fn delivered(&mut self, frame: Shown, now: Instant) {
        let count = if frame.is_repeat { &mut self.counts.repeated } else { &mut self.counts.delivered };
        *count += 1;
        if !frame.is_repeat {
            self.rate.tick(now);
        }
        self.begun_at = None;
        self.free_since = Some(now);
    }

    /// Called when the transport has taken some bytes.
    pub(super) fn progressed(&mut self, now: Instant) {
        self.progress_at = now;
    }

    /// Whether no byte is on its way, and the transport would take some.
    fn is_idle(&self, has_room: bool) -> bool {
        (has_room || sabotage::is(Sabotage::BlockedIsIdle)) && self.is_live()
    }

    /// When this viewer must be looked at again. `has_room` says that nothing is queued and the transport writable.
    pub(super) fn deadline(&self, has_room: bool, limits: &Limits) -> Instant {
        let deadline = match self.is_idle(has_room) {
            true => self.next_at,
            false => self.progress_at + limits.stall_timeout,
        };
        self.begun_at.map_or(deadline, |begun_at| deadline.min(begun_at + limits.frame_timeout))
    }

    /// Why it must be closed, at its deadline; `None` if it is to be sent a frame.
    pub(super) fn overdue(&self, has_room: bool, limits: &Limits, now: Instant) -> Option<CloseReason> {
        if self.begun_at.is_some_and(|begun_at| now >= begun_at + limits.frame_timeout) {
            Some(CloseReason::FrameTooSlow)
        } else {
            (!self.is_idle(has_room)).then_some(CloseReason::Stalled)
        }
    }

    /// Whether the end of the stream has not been asked for.
    pub fn is_live(&self) -> bool {
        matches!(self.end, End::None)
    }

    /// Ends the stream: what has begun goes out whole, then `closing`. Frames above the number `newest` are not for
    /// the viewer; the rest of the stream has the time of a stall.
    pub(super) fn end(&mut self, closing: Bytes, newest: u64, now: Instant) {
        if self.is_live() {
            self.end = End::Due { closing, last: newest };
            self.is_ready = true;
            self.progress_at = now;
        }
    }

    /// What became of the frames up to the number `newest`. The newest one, if it has not begun, is in no count yet.
    pub fn counts(&self, newest: u64) -> FrameCounts {
        let newest = self.last_for_it(newest);
        let mut counts = self.counts;
        counts.published = newest - self.start;
        let waiting = (newest - self.last).saturating_sub(u64::from(self.is_live()));
        *self.skip_count(&mut counts) += waiting;
        counts
    }

    /// Final accounting: the frame in flight, if there is one, counts as cut, and those that wait as skipped.
    pub(super) fn settle(&mut self, in_flight: Option<Shown>, newest: u64) -> FrameCounts {
        let newest = self.last_for_it(newest);
        let is_cut = in_flight.is_some_and(|frame| !frame.is_repeat);
        self.counts.cut += u64::from(is_cut && !sabotage::is(Sabotage::ForgetCut));
        self.skip(newest - self.last);
        self.counts.published = newest - self.start;
        self.counts
    }

    /// The last frame that is for it, of those up to `newest`.
    fn last_for_it(&self, newest: u64) -> u64 {
        match self.end {
            End::None => newest.max(self.last),
            End::Due { last, .. } | End::Queued { last } => last,
        }
    }

    fn skip(&mut self, frames: u64) {
        let mut counts = self.counts;
        *self.skip_count(&mut counts) += frames;
        self.counts = counts;
    }

    /// Where frames count that are skipped now: the viewer waited for its rate, or its transport was too slow.
    fn skip_count<'a>(&self, counts: &'a mut FrameCounts) -> &'a mut u64 {
        let due = self.schedule.as_ref().map(|schedule| schedule.due());
        match (due, self.free_since) {
            (Some(due), Some(free_since)) if due > free_since => &mut counts.skipped_rate,
            _ => &mut counts.skipped_slow,
        }
    }
}

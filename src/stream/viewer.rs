//! A viewer: the part of a connection that watches a stream.

use std::time::Instant;

use super::answer::Subscription;
use super::limits::Limits;
use super::metrics::{CloseReason, FrameCounts, Meter};
use super::pace::Schedule;
use super::queue::WriteQueue;
use super::sabotage::{self, Sabotage};
use crate::wire::multipart::Framing;

/// One subscriber of one camera: what it asked for, where it stands, what it was given.
#[derive(Debug)]
pub struct Viewer {
    /// Which camera, from 0.
    pub camera: usize,
    /// Which of the hub's feeds: that of the camera, or one that replays it.
    pub(super) feed: usize,
    /// How its parts are framed.
    pub framing: Framing,
    /// The word by which it asks for its own figures; may be empty.
    pub label: Box<str>,
    /// When it subscribed.
    pub since: Instant,
    /// What it was given.
    pub counts: FrameCounts,
    /// Frames delivered a second.
    pub rate: Meter,
    /// When its next frame is due, if it asked for fewer than there are, and whether one is held back until then.
    schedule: Option<Box<Schedule>>,
    held: bool,
    /// When something was last offered, when the kernel last took a byte (or was first asked to), and when the frame
    /// in flight began to leave.
    offered_at: Instant,
    progress_at: Instant,
    begun_at: Option<Instant>,
}

/// What is to be done for a viewer whose deadline has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// It cannot be helped: close it.
    Close(CloseReason),
    /// It is owed the newest frame, which the rate it asked for held back.
    Held,
    /// It has been given nothing for a while: give it the newest frame once more.
    Repeat,
}

impl Viewer {
    /// A viewer that has just subscribed.
    pub fn new(subscription: &Subscription, now: Instant) -> Self {
        Self {
            camera: subscription.camera,
            feed: subscription.camera,
            framing: subscription.framing,
            label: subscription.label.as_str().into(),
            since: now,
            counts: FrameCounts::default(),
            rate: Meter::default(),
            schedule: (!subscription.pace.is_unlimited()).then(|| Box::new(Schedule::new(subscription.pace, now))),
            held: false,
            offered_at: now,
            progress_at: now,
            begun_at: None,
        }
    }

    /// A frame was published. Returns whether it is to be offered now; otherwise it is held back until it is due. One
    /// that takes the place of an older one in `queue` costs the viewer's rate nothing, and is never held back.
    pub fn take(&mut self, queue: &WriteQueue, now: Instant) -> bool {
        self.counts.published += 1;
        self.counts.skipped_rate += u64::from(self.held);
        self.held = self.schedule.as_ref().is_some_and(|schedule| {
            let replaces = queue.has_waiting() && !sabotage::is(Sabotage::HoldBehindOlder);
            now < schedule.due() && !replaces
        });
        !self.held
    }

    /// A part of so many bytes is about to be offered to `queue`.
    #[inline]
    pub fn offered(&mut self, bytes: usize, queue: &WriteQueue, now: Instant) {
        self.held = false;
        self.offered_at = now;
        if queue.is_empty() {
            self.progress_at = now;
        }
        if let Some(schedule) = &mut self.schedule {
            schedule.offered(bytes, queue.has_waiting(), now);
        }
    }

    /// The kernel took some bytes. `mid_offer` says whether a frame is partly gone now, `through` how many ended.
    pub fn progressed(&mut self, mid_offer: bool, through: u64, now: Instant) {
        self.progress_at = now;
        if !mid_offer {
            self.begun_at = None;
        } else if through > 0 || self.begun_at.is_none() {
            self.begun_at = Some(now);
        }
    }

    /// When this viewer must be looked at again.
    #[inline]
    pub fn deadline(&self, idle: bool, limits: &Limits) -> Instant {
        let mut deadline = match idle {
            true => self.offered_at + limits.repeat_after,
            false => self.progress_at + limits.stall_timeout,
        };
        if let Some(begun_at) = self.begun_at {
            deadline = deadline.min(begun_at + limits.frame_timeout);
        }
        if let Some(schedule) = &self.schedule {
            let due = schedule.due();
            if idle {
                // A viewer that asked for a frame every ten seconds is not to be given one every two.
                deadline = deadline.max(due);
            }
            if self.held {
                deadline = deadline.min(due);
            }
        }
        deadline
    }

    /// What the deadline that has come means.
    pub fn overdue(&self, idle: bool, limits: &Limits, now: Instant) -> Overdue {
        if self.begun_at.is_some_and(|begun_at| now >= begun_at + limits.frame_timeout) {
            Overdue::Close(CloseReason::FrameTooSlow)
        } else if !idle && now >= self.progress_at + limits.stall_timeout {
            Overdue::Close(CloseReason::Stalled)
        } else if self.held {
            Overdue::Held
        } else {
            Overdue::Repeat
        }
    }

    /// The stream ends: the rest of it has the time of a stall, from now.
    pub fn ending(&mut self, now: Instant) {
        self.counts.skipped_rate += u64::from(self.held);
        self.held = false;
        self.progress_at = now;
    }

    /// It was owed a frame, but there is none any more: look again when the time for a repeat has passed once more.
    pub fn nothing_to_offer(&mut self, now: Instant) {
        self.counts.skipped_rate += u64::from(self.held);
        self.held = false;
        self.offered_at = now;
    }

    /// The books are closed: what of `queue` was in flight is cut, what waited is skipped.
    pub fn settle(&mut self, queue: &WriteQueue) -> FrameCounts {
        self.counts.cut += u64::from(queue.is_mid_frame() && !sabotage::is(Sabotage::ForgetCut));
        self.counts.skipped_slow += u64::from(queue.has_fresh_waiting());
        self.counts.skipped_rate += u64::from(self.held);
        self.counts
    }
}

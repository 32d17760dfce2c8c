//! A viewer: the body that consists of a camera's frames.

use std::mem;
use std::time::{Duration, Instant};

use super::answer::Subscription;
use super::body::{Body, BodyKind, Chunk, Next, Sent, Shown};
use super::channel::Channel;
use super::counts::FrameCounts;
use super::event_log::Topic;
use super::frame::Frame;
use super::live::Live;
use super::rate_limit::Pacer;
use super::tally::{Skip, Tally};
use crate::wire::multipart::Framing;

/// One viewer of one camera: its options, its counts, and the time of its last frame.
#[derive(Debug)]
pub struct Viewer {
    /// Which camera, from 0.
    pub camera: usize,
    /// How long after its publication a frame is sent; zero for at once.
    pub delay: Duration,
    /// How its parts are framed.
    pub framing: Framing,
    /// The label by which it can ask for its own statistics; may be empty.
    pub label: Box<str>,
    /// When it subscribed.
    pub since: Instant,
    /// The counts of its frames.
    pub tally: Tally,
    pacer: Option<Box<Pacer>>,
    /// When the first byte of a frame last left.
    sent_at: Instant,
    /// When a frame was last delivered, at first `since`; `None` if one had no room after that.
    free_since: Option<Instant>,
    /// The delimiter that ends the stream has been returned.
    is_closed: bool,
}

impl Viewer {
    /// Creates a viewer, which subscribes to `channel` now.
    pub fn new(subscription: &Subscription, channel: &mut Channel, now: Instant) -> Self {
        let limit = subscription.rate_limit;
        channel.viewers += 1;
        Self {
            camera: subscription.camera,
            delay: subscription.delay,
            framing: subscription.framing,
            label: subscription.label.as_str().into(),
            since: now,
            tally: Tally::new(channel, subscription.delay, now),
            pacer: (!limit.is_unlimited()).then(|| Box::new(Pacer::new(limit, now))),
            sent_at: now,
            free_since: Some(now),
            is_closed: false,
        }
    }

    fn chunk(&self, frame: &Frame, is_repeat: bool, due: Instant) -> Chunk {
        // Latency is not measured for a frame that is older than the viewer, or that the rate limit
        // or the delay held back.
        let is_held = self.pacer.is_some() && due > frame.published_at;
        let is_timed =
            !is_repeat && !is_held && self.delay.is_zero() && self.tally.has_followed(frame);
        let bytes = frame.part(self.framing);
        let shown = Shown {
            number: frame.number,
            sequence: frame.sequence,
            bytes: bytes.len(),
            is_repeat,
            captured: is_timed.then_some(frame.captured),
        };
        Chunk {
            bytes,
            frame: Some(shown),
        }
    }

    /// Whether there is still no frame, after as long a time as a request may wait.
    pub fn has_waited_in_vain(&self, live: &Live, now: Instant) -> bool {
        let newest = live.channels[self.camera].newest(self.delay, now).0;
        newest.is_none() && now >= self.since + live.limits.wait_timeout
    }

    /// Returns the counts up to the frame of number `newest`. That frame itself is in no count
    /// while it waits.
    pub fn counts(&self, newest: u64) -> FrameCounts {
        self.tally.counts(newest, self.skip_reason())
    }

    /// Returns why frames are skipped now.
    fn skip_reason(&self) -> Skip {
        match (&self.pacer, self.free_since) {
            (Some(pacer), Some(free_since)) if pacer.due() > free_since => Skip::Rate,
            _ => Skip::Slow,
        }
    }
}

impl Body for Viewer {
    fn kind(&self) -> BodyKind {
        BodyKind::Frames
    }

    /// Returns the newest frame, if it is new to the viewer and the rate limit allows it; the same
    /// frame again after [`Limits::repeat_after`](super::Limits::repeat_after). Changes no count: a
    /// frame for which the transport has no room is asked for again, and may then be newer. See
    /// [`Viewer::sent`].
    fn next(&mut self, live: &Live, now: Instant) -> Next {
        if self.tally.has_ended() {
            return if !mem::replace(&mut self.is_closed, true) {
                Next::Chunk(live.closing.clone().into())
            } else {
                Next::End
            };
        }
        let (newest, next_at) = live.channels[self.camera].newest(self.delay, now);
        let due = self.pacer.as_ref().map_or(now, |pacer| pacer.due());
        let is_new = newest.is_some_and(|frame| self.tally.is_new(frame));
        let at = match newest {
            Some(_) if is_new => due,
            Some(_) => due.max(self.sent_at + live.limits.repeat_after),
            None => now + live.limits.repeat_after,
        };
        match newest.filter(|_| at <= now) {
            Some(frame) => Next::Chunk(self.chunk(frame, !is_new, due)),
            None => Next::NotYet {
                until: Some(next_at.map_or(at, |next_at| next_at.min(at)).max(now)),
            },
        }
    }

    fn topics(&self) -> Vec<Topic> {
        vec![Topic::Frames {
            camera: self.camera,
        }]
    }

    fn sent(&mut self, event: Sent, now: Instant) {
        match event {
            Sent::Blocked => self.free_since = None,
            Sent::Begun(frame) => {
                if !frame.is_repeat {
                    self.tally.begun(frame.number, self.skip_reason());
                }
                if let Some(pacer) = &mut self.pacer {
                    pacer.charge(frame.bytes, now);
                }
                self.sent_at = now;
            }
            Sent::Delivered(frame) => {
                self.tally.delivered(frame.is_repeat, now);
                self.free_since = Some(now);
            }
        }
    }

    /// Ends the stream: frames that are published from now on are not for the viewer, and the
    /// closing delimiter follows.
    fn end(&mut self, live: &Live, now: Instant) -> bool {
        self.tally
            .end(live.channels[self.camera].newest_number(self.delay, now));
        true
    }

    /// Adds the final counts to the channel: the frame in flight is cut, a waiting one skipped.
    fn close(&mut self, live: &mut Live, in_flight: Option<Shown>, now: Instant) {
        let channel = &mut live.channels[self.camera];
        let is_cut = in_flight.is_some_and(|frame| !frame.is_repeat);
        let newest = channel.newest_number(self.delay, now);
        channel.viewer_left(&self.tally.close(newest, is_cut, self.skip_reason()));
    }
}

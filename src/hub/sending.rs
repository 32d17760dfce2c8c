//! A reply that is being sent: its body is pulled, one chunk at a time. Nothing is queued ahead of
//! time, so what is sent next is always the newest there is at that moment.

use std::any::Any;
use std::time::Instant;

use bytes::Bytes;

use crate::stream::body::{Body, BodyKind, Chunk, Next, Sent, Shown};
use crate::stream::queue::{Progress, WriteQueue};
use crate::stream::{CloseReason, Limits, Live, Viewer};
use crate::wire::http;

/// A reply that is being sent.
#[derive(Debug)]
pub struct Sending {
    /// Where the next chunk comes from; `None` if all of the reply is queued.
    pub body: Option<Box<dyn Body>>,
    /// Whether another request may follow.
    pub(super) keep_alive: bool,
    /// Whether the body may end between any two chunks.
    pub(super) is_endless: bool,
    /// There may be a next chunk.
    pub(super) is_ready: bool,
    /// Whether the body is sent in chunks (RFC 9112, section 7.1) rather than up to the end of the
    /// connection.
    is_chunked: bool,
    /// It ends with the chunks that follow.
    is_ending: bool,
    /// The transport had no room for the chunk that is due.
    is_blocked: bool,
    /// If nothing makes it ready before, the body is asked at this time.
    ask_at: Option<Instant>,
    /// When the transport last took a byte, or was first asked to.
    progress_at: Instant,
    /// When the frame in flight began.
    begun_at: Option<Instant>,
}

impl Sending {
    pub(super) fn new(
        body: Option<Box<dyn Body>>,
        is_chunked: bool,
        keep_alive: bool,
        now: Instant,
    ) -> Self {
        Self {
            is_endless: body.as_ref().is_some_and(|body| !body.topics().is_empty()),
            body,
            keep_alive,
            is_ready: true,
            is_chunked,
            is_ending: false,
            is_blocked: false,
            ask_at: None,
            progress_at: now,
            begun_at: None,
        }
    }

    /// The viewer that the body is.
    pub fn viewer(&self) -> Option<&Viewer> {
        let body: &dyn Any = self.body.as_deref()?;
        body.downcast_ref()
    }

    /// Whether the body goes on.
    pub(super) fn is_open(&self) -> bool {
        self.body.is_some() && !self.is_ending
    }

    /// Whether the body is made, rather than of frames that are there.
    pub(super) fn is_made(&self) -> bool {
        self.body
            .as_ref()
            .is_some_and(|body| body.kind() != BodyKind::Frames)
    }

    /// Whether to ask for the next chunk, if the transport has room: nothing has begun, and there
    /// may be one.
    pub(super) fn wants_chunk(&self, queue: &WriteQueue) -> bool {
        // The first frame leaves together with the head; everything else behind all that is queued.
        let is_stream = self.is_open() && !self.is_made();
        self.is_ready
            && if is_stream {
                queue.has_room()
            } else {
                queue.is_empty()
            }
    }

    /// Asks the body for its next chunk, and queues it. Returns the bytes that were made for it;
    /// `None` at the end.
    pub(super) fn pull(
        &mut self,
        queue: &mut WriteQueue,
        live: &mut Live,
        now: Instant,
    ) -> Option<usize> {
        let body = self.body.as_mut()?;
        let next = body.next(live, now);
        live.totals.events_missed += body.take_missed();
        match next {
            Next::Chunk(chunk) => Some(self.queue(chunk, queue, now)),
            Next::NotYet { until } => {
                (self.is_ready, self.ask_at) = (false, until);
                Some(0)
            }
            Next::End => None,
        }
    }

    fn queue(&mut self, chunk: Chunk, queue: &mut WriteQueue, now: Instant) -> usize {
        if !self.is_made() {
            queue.push(chunk);
            return 0;
        }
        self.progress_at = now;
        let length = chunk.bytes.len();
        // A chunk of no bytes would be the last one.
        let is_chunked = self.is_chunked && length > 0;
        queue.push(if is_chunked {
            http::chunk_start(length)
        } else {
            Bytes::new()
        });
        queue.push(chunk);
        queue.push(if is_chunked {
            http::CHUNK_END
        } else {
            Bytes::new()
        });
        length
    }

    /// Called when the body has been idle until its deadline: sends bytes without meaning, or asks
    /// it for a chunk.
    pub(super) fn idle(&mut self, queue: &mut WriteQueue, now: Instant) {
        match self.body.as_ref().and_then(|body| body.keep_alive()) {
            Some(bytes) => drop(self.queue(bytes.into(), queue, now)),
            // A transport that only seemed to have room gives a stalled peer no more time.
            None if self.is_blocked => self.is_ready = true,
            None => (self.is_ready, self.progress_at) = (true, now),
        }
    }

    /// Ends the body. Returns whether chunks follow.
    pub(super) fn end(&mut self, live: &Live, now: Instant) -> bool {
        if self.is_open() && self.body.as_mut().is_some_and(|body| body.end(live, now)) {
            (self.is_ending, self.is_ready, self.progress_at) = (true, true, now);
        }
        self.is_ending
    }

    /// The reply without its body, which has ended. A peer that takes nothing is given no more time
    /// by that.
    pub(super) fn rest(&self, queue: &mut WriteQueue, now: Instant) -> Self {
        let progress_at = if queue.is_empty() {
            now
        } else {
            self.progress_at
        };
        queue.push(if self.is_chunked {
            http::BODY_END
        } else {
            Bytes::new()
        });
        Self::new(None, false, self.keep_alive, progress_at)
    }

    /// Called after a write. `untouched` is the frame of which no byte had left before; it may have
    /// been taken back.
    pub(super) fn written(
        &mut self,
        progress: &Progress,
        untouched: Option<Shown>,
        is_taken_back: bool,
        now: Instant,
    ) {
        if progress.has_moved() || (is_taken_back && !self.is_blocked) {
            self.progress_at = now;
        }
        self.is_blocked = is_taken_back;
        let Some(body) = &mut self.body else { return };
        if let Some(frame) = untouched {
            self.begun_at = (!is_taken_back).then_some(now);
            body.sent(
                if is_taken_back {
                    Sent::Blocked
                } else {
                    Sent::Begun(frame)
                },
                now,
            );
        }
        if let Some(frame) = progress.delivered {
            self.begun_at = None;
            body.sent(Sent::Delivered(frame), now);
        }
    }

    /// When it must be looked at again. `is_idle` says that nothing is queued and the transport
    /// writable.
    pub(super) fn deadline(&self, is_idle: bool, limits: &Limits) -> Instant {
        let ask_at = self.ask_at.filter(|_| !self.is_ready);
        let deadline = if is_idle && self.is_open() {
            ask_at.unwrap_or(self.progress_at + limits.keep_alive_after)
        } else {
            self.progress_at + limits.stall_timeout
        };
        self.begun_at.map_or(deadline, |begun_at| {
            deadline.min(begun_at + limits.frame_timeout)
        })
    }

    /// Why its connection must be closed, at its deadline; `None` if it has been idle.
    pub(super) fn overdue(
        &self,
        is_idle: bool,
        limits: &Limits,
        now: Instant,
    ) -> Option<CloseReason> {
        match self.begun_at {
            Some(begun_at) if now >= begun_at + limits.frame_timeout => {
                Some(CloseReason::FrameTimeout)
            }
            _ => (!is_idle || !self.is_open()).then_some(CloseReason::StallTimeout),
        }
    }
}

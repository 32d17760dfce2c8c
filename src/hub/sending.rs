//! A reply in progress. Its body is pulled: it is asked for the next chunk when the transport has
//! room. Nothing is queued ahead of time, so each pull gets the newest frame.

use std::any::Any;
use std::time::Instant;

use crate::stream::body::{Body, BodyKind, Chunk, Next, Sent, Shown};
use crate::stream::queue::{Progress, WriteQueue};
use crate::stream::{CloseReason, Limits, Live, Viewer};
use crate::wire::http;

/// A reply in progress.
#[derive(Debug)]
pub struct Sending {
    /// Where the next chunk comes from; `None` if the whole reply is queued.
    pub body: Option<Box<dyn Body>>,
    /// Another request may follow.
    pub(super) keep_alive: bool,
    /// The hub may end the body after any chunk: see [`Body::topics`].
    pub(super) is_endless: bool,
    /// There may be a next chunk.
    pub(super) is_ready: bool,
    /// The body is sent in chunked transfer coding (RFC 9112, section 7.1).
    is_chunked: bool,
    /// The body sends its last chunks.
    is_ending: bool,
    /// The last write took no byte of a frame, which was taken back.
    is_blocked: bool,
    /// The body asked to be asked again at this time.
    ask_at: Option<Instant>,
    /// The start of the stall and keep-alive timeouts: the last byte taken, or new bytes to send.
    progress_at: Instant,
    /// When the first byte of the frame in flight left.
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

    /// Returns the body, until it has ended.
    pub(super) fn body(&self) -> Option<&dyn Body> {
        self.body.as_deref()
    }

    /// Returns the body, if it is a camera's frames.
    pub fn viewer(&self) -> Option<&Viewer> {
        let body: &dyn Any = self.body()?;
        body.downcast_ref()
    }

    /// Whether the body goes on: it has not ended and was not asked to end.
    pub(super) fn is_open(&self) -> bool {
        self.body.is_some() && !self.is_ending
    }

    /// Whether the chunks are made for this peer. Frames are not: all viewers share them.
    pub(super) fn is_made(&self) -> bool {
        self.body()
            .is_some_and(|body| body.kind() != BodyKind::Frames)
    }

    /// Whether to ask for the next chunk, if the transport has room.
    pub(super) fn wants_chunk(&self, queue: &WriteQueue) -> bool {
        // The first frame leaves together with the head. Any other chunk waits for an empty queue.
        let is_stream = self.is_open() && !self.is_made();
        self.is_ready && (queue.is_empty() || (is_stream && queue.has_room()))
    }

    /// Asks the body for its next chunk, and queues it. Returns the bytes that were made for it;
    /// `None` at the end of the body.
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
        // In chunked coding, an empty chunk would be the last one.
        let is_chunked = self.is_chunked && length > 0;
        if is_chunked {
            queue.push(http::chunk_start(length));
        }
        queue.push(chunk);
        if is_chunked {
            queue.push(http::CHUNK_END);
        }
        length
    }

    /// Called at the deadline of an idle body: sends its keep-alive bytes, or asks it for a chunk.
    pub(super) fn idle(&mut self, queue: &mut WriteQueue, now: Instant) {
        match self.body().and_then(Body::keep_alive) {
            Some(bytes) => drop(self.queue(bytes.into(), queue, now)),
            // The stall timer of a blocked peer goes on.
            None if self.is_blocked => self.is_ready = true,
            None => (self.is_ready, self.progress_at) = (true, now),
        }
    }

    /// Asks the body to end. Returns whether it sends last chunks first.
    pub(super) fn end(&mut self, live: &Live, now: Instant) -> bool {
        if self.is_open() && self.body.as_mut().is_some_and(|body| body.end(live, now)) {
            (self.is_ending, self.is_ready, self.progress_at) = (true, true, now);
        }
        self.is_ending
    }

    /// Returns the rest of the reply after its body. The stall timer goes on if bytes are queued.
    pub(super) fn rest(&self, queue: &mut WriteQueue, now: Instant) -> Self {
        let progress_at = if queue.is_empty() {
            now
        } else {
            self.progress_at
        };
        if self.is_chunked {
            queue.push(http::BODY_END);
        }
        Self::new(None, false, self.keep_alive, progress_at)
    }

    /// Called after each write. `untouched` is the frame of which no byte had left before the
    /// write; it may have been taken back after it.
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
        match untouched {
            Some(_) if is_taken_back => body.sent(Sent::Blocked, now),
            Some(frame) => {
                self.begun_at = Some(now);
                body.sent(Sent::Begun(frame), now);
            }
            None => {}
        }
        if let Some(frame) = progress.delivered {
            self.begun_at = None;
            body.sent(Sent::Delivered(frame), now);
        }
    }

    /// Returns when the hub must look at the reply again. `idle`: nothing is queued, and the
    /// transport may have room.
    pub(super) fn deadline(&self, idle: bool, limits: &Limits) -> Instant {
        let ask_at = self.ask_at.filter(|_| !self.is_ready);
        let deadline = if idle && self.is_open() {
            ask_at.unwrap_or(self.progress_at + limits.keep_alive_after)
        } else {
            self.progress_at + limits.stall_timeout
        };
        let frame_deadline = self.frame_deadline(limits);
        frame_deadline.map_or(deadline, |at| at.min(deadline))
    }

    fn frame_deadline(&self, limits: &Limits) -> Option<Instant> {
        Some(self.begun_at? + limits.frame_timeout)
    }

    /// Returns why to close the connection at its deadline; `None` if the body was only idle.
    pub(super) fn overdue(&self, idle: bool, limits: &Limits, now: Instant) -> Option<CloseReason> {
        if self.frame_deadline(limits).is_some_and(|at| at <= now) {
            return Some(CloseReason::FrameTimeout);
        }
        (!idle || !self.is_open()).then_some(CloseReason::StallTimeout)
    }
}

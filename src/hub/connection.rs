//! One connection: its transport, its state, and every change of the state.

use std::io::{self, ErrorKind};
use std::mem;
use std::time::Instant;

use bytes::Bytes;

use super::sending::Sending;
use crate::stream::answer::{Answer, Awaited, Call, Exchange, Permit, Response, Subscription};
use crate::stream::client_net::ClientNet;
use crate::stream::counts::WriteCounts;
use crate::stream::queue::{Pause, Progress, WriteQueue};
use crate::stream::{Body, Key, Limits, Live, Peer, Topic, Transport, Viewer};
use crate::wire::http::{Refusal, Request, RequestReader};

/// The state of a connection. Each state has a deadline.
#[derive(Debug)]
pub enum State {
    /// The transport's handshake is in progress.
    Handshaking,
    /// Waits for a request head. The bytes that have arrived are in the connection's reader.
    Receiving,
    /// The request is on the hub's list of calls, to be answered in this turn or the next.
    Answering(Exchange),
    /// The request waits for a frame or a check, and then goes back to the list of calls.
    Waiting(Exchange, Box<Request>, Awaited),
    /// Sends a reply. Its body is asked for the next chunk each time a chunk has left.
    Sending(Sending),
    /// The last reply has left, and writing is shut down; in TLS, once `close_notify` is sent.
    /// Input is read and discarded, and its bytes are counted here: closing a socket with unread
    /// input makes the kernel send RST, and the peer loses the end of the reply.
    Closing(usize),
    /// Closed. The slot is freed at the end of the turn. A stale event cannot reach the next
    /// connection in it: the number of its key differs.
    Closed,
}

impl State {
    /// Returns the topics that wake the connection.
    pub(super) fn topics(&self) -> Vec<Topic> {
        match self {
            &State::Waiting(_, _, Awaited::Frame { camera, .. }) => vec![Topic::Frames { camera }],
            State::Sending(sending) => sending.body().map(Body::topics).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    fn sending(&self) -> Option<&Sending> {
        if let State::Sending(sending) = self {
            Some(sending)
        } else {
            None
        }
    }
}

/// One peer's transport, state and buffers.
#[derive(Debug)]
pub struct Connection<T> {
    /// The name of the connection.
    pub key: Key,
    /// The other end of the transport.
    pub peer: Peer,
    /// The client: the peer, or the address that a trusted proxy forwards.
    pub client: Peer,
    /// When it was admitted.
    pub since: Instant,
    /// What happens next.
    pub state: State,
    /// The bytes that the transport has not taken yet.
    pub queue: WriteQueue,
    /// The results of its writes so far.
    pub writes: WriteCounts,
    /// A read may succeed. Set at first and by an edge, cleared by "would block" and at EOF.
    pub readable: bool,
    /// A write may succeed. Set at first and by an edge, cleared by "would block".
    pub writable: bool,
    /// The kernel reported that both directions have ended.
    pub(super) gone: bool,
    /// A read returned 0: the peer sends no more.
    pub(super) has_ended: bool,
    /// How long the peer may be sent what it last requested.
    pub(super) permit: Permit,
    /// The client network that counts it; `None` for this machine.
    pub(super) counted: Option<ClientNet>,
    /// It is on the list of touched connections.
    pub(super) is_touched: bool,
    /// It is on the list of connections to send to.
    pub(super) is_pending: bool,
    /// The time of its earliest timer.
    pub(super) armed: Option<Instant>,
    /// The deadline of every state but `Sending`, which computes its own.
    pub(super) until: Instant,
    pub(super) transport: T,
    pub(super) requests: RequestReader,
}

impl<T: Transport> Connection<T> {
    /// Creates a connection. Both bits are set at first: the next turn tries, and waits for no
    /// event.
    pub(super) fn new(transport: T, peer: Peer, key: Key, limits: &Limits, now: Instant) -> Self {
        let (state, until) = if transport.is_established() {
            (State::Receiving, now + limits.request_timeout)
        } else {
            (State::Handshaking, now + limits.handshake_timeout)
        };
        Self {
            key,
            peer,
            client: peer,
            since: now,
            state,
            queue: WriteQueue::default(),
            writes: WriteCounts::default(),
            readable: true,
            writable: true,
            gone: false,
            has_ended: false,
            permit: Permit::default(),
            counted: None,
            is_touched: false,
            is_pending: false,
            armed: None,
            until,
            transport,
            requests: RequestReader::default(),
        }
    }

    /// Whether the key names this connection, not an earlier one of its slot, and it is open.
    #[inline]
    pub(super) fn is_open_as(&self, key: Key) -> bool {
        self.key.number == key.number && !matches!(self.state, State::Closed)
    }

    /// Whether to call [`Connection::receive`], or to close a peer that has gone.
    pub(super) fn wants_receive(&self) -> bool {
        self.wants_read() || self.has_gone()
    }

    /// Whether nothing more can be sent. A connection in `Closing` sends no more anyway, and goes
    /// on reading.
    pub(super) fn has_gone(&self) -> bool {
        self.gone && !matches!(self.state, State::Closing(_))
    }

    /// Whether to read now. During a reply, the next request stays in the kernel's buffer. During
    /// an endless body, input is read and discarded: only a read shows the end of the input.
    fn wants_read(&self) -> bool {
        let is_listening = match &self.state {
            State::Handshaking | State::Receiving | State::Closing(_) => true,
            State::Sending(sending) => sending.is_endless,
            _ => false,
        };
        self.readable && is_listening && !self.has_ended
    }

    /// Whether there are bytes to write and the transport may have room.
    pub(super) fn wants_write(&self) -> bool {
        self.writable && (!self.queue.is_empty() || self.transport.has_unsent())
    }

    /// Whether to ask the body for its next chunk.
    pub(super) fn wants_chunk(&self) -> bool {
        let sending = self.state.sending().filter(|_| self.writable);
        sending.is_some_and(|sending| sending.wants_chunk(&self.queue))
    }

    /// Reads until the transport would block or interrupts, the input ends, or the budget is
    /// reached. Keeps the bytes of requests. Returns whether reading is over: the peer sends no
    /// more, or has sent more than a closing connection drains.
    pub(super) fn receive(
        &mut self,
        scratch: &mut [u8],
        live: &mut Live,
        now: Instant,
    ) -> io::Result<bool> {
        let Live { limits, totals, .. } = live;
        let mut received = 0;
        while self.wants_read() && received < limits.read_budget_bytes {
            let read = self.transport.read(scratch);
            if matches!(self.state, State::Handshaking) && self.transport.is_established() {
                (self.state, self.until) = (State::Receiving, now + limits.request_timeout);
            }
            let count = match read {
                Ok(count) => count,
                // `readable` stays set, so the next turn reads again.
                Err(error) if error.kind() == ErrorKind::Interrupted => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    totals.writes.would_blocks += 1;
                    break;
                }
                Err(error) => return Err(error),
            };
            if count == 0 {
                (self.readable, self.has_ended) = (false, true);
                return Ok(true);
            }
            received += count;
            totals.received_bytes += count as u64;
            match &mut self.state {
                State::Receiving => {
                    if self.requests.count() > 0 && !self.requests.has_begun() {
                        // After keep-alive, the timeout of a head starts at its first byte.
                        self.until = now + limits.request_timeout;
                    }
                    self.requests.push(&scratch[..count]);
                }
                State::Closing(drained) => *drained += count,
                _ => {}
            }
        }
        totals.budget_exhausted += u64::from(self.wants_read());
        Ok(matches!(self.state, State::Closing(drained) if drained > limits.linger_bytes_max))
    }

    /// Takes the next whole request from the input, in the state `Receiving`.
    ///
    /// # Errors
    /// The input is malformed or too large. [`Connection::finish`] ends the connection.
    pub(super) fn next_request(
        &mut self,
        limits: &Limits,
        now: Instant,
    ) -> Result<Option<Request>, Refusal> {
        if !matches!(self.state, State::Receiving) {
            return Ok(None);
        }
        let Some(request) = self.requests.next_request()? else {
            return Ok(None);
        };
        let may_follow = self.requests.count() < limits.requests_per_connection_max;
        self.state = State::Answering(Exchange::new(&request, may_follow, now));
        self.until = now + limits.request_timeout;
        Ok(Some(request))
    }

    /// Whether the peer has closed both directions. TCP does not show that (shutdown(2) may have
    /// closed one), TLS does.
    pub(super) fn has_left(&self) -> bool {
        self.has_ended && self.transport.ends_with_its_peer()
    }

    /// Moves a waiting request back to `Answering`. Returns the state that it leaves.
    pub(super) fn stop_waiting(&mut self, limits: &Limits, now: Instant) -> Option<State> {
        let State::Waiting(exchange, ..) = self.state else {
            return None;
        };
        self.until = now + limits.request_timeout;
        Some(mem::replace(&mut self.state, State::Answering(exchange)))
    }

    /// Begins the reply to the request, or makes the request wait.
    pub(super) fn respond(&mut self, call: Call, answer: Answer, live: &mut Live, now: Instant) {
        let State::Answering(exchange) = self.state else {
            return;
        };
        let mut keep_alive = exchange.keep_alive && !live.is_shutting_down && !self.has_ended;
        let mut is_chunked = false;
        let body = match answer {
            Answer::Respond(Response { head, body, .. }) => {
                let length = body.as_ref().map(Bytes::len);
                self.queue.push(head.encode_finite(length, keep_alive));
                let body = body.filter(|_| !exchange.head_only);
                self.queue.push(body.unwrap_or_default());
                None
            }
            Answer::Stream(head, body) => {
                let length = body.length();
                is_chunked = exchange.accepts_chunked && length.is_none();
                // No request follows an endless body, or one that the end of the connection ends.
                keep_alive &= length.is_some() || (is_chunked && body.topics().is_empty());
                self.queue.push(match length {
                    Some(length) => head.encode_finite(Some(length as usize), keep_alive),
                    None => head.encode_streamed(is_chunked, keep_alive),
                });
                Some(body).filter(|_| !exchange.head_only)
            }
            Answer::Preformed(bytes) => return self.finish(bytes, None, now),
            Answer::Subscribe(subscription) => return self.subscribe(subscription, live, now),
            Answer::Wait(awaited) => {
                self.until = now + live.limits.wait_timeout;
                self.state = State::Waiting(exchange, call.request, awaited);
                return;
            }
        };
        self.state = State::Sending(Sending::new(body, is_chunked, keep_alive, now));
    }

    /// Sends the frames of a camera from now on.
    pub(super) fn subscribe(&mut self, wanted: Subscription, live: &mut Live, now: Instant) {
        let viewer = Viewer::new(&wanted, &mut live.channels[wanted.camera], now);
        self.finish(wanted.head, Some(Box::new(viewer)), now);
    }

    /// Sends these bytes, then the body, then closes the connection.
    pub(super) fn finish(&mut self, bytes: Bytes, body: Option<Box<dyn Body>>, now: Instant) {
        self.queue.push(bytes);
        self.state = State::Sending(Sending::new(body, false, false, now));
    }

    /// Marks the body ready: there may be a chunk. Returns whether the request of the connection
    /// waits for a frame, and this sequence is new enough.
    pub(super) fn wake(&mut self, sequence: u64) -> bool {
        match &mut self.state {
            State::Sending(sending) => sending.is_ready = true,
            State::Waiting(_, _, Awaited::Frame { after, .. }) => return sequence > *after,
            _ => {}
        }
        false
    }

    /// Queues what follows the body at its end. Returns the state that the connection leaves, or
    /// `None` if the body had ended before.
    pub(super) fn end_body(&mut self, now: Instant) -> Option<State> {
        let sending = self.state.sending()?;
        sending.body()?;
        let rest = sending.rest(&mut self.queue, now);
        Some(mem::replace(&mut self.state, State::Sending(rest)))
    }

    /// Writes until the transport would block, nothing is left, or the budget is reached. A frame
    /// of which the transport took no byte is taken back: the next pull may get a newer one.
    pub(super) fn write(&mut self, live: &mut Live, now: Instant) -> io::Result<Progress> {
        let Live { limits, totals, .. } = live;
        let untouched = self.queue.untouched_frame();
        let (transport, budget_bytes) = (&mut self.transport, limits.write_budget_bytes);
        let progress = self.queue.write_to(transport, budget_bytes)?;
        self.writable = progress.pause != Pause::WouldBlock;
        for counts in [&mut self.writes, &mut totals.writes] {
            counts.add(progress.bytes, progress.is_partial, !self.writable);
        }
        totals.budget_exhausted += u64::from(progress.pause == Pause::Budget);
        if let State::Sending(sending) = &mut self.state {
            let is_taken_back = self.queue.take_back();
            sending.written(&progress, untouched, is_taken_back, now);
        }
        Ok(progress)
    }

    /// Called when the whole reply has left. Waits for the next request, or shuts down writing.
    /// Returns whether to close the connection now.
    ///
    /// # Errors
    /// Shutting down failed.
    pub(super) fn replied(&mut self, limits: &Limits, now: Instant) -> io::Result<bool> {
        let keep_alive = self
            .state
            .sending()
            .is_some_and(|sending| sending.keep_alive);
        if keep_alive && !self.has_ended {
            let timeout = if self.requests.has_begun() {
                limits.request_timeout
            } else {
                limits.idle_timeout
            };
            (self.state, self.until) = (State::Receiving, now + timeout);
        } else if !self.has_ended {
            self.requests.clear();
            self.transport.shutdown_write()?;
            (self.state, self.until) = (State::Closing(0), now + limits.linger_timeout);
        }
        Ok(self.has_ended)
    }

    /// Returns when the hub must look at the connection again. Every state has such a time.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let sending = self.state.sending();
        let deadline = sending.map_or(self.until, |sending| {
            sending.deadline(self.is_idle(), limits)
        });
        let until = self.permitted_until();
        until.map_or(deadline, |until| until.min(deadline))
    }

    /// Returns when the permit ends the body or the wait.
    pub(super) fn permitted_until(&self) -> Option<Instant> {
        let is_waiting = matches!(self.state, State::Waiting(..));
        let is_bound = is_waiting || self.state.sending().is_some_and(Sending::is_open);
        self.permit.until.filter(|_| is_bound)
    }

    /// Whether nothing is queued and the transport may have room.
    pub(super) fn is_idle(&self) -> bool {
        self.writable && self.queue.is_empty()
    }

    /// Returns the body, if it is a camera's frames.
    pub fn viewer(&self) -> Option<&Viewer> {
        self.state.sending()?.viewer()
    }

    /// Whether the queue or the body keeps this allocation of a frame in memory.
    pub(super) fn holds(&self, allocation: &Bytes) -> bool {
        let body = self.state.sending().and_then(Sending::body);
        self.queue.holds(allocation) || body.is_some_and(|body| body.holds(allocation))
    }
}

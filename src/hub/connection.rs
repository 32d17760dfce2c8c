//! One connection: its transport, its state, and every change of the state.

use std::io::{self, ErrorKind};
use std::mem;
use std::time::Instant;

use bytes::Bytes;

use super::sending::Sending;
use crate::stream::answer::{Awaited, Exchange, Permit, Response};
use crate::stream::client_net::ClientNet;
use crate::stream::counts::WriteCounts;
use crate::stream::queue::{Pause, Progress, WriteQueue};
use crate::stream::{Body, Limits, Live, Peer, Topic, Transport, Viewer};
use crate::wire::http::{Refusal, Request, RequestReader, ResponseHead};

/// Where a connection stands between its first request and its end.
#[derive(Debug)]
pub enum State {
    /// The transport's handshake is under way.
    Handshaking,
    /// A request head is awaited; what has arrived of it is in the connection's buffer.
    Receiving,
    /// A request was handed out, and its answer is awaited within the turn.
    Answering(Exchange),
    /// The request waits for something and will be handed out again.
    Waiting(Exchange, Box<Request>, Awaited),
    /// A reply is sent: its body is asked for the next chunk whenever the last one has left.
    Sending(Sending),
    /// The last reply has been sent and writing is shut down. So many bytes that the peer still
    /// sent were discarded: closing on unread input would make the kernel reset the connection, and
    /// the peer lose the reply.
    Closing(usize),
    /// Closed. The slot stays taken until the end of the turn, so that a stale event cannot reach a
    /// new connection.
    Closed,
}

impl State {
    /// What the connection must be woken for.
    pub(super) fn topics(&self) -> Vec<Topic> {
        match self {
            State::Waiting(_, _, Awaited::Frame { camera, .. }) => {
                vec![Topic::Frames { camera: *camera }]
            }
            State::Sending(Sending {
                body: Some(body), ..
            }) => body.topics(),
            _ => Vec::new(),
        }
    }
}

/// One peer's transport, state and buffers.
#[derive(Debug)]
pub struct Connection<T> {
    /// The other end of the transport.
    pub peer: Peer,
    /// The client: the peer, or the one that the peer names if it is a trusted proxy.
    pub client: Peer,
    /// When it was admitted.
    pub since: Instant,
    /// Where it stands.
    pub state: State,
    /// What is queued for it.
    pub queue: WriteQueue,
    /// What became of its writes, so far.
    pub writes: WriteCounts,
    /// Which connection it is; see [`crate::stream::Key`].
    pub number: u32,
    /// There may be bytes to read: the last attempt did not end in "would block", or an edge has
    /// come since.
    pub readable: bool,
    /// There may be room to write, likewise.
    pub writable: bool,
    /// Both directions have ended.
    pub(super) gone: bool,
    /// The peer sends no more.
    pub(super) has_ended: bool,
    /// How long it may be sent what it last requested.
    pub(super) permit: Permit,
    /// The network that it counts against, if it counts.
    pub(super) counted: Option<ClientNet>,
    /// On the list of connections that were changed.
    pub(super) is_touched: bool,
    /// On the list of connections to send to.
    pub(super) is_pending: bool,
    /// The time of its earliest timer.
    pub(super) armed: Option<Instant>,
    /// The deadline of the state, in all states but `Sending`.
    pub(super) until: Instant,
    transport: T,
    pub(super) requests: RequestReader,
}

impl<T: Transport> Connection<T> {
    /// A new connection. Until an edge says otherwise, both directions are worth a try.
    pub(super) fn new(
        transport: T,
        peer: Peer,
        number: u32,
        limits: &Limits,
        now: Instant,
    ) -> Self {
        let (state, until) = if transport.is_established() {
            (State::Receiving, now + limits.request_timeout)
        } else {
            (State::Handshaking, now + limits.handshake_timeout)
        };
        Self {
            peer,
            client: peer,
            since: now,
            state,
            queue: WriteQueue::default(),
            writes: WriteCounts::default(),
            number,
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

    /// Whether a turn has something to send to it that waits for no event.
    pub(super) fn has_work(&self) -> bool {
        self.wants_write() || self.wants_chunk()
    }

    /// Whether the turn must look at what it receives.
    pub(super) fn wants_receive(&self) -> bool {
        self.wants_read() || self.has_gone()
    }

    /// Whether nothing more can be sent to it. While it is drained, that goes on.
    pub(super) fn has_gone(&self) -> bool {
        self.gone && !matches!(self.state, State::Closing(_))
    }

    /// Whether to read now. While a reply is under way, a further request waits in the kernel's
    /// buffer; the peer of an endless body is read all the same, since that is how its leaving is
    /// seen.
    fn wants_read(&self) -> bool {
        let is_listening = match &self.state {
            State::Handshaking | State::Receiving | State::Closing(_) => true,
            State::Sending(sending) => sending.is_endless,
            _ => false,
        };
        self.readable && is_listening && !self.has_ended
    }

    /// Whether there is something to write and room for it.
    pub(super) fn wants_write(&self) -> bool {
        self.writable && (!self.queue.is_empty() || self.transport.has_unsent())
    }

    /// Whether to ask the body for its next chunk.
    pub(super) fn wants_chunk(&self) -> bool {
        self.writable
            && matches!(&self.state, State::Sending(sending) if sending.wants_chunk(&self.queue))
    }

    /// Reads until the transport would block, the peer has ended, or the budget is spent. Keeps
    /// what may belong to a request. Returns whether the peer has ended: it sends no more, or more
    /// than is drained before a close.
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
                        // On a kept connection, the time for a head begins with its first byte.
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

    /// Takes the next whole request off what has arrived, if one is awaited.
    ///
    /// # Errors
    /// What has arrived can never become a request that is served.
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

    /// Whether a peer that sends no more has left.
    pub(super) fn has_left(&self) -> bool {
        self.has_ended && self.transport.ends_with_its_peer()
    }

    /// Makes a request wait.
    pub(super) fn wait(
        &mut self,
        exchange: Exchange,
        request: Box<Request>,
        awaited: Awaited,
        until: Instant,
    ) {
        (self.state, self.until) = (State::Waiting(exchange, request, awaited), until);
    }

    /// Hands out again a request that waits. Returns the state that it leaves.
    pub(super) fn wait_no_more(&mut self, limits: &Limits, now: Instant) -> Option<State> {
        let State::Waiting(exchange, ..) = self.state else {
            return None;
        };
        self.until = now + limits.request_timeout;
        Some(mem::replace(&mut self.state, State::Answering(exchange)))
    }

    /// Sends a whole response.
    pub(super) fn respond(&mut self, response: Response, exchange: Exchange, now: Instant) {
        let keep_alive = exchange.keep_alive && !self.has_ended;
        let length = response.body.as_ref().map(Bytes::len);
        self.queue
            .push(response.head.encode_finite(length, keep_alive));
        self.queue.push(
            response
                .body
                .filter(|_| !exchange.head_only)
                .unwrap_or_default(),
        );
        self.state = State::Sending(Sending::new(None, false, keep_alive, now));
    }

    /// Sends these bytes and then `body`, if there is one, up to the end of the connection.
    pub(super) fn finish(&mut self, bytes: Bytes, body: Option<Box<dyn Body>>, now: Instant) {
        self.queue.push(bytes);
        self.state = State::Sending(Sending::new(body, false, false, now));
    }

    /// Sends a body that is made as it is sent; only its head, if no more was requested.
    pub(super) fn stream(
        &mut self,
        head: ResponseHead,
        body: Box<dyn Body>,
        exchange: Exchange,
        now: Instant,
    ) {
        let length = body.length();
        let is_chunked = exchange.is_chunked && length.is_none();
        let has_end = length.is_some() || (is_chunked && body.topics().is_empty());
        let keep_alive = exchange.keep_alive && has_end && !self.has_ended;
        self.queue.push(match length {
            Some(length) => head.encode_finite(Some(length as usize), keep_alive),
            None => head.encode_streamed(is_chunked, keep_alive),
        });
        let body = Some(body).filter(|_| !exchange.head_only);
        self.state = State::Sending(Sending::new(body, is_chunked, keep_alive, now));
    }

    /// Marks the body ready: there may be a chunk. Returns whether a request waits for a frame of
    /// this sequence.
    pub(super) fn wake(&mut self, sequence: u64) -> bool {
        match &mut self.state {
            State::Sending(sending) => sending.is_ready = true,
            State::Waiting(_, _, Awaited::Frame { after, .. }) => return sequence > *after,
            _ => {}
        }
        false
    }

    /// Called when a body has ended. Returns the state that the connection leaves, unless all of
    /// the reply was queued.
    pub(super) fn end_body(&mut self, now: Instant) -> Option<State> {
        let State::Sending(sending) = &self.state else {
            return None;
        };
        sending.body.as_ref()?;
        let rest = sending.rest(&mut self.queue, now);
        Some(mem::replace(&mut self.state, State::Sending(rest)))
    }

    /// Writes what the transport takes. A frame of which it took no byte goes back: by the next
    /// pull there may be a newer one.
    pub(super) fn write(&mut self, live: &mut Live, now: Instant) -> io::Result<Progress> {
        let Live { limits, totals, .. } = live;
        let untouched = self.queue.untouched_frame();
        let progress = self
            .queue
            .write_to(&mut self.transport, limits.write_budget_bytes)?;
        self.writable = progress.pause != Pause::WouldBlock;
        self.writes
            .add(progress.bytes, progress.is_partial, !self.writable);
        totals
            .writes
            .add(progress.bytes, progress.is_partial, !self.writable);
        totals.budget_exhausted += u64::from(progress.pause == Pause::Budget);
        if let State::Sending(sending) = &mut self.state {
            let is_taken_back = self.queue.take_back();
            sending.written(&progress, untouched, is_taken_back, now);
        }
        Ok(progress)
    }

    /// Called when a reply has been fully written: waits for the next request, or shuts down
    /// writing. Returns whether the connection is to be closed.
    ///
    /// # Errors
    /// Writing could not be shut down.
    pub(super) fn replied(&mut self, limits: &Limits, now: Instant) -> io::Result<bool> {
        let keep_alive = matches!(&self.state, State::Sending(sending) if sending.keep_alive);
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

    /// When this connection must be looked at again. There is such a time in every state.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let deadline = match &self.state {
            State::Sending(sending) => sending.deadline(self.is_idle(), limits),
            _ => self.until,
        };
        self.permitted_until()
            .map_or(deadline, |until| until.min(deadline))
    }

    /// When the body must end, or the wait, because its permit does.
    pub(super) fn permitted_until(&self) -> Option<Instant> {
        let is_bound = match &self.state {
            State::Sending(sending) => sending.is_open(),
            state => matches!(state, State::Waiting(..)),
        };
        self.permit.until.filter(|_| is_bound)
    }

    /// Whether nothing is queued, though the transport would take it.
    pub(super) fn is_idle(&self) -> bool {
        self.writable && self.queue.is_empty()
    }

    /// The viewer that it is, if its body is a camera's frames.
    pub fn viewer(&self) -> Option<&Viewer> {
        if let State::Sending(sending) = &self.state {
            sending.viewer()
        } else {
            None
        }
    }

    /// Whether a frame, of which this is the allocation, is queued, or is to become part of the
    /// body.
    pub(super) fn holds(&self, allocation: &Bytes) -> bool {
        let State::Sending(Sending {
            body: Some(body), ..
        }) = &self.state
        else {
            return self.queue.holds(allocation);
        };
        body.holds(allocation) || self.queue.holds(allocation)
    }

    /// The transport of a closed connection.
    pub(super) fn into_transport(self) -> T {
        self.transport
    }
}

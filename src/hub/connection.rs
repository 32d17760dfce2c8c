//! One peer: what it may do next, what has come from it, and what is queued for it.

mod body;

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use bytes::Bytes;

use super::answer::{Awaited, Permit, Response};
use super::limits::Limits;
use super::producer::Reader;
use super::queue::{Pause, Progress, WriteQueue};
use super::viewer::Viewer;
use crate::stream::client_net::ClientNet;
use crate::stream::peer::Peer;
use crate::stream::sabotage::{self, Sabotage};
use crate::wire::http::{HeadSearch, Method, Refusal, Request, Version};

/// A byte stream in both directions that never blocks: `read`, `write` and `flush` say [`ErrorKind::WouldBlock`]
/// instead, and after that an edge of readiness is owed to [`super::Hub::ready`]: to a reader when there may be bytes,
/// to a writer when there may be room. A `read` that says [`ErrorKind::Interrupted`] owes none: it has done enough for
/// this turn, and wants to be called again in the next.
///
/// An error of `read` that holds a [`Refusal`] ends the connection with that reply.
pub trait Transport: Read + Write {
    /// Whether a request can come in; not while a handshake is under way.
    fn is_established(&self) -> bool {
        true
    }

    /// Whether it holds bytes that the peer must be sent, its own or such as `write` took: `flush` sends them.
    fn has_unsent(&self) -> bool {
        false
    }

    /// Whether a peer that sends no more has left. A TCP peer may have shut down its write side alone.
    fn ends_with_its_peer(&self) -> bool {
        false
    }

    /// Tells the peer that nothing more will come. What was written before still arrives.
    ///
    /// # Errors
    /// What the transport says; the connection is then closed without more ado.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// An edge: what has become possible since the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There may be bytes to read, or an end.
    pub readable: bool,
    /// There may be room for bytes to write.
    pub writable: bool,
    /// Both directions have ended: nothing that is written will arrive.
    pub gone: bool,
}

/// Where a connection stands between its first request and its end.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most connections are viewers; a box would be one more place to look at")]
pub enum State {
    /// The transport has yet to be agreed upon with the peer.
    Handshaking {
        /// That must be done by then.
        until: Instant,
    },
    /// A request head is awaited; what has come of it is in the connection's buffer.
    Receiving {
        /// The head must be whole, or have begun, by then.
        until: Instant,
    },
    /// A request was handed out, and its answer is awaited within this turn.
    Answering {
        /// How the reply must be shaped.
        exchange: Exchange,
        /// It is looked at again then; the turn is long over, unless the process was stopped.
        until: Instant,
    },
    /// The request waits for something and will be handed out again.
    Waiting {
        /// How the reply must be shaped.
        exchange: Exchange,
        /// The request, as it was handed out.
        request: Box<Request>,
        /// What it waits for.
        awaited: Awaited,
        /// It is handed out by then, come what may.
        until: Instant,
    },
    /// A reply is sent: its body is asked for the next chunk whenever the last one has left.
    Sending(Body),
    /// The last reply has been sent and the write side shut; what the peer still sends is thrown away, since closing on
    /// unread input would make the kernel reset the connection and the peer lose the reply.
    Closing {
        /// Closed by then whatever the peer does.
        until: Instant,
        /// Bytes thrown away so far.
        drained: usize,
    },
    /// Over. The slot stays taken until the end of the turn, so a stale event cannot reach a new connection.
    Closed,
}

/// Where the next chunk of a reply comes from.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most connections are viewers; a box would be one more place to look at")]
pub enum Body {
    /// All of it is queued.
    Queued {
        /// Whether another request may follow.
        keep_alive: bool,
        /// The transport last took a byte then, or was first asked to.
        progress_at: Instant,
    },
    /// A camera's newest frame.
    Frames(Viewer),
    /// It is made as it is sent.
    Made(Box<Reader>),
}

/// What of a request shapes the reply to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Whether the peer wants to send another request afterwards.
    pub keep_alive: bool,
    /// Whether it asked for the head alone.
    pub head_only: bool,
    /// Whether it understands a body in chunks.
    pub is_chunked: bool,
    /// When the request had come in whole.
    pub asked_at: Instant,
}

/// How a round of reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The kernel has no more; it owes an edge.
    WouldBlock,
    /// The peer will send no more.
    End,
    /// The budget was reached: there may be more.
    Budget,
}

/// One peer's transport, state and buffers.
#[derive(Debug)]
pub struct Connection<T> {
    /// The other end of the transport.
    pub peer: Peer,
    /// Whose requests these are: the peer, or the client that it names if it is a trusted proxy.
    pub client: Peer,
    /// For how long it may be sent what it last asked for.
    pub(super) permit: Permit,
    /// The network that it counts against, if it counts.
    pub(super) counted: Option<ClientNet>,
    /// When it was admitted.
    pub since: Instant,
    /// Where it stands.
    pub state: State,
    /// What is queued for it.
    pub queue: WriteQueue,
    /// Writes that the kernel took in part, so far.
    pub partial_writes: u64,
    /// Writes that the kernel took nothing of, so far.
    pub would_blocks: u64,
    /// Bytes that the kernel took, so far.
    pub bytes_sent: u64,
    /// Counted up over all connections; see [`super::Key`].
    pub number: u32,
    /// There may be bytes to read: the last attempt did not say "would block", or an edge has come since.
    pub readable: bool,
    /// There may be room for bytes to write, likewise.
    pub writable: bool,
    /// The transport has reported that both directions have ended.
    pub(super) gone: bool,
    /// On the hub's list of connections with work to do.
    pub(super) scheduled: bool,
    /// The time of this connection's earliest entry among the timers.
    pub(super) armed: Option<Instant>,
    transport: T,
    ended: bool,
    received: Vec<u8>,
    search: HeadSearch,
    requests: u32,
}

impl<T: Transport> Connection<T> {
    /// A connection that has just been made; until an edge says otherwise, both directions are worth a try.
    pub(super) fn new(transport: T, peer: Peer, number: u32, limits: &Limits, now: Instant) -> Self {
        let state = match transport.is_established() {
            true => State::Receiving { until: now + limits.request_timeout },
            false => State::Handshaking { until: now + limits.handshake_timeout },
        };
        Self {
            peer,
            client: peer,
            permit: Permit::default(),
            counted: None,
            since: now,
            state,
            queue: WriteQueue::default(),
            partial_writes: 0,
            would_blocks: 0,
            bytes_sent: 0,
            number,
            readable: true,
            writable: true,
            gone: false,
            scheduled: false,
            armed: None,
            transport,
            ended: false,
            received: Vec::new(),
            search: HeadSearch::default(),
            requests: 0,
        }
    }

    /// Whether what comes in is wanted now. While a reply is under way it is not: one request at a time, and the
    /// kernel's buffer makes the peer wait.
    pub(super) fn wants_read(&self) -> bool {
        let is_listening = match &self.state {
            State::Handshaking { .. }
            | State::Receiving { .. }
            | State::Sending(Body::Frames(_))
            | State::Closing { .. } => true,
            State::Sending(Body::Made(reader)) => reader.is_endless,
            _ => false,
        };
        self.readable && is_listening && !self.ended
    }

    /// Whether a turn has something to do for it that waits for no event.
    pub(super) fn has_work(&self) -> bool {
        self.wants_read() || self.wants_write() || self.wants_chunk()
    }

    /// Whether the body is to be asked for its next chunk: the transport has room, nothing has begun, and there may be
    /// a chunk.
    pub(super) fn wants_chunk(&self) -> bool {
        let is_ready = match &self.state {
            State::Sending(Body::Queued { .. }) => self.queue.is_empty(),
            // The first frame leaves together with the head, the end of a stream behind all that is queued.
            State::Sending(Body::Frames(viewer)) => viewer.is_ready && (viewer.is_live() || self.queue.is_empty()),
            State::Sending(Body::Made(reader)) if sabotage::is(Sabotage::PullEarly) => return reader.is_ready,
            State::Sending(Body::Made(reader)) => reader.is_ready && self.queue.is_empty(),
            _ => false,
        };
        is_ready && self.writable && self.queue.has_room()
    }

    /// Whether there is something to write and room for it.
    pub(super) fn wants_write(&self) -> bool {
        let has_work = !self.queue.is_empty() || self.transport.has_unsent();
        self.writable && has_work && !matches!(self.state, State::Closed)
    }

    /// Reads until the transport would block, the peer has ended, or the budget is spent; tells which, and how many
    /// bytes came. Kept is what may belong to a request; a viewer or a peer we are done with is read all the same,
    /// since that is how its leaving is seen.
    pub(super) fn receive(
        &mut self,
        scratch: &mut [u8],
        limits: &Limits,
        now: Instant,
    ) -> io::Result<(Received, usize)> {
        let mut total = 0;
        while total < limits.read_budget_bytes {
            let read = self.transport.read(scratch);
            if matches!(self.state, State::Handshaking { .. }) && self.transport.is_established() {
                self.state = State::Receiving { until: now + limits.request_timeout };
            }
            match read {
                Ok(0) => {
                    self.readable = false;
                    self.ended = true;
                    return Ok((Received::End, total));
                }
                Ok(count) => {
                    total += count;
                    let has_begun = self.has_begun_request();
                    match &mut self.state {
                        State::Receiving { until } => {
                            // On a kept connection, the time for a head begins with its first byte.
                            let is_first = self.requests > 0 && !has_begun;
                            if is_first || sabotage::is(Sabotage::TimePerByte) {
                                *until = now + limits.request_timeout;
                            }
                            self.received.extend_from_slice(&scratch[..count]);
                        }
                        State::Closing { drained, .. } => *drained += count,
                        _ => {}
                    }
                    if sabotage::is(Sabotage::ForgetToDrain) {
                        self.readable = false;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => return Ok((Received::Budget, total)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok((Received::WouldBlock, total));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((Received::Budget, total))
    }

    /// Takes the next whole request off what has come, if there is one and it is awaited.
    ///
    /// # Errors
    /// What has come can never become a request that is served.
    pub(super) fn next_request(&mut self, limits: &Limits, now: Instant) -> Result<Option<Request>, Refusal> {
        if !matches!(self.state, State::Receiving { .. }) || self.received.is_empty() {
            return Ok(None);
        }
        let Some((request, length)) = Request::parse_on(&self.received, &mut self.search)? else { return Ok(None) };
        self.received.drain(..length);
        if sabotage::is(Sabotage::ForgetPipelined) {
            self.received.clear();
        }
        if self.received.is_empty() {
            // Most connections say one thing and then only listen: they need not keep the room for it.
            self.received = Vec::new();
        }
        self.requests += 1;
        let keep_alive = request.keep_alive && self.requests < limits.requests_per_connection_max;
        let is_chunked = request.version == Version::Http11;
        let exchange = Exchange { keep_alive, head_only: request.method == Method::Head, is_chunked, asked_at: now };
        self.state = State::Answering { exchange, until: now + limits.request_timeout };
        Ok(Some(request))
    }

    /// Whether a peer that sends no more has left.
    pub(super) fn ends_with_its_peer(&self) -> bool {
        self.transport.ends_with_its_peer()
    }

    /// Whether the peer will send no more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether it has not yet been asked anything.
    pub(super) fn is_new(&self) -> bool {
        self.requests == 0
    }

    /// Whether part of a request has come. The empty lines that are ignored before one are no part of it.
    pub(super) fn has_begun_request(&self) -> bool {
        self.received.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// Answers with a whole response.
    pub(super) fn respond(&mut self, response: Response, exchange: Exchange, now: Instant) {
        let keep_alive = exchange.keep_alive && !self.ended;
        let length = response.body.as_ref().map(Bytes::len);
        self.queue.push(response.head.encode_finite(length, keep_alive));
        if let Some(body) = response.body.filter(|_| !exchange.head_only) {
            self.queue.push(body);
        }
        self.state = State::Sending(Body::Queued { keep_alive, progress_at: now });
    }

    /// Sends these last bytes and then no more.
    pub(super) fn finish(&mut self, bytes: Bytes, now: Instant) {
        self.queue.push(bytes);
        self.state = State::Sending(Body::Queued { keep_alive: false, progress_at: now });
    }

    /// Makes the peer a viewer, behind the head of its stream.
    pub(super) fn subscribe(&mut self, viewer: Viewer, head: Bytes) {
        self.queue.push(head);
        self.state = State::Sending(Body::Frames(viewer));
    }

    /// The viewer that its peer is, if it is one.
    pub fn viewer(&self) -> Option<&Viewer> {
        match &self.state {
            State::Sending(Body::Frames(viewer)) => Some(viewer),
            _ => None,
        }
    }

    /// Writes what the transport takes, and notes what came of it.
    pub(super) fn write(&mut self, budget_bytes: usize, now: Instant) -> io::Result<Progress> {
        let waiting = self.queue.frame().filter(|_| self.queue.has_untouched_frame());
        let progress = self.queue.write_to(&mut self.transport, budget_bytes)?;
        self.writable = progress.pause != Pause::WouldBlock;
        if sabotage::is(Sabotage::ForgetWritable) {
            self.writable = progress.pause == Pause::Drained;
        }
        self.partial_writes += progress.partial_writes;
        self.would_blocks += u64::from(progress.pause == Pause::WouldBlock);
        self.bytes_sent += progress.bytes as u64;
        match &mut self.state {
            State::Sending(Body::Queued { progress_at, .. }) if progress.has_moved() => *progress_at = now,
            State::Sending(Body::Made(reader)) if progress.has_moved() => reader.progressed(now),
            State::Sending(Body::Frames(viewer)) => {
                if progress.has_moved() {
                    viewer.progressed(now);
                }
                if let Some(frame) = waiting {
                    // A frame of which no byte has left goes back: by the next pull there may be a newer one.
                    if self.queue.take_back() {
                        viewer.blocked(now);
                    } else {
                        let skipped = viewer.begun(frame, now);
                        log::trace!("#{}: frame {} begins, {skipped} skipped", self.number, frame.sequence);
                    }
                }
                if let Some(frame) = progress.delivered {
                    viewer.delivered(frame, now);
                }
            }
            _ => {}
        }
        Ok(progress)
    }

    /// Called when a reply has been fully written: waits for the next request, or shuts down writing. Returns whether
    /// the connection is over.
    ///
    /// # Errors
    /// The write side could not be shut.
    pub(super) fn replied(&mut self, keep_alive: bool, limits: &Limits, now: Instant) -> io::Result<bool> {
        if keep_alive && !self.ended {
            let timeout = if self.has_begun_request() { limits.request_timeout } else { limits.idle_timeout };
            self.state = State::Receiving { until: now + timeout };
            return Ok(false);
        }
        self.received = Vec::new();
        if self.ended || sabotage::is(Sabotage::ForgetToLinger) {
            return Ok(true);
        }
        self.transport.shutdown_write()?;
        self.state = State::Closing { until: now + limits.linger_timeout, drained: 0 };
        Ok(false)
    }

    /// When this connection must be looked at again. There is such a time in every state.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let deadline = self.state_deadline(limits);
        self.permitted_until().map_or(deadline, |until| until.min(deadline))
    }

    /// When what it is being sent must end, or wait no longer, because its permit does.
    pub(super) fn permitted_until(&self) -> Option<Instant> {
        let is_bound = match &self.state {
            State::Sending(Body::Frames(viewer)) => viewer.is_live(),
            State::Sending(Body::Made(_)) | State::Waiting { .. } => true,
            _ => false,
        };
        self.permit.until.filter(|_| is_bound)
    }

    fn state_deadline(&self, limits: &Limits) -> Instant {
        match &self.state {
            State::Handshaking { until }
            | State::Receiving { until }
            | State::Answering { until, .. }
            | State::Waiting { until, .. }
            | State::Closing { until, .. } => *until,
            State::Sending(_) if sabotage::is(Sabotage::NoDeadlineAfterHead) => {
                self.since + limits.stall_timeout * 1000
            }
            State::Sending(Body::Queued { progress_at, .. }) => *progress_at + limits.stall_timeout,
            State::Sending(Body::Frames(viewer)) => viewer.deadline(self.is_idle(), limits),
            State::Sending(Body::Made(reader)) => reader.deadline(self.queue.is_empty(), limits),
            State::Closed => self.since,
        }
    }

    /// Whether nothing is queued, though the transport would take it.
    pub(super) fn is_idle(&self) -> bool {
        self.writable && self.queue.is_empty()
    }

    /// The transport, for what is left to do with it once the connection is over.
    pub(super) fn into_transport(self) -> T {
        self.transport
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.readable, "readable"), (self.writable, "writable"), (self.gone, "gone")];
        let words: Vec<_> = words.iter().filter(|(holds, _)| *holds).map(|(_, word)| *word).collect();
        f.write_str(&words.join(", "))
    }
}

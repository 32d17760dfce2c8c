//! One viewer: a socket, its state, and a parser.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use socket2::{Domain, Protocol, Socket, Type};

use super::figures::Figures;
use super::parser::{Check, Parser};
use super::plan::Target;
use super::tls::Session;
use crate::clock::wall_time;

/// The receive buffer of slow and stalled viewers (SO_RCVBUF), in bytes. The kernel doubles it. With
/// default buffers a slow viewer would look fast for the first megabytes.
const SLOW_RECEIVE_BUFFER_BYTES: usize = 8 * 1024;

/// The minimum number of bytes for which discarding in the kernel is cheaper than copying, although
/// it needs two more system calls per frame.
const DISCARD_BYTES_MIN: usize = 8 * 1024;

/// The number of bytes to read for a delimiter and the next header, before the rest of a body is
/// discarded.
const HEADER_READ_BYTES: usize = 512;

/// The burst of a slow viewer after a pause, as a time at its rate.
const SAVED_TIME_MAX: Duration = Duration::from_millis(100);

/// The role of a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Reads as fast as it can.
    Steady,
    /// Reads at a limited rate.
    Slow,
    /// Sends a request and never reads.
    Stalled,
    /// Reads as fast as it can and leaves after a second.
    Churn,
}

impl Role {
    pub(super) const ALL: [Self; 4] = [Self::Steady, Self::Slow, Self::Stalled, Self::Churn];
}

/// One value per role.
#[derive(Clone, Debug, Default)]
pub(super) struct ByRole<T> {
    pub(super) steady: T,
    pub(super) slow: T,
    pub(super) stalled: T,
    pub(super) churn: T,
}

impl<T> ByRole<T> {
    pub(super) fn of(&self, role: Role) -> &T {
        match role {
            Role::Steady => &self.steady,
            Role::Slow => &self.slow,
            Role::Stalled => &self.stalled,
            Role::Churn => &self.churn,
        }
    }

    pub(super) fn of_mut(&mut self, role: Role) -> &mut T {
        match role {
            Role::Steady => &mut self.steady,
            Role::Slow => &mut self.slow,
            Role::Stalled => &mut self.stalled,
            Role::Churn => &mut self.churn,
        }
    }
}

/// The state of a viewer.
#[derive(Debug)]
pub(super) enum State {
    /// The TCP handshake is in progress.
    Connecting(TcpStream),
    /// The request has been sent; no whole frame has arrived.
    Waiting(TcpStream),
    /// A frame has arrived. For a stalled viewer: the request has been sent.
    Watching(TcpStream),
    /// The viewer got no frame, for this reason.
    Failed(String),
    /// The server ended the stream after a frame.
    Closed,
}

/// The result of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadResult {
    /// The socket would block: an edge will follow.
    Drained,
    /// The budget was reached first: no edge will follow, so the viewer must be called again.
    BudgetSpent,
}

/// A viewer.
pub(super) struct Viewer {
    pub(super) role: Role,
    pub(super) state: State,
    pub(super) opened_at: Instant,
    pub(super) parser: Parser,
    /// On `https://`, from the request on.
    session: Option<Box<Session>>,
    /// Whether the server has closed its side. The event comes once, perhaps long before all bytes
    /// have been read.
    hung_up: bool,
    /// The number of bytes that a slow viewer may read now.
    allowance: usize,
    refilled_at: Instant,
}

/// What all viewers need for reading.
pub(super) struct ReadContext<'a> {
    pub(super) buffer: &'a mut [u8],
    /// The read budget of a fast viewer, in bytes.
    pub(super) budget: usize,
    pub(super) figures: &'a mut Figures,
    pub(super) target: &'a Target,
}

impl Viewer {
    /// Starts to connect, from address `source` if given.
    pub(super) fn open(
        role: Role,
        check: Check,
        address: SocketAddr,
        source: Option<Ipv4Addr>,
        now: Instant,
    ) -> Self {
        let state = match connect(role, address, source) {
            Ok(stream) => State::Connecting(stream),
            Err(error) => State::Failed(error.to_string()),
        };
        Self {
            role,
            state,
            opened_at: now,
            parser: Parser::new(check),
            session: None,
            hung_up: false,
            allowance: 0,
            refilled_at: now,
        }
    }

    /// Returns the socket, if it is open.
    pub(super) fn stream_mut(&mut self) -> Option<&mut TcpStream> {
        match &mut self.state {
            State::Connecting(stream) | State::Waiting(stream) | State::Watching(stream) => {
                Some(stream)
            }
            State::Failed(_) | State::Closed => None,
        }
    }

    /// Whether the first frame is still missing.
    pub(super) fn is_joining(&self) -> bool {
        matches!(self.state, State::Connecting(_) | State::Waiting(_))
    }

    /// Whether the viewer has a frame and its stream continues.
    pub(super) fn is_watching(&self) -> bool {
        matches!(self.state, State::Watching(_))
    }

    /// Returns the reason of a failure.
    pub(super) fn failure(&self) -> Option<&str> {
        match &self.state {
            State::Failed(why) => Some(why),
            _ => None,
        }
    }

    /// Whether no response head has arrived.
    pub(super) fn is_unanswered(&self) -> bool {
        match self.state {
            State::Connecting(_) => true,
            State::Waiting(_) => !self.parser.has_answer(),
            State::Watching(_) | State::Failed(_) | State::Closed => false,
        }
    }

    /// Marks the viewer as failed and closes its socket.
    pub(super) fn fail(&mut self, why: String) {
        self.state = State::Failed(why);
    }

    /// Handles an event. `hung_up` is whether the server has closed its side.
    pub(super) fn ready(&mut self, hung_up: bool, context: &mut ReadContext) -> ReadResult {
        self.hung_up |= hung_up;
        if matches!(self.state, State::Connecting(_)) {
            self.finish_connecting(context.target);
        }
        match self.role {
            Role::Steady | Role::Churn => self.read(context.budget, context),
            Role::Slow => ReadResult::Drained,
            Role::Stalled => {
                self.finish_handshake();
                if self.hung_up && matches!(self.state, State::Watching(_)) {
                    self.leave();
                }
                ReadResult::Drained
            }
        }
    }

    /// Reads as many bytes as a slow viewer has earned by now.
    pub(super) fn read_slowly(
        &mut self,
        bytes_per_second: usize,
        now: Instant,
        context: &mut ReadContext,
    ) {
        let elapsed = now
            .saturating_duration_since(self.refilled_at)
            .min(SAVED_TIME_MAX);
        let earned = bytes_per_second as f64 * elapsed.as_secs_f64();
        if earned < 1.0 {
            return;
        }
        self.refilled_at = now;
        let saved_max = (bytes_per_second as f64 * SAVED_TIME_MAX.as_secs_f64()).max(1.0);
        self.allowance = (self.allowance + earned as usize).min(saved_max as usize);
        let before = self.parser.tally().bytes;
        self.read(self.allowance, context);
        let read = self.parser.tally().bytes - before;
        self.allowance = self.allowance.saturating_sub(read as usize);
    }

    fn finish_connecting(&mut self, target: &Target) {
        let State::Connecting(stream) = &mut self.state else {
            return;
        };
        let connected = match stream.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => stream.peer_addr().and_then(|_| match &target.tls {
                None => send_whole(stream, &target.request),
                Some(tls) => {
                    let mut session = tls.session(&target.request)?;
                    session.flush(stream)?;
                    self.session = Some(Box::new(session));
                    Ok(())
                }
            }),
        };
        match connected {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => self.state = State::Failed(error.to_string()),
            Ok(()) => {
                self.state = match std::mem::replace(&mut self.state, State::Closed) {
                    State::Connecting(stream) if self.role == Role::Stalled => {
                        State::Watching(stream)
                    }
                    State::Connecting(stream) => State::Waiting(stream),
                    other => other,
                }
            }
        }
    }

    /// A viewer that never reads has to read what TLS needs before it can ask.
    fn finish_handshake(&mut self) {
        let (State::Watching(stream), Some(session)) = (&mut self.state, &mut self.session) else {
            return;
        };
        while session.is_handshaking() {
            match session.receive(stream) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.fail(error.to_string()),
            }
        }
    }

    /// Reads until the kernel has no more, or `budget` bytes are read.
    fn read(&mut self, budget: usize, context: &mut ReadContext) -> ReadResult {
        if self.session.is_some() {
            return self.read_encrypted(budget, context);
        }
        let mut left = budget;
        // One look at the clock serves everything this turn reads: it was all there when the turn
        // began.
        let now = wall_time();
        while left > 0 {
            let (State::Waiting(stream) | State::Watching(stream)) = &self.state else {
                return ReadResult::Drained;
            };
            let (asked, flags) = next_read(&self.parser, left.min(context.buffer.len()));
            match rustix::net::recv(stream, &mut context.buffer[..asked], flags) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return ReadResult::Drained,
                Ok((0, _)) | Err(_) => {
                    self.leave();
                    return ReadResult::Drained;
                }
                Ok((read, _)) => {
                    left -= read;
                    if flags.contains(RecvFlags::TRUNC) {
                        self.parser.skip(read)
                    } else {
                        self.take(read, now, context)
                    }
                    // A short read says that the kernel has no more, epoll(7); but the end of a
                    // stream that has come with its last bytes would be told by no further edge, so
                    // that has to be read up to.
                    if read < asked && !self.hung_up {
                        return ReadResult::Drained;
                    }
                }
            }
        }
        ReadResult::BudgetSpent
    }

    /// The same through TLS: nothing can be thrown away before it is decrypted.
    fn read_encrypted(&mut self, budget: usize, context: &mut ReadContext) -> ReadResult {
        let mut left = budget;
        let now = wall_time();
        while left > 0 {
            let (State::Waiting(stream) | State::Watching(stream)) = &mut self.state else {
                return ReadResult::Drained;
            };
            let Some(session) = &mut self.session else {
                return ReadResult::Drained;
            };
            let room = left.min(context.buffer.len());
            match session.read(stream, &mut context.buffer[..room]) {
                Ok(read) if read > 0 => {
                    left -= read;
                    self.take(read, now, context);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return ReadResult::Drained;
                }
                Err(error) if !self.parser.has_answer() => {
                    self.fail(error.to_string());
                    return ReadResult::Drained;
                }
                Ok(_) | Err(_) => {
                    self.leave();
                    return ReadResult::Drained;
                }
            }
        }
        ReadResult::BudgetSpent
    }

    fn take(&mut self, read: usize, now: Duration, context: &mut ReadContext) {
        let role = self.role;
        let figures = &mut *context.figures;
        let parsed = self
            .parser
            .receive(&context.buffer[..read], now, &mut |arrival| {
                figures.record(role, &arrival);
            });
        if let Err(refusal) = parsed {
            self.fail(refusal.to_string());
        } else if matches!(self.state, State::Waiting(_)) && self.parser.has_frame() {
            context
                .figures
                .first_frame
                .of_mut(role)
                .record(self.opened_at.elapsed());
            self.state = match std::mem::replace(&mut self.state, State::Closed) {
                State::Waiting(stream) => State::Watching(stream),
                other => other,
            };
        }
    }

    /// Handles the end of the connection.
    fn leave(&mut self) {
        self.state = match self.state {
            State::Watching(_) => State::Closed,
            _ => {
                State::Failed("the server closed the connection before the first frame".to_owned())
            }
        };
    }
}

/// Returns the number of bytes to read next, and the flags.
fn next_read(parser: &Parser, room: usize) -> (usize, RecvFlags) {
    let skippable = parser.skippable();
    if skippable >= DISCARD_BYTES_MIN {
        // With TRUNC, recv of a TCP socket drops bytes from the queue without copying them, tcp(7).
        return (skippable.min(room), RecvFlags::TRUNC);
    }
    let is_discarding = parser.expected_skip() >= DISCARD_BYTES_MIN;
    let asked = if is_discarding {
        HEADER_READ_BYTES.min(room)
    } else {
        room
    };
    (asked, RecvFlags::empty())
}

fn connect(role: Role, address: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if matches!(role, Role::Slow | Role::Stalled) {
        // Before the handshake, which negotiates the window scale.
        socket.set_recv_buffer_size(SLOW_RECEIVE_BUFFER_BYTES)?;
    }
    if let Some(source) = source {
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// Sends a request, which always fits into the send buffer of a new socket.
fn send_whole(stream: &mut TcpStream, request: &[u8]) -> io::Result<()> {
    match io::Write::write(stream, request)? {
        sent if sent == request.len() => Ok(()),
        _ => Err(io::Error::other(
            "the request does not fit into the send buffer",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use mio::{Events, Interest, Poll, Token};

    use super::*;

    #[test]
    fn viewer_connects_from_the_given_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let source = Ipv4Addr::new(127, 0, 0, 2);
        let address = listener.local_addr().unwrap();
        let viewer = Viewer::open(
            Role::Steady,
            Check::Ends,
            address,
            Some(source),
            Instant::now(),
        );
        assert!(viewer.failure().is_none(), "{:?}", viewer.state);
        assert_eq!(listener.accept().unwrap().1.ip(), source);
    }

    /// The edge for a close comes once. If the read budget ends before the bytes, the viewer must
    /// remember it, or it would wait for ever.
    #[test]
    fn close_is_noticed_after_the_read_budget_was_spent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut viewer = Viewer::open(Role::Steady, Check::Ends, address, None, Instant::now());
        let mut poll = Poll::new().unwrap();
        poll.registry()
            .register(viewer.stream_mut().unwrap(), Token(0), Interest::READABLE)
            .unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let head = "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n--frame\r\n";
        server.write_all(head.as_bytes()).unwrap();
        server.write_all(&[b'x'; 2500]).unwrap();
        drop((server, listener));

        let mut events = Events::with_capacity(8);
        while !events.iter().any(|event| event.is_read_closed()) {
            poll.poll(&mut events, None).unwrap();
        }
        let target = Target {
            address,
            request: Vec::new(),
            tls: None,
        };
        let mut context = ReadContext {
            buffer: &mut [0; 4096],
            budget: 1000,
            figures: &mut Figures::new(),
            target: &target,
        };
        assert_eq!(viewer.ready(true, &mut context), ReadResult::BudgetSpent);
        while viewer.ready(false, &mut context) == ReadResult::BudgetSpent {}
        assert!(viewer.stream_mut().is_none(), "{:?}", viewer.state);
    }
}

//! One viewer: a socket, the state it is in, and a parser.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use socket2::{Domain, Protocol, Socket, Type};

use super::ledger::Ledger;
use super::parser::{Parser, Scrutiny};
use super::plan::Target;
use super::tls::Session;
use crate::clock::wall_time;

/// The receive buffer asked for by viewers that do not keep up. The kernel doubles it, and the
/// server's share of what is under way comes on top; with the usual buffers a slow viewer would
/// look fast for its first megabytes.
const SLOW_RECEIVE_BUFFER_BYTES: usize = 8 * 1024;

/// From this many bytes on, throwing bytes away in the kernel is cheaper than copying them,
/// although it takes two more system calls a picture.
const DISCARD_BYTES_MIN: usize = 8 * 1024;

/// What is read to see a delimiter and the next header before the rest of a body is thrown away.
const HEADER_READ_BYTES: usize = 512;

/// The longest share of its rate that a slow viewer saves up when nothing comes.
const SAVED_TIME_MAX: Duration = Duration::from_millis(100);

/// What a viewer is in the crowd for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Reads as fast as it can.
    Steady,
    /// Reads this many bytes per second.
    Slow,
    /// Asks, and never reads.
    Stalled,
    /// Reads as fast as it can, and leaves after a second.
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

/// Where a viewer stands.
#[derive(Debug)]
pub(super) enum State {
    /// The handshake is under way.
    Connecting(TcpStream),
    /// The request is sent; no whole picture has come.
    Waiting(TcpStream),
    /// A picture has come; or, for a stalled viewer, one is on its way.
    Watching(TcpStream),
    /// It never got as far as watching, and why.
    Failed(String),
    /// The server ended a stream that was being watched.
    Closed,
}

/// What a viewer leaves to be done when its turn is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing: the kernel has no more, and an edge will tell of what comes.
    Drained,
    /// The budget was reached first: no edge is owed, so the viewer must be called again.
    Owed,
}

/// One member of the crowd.
pub(super) struct Viewer {
    pub(super) role: Role,
    pub(super) state: State,
    pub(super) opened_at: Instant,
    pub(super) parser: Parser,
    /// On `https://`, from the request on.
    session: Option<Box<Session>>,
    /// The server will send no more than it has sent. It is told but once, maybe long before all
    /// that is read.
    hung_up: bool,
    /// Bytes a slow viewer may read now.
    allowance: usize,
    refilled_at: Instant,
}

/// What viewers share while they read.
pub(super) struct Desk<'a> {
    pub(super) buffer: &'a mut [u8],
    /// Bytes a fast viewer may read before the others have their turn.
    pub(super) budget: usize,
    pub(super) ledger: &'a mut Ledger,
    pub(super) target: &'a Target,
}

impl Viewer {
    /// Begins to connect, from `source` if it is given.
    pub(super) fn open(
        role: Role,
        scrutiny: Scrutiny,
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
            parser: Parser::new(scrutiny),
            session: None,
            hung_up: false,
            allowance: 0,
            refilled_at: now,
        }
    }

    /// The socket, as long as there is one.
    pub(super) fn stream_mut(&mut self) -> Option<&mut TcpStream> {
        match &mut self.state {
            State::Connecting(stream) | State::Waiting(stream) | State::Watching(stream) => {
                Some(stream)
            }
            State::Failed(_) | State::Closed => None,
        }
    }

    /// Whether it has yet to get its first picture.
    pub(super) fn is_joining(&self) -> bool {
        matches!(self.state, State::Connecting(_) | State::Waiting(_))
    }

    /// Whether it has got a picture, and its stream goes on.
    pub(super) fn is_watching(&self) -> bool {
        matches!(self.state, State::Watching(_))
    }

    /// Why it never got as far as watching, if so it was.
    pub(super) fn failure(&self) -> Option<&str> {
        match &self.state {
            State::Failed(why) => Some(why),
            _ => None,
        }
    }

    /// Whether the server has yet to say anything to it.
    pub(super) fn is_unanswered(&self) -> bool {
        match self.state {
            State::Connecting(_) => true,
            State::Waiting(_) => !self.parser.has_answer(),
            State::Watching(_) | State::Failed(_) | State::Closed => false,
        }
    }

    /// Gives up on a viewer that has not joined.
    pub(super) fn fail(&mut self, why: String) {
        self.state = State::Failed(why);
    }

    /// The kernel has something to tell. `hung_up` says that the server will send no more than it
    /// has sent.
    pub(super) fn ready(&mut self, hung_up: bool, desk: &mut Desk) -> Rest {
        self.hung_up |= hung_up;
        if matches!(self.state, State::Connecting(_)) {
            self.finish_connecting(desk.target);
        }
        match self.role {
            Role::Steady | Role::Churn => self.read(desk.budget, desk),
            Role::Slow => Rest::Drained,
            Role::Stalled => {
                self.finish_handshake();
                if self.hung_up && matches!(self.state, State::Watching(_)) {
                    self.leave();
                }
                Rest::Drained
            }
        }
    }

    /// Lets a slow viewer read what has become due at its rate.
    pub(super) fn read_slowly(&mut self, bytes_per_second: usize, now: Instant, desk: &mut Desk) {
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
        self.read(self.allowance, desk);
        let read = self.parser.tally().bytes - before;
        self.allowance = self.allowance.saturating_sub(read as usize);
    }

    fn finish_connecting(&mut self, target: &Target) {
        let State::Connecting(stream) = &mut self.state else {
            return;
        };
        let connected = match stream.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => stream.peer_addr().and_then(|_| match &target.secrecy {
                None => send_whole(stream, &target.request),
                Some(secrecy) => {
                    let mut session = secrecy.session(&target.request)?;
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
            match session.take_in(stream) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.fail(error.to_string()),
            }
        }
    }

    /// Reads until the kernel has no more, or `budget` bytes are read.
    fn read(&mut self, budget: usize, desk: &mut Desk) -> Rest {
        if self.session.is_some() {
            return self.read_encrypted(budget, desk);
        }
        let mut left = budget;
        // One look at the clock serves everything this turn reads: it was all there when the turn
        // began.
        let now = wall_time();
        while left > 0 {
            let (State::Waiting(stream) | State::Watching(stream)) = &self.state else {
                return Rest::Drained;
            };
            let (asked, flags) = next_read(&self.parser, left.min(desk.buffer.len()));
            match rustix::net::recv(stream, &mut desk.buffer[..asked], flags) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Rest::Drained,
                Ok((0, _)) | Err(_) => {
                    self.leave();
                    return Rest::Drained;
                }
                Ok((read, _)) => {
                    left -= read;
                    if flags.contains(RecvFlags::TRUNC) {
                        self.parser.skip(read)
                    } else {
                        self.take(read, now, desk)
                    }
                    // A short read says that the kernel has no more, epoll(7); but the end of a
                    // stream that has come with its last bytes would be told by no further edge, so
                    // that has to be read up to.
                    if read < asked && !self.hung_up {
                        return Rest::Drained;
                    }
                }
            }
        }
        Rest::Owed
    }

    /// The same through TLS: nothing can be thrown away before it is decrypted.
    fn read_encrypted(&mut self, budget: usize, desk: &mut Desk) -> Rest {
        let mut left = budget;
        let now = wall_time();
        while left > 0 {
            let (State::Waiting(stream) | State::Watching(stream)) = &mut self.state else {
                return Rest::Drained;
            };
            let Some(session) = &mut self.session else {
                return Rest::Drained;
            };
            let room = left.min(desk.buffer.len());
            match session.read(stream, &mut desk.buffer[..room]) {
                Ok(read) if read > 0 => {
                    left -= read;
                    self.take(read, now, desk);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Rest::Drained,
                Err(error) if !self.parser.has_answer() => {
                    self.fail(error.to_string());
                    return Rest::Drained;
                }
                Ok(_) | Err(_) => {
                    self.leave();
                    return Rest::Drained;
                }
            }
        }
        Rest::Owed
    }

    fn take(&mut self, read: usize, now: Duration, desk: &mut Desk) {
        let role = self.role;
        let ledger = &mut *desk.ledger;
        let parsed = self
            .parser
            .receive(&desk.buffer[..read], now, &mut |arrival| {
                ledger.record(role, &arrival);
            });
        if let Err(refusal) = parsed {
            self.fail(refusal.to_string());
        } else if matches!(self.state, State::Waiting(_)) && self.parser.has_shown() {
            desk.ledger
                .first_frame
                .of_mut(role)
                .record(self.opened_at.elapsed());
            self.state = match std::mem::replace(&mut self.state, State::Closed) {
                State::Waiting(stream) => State::Watching(stream),
                other => other,
            };
        }
    }

    /// The server has ended the connection.
    fn leave(&mut self) {
        self.state = match self.state {
            State::Watching(_) => State::Closed,
            _ => State::Failed(
                "the server closed the connection before the first picture".to_owned(),
            ),
        };
    }
}

/// How much to read next, and whether to see it.
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
        // Before the handshake: that is when the window's scale is agreed upon.
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

/// Sends a request, which always fits into the empty buffer of a new socket.
fn send_whole(stream: &mut TcpStream, request: &[u8]) -> io::Result<()> {
    match io::Write::write(stream, request)? {
        sent if sent == request.len() => Ok(()),
        _ => Err(io::Error::other(
            "the request did not fit into the socket's buffer",
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
    fn a_viewer_comes_from_the_source_it_is_given() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let source = Ipv4Addr::new(127, 0, 0, 2);
        let address = listener.local_addr().unwrap();
        let viewer = Viewer::open(
            Role::Steady,
            Scrutiny::Ends,
            address,
            Some(source),
            Instant::now(),
        );
        assert!(viewer.failure().is_none(), "{:?}", viewer.state);
        assert_eq!(listener.accept().unwrap().1.ip(), source);
    }

    /// An edge tells once that the server has closed. A viewer that has more to read than its
    /// budget allows must remember it, or it would wait for ever at the end of what it reads in
    /// later turns.
    #[test]
    fn a_close_is_seen_though_the_budget_ended_before_the_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut viewer = Viewer::open(Role::Steady, Scrutiny::Ends, address, None, Instant::now());
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
            secrecy: None,
        };
        let mut desk = Desk {
            buffer: &mut [0; 4096],
            budget: 1000,
            ledger: &mut Ledger::new(),
            target: &target,
        };
        assert_eq!(viewer.ready(true, &mut desk), Rest::Owed);
        while viewer.ready(false, &mut desk) == Rest::Owed {}
        assert!(viewer.stream_mut().is_none(), "{:?}", viewer.state);
    }
}

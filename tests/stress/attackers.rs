//! The attackers: thousands of connections in one poll loop, each with a profile of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, SockRef, Socket, Type};

/// Number of source addresses on the loopback interface. Each has its own range of ports.
const SOURCES: usize = 16;
/// Receive buffer of peers that do not read, so that the server's writes block early. The kernel
/// doubles it.
pub const RECV_BUFFER_BYTES: usize = 2048;
const SEGMENT_BYTES: u32 = 536;
/// Maximum number of response bytes stored per peer.
const RESPONSE_BYTES_MAX: usize = 64;
/// Maximum number of open connections while they are opened at a rate.
const PRESENT_MAX: usize = 4000;
const TURN_MAX: Duration = Duration::from_millis(5);

/// The behaviour of an attacker.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The pieces that it sends.
    pub sends: Vec<Vec<u8>>,
    /// The pause before each piece but the first.
    pub pause: Duration,
    pub reads: Reads,
    /// Resets the connection after sending all pieces and reading this many bytes.
    pub resets_after: Option<usize>,
}

/// How an attacker reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    Everything,
    Nothing,
    /// This many bytes per second.
    Slowly(usize),
}

/// A closed connection.
#[derive(Clone, Debug)]
pub struct Ended {
    pub tag: usize,
    /// Time since the start of the connection attempt.
    pub age: Duration,
    /// The first bytes of the response.
    pub response: Vec<u8>,
    /// Whether the server closed the connection with FIN, not RST.
    pub is_clean: bool,
}

impl Ended {
    /// Returns the status of the response.
    pub fn status(&self) -> Option<u16> {
        std::str::from_utf8(self.response.get(9..12)?)
            .ok()?
            .parse()
            .ok()
    }
}

struct Peer {
    tag: usize,
    stream: TcpStream,
    profile: Profile,
    opened_at: Instant,
    number: u64,
    /// Number of pieces sent, and bytes sent of the next one.
    sent_pieces: usize,
    offset: usize,
    read: usize,
    response: Vec<u8>,
}

/// The attackers of one attack.
pub struct Attackers {
    poll: Poll,
    events: Events,
    address: SocketAddr,
    peers: Slab<Peer>,
    timers: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    scratch: Vec<u8>,
    pub opened: u64,
    pub ended: Vec<Ended>,
    /// Number of connections that could not be opened.
    pub failed: u64,
}

impl Attackers {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            poll: Poll::new().expect("epoll_create works"),
            events: Events::with_capacity(1024),
            address,
            peers: Slab::new(),
            timers: BinaryHeap::new(),
            scratch: vec![0; 64 * 1024],
            opened: 0,
            ended: Vec::new(),
            failed: 0,
        }
    }

    /// Returns the number of open connections.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Opens a connection.
    pub fn open(&mut self, tag: usize, profile: Profile) {
        let source = Ipv4Addr::new(127, 0, 1, (self.opened as usize % SOURCES) as u8 + 1);
        self.opened += 1;
        let recv_buffer = (profile.reads != Reads::Everything).then_some(RECV_BUFFER_BYTES);
        let Ok(mut stream) = connect(self.address, Some(source), recv_buffer) else {
            self.failed += 1;
            return;
        };
        let now = Instant::now();
        let entry = self.peers.vacant_entry();
        let (key, number) = (entry.key(), self.opened);
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(key), both)
            .expect("the socket is registered");
        if let Reads::Slowly(_) = profile.reads {
            self.timers
                .push(Reverse((now + Duration::from_secs(1), key, number)));
        }
        let (sent_pieces, offset, read, response) = (0, 0, 0, Vec::new());
        entry.insert(Peer {
            tag,
            stream,
            profile,
            opened_at: now,
            number,
            sent_pieces,
            offset,
            read,
            response,
        });
    }

    /// Runs the poll loop for some time.
    pub fn watch(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn(until);
        }
    }

    /// Opens connections at a rate. Returns when all are closed, or `time` after the last one was
    /// opened.
    pub fn open_at_rate(
        &mut self,
        per_second: f64,
        profiles: impl Iterator<Item = (usize, Profile)>,
        time: Duration,
    ) {
        let began = Instant::now();
        let mut profiles = profiles.peekable();
        let mut opened = 0.0;
        while profiles.peek().is_some() {
            let due = began.elapsed().as_secs_f64() * per_second;
            while opened < due && self.len() < PRESENT_MAX {
                let Some((tag, profile)) = profiles.next() else {
                    break;
                };
                self.open(tag, profile);
                opened += 1.0;
            }
            self.turn(Instant::now() + TURN_MAX);
        }
        let until = Instant::now() + time;
        while !self.peers.is_empty() && Instant::now() < until {
            self.turn(until);
        }
    }

    fn turn(&mut self, until: Instant) {
        let now = Instant::now();
        let next = self
            .timers
            .peek()
            .map_or(until, |Reverse((at, ..))| until.min(*at));
        let timeout = next.saturating_duration_since(now).min(TURN_MAX);
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                panic!("poll: {error}")
            }
            _ => {}
        }
        let events: Vec<(usize, bool)> = self
            .events
            .iter()
            .map(|event| (event.token().0, event.is_error()))
            .collect();
        for (key, has_failed) in events {
            self.handle(key, false, has_failed);
        }
        let now = Instant::now();
        while let Some(Reverse((at, key, number))) = self
            .timers
            .peek()
            .copied()
            .filter(|Reverse((at, ..))| *at <= now)
        {
            self.timers.pop();
            if self
                .peers
                .get(key)
                .is_some_and(|peer| peer.number == number)
            {
                if let Reads::Slowly(_) = self.peers[key].profile.reads {
                    self.timers
                        .push(Reverse((at + Duration::from_secs(1), key, number)));
                }
                self.handle(key, true, false);
            }
        }
    }

    /// Sends and reads for one peer. `is_due` is set when its pause is over.
    fn handle(&mut self, key: usize, is_due: bool, has_failed: bool) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let sent_pieces = peer.sent_pieces;
        let mut ended = peer.send(is_due).err();
        if ended.is_none()
            && peer.sent_pieces > sent_pieces
            && peer.sent_pieces < peer.profile.sends.len()
        {
            self.timers.push(Reverse((
                Instant::now() + peer.profile.pause,
                key,
                peer.number,
            )));
        }
        ended = peer.read(is_due, &mut self.scratch).err().or(ended);
        if has_failed && peer.profile.reads != Reads::Everything {
            ended.get_or_insert(ErrorKind::ConnectionReset);
        }
        let all_said = peer.sent_pieces == peer.profile.sends.len();
        if ended.is_none()
            && all_said
            && peer
                .profile
                .resets_after
                .is_some_and(|bytes| peer.read >= bytes)
        {
            let _ = SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO));
            ended = Some(ErrorKind::ConnectionAborted);
        }
        if let Some(how) = ended {
            let Peer {
                tag,
                opened_at,
                response,
                ..
            } = self.peers.remove(key);
            let is_clean = how == ErrorKind::UnexpectedEof;
            self.ended.push(Ended {
                tag,
                age: opened_at.elapsed(),
                response,
                is_clean,
            });
        }
    }
}

impl Drop for Attackers {
    /// Resets the open connections: RST leaves no socket in TIME_WAIT.
    fn drop(&mut self) {
        for (_, peer) in &self.peers {
            let _ = SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl Peer {
    /// Sends the next piece if it is due. A closed connection is detected by `read`.
    fn send(&mut self, is_due: bool) -> Result<(), ErrorKind> {
        if self.stream.peer_addr().is_err() {
            return match self.stream.take_error() {
                Ok(None) => Ok(()),
                _ => Err(ErrorKind::ConnectionRefused),
            };
        }
        let may_speak = self.sent_pieces == 0 || self.offset > 0 || is_due;
        let Some(piece) = self
            .profile
            .sends
            .get(self.sent_pieces)
            .filter(|_| may_speak)
        else {
            return Ok(());
        };
        match self.stream.write(&piece[self.offset..]) {
            Ok(count) if self.offset + count < piece.len() => self.offset += count,
            Ok(_) => (self.sent_pieces, self.offset) = (self.sent_pieces + 1, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => (self.sent_pieces, self.offset) = (self.profile.sends.len(), 0),
        }
        Ok(())
    }

    fn read(&mut self, is_due: bool, scratch: &mut [u8]) -> Result<(), ErrorKind> {
        let mut room = match self.profile.reads {
            Reads::Everything => self
                .profile
                .resets_after
                .unwrap_or(usize::MAX)
                .saturating_sub(self.read),
            Reads::Slowly(bytes) if is_due => bytes,
            _ => 0,
        };
        while room > 0 {
            let size = room.min(scratch.len());
            match self.stream.read(&mut scratch[..size]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof),
                Ok(count) => {
                    self.read += count;
                    room -= count;
                    let cached = RESPONSE_BYTES_MAX
                        .saturating_sub(self.response.len())
                        .min(count);
                    self.response.extend_from_slice(&scratch[..cached]);
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::NotConnected
                    ) =>
                {
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.kind()),
            }
        }
        Ok(())
    }
}

/// Starts a connection, optionally from a source address and with a small receive buffer.
pub fn connect(
    address: SocketAddr,
    source: Option<Ipv4Addr>,
    recv_buffer: Option<usize>,
) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        None,
    )?;
    if let Some(bytes) = recv_buffer {
        // Before the handshake, which negotiates the window scale.
        socket.set_recv_buffer_size(bytes)?;
        // A segment of the loopback interface is larger than this buffer, and the kernel would wait
        // for room for a whole segment. Segments of real networks are smaller.
        socket.set_tcp_mss(SEGMENT_BYTES)?;
    }
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    match socket.connect(&address.into()) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

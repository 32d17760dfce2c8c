//! The attackers: thousands of connections in one loop, each with manners of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, SockRef, Socket, Type};

/// They come from so many addresses of the loopback interface: each has its own range of ports.
const SOURCES: usize = 16;
/// The receive buffer of those who do not read, so that the server soon feels it; the kernel
/// doubles it.
pub const NARROW_BYTES: usize = 2048;
const NARROW_SEGMENT_BYTES: u32 = 536;
/// What is kept of what the server said.
const HEARD_BYTES_MAX: usize = 64;
/// How many may be there at once, when they come at a rate.
const PRESENT_MAX: usize = 4000;
const TURN_MAX: Duration = Duration::from_millis(5);

/// How an attacker behaves.
#[derive(Clone, Debug)]
pub struct Manner {
    /// What it says, piece by piece.
    pub says: Vec<Vec<u8>>,
    /// How long it waits before each piece but the first.
    pub pause: Duration,
    pub reads: Reads,
    /// It resets the connection once all is said and so many bytes were read.
    pub resets_after: Option<usize>,
}

/// What it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    Everything,
    Nothing,
    /// So many bytes a second.
    Slowly(usize),
}

/// What became of one.
#[derive(Clone, Debug)]
pub struct Ended {
    pub tag: usize,
    /// From when it began to connect.
    pub age: Duration,
    /// The beginning of what the server said.
    pub heard: Vec<u8>,
    /// Whether the server closed in order.
    pub in_order: bool,
}

impl Ended {
    /// The status that the server answered with.
    pub fn status(&self) -> Option<u16> {
        std::str::from_utf8(self.heard.get(9..12)?)
            .ok()?
            .parse()
            .ok()
    }
}

struct Peer {
    tag: usize,
    stream: TcpStream,
    manner: Manner,
    opened_at: Instant,
    number: u64,
    /// Pieces said, and bytes of the next that have gone.
    said: usize,
    gone: usize,
    read: usize,
    heard: Vec<u8>,
}

/// All attackers of one kind.
pub struct Crowd {
    poll: Poll,
    events: Events,
    address: SocketAddr,
    peers: Slab<Peer>,
    timers: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    scratch: Vec<u8>,
    pub opened: u64,
    pub ended: Vec<Ended>,
    /// Connections that could not be made.
    pub failed: u64,
}

impl Crowd {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            poll: Poll::new().expect("a poll can be made"),
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

    /// How many are there.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// One more.
    pub fn open(&mut self, tag: usize, manner: Manner) {
        let source = Ipv4Addr::new(127, 0, 1, (self.opened as usize % SOURCES) as u8 + 1);
        self.opened += 1;
        let narrow = (manner.reads != Reads::Everything).then_some(NARROW_BYTES);
        let Ok(mut stream) = connect(self.address, Some(source), narrow) else {
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
            .expect("it can be registered");
        if let Reads::Slowly(_) = manner.reads {
            self.timers
                .push(Reverse((now + Duration::from_secs(1), key, number)));
        }
        let (said, gone, read, heard) = (0, 0, 0, Vec::new());
        entry.insert(Peer {
            tag,
            stream,
            manner,
            opened_at: now,
            number,
            said,
            gone,
            read,
            heard,
        });
    }

    /// Lets them do what they do for a while.
    pub fn watch(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn(until);
        }
    }

    /// Opens them at a rate, until there are no more and all have ended, or `time` has passed since
    /// the last came.
    pub fn feed(
        &mut self,
        per_second: f64,
        manners: impl Iterator<Item = (usize, Manner)>,
        time: Duration,
    ) {
        let began = Instant::now();
        let mut manners = manners.peekable();
        let mut came = 0.0;
        while manners.peek().is_some() {
            let due = began.elapsed().as_secs_f64() * per_second;
            while came < due && self.len() < PRESENT_MAX {
                let Some((tag, manner)) = manners.next() else {
                    break;
                };
                self.open(tag, manner);
                came += 1.0;
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
                panic!("the crowd cannot wait: {error}")
            }
            _ => {}
        }
        let events: Vec<(usize, bool)> = self
            .events
            .iter()
            .map(|event| (event.token().0, event.is_error()))
            .collect();
        for (key, has_failed) in events {
            self.attend(key, false, has_failed);
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
                if let Reads::Slowly(_) = self.peers[key].manner.reads {
                    self.timers
                        .push(Reverse((at + Duration::from_secs(1), key, number)));
                }
                self.attend(key, true, false);
            }
        }
    }

    /// Lets one say and read what it may; `is_due` says that its time has come for the next of
    /// either.
    fn attend(&mut self, key: usize, is_due: bool, has_failed: bool) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let said = peer.said;
        let mut ended = peer.speak(is_due).err();
        if ended.is_none() && peer.said > said && peer.said < peer.manner.says.len() {
            self.timers.push(Reverse((
                Instant::now() + peer.manner.pause,
                key,
                peer.number,
            )));
        }
        ended = peer.read(is_due, &mut self.scratch).err().or(ended);
        if has_failed && peer.manner.reads != Reads::Everything {
            ended.get_or_insert(ErrorKind::ConnectionReset);
        }
        let all_said = peer.said == peer.manner.says.len();
        if ended.is_none()
            && all_said
            && peer
                .manner
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
                heard,
                ..
            } = self.peers.remove(key);
            let in_order = how == ErrorKind::UnexpectedEof;
            self.ended.push(Ended {
                tag,
                age: opened_at.elapsed(),
                heard,
                in_order,
            });
        }
    }
}

impl Drop for Crowd {
    /// Ends what is left by resets, which leave nothing behind.
    fn drop(&mut self) {
        for (_, peer) in &self.peers {
            let _ = SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl Peer {
    /// Says the piece whose time has come. That nobody listens any more is seen by reading.
    fn speak(&mut self, is_due: bool) -> Result<(), ErrorKind> {
        if self.stream.peer_addr().is_err() {
            return match self.stream.take_error() {
                Ok(None) => Ok(()),
                _ => Err(ErrorKind::ConnectionRefused),
            };
        }
        let may_speak = self.said == 0 || self.gone > 0 || is_due;
        let Some(piece) = self.manner.says.get(self.said).filter(|_| may_speak) else {
            return Ok(());
        };
        match self.stream.write(&piece[self.gone..]) {
            Ok(count) if self.gone + count < piece.len() => self.gone += count,
            Ok(_) => (self.said, self.gone) = (self.said + 1, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => (self.said, self.gone) = (self.manner.says.len(), 0),
        }
        Ok(())
    }

    fn read(&mut self, is_due: bool, scratch: &mut [u8]) -> Result<(), ErrorKind> {
        let mut room = match self.manner.reads {
            Reads::Everything => self
                .manner
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
                    let kept = HEARD_BYTES_MAX.saturating_sub(self.heard.len()).min(count);
                    self.heard.extend_from_slice(&scratch[..kept]);
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

/// Begins to connect, from `source` if it is given, and with a small receive buffer if that is.
pub fn connect(
    address: SocketAddr,
    source: Option<Ipv4Addr>,
    narrow: Option<usize>,
) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        None,
    )?;
    if let Some(bytes) = narrow {
        // Before the handshake: that is when the window's scale is agreed upon.
        socket.set_recv_buffer_size(bytes)?;
        // A segment of the loopback interface is larger than all of such a buffer. No network's is,
        // and a kernel that waits for room for a whole one sends as good as nothing.
        socket.set_tcp_mss(NARROW_SEGMENT_BYTES)?;
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

//! The bare loop: the minimum that one thread must do to send each frame to each viewer.
//!
//! It makes one non-blocking `send` per viewer and frame, from one shared buffer. It polls only for
//! new connections and for sockets that accepted less than a frame. It has no routing, deadlines,
//! queues or metrics: a viewer that is still busy with one frame misses the next. The bytes sent
//! and the socket options are the same as framecast's.
//!
//! It makes no needless system call: it reads a readable socket, writes to a writable one, and
//! stops writing after a short write.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use framecast::clock::wall_time;
use framecast::wire::metadata::WallTime;
use framecast::wire::multipart::{self, EncodedPart, Framing};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

const BOUNDARY: &str = "frame";
const LISTENER: Token = Token(usize::MAX);
/// TCP_NOTSENT_LOWAT, as framecast sets it.
const UNSENT_BYTES_MAX: u32 = 16 * 1024;

/// Backlog of the listener.
const BACKLOG_CONNECTIONS_MAX: i32 = 4096;

struct Viewer {
    stream: TcpStream,
    /// Whether the request has been answered.
    subscribed: bool,
    /// The unsent rest of the current frame.
    sending: Bytes,
}

/// Prints its address, then serves the JPEGs of a directory in a loop to every connection.
pub(crate) fn serve(stills: &Path, fps: f64) -> io::Result<()> {
    let jpegs = load(stills)?;
    let interval = Duration::from_secs_f64(1.0 / fps);
    let mut poll = Poll::new()?;
    let mut listener = listen()?;
    println!("{}", listener.local_addr()?);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut viewers: Slab<Viewer> = Slab::new();
    let mut events = Events::with_capacity(1024);
    let mut next_frame_at = Instant::now() + interval;
    for (sequence, jpeg) in (0..).zip(jpegs.iter().cycle()) {
        loop {
            let left = next_frame_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            poll.poll(&mut events, Some(left))?;
            for event in &events {
                match event.token() {
                    LISTENER => accept(&listener, &poll, &mut viewers)?,
                    Token(key) => {
                        let is_closed = viewers
                            .get_mut(key)
                            .is_some_and(|viewer| viewer.ready(event).is_err());
                        if is_closed {
                            viewers.remove(key);
                        }
                    }
                }
            }
        }
        next_frame_at += interval;
        let now = WallTime::nearest(wall_time());
        let frame = EncodedPart::encode(BOUNDARY, sequence, now, jpeg).framed(Framing::Length);
        viewers.retain(|_, viewer| viewer.offer(&frame).is_ok());
    }
    Ok(())
}

impl Viewer {
    /// Sends a frame, unless the viewer is still busy with an earlier one.
    fn offer(&mut self, frame: &Bytes) -> io::Result<()> {
        if self.subscribed && self.sending.is_empty() {
            self.sending = frame.clone();
            return self.send();
        }
        Ok(())
    }

    fn ready(&mut self, event: &Event) -> io::Result<()> {
        if event.is_readable() {
            if self.subscribed {
                self.detect_close()?
            } else {
                self.answer()?
            }
        }
        if event.is_writable() {
            self.send()?;
        }
        Ok(())
    }

    /// Detects that the viewer has closed the connection. A viewer sends nothing after its request.
    fn detect_close(&mut self) -> io::Result<()> {
        match self.stream.read(&mut [0; 64]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads a request and sends the head of the stream, whatever the request is. Viewers on the
    /// same machine send a request in one piece.
    fn answer(&mut self) -> io::Result<()> {
        match self.stream.read(&mut [0; 1024]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            read => read?,
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary={BOUNDARY}\r\n\
             Connection: close\r\nCache-Control: no-store\r\n\r\n"
        );
        let preamble = multipart::preamble(BOUNDARY, Framing::Length);
        self.sending = [head.as_bytes(), &preamble].concat().into();
        self.subscribed = true;
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        if self.sending.is_empty() {
            return Ok(());
        }
        match self.stream.write(&self.sending) {
            // An empty slice of the frame would keep the frame's memory.
            Ok(sent) if sent == self.sending.len() => self.sending = Bytes::new(),
            // After a short write the buffer is full, and an EPOLLOUT edge follows, see epoll(7).
            Ok(sent) => self.sending.advance(sent),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Listens on loopback with a longer backlog than the standard library's 128.
fn listen() -> io::Result<TcpListener> {
    let listener = Socket::new(
        Domain::IPV4,
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    listener.listen(BACKLOG_CONNECTIONS_MAX)?;
    Ok(TcpListener::from_std(listener.into()))
}

fn accept(listener: &TcpListener, poll: &Poll, viewers: &mut Slab<Viewer>) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
        let entry = viewers.vacant_entry();
        let token = Token(entry.key());
        poll.registry()
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        entry.insert(Viewer {
            stream,
            subscribed: false,
            sending: Bytes::new(),
        });
    }
}

fn load(stills: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = fs::read_dir(stills)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

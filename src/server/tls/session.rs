//! One encrypted connection, as a transport that keeps its edges.
//!
//! TLS puts a second buffer between us and the kernel, in each direction, and messages of its own among the bytes. An
//! edge that is lost in there is lost as any other, so each call says what the whole of it has to say:
//!
//! - `read` says "would block" only when the socket does *and* nothing decrypted is left. What has come may be all
//!   handshake and give no byte to the caller; then the edge is used up all the same, by reading on.
//! - `write` takes 32 KiB at most, and more only when the kernel has all of that. So little of a frame waits here, and
//!   what has not begun can still be replaced by what is newer.
//! - `flush` sends what is held: the rest of a record, or what TLS itself has to say, a handshake's part or an alert.
//!   As long as there is such, [`Transport::has_unsent`] says so, whatever the caller's queue holds.
//!
//! A handshake's steps are bounded for all sessions together. One that finds none left reads nothing and says
//! "interrupted": it will be called again, and its edge is not used up.

use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use rustls::ServerConnection;

use super::Shared;
use crate::hub::Transport;
use crate::wire::http::{Refusal, Status};

/// Bytes that are taken at once: those of two records (RFC 8446, section 5.1). With one, a frame of 84 KB costs half as
/// much again, for each take is a system call; with four, viewers that never read may hold twice the memory.
const TAKEN_BYTES_MAX: usize = 32 * 1024;

/// Times that a call reads without a byte to show for it: a peer may send messages that are none without end.
const FRUITLESS_READS_MAX: u32 = 4;

/// What is said to who speaks HTTP without TLS.
const PLAIN: Refusal =
    Refusal { status: Status::BadRequest, reason: "This port speaks https: put https:// before the address." };

/// A connection on top of `S`, whose edges are its edges.
#[derive(Debug)]
pub struct Session<S> {
    connection: ServerConnection,
    socket: S,
    shared: Rc<Shared>,
    stage: Stage,
    farewell: Farewell,
}

/// How far the peer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has said nothing yet.
    Silent,
    /// The handshake is under way.
    Handshake,
    /// What it says is decrypted.
    Established,
    /// It speaks HTTP without TLS, and is answered likewise.
    Plain,
}

/// How far we have come with saying that no more will follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    Unsaid,
    /// It is among what is held.
    Said,
    /// It has left, and the socket's side is shut.
    Through,
}

impl<S: Transport> Session<S> {
    /// A session that begins on a new connection.
    pub fn new(connection: ServerConnection, socket: S, shared: Rc<Shared>) -> Self {
        Self { connection, socket, shared, stage: Stage::Silent, farewell: Farewell::Unsaid }
    }

    /// What it runs on.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Takes in what the socket has. What TLS itself has to answer is held, to be flushed.
    fn take_in(&mut self) -> io::Result<()> {
        let mut first = None;
        let read = match self.stage {
            Stage::Silent => self.connection.read_tls(&mut Noting { socket: &mut self.socket, first: &mut first })?,
            _ => self.connection.read_tls(&mut self.socket)?,
        };
        if first.is_some_and(|byte: u8| byte.is_ascii_uppercase()) {
            self.stage = Stage::Plain;
            self.shared.count(|counts| counts.plain_requests += 1);
            return Err(io::Error::new(ErrorKind::InvalidData, PLAIN));
        }
        if !self.is_established() && read > 0 {
            self.stage = Stage::Handshake;
            self.shared.spend_step();
        }
        if let Err(error) = self.connection.process_new_packets() {
            if !self.is_established() {
                self.shared.count(|counts| counts.handshakes_failed += 1);
            }
            // The connection is over; the peer is told why, if there is room.
            let _ = self.flush();
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        if !self.is_established() && !self.connection.is_handshaking() {
            self.stage = Stage::Established;
            self.shared.count(|counts| counts.handshakes += 1);
        }
        Ok(())
    }
}

impl<S: Transport> Transport for Session<S> {
    fn is_established(&self) -> bool {
        matches!(self.stage, Stage::Established | Stage::Plain)
    }

    fn has_unsent(&self) -> bool {
        self.stage != Stage::Plain && (self.connection.wants_write() || self.farewell == Farewell::Said)
    }

    /// Clients of TLS do not shut down one side alone: a browser that leaves a page ends both, with or without
    /// `close_notify`, and without it the end may be an attacker's (RFC 8446, section 6.1).
    fn ends_with_its_peer(&self) -> bool {
        true
    }

    /// Says farewell (`close_notify`), and shuts the socket's side once that has left.
    fn shutdown_write(&mut self) -> io::Result<()> {
        if self.stage == Stage::Plain {
            return self.socket.shutdown_write();
        }
        if self.farewell == Farewell::Unsaid {
            self.connection.send_close_notify();
            self.farewell = Farewell::Said;
        }
        match self.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            flushed => flushed,
        }
    }
}

impl<S: Transport> Read for Session<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stage == Stage::Plain {
            return self.socket.read(buffer);
        }
        for _ in 0..FRUITLESS_READS_MAX {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The end without a farewell. Requests say themselves where they end, so nothing can be cut off them.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                decrypted => return decrypted,
            }
            if !self.is_established() && self.shared.is_exhausted() {
                break;
            }
            self.take_in()?;
        }
        Err(ErrorKind::Interrupted.into())
    }
}

impl<S: Transport> Write for Session<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stage == Stage::Plain {
            return self.socket.write(bytes);
        }
        self.flush()?;
        self.connection.writer().write(&bytes[..bytes.len().min(TAKEN_BYTES_MAX)])
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.stage == Stage::Plain {
            return self.socket.flush();
        }
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        if self.farewell == Farewell::Said {
            self.farewell = Farewell::Through;
            self.socket.shutdown_write()?;
        }
        Ok(())
    }
}

/// Keeps the first byte that is read.
struct Noting<'a, S> {
    socket: &'a mut S,
    first: &'a mut Option<u8>,
}

impl<S: Read> Read for Noting<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        *self.first = buffer[..count].first().copied();
        Ok(count)
    }
}

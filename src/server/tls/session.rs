//! One encrypted connection, as a transport that keeps its edges.
//!
//! TLS puts a second buffer between us and the kernel, in each direction, and messages of its own
//! among the bytes. An edge that is lost in this buffer is lost like any other, so each call
//! answers for socket and buffer together:
//!
//! - `read` returns "would block" only when the socket does *and* nothing decrypted is left. What
//!   was received may be handshake alone and give no byte to the caller; then it reads on, so that
//!   the edge is used up all the same.
//! - `write` takes 32 KiB at most, and more only when the kernel has all of that. So little of a
//!   frame waits here, and what has not begun can still be replaced by a newer frame.
//! - `flush` sends what is buffered: the rest of a record, or a message of TLS itself, of the
//!   handshake or an alert. As long as there is any, [`Transport::has_unsent`] is true, whatever
//!   the caller's queue holds.
//!
//! Handshake steps are bounded for all sessions together. A session that finds none left reads
//! nothing and returns "interrupted": it will be called again, and its edge is not used up.

use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use rustls::ServerConnection;

use super::Shared;
use crate::hub::Transport;
use crate::wire::http::{Refusal, Status};

/// Bytes that one write takes: two records (RFC 8446, section 5.1). With one, a frame of 84 KB
/// costs half as much again, for each write is a system call; with four, viewers that never read
/// may hold twice the memory.
const WRITE_BYTES_MAX: usize = 32 * 1024;

/// Times that one `read` may read the socket without a decrypted byte: a peer may send empty
/// records without end.
const FRUITLESS_READS_MAX: u32 = 4;

/// The response to HTTP without TLS.
const PLAIN: Refusal = Refusal {
    status: Status::BadRequest,
    reason: "This port speaks https: put https:// before the address.",
};

/// A session on top of `S`, whose edges are its edges.
#[derive(Debug)]
pub struct Session<S> {
    connection: ServerConnection,
    socket: S,
    shared: Rc<Shared>,
    phase: Phase,
    close_notify: CloseNotify,
}

/// The phase of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No byte was received.
    Initial,
    /// The handshake is under way.
    Handshake,
    /// Both directions are encrypted.
    Established,
    /// The peer speaks HTTP without TLS, and is answered without.
    Plain,
}

/// Whether the alert was sent that no more will follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CloseNotify {
    Unsent,
    /// It is buffered.
    Buffered,
    /// It was sent, and the socket is shut down for writing.
    Sent,
}

impl<S: Transport> Session<S> {
    /// A session that begins on a new connection.
    pub fn new(connection: ServerConnection, socket: S, shared: Rc<Shared>) -> Self {
        Self {
            connection,
            socket,
            shared,
            phase: Phase::Initial,
            close_notify: CloseNotify::Unsent,
        }
    }

    /// The socket under it.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Reads the socket once and decrypts. What TLS itself has to answer is buffered.
    fn receive(&mut self) -> io::Result<()> {
        let mut first = None;
        let read = match self.phase {
            Phase::Initial => self.connection.read_tls(&mut FirstByte {
                socket: &mut self.socket,
                first: &mut first,
            })?,
            _ => self.connection.read_tls(&mut self.socket)?,
        };
        if first.is_some_and(|byte: u8| byte.is_ascii_uppercase()) {
            self.phase = Phase::Plain;
            self.shared.count(|counts| counts.plain_http_requests += 1);
            return Err(io::Error::new(ErrorKind::InvalidData, PLAIN));
        }
        if !self.is_established() && read > 0 {
            self.phase = Phase::Handshake;
            self.shared.spend_step();
        }
        if let Err(error) = self.connection.process_new_packets() {
            if !self.is_established() {
                self.shared.count(|counts| counts.handshakes_failed += 1);
            }
            // The session has failed; the alert that gives the reason is sent if there is room.
            let _ = self.flush();
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        if !self.is_established() && !self.connection.is_handshaking() {
            self.phase = Phase::Established;
            self.shared.count(|counts| counts.handshakes += 1);
        }
        Ok(())
    }
}

impl<S: Transport> Transport for Session<S> {
    fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Established | Phase::Plain)
    }

    fn has_unsent(&self) -> bool {
        self.phase != Phase::Plain
            && (self.connection.wants_write() || self.close_notify == CloseNotify::Buffered)
    }

    /// Clients of TLS do not shut down one side alone: a browser that leaves a page ends both, with
    /// or without `close_notify`, and without it the end may be an attacker's (RFC 8446, section
    /// 6.1).
    fn ends_with_its_peer(&self) -> bool {
        true
    }

    /// Sends `close_notify`, and then shuts the socket down for writing.
    fn shutdown_write(&mut self) -> io::Result<()> {
        if self.phase == Phase::Plain {
            return self.socket.shutdown_write();
        }
        if self.close_notify == CloseNotify::Unsent {
            self.connection.send_close_notify();
            self.close_notify = CloseNotify::Buffered;
        }
        match self.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            flushed => flushed,
        }
    }
}

impl<S: Transport> Read for Session<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.phase == Phase::Plain {
            return self.socket.read(buffer);
        }
        for _ in 0..FRUITLESS_READS_MAX {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The end without `close_notify`. Requests state their length, so none can be cut
                // off unnoticed.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                decrypted => return decrypted,
            }
            if !self.is_established() && self.shared.is_exhausted() {
                break;
            }
            self.receive()?;
        }
        Err(ErrorKind::Interrupted.into())
    }
}

impl<S: Transport> Write for Session<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.phase == Phase::Plain {
            return self.socket.write(bytes);
        }
        self.flush()?;
        self.connection
            .writer()
            .write(&bytes[..bytes.len().min(WRITE_BYTES_MAX)])
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.phase == Phase::Plain {
            return self.socket.flush();
        }
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        if self.close_notify == CloseNotify::Buffered {
            self.close_notify = CloseNotify::Sent;
            self.socket.shutdown_write()?;
        }
        Ok(())
    }
}

/// Keeps the first byte that is read.
struct FirstByte<'a, S> {
    socket: &'a mut S,
    first: &'a mut Option<u8>,
}

impl<S: Read> Read for FirstByte<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        *self.first = buffer[..count].first().copied();
        Ok(count)
    }
}

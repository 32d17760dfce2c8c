//! One TLS session, as a transport that loses no edge.
//!
//! TLS has a buffer of its own in each direction, between the loop and the kernel, and sends
//! messages of its own. So each call must report the state of the socket and of the buffer together:
//!
//! - `read` returns "would block" only when the socket does *and* no decrypted byte is left. Input
//!   without a byte for the caller, such as a handshake message, makes it read again: otherwise the
//!   bytes behind it would wait in the socket, and no edge would report them.
//! - `write` buffers at most 32 KiB, and only after the kernel has taken all bytes before. So a
//!   small part of a frame waits here, and a frame that has not begun can still be replaced by a
//!   newer one.
//! - `flush` sends the buffered bytes: the rest of a record, a handshake message or an alert. While
//!   there are any, [`Transport::has_unsent`] is true, even if the caller's queue is empty.
//!
//! All sessions share a budget of handshake steps. When it is reached, `read` returns "interrupted"
//! without reading: the caller stays ready, and tries again in the next turn.

use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use rustls::ServerConnection;

use super::Shared;
use crate::hub::Transport;
use crate::wire::http::{Refusal, Status};

/// The maximum of one write: two records (RFC 8446, section 5.1). Each write is a system call: with
/// one record, a frame of 84 KB costs 50 % more. With four, viewers that never read hold twice the
/// memory.
const WRITE_BYTES_MAX: usize = 32 * 1024;

/// How often one `read` may read the socket without a decrypted byte. A peer may send empty records
/// without end.
const FRUITLESS_READS_MAX: u32 = 4;

/// The response to HTTP without TLS.
const PLAIN: Refusal = Refusal {
    status: Status::BadRequest,
    reason: "This port expects HTTPS; use https:// in the address.",
};

/// A session on the socket `S`.
#[derive(Debug)]
pub struct Session<S> {
    connection: ServerConnection,
    socket: S,
    shared: Rc<Shared>,
    phase: Phase,
    close_notify: CloseNotify,
}

/// The phase of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing was received yet.
    Initial,
    /// The handshake has begun.
    Handshake,
    /// Both directions are encrypted.
    Established,
    /// The peer has sent HTTP without TLS, and gets a response without TLS.
    Plain,
}

/// The state of our close_notify alert, which ends what we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CloseNotify {
    Unsent,
    /// Buffered, not sent yet.
    Buffered,
    /// Sent; the socket is shut down for writing.
    Sent,
}

impl<S: Transport> Session<S> {
    /// Begins a session on a new connection.
    pub fn new(connection: ServerConnection, socket: S, shared: Rc<Shared>) -> Self {
        Self {
            connection,
            socket,
            shared,
            phase: Phase::Initial,
            close_notify: CloseNotify::Unsent,
        }
    }

    /// The socket below.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Reads the socket once and decrypts. Replies of TLS itself are buffered.
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
            // Try to send the alert with the reason. The session has failed in any case.
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

    /// A TLS client does not shut down one direction alone: a browser that leaves a page ends both,
    /// with or without `close_notify`. Without it, an attacker may have ended the stream (RFC 8446,
    /// section 6.1).
    fn ends_with_its_peer(&self) -> bool {
        true
    }

    /// Sends `close_notify`, then shuts down the socket for writing.
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
                // The end without `close_notify`. A request that was cut off is detected by its
                // length.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                decrypted => return decrypted,
            }
            // Own budget reached: the caller stays ready.
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

/// Keeps the first byte of a read.
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

//! The interface between the hub and a socket.

use std::fmt;
use std::io::{self, Read, Write};

/// A non-blocking byte stream in both directions. After `read`, `write` or `flush` has returned
/// [`io::ErrorKind::WouldBlock`], the caller of the hub must report the next edge of readiness to
/// [`crate::hub::Hub::ready`]. A `read` may return [`io::ErrorKind::Interrupted`] at its own
/// budget: no edge follows, and the hub reads again in the next turn.
///
/// An error of `read` that holds a [`crate::wire::http::Refusal`] ends the connection with that
/// response.
pub trait Transport: Read + Write {
    /// Whether requests can arrive: the handshake, if there is one, is complete.
    fn is_established(&self) -> bool {
        true
    }

    /// Whether it buffers bytes for the peer, which `flush` sends.
    fn has_unsent(&self) -> bool {
        false
    }

    /// Whether the end of the input means that the peer has closed both directions. In TCP it does
    /// not: the peer may have shut down its write side alone.
    fn ends_with_its_peer(&self) -> bool {
        false
    }

    /// Shuts down writing. Bytes that were written before still arrive.
    ///
    /// # Errors
    /// Those of the transport; the connection is then closed.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// An edge: the directions that have become ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There may be bytes to read, or the end of the input.
    pub readable: bool,
    /// There may be room to write.
    pub writable: bool,
    /// Both directions have ended: bytes that are written cannot arrive.
    pub gone: bool,
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (self.readable, "readable"),
            (self.writable, "writable"),
            (self.gone, "gone"),
        ];
        let names: Vec<_> = flags
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, name)| *name)
            .collect();
        f.write_str(&names.join(", "))
    }
}

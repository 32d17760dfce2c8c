//! What the hub needs of a socket, and what a socket tells it.

use std::fmt;
use std::io::{self, Read, Write};

/// A byte stream in both directions that never blocks: `read`, `write` and `flush` return
/// [`io::ErrorKind::WouldBlock`] instead, and an edge of readiness is then owed to
/// [`crate::hub::Hub::ready`]. A `read` that returns [`io::ErrorKind::Interrupted`] owes none: it
/// has done enough for this turn and must be called again in the next.
///
/// An error of `read` that holds a [`crate::wire::http::Refusal`] ends the connection with that
/// response.
pub trait Transport: Read + Write {
    /// Whether requests can arrive: not while a handshake is under way.
    fn is_established(&self) -> bool {
        true
    }

    /// Whether it holds bytes for the peer, its own or such as `write` took: `flush` sends them.
    fn has_unsent(&self) -> bool {
        false
    }

    /// Whether a peer that sends no more has left. A TCP peer may have shut down its write side
    /// alone.
    fn ends_with_its_peer(&self) -> bool {
        false
    }

    /// Shuts down writing. What was written before still arrives.
    ///
    /// # Errors
    /// Those of the transport; the connection is then closed.
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

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.readable, "readable"),
            (self.writable, "writable"),
            (self.gone, "gone"),
        ];
        let words: Vec<_> = words
            .iter()
            .filter(|(holds, _)| *holds)
            .map(|(_, word)| *word)
            .collect();
        f.write_str(&words.join(", "))
    }
}

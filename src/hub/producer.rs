//! Bodies that are made as they are sent: their length does not matter, since no more of one is in memory than the
//! chunk on its way.

use std::fmt;
use std::time::Instant;

use bytes::Bytes;

use super::journal::{Journal, Topic};
use super::limits::Limits;
use super::queue::Chunk;
use crate::wire::http::ResponseHead;

/// Makes a body piece by piece. It is asked for the next chunk once everything before it has left, and once a turn at
/// the most, so a peer that takes nothing makes no work, and a peer that takes everything holds up nobody.
pub trait Producer: fmt::Debug {
    /// The next chunk: a few KiB, and 16 KiB at the most, since that much is made in one go.
    fn next(&mut self, journal: &Journal) -> Next;

    /// Bytes that mean nothing, sent after a long silence: a peer that has vanished is found out by them, and one that
    /// is there is not taken for vanished by whatever lies between.
    fn sign_of_life(&self) -> Bytes;

    /// The length of the whole body in bytes, where it is known before it is made. Such a body has no room for a sign
    /// of life, and always has a next chunk.
    fn length(&self) -> Option<u64> {
        None
    }

    /// How many frames the peer ought to have been told of and never will be, since it was too slow; of those, as many
    /// as were found out since the last call.
    fn take_untold(&mut self) -> u64 {
        0
    }

    /// Whether it holds a frame, of which this is the allocation, for what is yet to be made.
    fn holds(&self, _allocation: &Bytes) -> bool {
        false
    }
}

/// What a body answers when it is asked for its next chunk.
#[derive(Clone, Debug)]
pub enum Next {
    /// These bytes follow. They are not empty.
    Chunk(Chunk),
    /// Nothing follows until there is something new in what the body is made of.
    NotYet,
    /// The body is complete.
    End,
}

impl Next {
    /// The bytes that follow; nothing yet, if there are none.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes: Bytes = bytes.into();
        if bytes.is_empty() { Next::NotYet } else { Next::Chunk(bytes.into()) }
    }
}

/// What a produced body is, for whoever counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A table of frames.
    Table,
    /// Server-sent events.
    Events,
    /// A clip of past frames.
    Clip,
}

/// An answer whose body is made as it is sent.
#[derive(Debug)]
pub struct Production {
    /// The status line and the fields that are the answer's own.
    pub head: ResponseHead,
    /// Makes the body.
    pub producer: Box<dyn Producer>,
    /// What it is.
    pub purpose: Purpose,
    /// What it must be told of.
    pub follows: Vec<Topic>,
    /// Whether the body has no end of its own: then whoever reads it is a subscriber, which leaves when it ends its
    /// side, and which may be told of an end at any time. A body with an end must not seem to have ended before.
    pub is_endless: bool,
}

/// The part of a connection whose peer is sent a body while it is made.
#[derive(Debug)]
pub struct Reader {
    /// What it reads.
    pub purpose: Purpose,
    /// What it is told of.
    pub follows: Vec<Topic>,
    /// Whether the body has no end of its own.
    pub is_endless: bool,
    /// Whether another request may follow.
    pub keep_alive: bool,
    /// Whether the body is sent in chunks (RFC 9112, section 7.1) rather than up to the end of the connection.
    pub is_chunked: bool,
    /// Whether there may be something to make.
    pub is_ready: bool,
    /// Makes the body.
    pub producer: Box<dyn Producer>,
    /// The kernel last took a byte then, or was first asked to.
    progress_at: Instant,
}

impl Reader {
    /// Somebody who has just asked for a body.
    pub fn new(production: Production, keep_alive: bool, is_chunked: bool, now: Instant) -> Self {
        let Production { producer, purpose, follows, is_endless, .. } = production;
        Self { purpose, follows, is_endless, keep_alive, is_chunked, is_ready: true, producer, progress_at: now }
    }

    /// The kernel took some bytes, or is about to be asked to take the first of a chunk.
    pub fn progressed(&mut self, now: Instant) {
        self.progress_at = now;
    }

    /// When this reader must be looked at again: it has taken nothing of what is queued, or it was told nothing.
    pub fn deadline(&self, idle: bool, limits: &Limits) -> Instant {
        self.progress_at + if idle { limits.sign_of_life_after } else { limits.stall_timeout }
    }
}

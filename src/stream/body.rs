//! Bodies of replies, which the hub asks for one chunk at a time.

use std::any::Any;
use std::fmt;
use std::time::Instant;

use bytes::Bytes;

use super::event_log::Topic;
use super::live::Live;

/// A body that is produced as it is sent: at most one chunk of it is in memory.
pub trait Body: Any + fmt::Debug {
    /// The kind of the body.
    fn kind(&self) -> BodyKind;

    /// Returns the next chunk. The hub calls this when the transport has room, so a peer that does
    /// not read causes no work. A chunk that is no frame has at most 16 KiB.
    fn next(&mut self, live: &Live, now: Instant) -> Next;

    /// The topics that make it ready after [`Next::NotYet`]. A body with topics is endless: the hub
    /// may end it after any chunk. A body without must not look complete before it is.
    fn topics(&self) -> Vec<Topic> {
        Vec::new()
    }

    /// The length of the whole body in bytes, if it is known in advance. Such a body never returns
    /// [`Next::NotYet`].
    fn length(&self) -> Option<u64> {
        None
    }

    /// Returns bytes without meaning to send after a long silence: a write finds out that a peer
    /// has vanished, and keeps a proxy from closing the connection as idle. `None`: the body is
    /// asked for a chunk instead.
    fn keep_alive(&self) -> Option<Bytes> {
        None
    }

    /// Returns how many events the peer was too slow for, and resets the count.
    fn take_missed(&mut self) -> u64 {
        0
    }

    /// Whether it keeps this allocation of a frame in memory, for later chunks.
    fn holds(&self, _allocation: &Bytes) -> bool {
        false
    }

    /// Called for each step of a frame on its way to the peer.
    fn sent(&mut self, _event: Sent, _now: Instant) {}

    /// Asks it to end. Returns whether last chunks follow, up to [`Next::End`].
    fn end(&mut self, _live: &Live, _now: Instant) -> bool {
        false
    }

    /// Called at its end or at the end of the connection, with the frame that was in flight.
    fn close(&mut self, _live: &mut Live, _in_flight: Option<Shown>, _now: Instant) {}
}

/// The kinds of bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// A camera's frames.
    Frames,
    /// A table of frames.
    Table,
    /// Server-sent events.
    Events,
    /// A clip of past frames.
    Clip,
}

/// The reply of a body that is asked for its next chunk.
#[derive(Clone, Debug)]
pub enum Next {
    /// The next chunk. It is not empty.
    Chunk(Chunk),
    /// There is no chunk until a topic changes.
    NotYet {
        /// The body is asked again at this time in any case.
        until: Option<Instant>,
    },
    /// The body is complete.
    End,
}

impl Next {
    /// Returns these bytes as a chunk, or [`Next::NotYet`] if there are none.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes: Bytes = bytes.into();
        if bytes.is_empty() {
            Next::NotYet { until: None }
        } else {
            Next::Chunk(bytes.into())
        }
    }
}

/// Bytes to send, and the frame that they are.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The bytes that the transport has not taken yet.
    pub bytes: Bytes,
    /// The frame, if the bytes are one.
    pub frame: Option<Shown>,
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, frame: None }
    }
}

/// A frame on its way to a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its number among the frames of its camera; see [`Frame::number`](super::Frame::number).
    pub number: u64,
    /// Its sequence.
    pub sequence: u64,
    /// The size of its part, in bytes.
    pub bytes: usize,
    /// The viewer has been sent it before. Counted as repeated, not as delivered.
    pub is_repeat: bool,
    /// When it was captured, if its latency is to be measured.
    pub captured: Option<Instant>,
}

/// The steps of a frame on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The transport took no byte of it. The body is asked again, and may then have a newer one.
    Blocked,
    /// The transport has taken its first bytes.
    Begun(Shown),
    /// Its last byte has left.
    Delivered(Shown),
}

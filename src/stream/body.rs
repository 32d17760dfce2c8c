//! Bodies: what replies are made of, asked for one chunk at a time.

use std::any::Any;
use std::fmt;
use std::time::Instant;

use bytes::Bytes;

use super::event_log::Topic;
use super::live::Live;

/// A body that is made as it is sent: no more of it is in memory than the chunk on its way.
pub trait Body: Any + fmt::Debug {
    /// What it is.
    fn kind(&self) -> BodyKind;

    /// The next chunk. It is asked once everything before has left: a peer that takes nothing makes
    /// no work. A chunk that is made, rather than a frame, has 16 KiB at most.
    fn next(&mut self, live: &Live, now: Instant) -> Next;

    /// What makes it ready after [`Next::NotYet`]. A body with topics has no end of its own, and
    /// may end between any two chunks; one without must not seem complete before it is.
    fn topics(&self) -> Vec<Topic> {
        Vec::new()
    }

    /// The length of the whole body in bytes, if it is known before it is made. Such a body always
    /// has a next chunk.
    fn length(&self) -> Option<u64> {
        None
    }

    /// Bytes without meaning, sent after a long silence: they find out a peer that has vanished,
    /// and keep a proxy from closing the connection as idle. None if it is asked for a chunk
    /// instead.
    fn keep_alive(&self) -> Option<Bytes> {
        None
    }

    /// How many frames the peer missed, since it was too slow, that were found out since the last
    /// call.
    fn take_missed(&mut self) -> u64 {
        0
    }

    /// Whether it holds a frame, of which this is the allocation, for what is yet to be made.
    fn holds(&self, _allocation: &Bytes) -> bool {
        false
    }

    /// Called for each frame on its way.
    fn sent(&mut self, _event: Sent, _now: Instant) {}

    /// Called when it must end. Returns whether chunks follow, up to [`Next::End`].
    fn end(&mut self, _live: &Live, _now: Instant) -> bool {
        false
    }

    /// Called when it has ended, or its connection has, with the frame that was in flight.
    fn close(&mut self, _live: &mut Live, _in_flight: Option<Shown>, _now: Instant) {}
}

/// What a body is.
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

/// What a body returns when it is asked for its next chunk.
#[derive(Clone, Debug)]
pub enum Next {
    /// This follows. It is not empty.
    Chunk(Chunk),
    /// Nothing follows before there is something new in a topic.
    NotYet {
        /// It is asked again at this time even so.
        until: Option<Instant>,
    },
    /// The body is complete.
    End,
}

impl Next {
    /// The bytes that follow; nothing yet, if there are none.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes: Bytes = bytes.into();
        if bytes.is_empty() {
            Next::NotYet { until: None }
        } else {
            Next::Chunk(bytes.into())
        }
    }
}

/// Bytes to send, and what they are.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The bytes that are left to send.
    pub bytes: Bytes,
    /// The frame they are, if they are one.
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
    /// Its place among the frames of its camera; see [`Frame::number`](super::Frame::number).
    pub number: u64,
    /// Its sequence.
    pub sequence: u64,
    /// The size of its part, in bytes.
    pub bytes: usize,
    /// Whether the viewer has been sent it before: a repeat is delivered, but is no new frame.
    pub is_repeat: bool,
    /// When it was captured, if its way to the viewer is to be timed.
    pub captured: Option<Instant>,
}

/// What happens to a frame on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The transport had no room for it: the body is asked again, and may then have a newer one.
    Blocked,
    /// The transport has taken its first bytes.
    Begun(Shown),
    /// Its last byte has left.
    Delivered(Shown),
}

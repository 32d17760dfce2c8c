//! What a request is answered with: bytes until done, frames without end, bytes made on the way, or "ask me again".

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::producer::Production;
use crate::stream::pace::Pace;
use crate::stream::peer::Peer;
use crate::wire::http::ResponseHead;
use crate::wire::multipart::Framing;

/// The answer to one request.
#[derive(Debug)]
pub enum Answer {
    /// Bytes until done.
    Respond(Response),
    /// These bytes, head and all, and then the end.
    Preformed(Bytes),
    /// Every frame of a camera from now on.
    Subscribe(Subscription),
    /// Bytes that are made as they are sent.
    Produce(Production),
    /// Hand the request out again once this has come, or when [`super::Limits::wait_timeout`] has passed.
    Wait(Awaited),
}

/// The answer to a call, and what is known of the call by then.
#[derive(Debug)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The client: the peer, or the one that the peer names if it is a trusted proxy.
    pub client: Peer,
    /// For how long the client may be sent it.
    pub permit: Permit,
}

impl Reply {
    /// An answer to a peer that is its own client, with a permit that never ends.
    pub fn to(peer: Peer, answer: Answer) -> Self {
        Self { answer, client: peer, permit: Permit::default() }
    }
}

/// How long a client may be sent what it asked for. The default never ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permit {
    /// Streams and bodies end then: the token that opened them has expired.
    pub until: Option<Instant>,
    /// The credential that opened them, by a number of the caller's; see [`super::Hub::revoke`].
    pub credential: u64,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// A frame of a camera.
    Frame {
        /// Which camera, from 0.
        camera: usize,
        /// The sequence the requester has already, which the frame's must exceed; 0 for none.
        after: u64,
    },
    /// Whether its credentials are right, which takes too long to find out within a turn.
    CheckResult {
        /// The number under which it is being found out; see [`super::Hub::decided`].
        ticket: u64,
    },
}

/// A finite response. The connection adds `Content-Length` and `Connection`, and omits the body for a `HEAD` request.
#[derive(Debug)]
pub struct Response {
    /// The status line and the fields that are the answer's own.
    pub head: ResponseHead,
    /// The body; a status may forbid one (204, 304).
    pub body: Option<Bytes>,
    /// The camera, from 0, of which this is a live picture. The hub does not read it.
    pub still_of: Option<usize>,
}

impl Response {
    /// A response that shows no camera.
    pub fn new(head: ResponseHead, body: Option<Bytes>) -> Self {
        Self { head, body, still_of: None }
    }
}

/// What a viewer of a stream asked for.
#[derive(Debug)]
pub struct Subscription {
    /// Which camera, from 0.
    pub camera: usize,
    /// How its parts are framed.
    pub framing: Framing,
    /// Each frame is sent so long after it was published: tenths of a second, at most the history's span.
    pub delay: Duration,
    /// The most it is to be given.
    pub pace: Pace,
    /// The word by which the viewer asks for its own figures; may be empty.
    pub label: String,
    /// The response head and what precedes the first part.
    pub head: Bytes,
}

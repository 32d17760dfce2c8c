//! Requests that the hub hands out, and the answers to them.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::body::Body;
use super::key::Key;
use super::peer::Peer;
use super::rate_limit::RateLimit;
use crate::wire::http::{Method, Request, ResponseHead, Version};
use crate::wire::multipart::Framing;

/// A request that needs an answer.
#[derive(Debug)]
pub struct Call {
    /// The connection that it arrived on.
    pub key: Key,
    /// The other end of that connection.
    pub peer: Peer,
    /// The request.
    pub request: Box<Request>,
    /// The wait has ended without its event: the answer must not be [`Answer::Wait`].
    pub waited: bool,
    /// When the whole request had arrived.
    pub asked_at: Instant,
}

/// The answer to a call, and the client that authentication found.
#[derive(Debug)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The client: the peer, or the address that a trusted proxy forwards.
    pub client: Peer,
    /// How long the client may be sent the answer.
    pub permit: Permit,
}

impl Reply {
    /// Returns an answer to a peer that is its own client, with a permit that never ends.
    pub fn to(peer: Peer, answer: Answer) -> Self {
        Self {
            answer,
            client: peer,
            permit: Permit::default(),
        }
    }
}

/// The answer to one request.
#[derive(Debug)]
pub enum Answer {
    /// A whole response.
    Respond(Response),
    /// These bytes, which include a head; then the connection ends.
    Preformed(Bytes),
    /// The frames of a camera from now on.
    Subscribe(Subscription),
    /// A response with this head, and a body that is produced chunk by chunk.
    Stream(ResponseHead, Box<dyn Body>),
    /// The call is handed out again after this event, or after [`super::Limits::wait_timeout`].
    Wait(Awaited),
}

/// How long a client may be sent what it requested. The default never ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permit {
    /// When the token expires. Streams and other bodies end then.
    pub until: Option<Instant>,
    /// The credential that opened them, as a number that the caller chooses; see
    /// [`crate::hub::Hub::revoke`].
    pub credential: u64,
}

/// The event that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// A frame of a camera.
    Frame {
        /// Which camera, from 0.
        camera: usize,
        /// The sequence of the frame must exceed this one, which the client has already; 0 for
        /// none.
        after: u64,
    },
    /// The result of a password check, which takes longer than a turn may.
    CheckResult {
        /// The number of the check; see [`crate::hub::Hub::check_finished`].
        ticket: u64,
    },
}

/// The properties of a request that shape the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Whether another request may follow.
    pub keep_alive: bool,
    /// Whether the head alone was requested (RFC 9110, section 9.3.2).
    pub head_only: bool,
    /// Whether the peer understands chunked transfer coding (RFC 9112, section 7.1).
    pub accepts_chunked: bool,
    /// When the whole request had arrived.
    pub asked_at: Instant,
}

impl Exchange {
    /// Reads them from a request. `may_follow`: the limit of requests is not reached.
    pub fn new(request: &Request, may_follow: bool, now: Instant) -> Self {
        Self {
            keep_alive: request.keep_alive && may_follow,
            head_only: request.method == Method::Head,
            accepts_chunked: request.version == Version::Http11,
            asked_at: now,
        }
    }
}

/// A whole response. The connection adds `Content-Length` and `Connection`, and omits the body for
/// a `HEAD` request.
#[derive(Debug)]
pub struct Response {
    /// The status line, and fields that are specific to this answer.
    pub head: ResponseHead,
    /// The body; a status may forbid one (204, 304).
    pub body: Option<Bytes>,
    /// The camera, from 0, if the body is its live picture. For the caller; the hub ignores it.
    pub still_of: Option<usize>,
}

impl Response {
    /// Returns a response that is no camera's picture.
    pub fn new(head: ResponseHead, body: Option<Bytes>) -> Self {
        Self {
            head,
            body,
            still_of: None,
        }
    }
}

/// The request of a viewer for a stream.
#[derive(Debug)]
pub struct Subscription {
    /// Which camera, from 0.
    pub camera: usize,
    /// How its parts are framed.
    pub framing: Framing,
    /// How long after its publication a frame is sent; zero for at once. Must not exceed the span
    /// of the history.
    pub delay: Duration,
    /// The highest rate that the viewer asked for.
    pub rate_limit: RateLimit,
    /// The label by which the viewer can ask for its own statistics; may be empty.
    pub label: String,
    /// The response head, and the delimiter before the first part.
    pub head: Bytes,
}

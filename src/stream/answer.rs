//! Requests that want an answer, and what they are answered with.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::body::Body;
use super::key::Key;
use super::peer::Peer;
use super::rate_limit::RateLimit;
use crate::wire::http::{Method, Request, ResponseHead, Version};
use crate::wire::multipart::Framing;

/// A request that wants an answer.
#[derive(Debug)]
pub struct Call {
    /// The connection that it came through.
    pub key: Key,
    /// The other end of that.
    pub peer: Peer,
    /// What is requested.
    pub request: Box<Request>,
    /// Whether it has waited as long as it may: it must not be made to wait again.
    pub waited: bool,
    /// When the request had arrived.
    pub asked_at: Instant,
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
    /// These bytes, head and all, and then the end of the connection.
    Preformed(Bytes),
    /// Every frame of a camera from now on.
    Subscribe(Subscription),
    /// A response with this head, whose body is made as it is sent.
    Stream(ResponseHead, Box<dyn Body>),
    /// The call again, once this has come or [`super::Limits::wait_timeout`] has passed.
    Wait(Awaited),
}

/// For how long a client may be sent what it requested. The default never ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permit {
    /// Streams and other bodies end then: the token that opened them has expired.
    pub until: Option<Instant>,
    /// The credential that opened them, by a number of the caller's; see
    /// [`crate::hub::Hub::revoke`].
    pub credential: u64,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// A frame of a camera.
    Frame {
        /// Which camera, from 0.
        camera: usize,
        /// The frame's sequence must exceed this one, which the client has already; 0 for none.
        after: u64,
    },
    /// The check of its credentials, which takes longer than a turn may.
    CheckResult {
        /// The number of the check; see [`crate::hub::Hub::check_finished`].
        ticket: u64,
    },
}

/// What of a request shapes the reply to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Whether another request may follow.
    pub keep_alive: bool,
    /// Whether the head alone was requested (RFC 9110, section 9.3.2).
    pub head_only: bool,
    /// Whether the peer understands chunked transfer coding (RFC 9112, section 7.1).
    pub is_chunked: bool,
    /// When the request had arrived.
    pub asked_at: Instant,
}

impl Exchange {
    /// The reply to a request that has arrived, after which another one `may_follow`.
    pub fn new(request: &Request, may_follow: bool, now: Instant) -> Self {
        Self {
            keep_alive: request.keep_alive && may_follow,
            head_only: request.method == Method::Head,
            is_chunked: request.version == Version::Http11,
            asked_at: now,
        }
    }
}

/// A whole response. The connection adds `Content-Length` and `Connection`, and omits the body for
/// a `HEAD` request.
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
        Self {
            head,
            body,
            still_of: None,
        }
    }
}

/// What a viewer of a stream asked for.
#[derive(Debug)]
pub struct Subscription {
    /// Which camera, from 0.
    pub camera: usize,
    /// How its parts are framed.
    pub framing: Framing,
    /// How long after it was published a frame is sent; zero for at once. A whole number of tenths
    /// of a second, and no more than the history's span.
    pub delay: Duration,
    /// The most that it asked for.
    pub rate_limit: RateLimit,
    /// The word by which the viewer asks for its own figures; may be empty.
    pub label: String,
    /// The response head and what precedes the first part.
    pub head: Bytes,
}

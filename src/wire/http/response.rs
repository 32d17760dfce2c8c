//! A response's head, and the whole response to what could not be read.

use std::fmt::{self, Display, Write};

use bytes::{Bytes, BytesMut};

use super::ALLOW;

/// Every status framecast answers with (RFC 9110, section 15; 429 and 431: RFC 6585).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// What was asked for follows.
    Ok = 200,
    /// Done, and there is nothing to show: the answer to `OPTIONS`.
    NoContent = 204,
    /// The peer has the newest frame already.
    NotModified = 304,
    /// The request cannot be read, or a parameter has a bad value.
    BadRequest = 400,
    /// The credentials are wrong or missing.
    Unauthorized = 401,
    /// Understood, and not for this peer.
    Forbidden = 403,
    /// No such address, or no such camera.
    NotFound = 404,
    /// A well-known method that is not answered.
    MethodNotAllowed = 405,
    /// The head did not arrive in time.
    RequestTimeout = 408,
    /// The request announces a body.
    ContentTooLarge = 413,
    /// The request line is too long.
    UriTooLong = 414,
    /// The request has an `Expect` field.
    ExpectationFailed = 417,
    /// The request is for a host this server does not answer for.
    MisdirectedRequest = 421,
    /// The peer's address has too many connections.
    TooManyRequests = 429,
    /// The head is too long, or has too many fields.
    RequestHeaderFieldsTooLarge = 431,
    /// A method, or a transfer coding, that nobody here has heard of.
    NotImplemented = 501,
    /// Not now: no frame yet, or too many viewers.
    ServiceUnavailable = 503,
    /// A major version other than 1.
    HttpVersionNotSupported = 505,
}

impl Status {
    /// The three digits of the status line.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// The words of the status line.
    pub fn reason_phrase(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::NoContent => "No Content",
            Self::NotModified => "Not Modified",
            Self::BadRequest => "Bad Request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::RequestTimeout => "Request Timeout",
            Self::ContentTooLarge => "Content Too Large",
            Self::UriTooLong => "URI Too Long",
            Self::ExpectationFailed => "Expectation Failed",
            Self::MisdirectedRequest => "Misdirected Request",
            Self::TooManyRequests => "Too Many Requests",
            Self::RequestHeaderFieldsTooLarge => "Request Header Fields Too Large",
            Self::NotImplemented => "Not Implemented",
            Self::ServiceUnavailable => "Service Unavailable",
            Self::HttpVersionNotSupported => "HTTP Version Not Supported",
        }
    }
}

/// The head of a response, encoded as it is built.
///
/// It knows nothing of the request and nothing of the body, so three rules are left to whoever
/// writes the body (RFC 9110, sections 6.4.1 and 8.6): the answer to `HEAD` has the head of the
/// answer to `GET`, its `Content-Length` included, and no body; a 204 has neither body nor
/// `Content-Length`; a 304 has no body, and a `Content-Length` only if it is the one a 200 would
/// have had.
#[derive(Clone, Debug)]
#[must_use]
pub struct ResponseHead(BytesMut);

impl ResponseHead {
    /// Begins with the status line. It always says HTTP/1.1, the version framecast speaks whatever
    /// its peer does (RFC 9110, section 2.5).
    pub fn new(status: Status) -> Self {
        let mut head = BytesMut::with_capacity(256);
        put(
            &mut head,
            format_args!("HTTP/1.1 {} {}\r\n", status.code(), status.reason_phrase()),
        );
        Self(head)
    }

    /// Adds a field. Every control character in `value`, CR, LF and NUL above all, becomes a space,
    /// so that a value which came from outside can end neither its line nor the head.
    pub fn field(mut self, name: &'static str, value: impl Display) -> Self {
        put(&mut self.0, format_args!("{name}: "));
        put(&mut WithoutControls(&mut self.0), format_args!("{value}"));
        put(&mut self.0, format_args!("\r\n"));
        self
    }

    /// Ends the head of a body of `content_length` bytes, or of no body where the status forbids
    /// one, after which the connection stays open if `keep_alive`.
    pub fn encode_finite(self, content_length: Option<usize>, keep_alive: bool) -> Bytes {
        let head = match content_length {
            Some(length) => self.field("Content-Length", length),
            None => self,
        };
        let connection = if keep_alive { "keep-alive" } else { "close" };
        head.field("Connection", connection).encode()
    }

    /// Ends the head of a body whose length nobody knows: it comes in chunks, or else ends with the
    /// connection.
    pub fn encode_streamed(self, is_chunked: bool, keep_alive: bool) -> Bytes {
        let head = if is_chunked {
            self.field("Transfer-Encoding", "chunked")
        } else {
            self
        };
        let connection = if keep_alive && is_chunked {
            "keep-alive"
        } else {
            "close"
        };
        head.field("Connection", connection).encode()
    }

    /// Ends the head with the blank line. How the body ends, if it does, was said in the fields.
    pub fn encode(mut self) -> Bytes {
        put(&mut self.0, format_args!("\r\n"));
        self.0.freeze()
    }
}

/// Why a request was not taken: a status for programs and a sentence for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// The status of the answer.
    pub status: Status,
    /// One plain sentence that says what is wrong. It holds nothing the peer sent.
    pub reason: &'static str,
}

impl Refusal {
    /// The whole response: the sentence as plain text, after which the connection is to be closed.
    pub fn response(&self) -> Bytes {
        let mut head =
            ResponseHead::new(self.status).field("Content-Type", "text/plain; charset=utf-8");
        if self.status == Status::MethodNotAllowed {
            head = head.field("Allow", ALLOW);
        }
        let body = format!("{}\n", self.reason);
        let head = head.encode_finite(Some(body.len()), false);
        [head.as_ref(), body.as_bytes()].concat().into()
    }

    pub(super) fn malformed(reason: &'static str) -> Self {
        Self {
            status: Status::BadRequest,
            reason,
        }
    }
}

/// Writes into memory that grows, which fails only if a `Display` of the caller's does: its text
/// then ends there.
fn put(out: &mut impl Write, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Passes text on with a space in place of every control character.
struct WithoutControls<'a>(&'a mut BytesMut);

impl Write for WithoutControls<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut pieces = text.split(|character: char| character.is_ascii_control());
        self.0.write_str(pieces.next().unwrap_or_default())?;
        pieces.try_for_each(|piece| {
            self.0.write_char(' ')?;
            self.0.write_str(piece)
        })
    }
}

//! The head of a response, and the response to an invalid request.

use std::fmt::{self, Display, Write};

use bytes::{Bytes, BytesMut};

use super::ALLOW;

/// The status codes of responses (RFC 9110, section 15; 429 and 431: RFC 6585).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// The body follows.
    Ok = 200,
    /// No body: the response to `OPTIONS`.
    NoContent = 204,
    /// The client has the newest frame already.
    NotModified = 304,
    /// The request is malformed, or a parameter has an invalid value.
    BadRequest = 400,
    /// The credentials are missing or wrong.
    Unauthorized = 401,
    /// This client has no access.
    Forbidden = 403,
    /// There is no such path or camera.
    NotFound = 404,
    /// A known method that is not supported.
    MethodNotAllowed = 405,
    /// The head did not arrive in time.
    RequestTimeout = 408,
    /// The request has a body.
    ContentTooLarge = 413,
    /// The request line is too long.
    UriTooLong = 414,
    /// The request has an `Expect` field.
    ExpectationFailed = 417,
    /// The `Host` is not a name of this server.
    MisdirectedRequest = 421,
    /// The client network has too many connections, or too many failed logins.
    TooManyRequests = 429,
    /// The head is too long or has too many fields.
    RequestHeaderFieldsTooLarge = 431,
    /// An unknown method or transfer coding.
    NotImplemented = 501,
    /// No frame yet, or too many viewers.
    ServiceUnavailable = 503,
    /// A major version other than 1.
    HttpVersionNotSupported = 505,
}

impl Status {
    /// Returns the status code.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// Returns the reason phrase of the status line.
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
/// The caller must follow three rules about the body (RFC 9110, sections 6.4.1 and 8.6): the
/// response to `HEAD` has the head of the response to `GET`, with its `Content-Length`, and no
/// body; a 204 has neither body nor `Content-Length`; a 304 has no body, and a `Content-Length`
/// only if it equals that of the 200.
#[derive(Clone, Debug)]
#[must_use]
pub struct ResponseHead(BytesMut);

impl ResponseHead {
    /// Writes the status line. The version is always HTTP/1.1, also in responses to HTTP/1.0 (RFC
    /// 9110, section 2.5).
    pub fn new(status: Status) -> Self {
        let mut head = BytesMut::with_capacity(256);
        put(
            &mut head,
            format_args!("HTTP/1.1 {} {}\r\n", status.code(), status.reason_phrase()),
        );
        Self(head)
    }

    /// Adds a field. Control characters in `value` become spaces, so that an untrusted value with
    /// CR LF cannot add fields or end the head.
    pub fn field(mut self, name: &'static str, value: impl Display) -> Self {
        put(&mut self.0, format_args!("{name}: "));
        put(&mut WithoutControls(&mut self.0), format_args!("{value}"));
        put(&mut self.0, format_args!("\r\n"));
        self
    }

    /// Completes the head of a response with a body of `content_length` bytes, or with `None` of
    /// one whose status forbids a body.
    pub fn encode_finite(self, content_length: Option<usize>, keep_alive: bool) -> Bytes {
        let head = match content_length {
            Some(length) => self.field("Content-Length", length),
            None => self,
        };
        let connection = if keep_alive { "keep-alive" } else { "close" };
        head.field("Connection", connection).encode()
    }

    /// Completes the head of a response whose body has no known length: the body is chunked, or
    /// ends when the connection closes.
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

    /// Completes the head with the empty line. The fields must state how the body ends.
    pub fn encode(mut self) -> Bytes {
        put(&mut self.0, format_args!("\r\n"));
        self.0.freeze()
    }
}

/// The rejection of a request: a status and a sentence that explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// The status of the response.
    pub status: Status,
    /// The problem, as one sentence. It contains nothing that the client sent.
    pub reason: &'static str,
}

impl Refusal {
    /// Returns the whole response, with the sentence as plain text. Close the connection after it.
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

/// Writes into memory. Only a failing `Display` can cause an error; the text then ends there.
fn put(out: &mut impl Write, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Writes text with a space instead of each control character.
struct WithoutControls<'a>(&'a mut BytesMut);

impl Write for WithoutControls<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut parts = text.split(|character: char| character.is_ascii_control());
        self.0.write_str(parts.next().unwrap_or_default())?;
        parts.try_for_each(|part| {
            self.0.write_char(' ')?;
            self.0.write_str(part)
        })
    }
}

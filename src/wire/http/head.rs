//! Finds the end of a request head, and rejects invalid ones before it arrives.

use memchr::{memchr, memchr2};

use super::{Refusal, Status};

/// The maximum size of a head, in bytes: request line, fields and the empty line.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The maximum size of a request line, in bytes, without its CRLF. RFC 9112, section 3, requires at
/// least 8,000.
pub const REQUEST_LINE_BYTES_MAX: usize = 8 * 1024;
/// The maximum size of a method, in bytes. The longest registered one has 17.
pub const METHOD_BYTES_MAX: usize = 32;
/// The maximum size of empty lines before a request, in bytes. They are ignored (RFC 9112, section
/// 2.2): some clients send an extra line break behind a request.
pub const EMPTY_LINES_BYTES_MAX: usize = 16;

/// A complete head.
pub(super) struct Head<'a> {
    /// The request line without its CRLF.
    pub(super) request_line: &'a [u8],
    /// The field lines, the empty line, and all bytes received behind it.
    pub(super) fields: &'a [u8],
    /// The size of the head and of the empty lines before it, in bytes.
    pub(super) length: usize,
}

/// The state of the search for the end of a head. Pass it to the next call with more bytes, so that
/// no byte is examined twice: a head that arrives byte by byte costs as much as one that arrives at
/// once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadSearch {
    /// The offset of the request line, behind empty lines.
    start: usize,
    /// The offset of the current line.
    line: usize,
    /// The current line does not end before this offset.
    scanned: usize,
}

/// Finds the head at the front of `received`. Returns `Ok(None)` if its end has not arrived.
/// `search` is the state from the previous call with fewer bytes.
///
/// # Errors
/// The first error in byte order: 400 for an invalid method and for a CR or LF alone, 414 and 431
/// for a line and a head that are too long, even if their end has not arrived.
pub(super) fn find<'a>(
    received: &'a [u8],
    search: &mut HeadSearch,
) -> Result<Option<Head<'a>>, Refusal> {
    let window = received.get(..HEAD_BYTES_MAX).unwrap_or(received);
    if search.is_in_request_line() {
        search.skip_empty_lines(window);
        let line = window.get(search.start..).unwrap_or_default();
        if line == b"\r" && search.start < EMPTY_LINES_BYTES_MAX {
            return Ok(None);
        }
        check_method(line)?;
    }
    while let Some(line) = search.next_line(window)? {
        if line.is_empty() {
            let length = search.line;
            let request = window.get(search.start..).unwrap_or_default();
            return Ok(split(request).map(|(request_line, fields)| Head {
                request_line,
                fields,
                length,
            }));
        }
    }
    if window.len() == HEAD_BYTES_MAX {
        return Err(Refusal {
            status: Status::RequestHeaderFieldsTooLarge,
            reason: "Request head too long: at most 16 KiB.",
        });
    }
    Ok(None)
}

impl HeadSearch {
    fn is_in_request_line(&self) -> bool {
        self.line == self.start
    }

    fn skip_empty_lines(&mut self, window: &[u8]) {
        let is_empty = |start: usize| {
            window
                .get(start..)
                .is_some_and(|rest| rest.starts_with(b"\r\n"))
        };
        while self.start < EMPTY_LINES_BYTES_MAX && is_empty(self.start) {
            self.start += 2;
            self.line = self.start;
            self.scanned = self.start;
        }
    }

    /// Returns the next line without its CRLF; `Ok(None)` if its end has not arrived.
    ///
    /// A CR or LF alone is rejected: a proxy that accepts it as the end of a line and one that does
    /// not would see two different requests (request smuggling).
    fn next_line<'a>(&mut self, window: &'a [u8]) -> Result<Option<&'a [u8]>, Refusal> {
        let unseen = window.get(self.scanned..).unwrap_or_default();
        let (clear, end) = unseen.split_at(memchr2(b'\r', b'\n', unseen).unwrap_or(unseen.len()));
        self.scanned += clear.len();
        if self.is_in_request_line() && self.scanned - self.start > REQUEST_LINE_BYTES_MAX {
            return Err(Refusal {
                status: Status::UriTooLong,
                reason: "Request line too long: at most 8,192 bytes.",
            });
        }
        match end {
            [b'\r', b'\n', ..] => {
                let line = window.get(self.line..self.scanned);
                self.scanned += 2;
                self.line = self.scanned;
                Ok(line)
            }
            [] | [b'\r'] => Ok(None),
            _ => Err(Refusal::malformed("Invalid line end: expected CR LF.")),
        }
    }
}

/// Splits off the request line.
fn split(window: &[u8]) -> Option<(&[u8], &[u8])> {
    let (request_line, rest) = window.split_at(memchr(b'\r', window)?);
    Some((request_line, rest.get(2..)?))
}

/// Rejects a TLS hello, an SSH banner or noise at the first invalid byte, so that such a peer does
/// not keep the connection until the deadline.
fn check_method(received: &[u8]) -> Result<(), Refusal> {
    let token = received.iter().take_while(|byte| is_token(**byte));
    let length = token.take(METHOD_BYTES_MAX + 1).count();
    match received.get(length) {
        _ if length > METHOD_BYTES_MAX => {
            Err(Refusal::malformed("Method too long: at most 32 bytes."))
        }
        Some(b' ') if length > 0 => Ok(()),
        Some(_) => Err(Refusal::malformed(
            "Invalid request line: expected a method and a space.",
        )),
        None => Ok(()),
    }
}

/// Whether a token may contain `byte` (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The supported versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunked coding; the connection closes after the response unless the client asks
    /// for `keep-alive`.
    Http10,
    /// HTTP/1.1, and 1.2 to 1.9, which are compatible with it (RFC 9110, section 2.5).
    Http11,
}

impl Version {
    /// Parses the version (RFC 9112, section 2.3): the name in capitals, and one digit on each side
    /// of the point.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        match text.as_bytes() {
            b"HTTP/1.0" => Ok(Self::Http10),
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Self::Http11),
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Refusal {
                status: Status::HttpVersionNotSupported,
                reason: "Unsupported version: only HTTP/1.0 and HTTP/1.1.",
            }),
            _ => Err(Refusal::malformed(
                "Invalid request line: expected a version such as HTTP/1.1 at the end.",
            )),
        }
    }
}

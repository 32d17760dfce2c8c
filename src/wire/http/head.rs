//! Where a head ends, and what can be refused before it does.

use memchr::{memchr, memchr2};

use super::{Refusal, Status};

/// The longest head: request line, fields and the blank line.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The longest request line, its CRLF not counted. RFC 9112, section 3, asks for 8,000 at least.
pub const REQUEST_LINE_BYTES_MAX: usize = 8 * 1024;
/// The longest method that is still called unknown rather than malformed; the longest registered
/// one has 17 bytes.
pub const METHOD_BYTES_MAX: usize = 32;
/// Empty lines before a request are ignored, up to so many bytes (RFC 9112, section 2.2): some
/// clients end a request with one line break too many.
pub const EMPTY_LINES_BYTES_MAX: usize = 16;

/// A whole head.
pub(super) struct Head<'a> {
    /// The request line without its CRLF.
    pub(super) request_line: &'a [u8],
    /// The field lines, the blank line, and whatever was received after it.
    pub(super) fields: &'a [u8],
    /// Length of the whole head and of the empty lines before it, in bytes.
    pub(super) length: usize,
}

/// How far the search for the end of a head has come. Kept from one call to the next, it saves
/// looking at a byte again: a peer that sends its head byte by byte costs no more than one that
/// sends it at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadSearch {
    /// Where the request line begins, behind empty lines.
    start: usize,
    /// Where the line to be read next begins.
    line: usize,
    /// Before this offset that line does not end.
    scanned: usize,
}

/// Finds the head at the front of `received`: `Ok(None)` if its end has not arrived. `search` tells
/// what earlier calls with fewer bytes have seen of it.
///
/// # Errors
///
/// The first fault in byte order that no later byte can mend: 400 for a method that is none and for
/// a CR or LF on its own, 414 and 431 for what is too long, finished or not.
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
            reason: "The request head is longer than 16 KiB.",
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

    /// The next line without its CRLF; `Ok(None)` if its end has not arrived.
    ///
    /// A CR or LF on its own is refused wherever it stands: a peer that takes it for the end of a
    /// line and one that does not would see two different requests.
    fn next_line<'a>(&mut self, window: &'a [u8]) -> Result<Option<&'a [u8]>, Refusal> {
        let unseen = window.get(self.scanned..).unwrap_or_default();
        let (clear, end) = unseen.split_at(memchr2(b'\r', b'\n', unseen).unwrap_or(unseen.len()));
        self.scanned += clear.len();
        if self.is_in_request_line() && self.scanned - self.start > REQUEST_LINE_BYTES_MAX {
            return Err(Refusal {
                status: Status::UriTooLong,
                reason: "The request line is longer than 8,192 bytes.",
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
            _ => Err(Refusal::malformed(
                "A line ends in CR LF; one of the two stood alone.",
            )),
        }
    }
}

/// The request line without its CRLF, and what follows it.
fn split(window: &[u8]) -> Option<(&[u8], &[u8])> {
    let (request_line, rest) = window.split_at(memchr(b'\r', window)?);
    Some((request_line, rest.get(2..)?))
}

/// A TLS hello, an SSH banner or noise is told at its first wrong byte, so that no such peer holds
/// a connection until the deadline.
fn check_method(received: &[u8]) -> Result<(), Refusal> {
    let token = received.iter().take_while(|byte| is_token(**byte));
    let length = token.take(METHOD_BYTES_MAX + 1).count();
    match received.get(length) {
        _ if length > METHOD_BYTES_MAX => {
            Err(Refusal::malformed("The method is longer than 32 bytes."))
        }
        Some(b' ') if length > 0 => Ok(()),
        Some(_) => Err(Refusal::malformed(
            "The request does not begin with a method and a space.",
        )),
        None => Ok(()),
    }
}

/// Whether `byte` may stand in a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The versions that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, and a connection ends with its answer unless the peer says
    /// otherwise.
    Http10,
    /// HTTP/1.1, and 1.2 to 1.9 that must understand it (RFC 9110, section 2.5).
    Http11,
}

impl Version {
    /// RFC 9112, section 2.3: the name is in capitals, and there is one digit on either side of the
    /// point.
    pub(super) fn parse(word: &str) -> Result<Self, Refusal> {
        match word.as_bytes() {
            b"HTTP/1.0" => Ok(Self::Http10),
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Self::Http11),
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Refusal {
                status: Status::HttpVersionNotSupported,
                reason: "Only HTTP/1.0 and HTTP/1.1 are spoken here.",
            }),
            _ => Err(Refusal::malformed(
                "The request line does not end in a version such as HTTP/1.1.",
            )),
        }
    }
}

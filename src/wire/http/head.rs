//! Where a head ends, and what can be refused before it does.

use memchr::memchr2;

use super::{Refusal, Status};

/// The longest head: request line, fields and the blank line.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The longest request line, its CRLF not counted. RFC 9112, section 3, asks for 8,000 at least.
pub const REQUEST_LINE_BYTES_MAX: usize = 8 * 1024;
/// The longest method that is still called unknown rather than malformed; the longest registered one has 17 bytes.
pub const METHOD_BYTES_MAX: usize = 32;

/// A whole head.
pub(super) struct Head<'a> {
    /// The request line without its CRLF.
    pub(super) request_line: &'a [u8],
    /// The field lines, the blank line, and whatever was received after it.
    pub(super) fields: &'a [u8],
    /// Length of the whole head, in bytes.
    pub(super) length: usize,
}

/// Finds the head at the front of `received`: `Ok(None)` if its end has not arrived.
///
/// # Errors
///
/// The first fault in byte order that no later byte can mend: 400 for a method that is none and for a CR or LF on its
/// own, 414 and 431 for what is too long, finished or not.
pub(super) fn find(received: &[u8]) -> Result<Option<Head<'_>>, Refusal> {
    check_method(received)?;
    check_request_line_length(received)?;
    let window = received.get(..HEAD_BYTES_MAX).unwrap_or(received);
    let mut rest = window;
    let mut first = None;
    while let Some((line, after)) = cut_line(rest)? {
        rest = after;
        match first {
            None => first = Some((line, after)),
            Some((request_line, fields)) if line.is_empty() => {
                let length = window.len() - after.len();
                return Ok(Some(Head { request_line, fields, length }));
            }
            Some(_) => {}
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

/// A TLS hello, an SSH banner or noise is told at its first wrong byte, so that no such peer holds a connection until
/// the deadline.
fn check_method(received: &[u8]) -> Result<(), Refusal> {
    let token = received.iter().take_while(|byte| is_token(**byte));
    let length = token.take(METHOD_BYTES_MAX + 1).count();
    match received.get(length) {
        _ if length > METHOD_BYTES_MAX => Err(Refusal::malformed("The method is longer than 32 bytes.")),
        Some(b' ') if length > 0 => Ok(()),
        Some(_) => Err(Refusal::malformed("The request does not begin with a method and a space.")),
        None => Ok(()),
    }
}

fn check_request_line_length(received: &[u8]) -> Result<(), Refusal> {
    match received.get(..=REQUEST_LINE_BYTES_MAX) {
        Some(line) if memchr2(b'\r', b'\n', line).is_none() => {
            Err(Refusal { status: Status::UriTooLong, reason: "The request line is longer than 8,192 bytes." })
        }
        _ => Ok(()),
    }
}

/// A line without its CRLF, and what follows it.
type Cut<'a> = (&'a [u8], &'a [u8]);

/// Cuts the first line off; `Ok(None)` if its end has not arrived.
///
/// A CR or LF on its own is refused wherever it stands: a peer that takes it for the end of a line and one that does
/// not would see two different requests.
fn cut_line(bytes: &[u8]) -> Result<Option<Cut<'_>>, Refusal> {
    let length = memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
    let (line, end) = bytes.split_at(length);
    match end {
        [b'\r', b'\n', after @ ..] => Ok(Some((line, after))),
        [] | [b'\r'] => Ok(None),
        _ => Err(Refusal::malformed("A line ends in CR LF; one of the two stood alone.")),
    }
}

/// Whether `byte` may stand in a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

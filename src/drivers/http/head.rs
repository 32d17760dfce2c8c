//! The head of a response, parsed as leniently as by curl and browsers.
//!
//! Cameras send a bare date between the fields, a space before a colon, folded lines, empty and
//! bracketed names, control characters, `http/1.1` in lower case, `HTTP/2.0` over plain TCP, `ICY
//! 200 OK`, or no head at all. `httparse` can skip invalid field lines, but it rejects such status
//! lines, and heads with more fields than expected. So this file parses line by line and ignores
//! invalid lines.

use std::borrow::Cow;

use bytes::BytesMut;
use memchr::memchr;

use super::Fault;

/// The maximum size of a head, including interim responses: the same as curl's.
const HEAD_BYTES_MAX: usize = 300 * 1024;

/// How a status line begins, in any case. ICY is used by SHOUTcast; RTSP leads to an error of its
/// own.
const PROTOCOLS: [&[u8]; 3] = [b"HTTP/", b"ICY ", b"RTSP/"];

/// The head of a response.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// The status code, 100 to 999; 200 if missing.
    pub(super) status: u16,
    /// Whether the connection is persistent by default: from HTTP/1.1 on.
    is_persistent: bool,
    /// Whether the response has no head (HTTP/0.9).
    pub(super) is_missing: bool,
    /// Names and values in their order. The encoding of a value is unknown.
    fields: Vec<(String, Vec<u8>)>,
}

/// Parses a head as it is received.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    head: Option<Head>,
    /// The number of bytes consumed, including interim responses.
    consumed: usize,
    /// The number of received bytes that are known to contain no line end.
    scanned: usize,
}

impl HeadReader {
    /// Consumes complete lines of `received`; returns `Ok(None)` until the head is complete. The
    /// rest of `received` is then the body: all of it if the response has no head (HTTP/0.9).
    ///
    /// # Errors
    /// The head is too long, or the protocol is not HTTP.
    pub(super) fn read(&mut self, received: &mut BytesMut) -> Result<Option<Head>, Fault> {
        loop {
            if self.head.is_none() {
                self.skip_blanks(received);
                match begins_with_protocol(received) {
                    Some(true) => {}
                    Some(false) => {
                        return Ok(Some(Head {
                            status: 200,
                            is_missing: true,
                            ..Head::default()
                        }));
                    }
                    None => return Ok(None),
                }
            }
            let Some(line) = self.take_line(received)? else {
                return Ok(None);
            };
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let Some(head) = &mut self.head else {
                self.head = Some(Head::begin(text)?);
                continue;
            };
            if !text.iter().all(|&byte| byte == b'\r') {
                head.add(text);
                continue;
            }
            // Skip interim responses (RFC 9110, section 15.2), except 101, which switches
            // protocols.
            match self.head.take() {
                Some(Head {
                    status: 100 | 102..=199,
                    ..
                })
                | None => {}
                head => return Ok(head),
            }
        }
    }

    /// Whether part of a head was received.
    pub(super) fn has_begun(&self) -> bool {
        self.head.is_some() || self.consumed > 0
    }

    /// Skips whitespace before a status line: the previous body may end with an extra line break.
    fn skip_blanks(&mut self, received: &mut BytesMut) {
        let blanks = received
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        drop(received.split_to(blanks));
        self.scanned = 0;
    }

    fn take_line(&mut self, received: &mut BytesMut) -> Result<Option<BytesMut>, Fault> {
        let end = memchr(b'\n', received.get(self.scanned..).unwrap_or_default())
            .map(|at| self.scanned + at + 1);
        if self.consumed + end.unwrap_or(received.len()) > HEAD_BYTES_MAX {
            return Err(Fault::NotHttp(format!(
                "its head has more than {} KiB",
                HEAD_BYTES_MAX / 1024
            )));
        }
        self.scanned = if end.is_some() { 0 } else { received.len() };
        self.consumed += end.unwrap_or_default();
        Ok(end.map(|end| received.split_to(end)))
    }
}

/// Whether `received` begins with a status line; `None` if more bytes are needed.
fn begins_with_protocol(received: &[u8]) -> Option<bool> {
    let mut begins = PROTOCOLS.into_iter().map(|protocol| {
        let length = protocol.len().min(received.len());
        let matches = received
            .get(..length)
            .unwrap_or_default()
            .eq_ignore_ascii_case(&protocol[..length]);
        if matches && length < protocol.len() {
            None
        } else {
            Some(matches)
        }
    });
    let begins: [Option<bool>; 3] = std::array::from_fn(|_| begins.next().flatten());
    if begins.contains(&Some(true)) {
        return Some(true);
    }
    (!begins.contains(&None)).then_some(false)
}

impl Head {
    /// Parses a status line: `HTTP/1.1 200 OK`, in any case, with any whitespace; code and phrase
    /// may be missing.
    fn begin(line: &[u8]) -> Result<Self, Fault> {
        let mut words = line
            .split(|byte| byte.is_ascii_whitespace())
            .filter(|word| !word.is_empty());
        let protocol = words.next().unwrap_or_default().to_ascii_uppercase();
        if protocol.starts_with(b"RTSP/") {
            return Err(Fault::Rtsp);
        }
        let code = words.next().unwrap_or_default();
        let digits = code.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let status =
            match str::from_utf8(code.get(..digits).unwrap_or_default()).unwrap_or_default() {
                "" => 200,
                digits => match digits.parse() {
                    Ok(status @ 100..=999) => status,
                    _ => return Err(Fault::NotHttp(format!("its status is {}", shown(code)))),
                },
            };
        let version = protocol.strip_prefix(b"HTTP/").unwrap_or_default();
        let is_old =
            version.starts_with(b"0") || version == b"1.0" || version == b"1" || version.is_empty();
        Ok(Self {
            status,
            is_persistent: !is_old,
            ..Self::default()
        })
    }

    /// Adds a field line, or a continuation of the line before (RFC 9112, section 5.2). Other lines
    /// are ignored.
    fn add(&mut self, line: &[u8]) {
        let is_folded = line.first().is_some_and(|byte| b" \t".contains(byte));
        if let Some((_, value)) = self.fields.last_mut().filter(|_| is_folded) {
            value.push(b' ');
            value.extend(cleaned(line));
            return;
        }
        let Some(colon) = memchr(b':', line) else {
            return;
        };
        let name =
            String::from_utf8_lossy(&cleaned(line.get(..colon).unwrap_or_default())).into_owned();
        self.fields
            .push((name, cleaned(line.get(colon + 1..).unwrap_or_default())));
    }

    /// The values of all fields called `name`, ignoring case.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = move |field: &&(String, Vec<u8>)| field.0.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .filter(named)
            .map(|(_, value)| value.as_slice())
    }

    /// The value of the first field called `name`, as text; empty if missing.
    pub(super) fn text(&self, name: &str) -> Cow<'_, str> {
        self.all(name)
            .next()
            .map(String::from_utf8_lossy)
            .unwrap_or_default()
    }

    /// Whether the list in the fields called `name` contains `token`.
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).any(|value| {
            let mut tokens = value.split(|byte| b",;".contains(byte));
            tokens.any(|given| given.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
        })
    }

    /// The value of `Content-Length`. Invalid, too large or contradictory values are ignored.
    pub(super) fn content_length(&self) -> Option<u64> {
        let lengths = self
            .all("Content-Length")
            .flat_map(|value| value.split(|&byte| byte == b','));
        let mut lengths = lengths.map(|length| {
            let length = str::from_utf8(length).unwrap_or_default().trim();
            // A length has no sign (RFC 9110, section 8.6), but `parse` accepts one.
            length
                .parse::<u64>()
                .ok()
                .filter(|_| !length.starts_with('+'))
        });
        let first = lengths.next()??;
        lengths.all(|length| length == Some(first)).then_some(first)
    }

    /// Whether the connection stays open after the body.
    pub(super) fn keeps_alive(&self) -> bool {
        let has = |option| self.has_token("Connection", option);
        !has("close") && (self.is_persistent || has("keep-alive"))
    }
}

/// Removes control characters, and blanks at both ends.
fn cleaned(bytes: &[u8]) -> Vec<u8> {
    let cleaned = bytes
        .iter()
        .filter(|byte| !byte.is_ascii_control() || **byte == b'\t');
    cleaned.copied().collect::<Vec<u8>>().trim_ascii().to_vec()
}

/// The start of a camera's text, for error messages: one line, without control characters.
pub(super) fn shown(bytes: &[u8]) -> String {
    const CHARACTERS_MAX: usize = 60;
    let text = String::from_utf8_lossy(bytes.get(..4 * CHARACTERS_MAX).unwrap_or(bytes));
    text.trim()
        .chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .take(CHARACTERS_MAX)
        .collect()
}

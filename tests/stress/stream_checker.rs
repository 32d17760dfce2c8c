//! Checks a stream as strictly as its documentation: preamble, whole parts, and nothing else.

use crate::picture::{PREFIX_BYTES, PictureCache, parse_prefix};

const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\
    Cache-Control: no-store, no-cache, must-revalidate, private, max-age=0\r\n\
    Pragma: no-cache\r\n\
    Expires: Mon, 3 Jan 2000 12:34:56 GMT\r\n\
    Connection: close\r\n\
    X-Accel-Buffering: no\r\n\r\n";
const DELIMITER: &str = "--frame\r\n";
const NEXT_HEADER: &str = "Content-Type: image/jpeg\r\n\r\n";
const CLOSING: &str = "\r\n--frame--\r\n";

/// Counters of a stream.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Number of new frames.
    pub frames: u64,
    /// Number of repeated frames.
    pub repeats: u64,
    /// Numbers of the first and of the newest frame.
    pub first: u64,
    pub last: u64,
    /// Whether the closing delimiter was received.
    pub is_closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    Header,
    Body {
        length: usize,
        sequence: Option<u64>,
    },
    Closed,
}

/// Parses a stream and returns its first fault.
#[derive(Debug)]
pub struct StreamChecker {
    is_advance: bool,
    /// Whether the camera numbers its frames: then the server must keep its numbers.
    is_numbered: bool,
    state: State,
    buffer: Vec<u8>,
    last_sequence: u64,
    pub seen: Seen,
}

impl StreamChecker {
    pub fn new(is_advance: bool, is_numbered: bool) -> Self {
        Self {
            is_advance,
            is_numbered,
            state: State::Head,
            buffer: Vec::new(),
            last_sequence: 0,
            seen: Seen::default(),
        }
    }

    /// Parses received bytes. An error is a fault of the stream.
    pub fn receive(&mut self, bytes: &[u8], pictures: &mut PictureCache) -> Result<(), String> {
        self.buffer.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(used) = self.step(at, pictures)? {
            at += used;
        }
        self.buffer.drain(..at);
        Ok(())
    }

    /// Parses one element at `at`. Returns its length, or `None` if more bytes are needed.
    fn step(&mut self, at: usize, pictures: &mut PictureCache) -> Result<Option<usize>, String> {
        let rest = &self.buffer[at..];
        if !matches!(self.state, State::Head | State::Closed) && rest.starts_with(b"\r\n") {
            let ended = expect(rest, CLOSING)?;
            if ended.is_some() {
                self.state = State::Closed;
                self.seen.is_closed = true;
            }
            return Ok(ended);
        }
        match self.state {
            State::Head => {
                let next = if self.is_advance { NEXT_HEADER } else { "" };
                let begun = expect(rest, &format!("{HEAD}{DELIMITER}{next}"))?;
                if begun.is_some() {
                    self.state = self.next_part();
                }
                Ok(begun)
            }
            State::Header => self.read_header(at),
            State::Body { length: 0, .. } => {
                let Some(start) = rest.get(..PREFIX_BYTES) else {
                    return Ok(None);
                };
                let (_, length) =
                    parse_prefix(start).ok_or("a part that is not a picture of the camera")?;
                self.state = State::Body {
                    length,
                    sequence: None,
                };
                Ok(Some(0))
            }
            State::Body { length, sequence } => self.read_body(at, length, sequence, pictures),
            State::Closed if rest.is_empty() => Ok(None),
            State::Closed => Err("bytes after the closing delimiter".to_owned()),
        }
    }

    fn next_part(&self) -> State {
        if self.is_advance {
            State::Body {
                length: 0,
                sequence: None,
            }
        } else {
            State::Header
        }
    }

    fn read_header(&mut self, at: usize) -> Result<Option<usize>, String> {
        let rest = &self.buffer[at..];
        let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") else {
            return if rest.len() > 512 {
                Err("a part's header without an end".to_owned())
            } else {
                Ok(None)
            };
        };
        let header = String::from_utf8_lossy(&rest[..end]);
        let (length, sequence) =
            parse_header(&header).ok_or_else(|| format!("a part's header is {header:?}"))?;
        self.state = State::Body {
            length,
            sequence: Some(sequence),
        };
        Ok(Some(end + 4))
    }

    fn read_body(
        &mut self,
        at: usize,
        length: usize,
        sequence: Option<u64>,
        pictures: &mut PictureCache,
    ) -> Result<Option<usize>, String> {
        let next = if self.is_advance { NEXT_HEADER } else { "" };
        let trailer = format!("\r\n{DELIMITER}{next}");
        let Some(part) = self.buffer.get(at..at + length + trailer.len()) else {
            return Ok(None);
        };
        let (jpeg, end) = part.split_at(length);
        if end != trailer.as_bytes() {
            return Err(format!(
                "a part ends with {:?}",
                end.escape_ascii().to_string()
            ));
        }
        let number = pictures.check(jpeg)?;
        self.count(number, sequence)?;
        self.state = self.next_part();
        Ok(Some(length + trailer.len()))
    }

    /// Checks that numbers increase, and that a repeat has the same number and sequence.
    fn count(&mut self, number: u64, sequence: Option<u64>) -> Result<(), String> {
        let Seen {
            frames,
            repeats,
            first,
            last,
            ..
        } = &mut self.seen;
        let sequence = sequence.unwrap_or(if self.is_numbered {
            number
        } else {
            self.last_sequence
        });
        let is_known = *frames > 0 && number == *last;
        if is_known {
            *repeats += 1
        } else {
            *frames += 1
        }
        if self.is_numbered && sequence != number {
            return Err(format!(
                "frame {number} of the camera has the sequence {sequence}"
            ));
        }
        if (is_known && sequence != self.last_sequence)
            || number < *last
            || sequence < self.last_sequence
        {
            return Err(format!(
                "frame {number} ({sequence}) after frame {last} ({})",
                self.last_sequence
            ));
        }
        if *frames == 1 {
            *first = number;
        }
        (*last, self.last_sequence) = (number, sequence);
        Ok(())
    }
}

/// Returns the length of `expected` if `bytes` start with it, or `None` if more bytes are needed.
fn expect(bytes: &[u8], expected: &str) -> Result<Option<usize>, String> {
    let there = bytes.len().min(expected.len());
    if bytes[..there] != expected.as_bytes()[..there] {
        let found = bytes[..there.min(300)].escape_ascii();
        return Err(format!("expected {expected:?}, found {found}"));
    }
    Ok((there == expected.len()).then_some(there))
}

/// Parses the length and the sequence of a part's header. Each byte of the header is checked.
fn parse_header(header: &str) -> Option<(usize, u64)> {
    let (kind, rest) = header.split_once("\r\n")?;
    let (length, rest) = rest.split_once("\r\n")?;
    let (time, sequence) = rest.split_once("\r\n")?;
    let (seconds, micros) = time.strip_prefix("X-Timestamp: ")?.split_once('.')?;
    let is_time =
        seconds.parse::<u64>().is_ok() && micros.len() == 6 && micros.parse::<u32>().is_ok();
    let length = length.strip_prefix("Content-Length: ")?.parse().ok()?;
    let sequence = sequence.strip_prefix("X-Frame-Sequence: ")?.parse().ok()?;
    (kind == "Content-Type: image/jpeg" && is_time && length > 0).then_some((length, sequence))
}

//! One viewer's place in its stream, as strict as the documentation: preamble, whole parts, and
//! nothing else.

use crate::picture::{Gallery, KNOWN_BYTES, read_known};

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

/// What a viewer has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Frames, each newer than the one before.
    pub frames: u64,
    /// Frames that were shown again.
    pub repeats: u64,
    /// The numbers of the first and of the newest frame.
    pub first: u64,
    pub last: u64,
    /// Whether the stream came to its proper end.
    pub is_closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Head,
    Header,
    Body {
        length: usize,
        sequence: Option<u64>,
    },
    Closed,
}

/// Follows a stream and finds the first thing that is wrong with it.
#[derive(Debug)]
pub struct Follower {
    is_advance: bool,
    /// Whether the camera numbers its frames, so that the server must keep its numbers.
    is_numbered: bool,
    stage: Stage,
    held: Vec<u8>,
    last_sequence: u64,
    pub seen: Seen,
}

impl Follower {
    pub fn new(is_advance: bool, is_numbered: bool) -> Self {
        Self {
            is_advance,
            is_numbered,
            stage: Stage::Head,
            held: Vec::new(),
            last_sequence: 0,
            seen: Seen::default(),
        }
    }

    /// Takes what has come. An error is what is wrong with the stream.
    pub fn receive(&mut self, bytes: &[u8], gallery: &mut Gallery) -> Result<(), String> {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(used) = self.step(at, gallery)? {
            at += used;
        }
        self.held.drain(..at);
        Ok(())
    }

    /// One step from `at`: how many bytes it took, or nothing if more must come first.
    fn step(&mut self, at: usize, gallery: &mut Gallery) -> Result<Option<usize>, String> {
        let rest = &self.held[at..];
        if !matches!(self.stage, Stage::Head | Stage::Closed) && rest.starts_with(b"\r\n") {
            let ended = expect(rest, CLOSING)?;
            if ended.is_some() {
                self.stage = Stage::Closed;
                self.seen.is_closed = true;
            }
            return Ok(ended);
        }
        match self.stage {
            Stage::Head => {
                let next = if self.is_advance { NEXT_HEADER } else { "" };
                let begun = expect(rest, &format!("{HEAD}{DELIMITER}{next}"))?;
                if begun.is_some() {
                    self.stage = self.next_part();
                }
                Ok(begun)
            }
            Stage::Header => self.read_header(at),
            Stage::Body { length: 0, .. } => {
                let Some(start) = rest.get(..KNOWN_BYTES) else {
                    return Ok(None);
                };
                let (_, length) =
                    read_known(start).ok_or("a part that is no picture of the camera's")?;
                self.stage = Stage::Body {
                    length,
                    sequence: None,
                };
                Ok(Some(0))
            }
            Stage::Body { length, sequence } => self.read_body(at, length, sequence, gallery),
            Stage::Closed if rest.is_empty() => Ok(None),
            Stage::Closed => Err("bytes behind the closing delimiter".to_owned()),
        }
    }

    fn next_part(&self) -> Stage {
        if self.is_advance {
            Stage::Body {
                length: 0,
                sequence: None,
            }
        } else {
            Stage::Header
        }
    }

    fn read_header(&mut self, at: usize) -> Result<Option<usize>, String> {
        let rest = &self.held[at..];
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
        self.stage = Stage::Body {
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
        gallery: &mut Gallery,
    ) -> Result<Option<usize>, String> {
        let next = if self.is_advance { NEXT_HEADER } else { "" };
        let trailer = format!("\r\n{DELIMITER}{next}");
        let Some(part) = self.held.get(at..at + length + trailer.len()) else {
            return Ok(None);
        };
        let (jpeg, end) = part.split_at(length);
        if end != trailer.as_bytes() {
            return Err(format!(
                "a part ends with {:?}",
                end.escape_ascii().to_string()
            ));
        }
        let number = gallery.check(jpeg)?;
        self.count(number, sequence)?;
        self.stage = self.next_part();
        Ok(Some(length + trailer.len()))
    }

    /// Numbers rise; a repeat is the same frame under the same sequence.
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

/// How long `expected` is, if it is there; nothing while it may still come.
fn expect(bytes: &[u8], expected: &str) -> Result<Option<usize>, String> {
    let there = bytes.len().min(expected.len());
    if bytes[..there] != expected.as_bytes()[..there] {
        let found = bytes[..there.min(300)].escape_ascii();
        return Err(format!("{expected:?} was to come, not {found}"));
    }
    Ok((there == expected.len()).then_some(there))
}

/// The length and the sequence in a part's header, which is right to the byte.
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

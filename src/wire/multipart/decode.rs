//! Parts as drivers and cameras send them.
//!
//! `Content-Length` is not read. A JPEG tells itself where it ends, every one is walked to its end before it is handed
//! out, and what follows up to the next boundary is padding. So no length can be missing or wrong, and no part waits
//! for the boundary behind it. What the walk has not finished when the boundary comes is a frame cut short.

use std::mem;

use bytes::{Buf, BytesMut};
use memchr::memchr;

use super::boundary::{Boundary, Found, Line};
use crate::wire::facts::{Sequence, WallTime};
use crate::wire::jpeg::{START, Step, Walk};
use crate::wire::source::{Part, REJECTED_FIELD, Reason, Rejected, Tally};

/// The longest header block of a part, in bytes, with its delimiter line.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// What a message is put behind to become a part.
const MESSAGE_DELIMITER: &[u8] = b"--framecast-message\r\n";

/// Decodes the parts of a `multipart/x-mixed-replace` body (RFC 2046, section 5.1), leniently.
///
/// A frame is out as soon as its last byte is in. Each byte is looked at a bounded number of times, however the bytes
/// are cut, and no more of them are needed at once than the largest frame and its header block.
#[derive(Debug)]
pub struct PartDecoder {
    frame_bytes_max: usize,
    boundary: Boundary,
    state: State,
    /// No delimiter begins before this offset in the bytes received; past the head of a part, at least.
    searched: usize,
    tally: Tally,
}

/// Where the decoder is. In every state the part begins, with its delimiter, at the first byte received.
#[derive(Debug, Default)]
enum State {
    /// Between two parts, or before the first.
    #[default]
    Between,
    /// In the header block, behind the delimiter.
    Head(Head),
    /// In the picture, which begins `start` bytes behind the delimiter.
    Picture { start: usize, fields: Fields, walk: Walk },
}

#[derive(Debug)]
struct Head {
    /// Where the line to be read next begins.
    line: usize,
    /// Before this offset that line does not end.
    scanned: usize,
    /// Whether the blank line has come: what follows is the body.
    ended: bool,
    fields: Fields,
}

/// What the header block of a part says.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    /// Whether there was any field at all, known or not.
    any: bool,
    captured_at: Stated<WallTime>,
    sequence: Stated<Sequence>,
    /// Why the driver has rejected the frame, in the place of which this header block stands.
    rejected: Option<Reason>,
}

/// The value of a field that a part may have.
#[derive(Clone, Copy, Debug, Default)]
enum Stated<T> {
    #[default]
    Absent,
    /// It is no number, or one out of range.
    Ignored,
    Value(T),
}

/// What one step through the bytes received has led to.
enum Progress {
    /// To another state: go on.
    Moved,
    /// To the end of the bytes received.
    NeedsMore,
    /// To a frame.
    Part(Part),
}

impl PartDecoder {
    /// A decoder that refuses frames larger than `frame_bytes_max`. `boundary` is the parameter of that name in the
    /// `Content-Type` field of the response, if there is one; the body has the last word.
    pub fn new(boundary: Option<&str>, frame_bytes_max: usize) -> Self {
        Self {
            frame_bytes_max: frame_bytes_max.max(START.len()),
            boundary: Boundary::new(boundary),
            state: State::Between,
            searched: 0,
            tally: Tally::default(),
        }
    }

    /// Takes the next part off the head of `received`, without a copy; `Ok(None)` until its picture is there as a
    /// whole. What is left in `received` must stay there, and new bytes be appended to it.
    ///
    /// # Errors
    /// A part was flawed, and has been taken off: call again.
    pub fn decode(&mut self, received: &mut BytesMut) -> Result<Option<Part>, Rejected> {
        loop {
            let progress = match mem::take(&mut self.state) {
                State::Between => self.find_part(received),
                State::Head(head) => self.read_head(head, received)?,
                State::Picture { start, fields, walk } => self.read_picture(start, fields, walk, received)?,
            };
            match progress {
                Progress::Moved => {}
                Progress::NeedsMore => return Ok(None),
                Progress::Part(part) => return Ok(Some(part)),
            }
        }
    }

    /// What has become of the bytes so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Skips what is between two parts.
    fn find_part(&mut self, received: &mut BytesMut) -> Progress {
        match self.boundary.find(received, self.searched) {
            Found::Delimiter { start, end } => {
                self.skip(received, start);
                self.begin_head(received, end - start);
                Progress::Moved
            }
            Found::Jpeg { start } => {
                self.skip(received, start);
                self.begin_picture(0, Fields::default());
                Progress::Moved
            }
            Found::Nothing { clear } => {
                self.searched = clear;
                // The byte before tells whether what follows begins a line.
                self.skip(received, clear.saturating_sub(1));
                Progress::NeedsMore
            }
        }
    }

    fn begin_head(&mut self, received: &[u8], line: usize) {
        let delimiter = received.get(..line).unwrap_or_default();
        self.boundary.learn(delimiter.trim_ascii_start());
        self.state = State::Head(Head { line, scanned: line, ended: false, fields: Fields::default() });
    }

    /// Reads the header block line by line, up to the first two bytes of a picture.
    fn read_head(&mut self, mut head: Head, received: &mut BytesMut) -> Result<Progress, Rejected> {
        loop {
            let at = head.line;
            if let Some(reason) = head.fields.rejected.filter(|_| head.ended) {
                return Err(Rejected { by_driver: true, ..self.reject(received, reason, at) });
            }
            match self.boundary.line_at(received, at) {
                Line::Other => {}
                Line::Unfinished => return Ok(self.wait(State::Head(head))),
                // Where delimiters follow one another, the last one counts.
                Line::Delimiter { end } => {
                    self.skip(received, at);
                    self.begin_head(received, end - at);
                    return Ok(Progress::Moved);
                }
            }
            let block = received.get(..HEAD_BYTES_MAX).unwrap_or(received);
            match block.get(at..).unwrap_or_default() {
                [] | [0xff] | [b'\r'] => break,
                [0xff, 0xd8, ..] => {
                    self.begin_picture(at, head.fields);
                    return Ok(Progress::Moved);
                }
                [b'\n', ..] => head.end(1),
                [b'\r', b'\n', ..] => head.end(2),
                [first, ..] if head.ended || *first == 0xff => {
                    return Err(self.reject(received, Reason::NotJpeg, at));
                }
                _ => match head.read_line(block) {
                    None => break,
                    // No delimiter after all, but something else that begins with dashes.
                    Some(false) if !self.boundary.is_settled() => {
                        self.skip(received, at);
                        return Ok(Progress::Moved);
                    }
                    Some(_) => {}
                },
            }
        }
        if received.len() < HEAD_BYTES_MAX {
            return Ok(self.wait(State::Head(head)));
        }
        Err(self.reject(received, Reason::BadHeader, head.line))
    }

    fn begin_picture(&mut self, start: usize, fields: Fields) {
        if fields.any {
            self.boundary.settle();
        }
        self.state = State::Picture { start, fields, walk: Walk::new() };
    }

    /// Walks the picture, no further than the next delimiter.
    fn read_picture(
        &mut self,
        start: usize,
        fields: Fields,
        mut walk: Walk,
        received: &mut BytesMut,
    ) -> Result<Progress, Rejected> {
        let part = received.get(..start.saturating_add(self.frame_bytes_max)).unwrap_or(received);
        let bytes_max_reached = part.len() - start == self.frame_bytes_max;
        let (limit, cut) = match self.find_end(part, start) {
            Found::Delimiter { start, .. } => (start, true),
            Found::Nothing { clear } if !bytes_max_reached => (clear, false),
            _ => (part.len(), false),
        };
        let (reason, bytes) = match walk.advance(part.get(start..limit).unwrap_or_default()) {
            Step::End { picture: Ok(picture), length } => {
                self.leave(start + length);
                self.tally.accept(start + length);
                received.advance(start);
                let jpeg = received.split_to(length).freeze();
                let (captured_at, sequence) = (fields.captured_at.value(), fields.sequence.value());
                self.tally.timestamps_ignored += u64::from(fields.captured_at.is_ignored());
                self.tally.sequences_ignored += u64::from(fields.sequence.is_ignored());
                return Ok(Progress::Part(Part { jpeg, picture, captured_at, sequence }));
            }
            Step::End { length: end, .. } | Step::Broken { end, .. } if start == 0 && !walk.has_begun() => {
                self.skip(received, end);
                return Ok(Progress::Moved);
            }
            Step::End { picture: Err(flaw), length: end } | Step::Broken { flaw, end } => (flaw.into(), start + end),
            Step::More if cut => (Reason::Truncated, limit),
            Step::More if bytes_max_reached => (Reason::TooLarge, limit),
            Step::More => {
                return Ok(self.wait(State::Picture { start, fields, walk }));
            }
        };
        Err(self.reject(received, reason, bytes))
    }

    /// Looks for the delimiter behind a part. While the boundary is not settled, only the picture tells its end.
    fn find_end(&mut self, part: &[u8], picture: usize) -> Found {
        if !self.boundary.is_settled() {
            return Found::Nothing { clear: part.len() };
        }
        let found = self.boundary.find(part, self.searched.max(picture));
        if let Found::Delimiter { start: clear, .. } | Found::Nothing { clear } = found {
            self.searched = clear;
        }
        found
    }

    fn wait(&mut self, state: State) -> Progress {
        self.state = state;
        Progress::NeedsMore
    }

    fn reject(&mut self, received: &mut BytesMut, reason: Reason, bytes: usize) -> Rejected {
        self.leave(bytes);
        received.advance(bytes);
        self.tally.reject(reason, bytes)
    }

    fn skip(&mut self, received: &mut BytesMut, bytes: usize) {
        self.leave(bytes);
        received.advance(bytes);
        self.tally.skip(bytes);
    }

    fn leave(&mut self, bytes: usize) {
        self.searched = self.searched.saturating_sub(bytes);
    }
}

/// Reads what stands alone: the header block of a part and its picture without a delimiter, or a picture without a
/// header. It is read as [`PartDecoder`] reads a part.
///
/// # Errors
/// There is no whole picture, or one larger than `frame_bytes_max`.
pub fn read_message(message: &[u8], frame_bytes_max: usize) -> Result<Part, Rejected> {
    let mut received = BytesMut::with_capacity(message.len() + MESSAGE_DELIMITER.len());
    received.extend_from_slice(MESSAGE_DELIMITER);
    received.extend_from_slice(message.trim_ascii_start());
    let part = PartDecoder::new(None, frame_bytes_max).decode(&mut received)?;
    part.ok_or(Rejected { reason: Reason::Truncated, bytes: message.len(), by_driver: false })
}

impl Head {
    fn end(&mut self, line_break: usize) {
        self.ended = true;
        self.line += line_break;
        self.scanned = self.line;
    }

    /// Reads the next line of `block`, if it is whole. Whether it is a field.
    fn read_line(&mut self, block: &[u8]) -> Option<bool> {
        let Some(length) = memchr(b'\n', block.get(self.scanned..)?) else {
            self.scanned = block.len();
            return None;
        };
        let end = self.scanned + length;
        let is_field = self.fields.read(block.get(self.line..end)?);
        self.line = end + 1;
        self.scanned = end + 1;
        Some(is_field)
    }
}

impl<T> From<Option<T>> for Stated<T> {
    /// A field that is there, with its value if that was accepted.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Ignored, Self::Value)
    }
}

impl<T> Stated<T> {
    fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Ignored => None,
        }
    }

    fn is_ignored(&self) -> bool {
        matches!(self, Self::Ignored)
    }
}

impl Fields {
    /// Reads one line. Whether it is a field at all: a name, which is a token (RFC 9110, section 5.1), and a colon.
    fn read(&mut self, line: &[u8]) -> bool {
        let Some((name, value)) = str::from_utf8(line).ok().and_then(|line| line.split_once(':')) else { return false };
        let (name, value) = (name.trim_end(), value.trim());
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        {
            return false;
        }
        self.any = true;
        if name.eq_ignore_ascii_case("X-Timestamp") {
            self.captured_at = WallTime::parse(value).into();
        } else if name.eq_ignore_ascii_case("X-Frame-Sequence") {
            self.sequence = Sequence::parse(value).into();
        } else if name.eq_ignore_ascii_case(REJECTED_FIELD) {
            self.rejected = Reason::named(value);
        }
        true
    }
}

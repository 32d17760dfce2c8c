//! Decodes parts from drivers and cameras.
//!
//! The decoder parses each JPEG to its end marker and ignores the bytes behind it up to the next
//! boundary. So a missing or wrong `Content-Length` does not matter, and a part is returned before
//! the next boundary arrives.
//!
//! `Content-Length` is used only if the parser finds no end marker. There and at the boundary, the
//! blocks of the picture are counted: if all are there, the end marker is added. If they cannot be
//! counted (in a progressive picture), a length that ends exactly at the boundary is trusted. All
//! other frames are truncated.
//!
//! Between two pictures the boundary may change, contain a counter, or be missing.

use std::mem;

use bytes::{Buf, Bytes, BytesMut};

use super::boundary::{Boundary, Found, Line, Wanted};
use super::head::{Fields, Head};
use crate::wire::jpeg::{END, JpegError, Picture, START, Step, Walk, add_end_marker};
use crate::wire::part::{Part, Reason, Rejected, Repair, Tally};

/// The maximum size of a part's header block with its delimiter line, in bytes.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// A second picture in a part is padding, for example a preview. After this number of pictures of
/// the same size without a delimiter, the stream has no boundaries any more.
const STRAYS_MAX: u32 = 2;

/// The search for the delimiter is at most this number of bytes ahead of the parser: if the next
/// part has another boundary, these bytes are searched again.
const SEARCH_AHEAD_BYTES: usize = 256;

/// Put before a message to make it a part.
const MESSAGE_DELIMITER: &[u8] = b"--framecast-message\r\n";

/// A lenient decoder for a `multipart/x-mixed-replace` body (RFC 2046, section 5.1).
///
/// A frame is returned as soon as its last byte has arrived. Each byte is examined a bounded number
/// of times, however the bytes are split. The buffer needs room for one frame and its header block.
#[derive(Debug)]
pub struct PartDecoder {
    frame_bytes_max: usize,
    boundary: Boundary,
    state: State,
    /// Inside a picture, the known delimiter does not begin before this offset in the received
    /// bytes.
    searched: usize,
    /// The size of the last picture.
    size: Option<(u16, u16)>,
    /// The number of pictures of that size since then without a delimiter.
    strays: u32,
    tally: Tally,
}

/// The state of the decoder. The part begins, with its delimiter, at the first received byte.
#[derive(Debug)]
enum State {
    /// Between two parts, or before the first one. No part begins before the offset.
    Between(usize),
    /// In the header block.
    Head(Head),
    /// In the body, before the picture.
    Lead(Lead),
    /// In the picture.
    Picture(Reading),
}

/// The state before the picture of a part.
#[derive(Debug)]
struct Lead {
    /// The offset of the body.
    body: usize,
    /// The offset at which the search for the picture continues.
    from: usize,
    /// The reason for rejecting the part if it has no picture.
    reason: Reason,
    fields: Fields,
    /// The repair so far.
    repair: Option<Repair>,
}

/// The state inside a picture.
#[derive(Debug)]
struct Reading {
    lead: Lead,
    /// The offset of the picture: [`Lead::body`], or later if garbage precedes it.
    start: usize,
    walk: Walk,
    /// Whether the blocks have been counted at the end by `Content-Length`.
    length_passed: bool,
    /// Whether it has no delimiter although the boundary is confirmed.
    is_stray: bool,
}

impl Default for State {
    fn default() -> Self {
        Self::Between(0)
    }
}

/// The result of one step of the decoder.
enum Progress {
    /// The state has changed: continue.
    Moved,
    /// More bytes are needed.
    NeedsMore,
    /// A frame is complete.
    Part(Part),
}

impl PartDecoder {
    /// Creates a decoder that rejects frames larger than `frame_bytes_max` bytes. `boundary` is the
    /// parameter of the response's `Content-Type` field, if there is one; the body may use another.
    pub fn new(boundary: Option<&str>, frame_bytes_max: usize) -> Self {
        Self {
            frame_bytes_max: frame_bytes_max.max(START.len()),
            boundary: Boundary::new(boundary),
            state: State::default(),
            searched: 0,
            size: None,
            strays: 0,
            tally: Tally::default(),
        }
    }

    /// Removes the next part from the front of `received` and returns it, without a copy.
    /// `Ok(None)` means that more bytes are needed: leave the rest in `received` and append to it.
    ///
    /// # Errors
    /// A part was rejected and removed. Call again for the next one.
    pub fn decode(&mut self, received: &mut BytesMut) -> Result<Option<Part>, Rejected> {
        loop {
            let progress = match mem::take(&mut self.state) {
                State::Between(searched) => self.find_part(searched, received),
                State::Head(head) => self.read_head(head, received)?,
                State::Lead(lead) => self.find_picture(lead, received)?,
                State::Picture(reading) => self.read_picture(reading, received)?,
            };
            match progress {
                Progress::Moved => {}
                Progress::NeedsMore => return Ok(None),
                Progress::Part(part) => return Ok(Some(part)),
            }
        }
    }

    /// Returns the last frame if only its end marker is missing. Call it at the end of the input.
    pub fn finish(&mut self, received: &mut BytesMut) -> Option<Part> {
        self.finish_picture(received, false)
    }

    fn finish_picture(&mut self, received: &mut BytesMut, length_is_known: bool) -> Option<Part> {
        let State::Picture(reading) = mem::take(&mut self.state) else {
            return None;
        };
        let rest = received.get(reading.start..)?;
        let length_is_known = length_is_known || reading.declared_end() == Some(received.len());
        let repaired = add_end_marker(rest, &reading.walk, length_is_known)?;
        let length = repaired.jpeg.len() - END.len();
        let jpeg = repaired.jpeg.into_owned().into();
        match self.accept(received, &reading, length, repaired.picture, Some(jpeg)) {
            Progress::Part(part) => Some(part),
            Progress::Moved | Progress::NeedsMore => None,
        }
    }

    /// Returns the counts of bytes and frames so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Discards the bytes between two parts.
    fn find_part(&mut self, searched: usize, received: &mut BytesMut) -> Progress {
        match self.boundary.find(received, searched, Wanted::Any) {
            Found::Delimiter { start, end } => {
                self.skip(received, start);
                self.begin_head(received, end - start);
                Progress::Moved
            }
            Found::Jpeg { start } => {
                self.skip(received, start);
                let is_stray = self.boundary.is_confirmed();
                self.state = State::Picture(Reading {
                    is_stray,
                    ..Reading::new(Lead::new(0, Fields::default()), 0)
                });
                Progress::Moved
            }
            Found::Nothing { clear } => {
                // Keep one byte before: it shows whether the next one begins a line.
                let skipped = clear.saturating_sub(1);
                self.skip(received, skipped);
                self.wait(State::Between(clear - skipped))
            }
        }
    }

    fn begin_head(&mut self, received: &[u8], line: usize) {
        let delimiter = received.get(..line).unwrap_or_default().trim_ascii_start();
        let is_other = !self.boundary.matches(delimiter);
        if is_other && !self.boundary.is_confirmed() {
            self.set_boundary(delimiter);
        }
        self.state = State::Head(Head::new(line, is_other && self.boundary.is_confirmed()));
    }

    /// Parses the header block line by line, up to the first two bytes of the picture.
    fn read_head(&mut self, mut head: Head, received: &mut BytesMut) -> Result<Progress, Rejected> {
        loop {
            let at = head.line;
            if let Some(reason) = head.fields.rejected.filter(|_| head.ended) {
                return Err(Rejected {
                    by_driver: true,
                    ..self.reject(received, reason, at)
                });
            }
            match self.boundary.line_at(received, at, Wanted::Any) {
                Line::Other => {}
                Line::Unfinished => return Ok(self.wait(State::Head(head))),
                // Of several delimiters in a row, the last one counts.
                Line::Delimiter { end } => {
                    self.skip(received, at);
                    self.begin_head(received, end - at);
                    return Ok(Progress::Moved);
                }
            }
            let block = received.get(..HEAD_BYTES_MAX).unwrap_or(received);
            match block.get(at..).unwrap_or_default() {
                [] | [0xff] | [b'\r'] => break,
                [b'\n', ..] => head.end(1),
                [b'\r', b'\n', ..] => head.end(2),
                [first, ..] if head.ended || *first == 0xff => {
                    self.begin_body(&head, received);
                    return Ok(Progress::Moved);
                }
                _ => match head.parse_line(block) {
                    None => break,
                    // The line was no delimiter, but another one that begins with dashes.
                    Some(false) if head.is_other || !self.boundary.is_confirmed() => {
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

    /// Replaces the boundary. The bytes that were searched for the old one are searched again.
    fn set_boundary(&mut self, delimiter: &[u8]) {
        self.boundary.replace(delimiter);
        self.searched = 0;
    }

    /// Continues behind the header block. Its delimiter becomes the boundary if the block has a
    /// field.
    fn begin_body(&mut self, head: &Head, received: &[u8]) {
        let mut lead = Lead::new(head.line, head.fields);
        if head.is_other {
            lead.repair = Some(Repair::Boundary);
            if head.fields.any {
                self.set_boundary(
                    received
                        .get(..head.delimiter)
                        .unwrap_or_default()
                        .trim_ascii_start(),
                );
            }
        }
        if head.fields.any {
            self.boundary.confirm();
        }
        self.state = State::Lead(lead);
    }

    /// Finds the start marker of the picture. Some bytes may precede it.
    fn find_picture(
        &mut self,
        mut lead: Lead,
        received: &mut BytesMut,
    ) -> Result<Progress, Rejected> {
        let block = received.get(..HEAD_BYTES_MAX).unwrap_or(received);
        match self.boundary.find(block, lead.from, Wanted::Any) {
            Found::Jpeg { start } => {
                if start > lead.body {
                    lead.repair = lead.repair.or(Some(Repair::StartMarker));
                }
                self.state = State::Picture(Reading::new(lead, start));
                Ok(Progress::Moved)
            }
            Found::Delimiter { start, .. } => Err(self.reject(received, lead.reason, start)),
            Found::Nothing { clear } if block.len() == HEAD_BYTES_MAX => {
                Err(self.reject(received, lead.reason, clear.max(lead.body)))
            }
            Found::Nothing { clear } => {
                lead.from = clear.max(lead.from);
                Ok(self.wait(State::Lead(lead)))
            }
        }
    }

    /// Parses the picture: first up to its declared length, then up to the next delimiter.
    fn read_picture(
        &mut self,
        mut reading: Reading,
        received: &mut BytesMut,
    ) -> Result<Progress, Rejected> {
        let start = reading.start;
        let part = received
            .get(..start.saturating_add(self.frame_bytes_max))
            .unwrap_or(received);
        let (ahead, found) = self.find_end(part, start);
        let is_searched = ahead == part.len();
        let bytes_max_reached = is_searched && part.len() - start == self.frame_bytes_max;
        let (limit, cut) = match found {
            Found::Delimiter { start, .. } => (start, true),
            Found::Nothing { clear } if !bytes_max_reached => (clear, false),
            _ => (part.len(), false),
        };
        let declared = reading.declared_end().filter(|end| *end <= limit);
        let to_length = declared.filter(|_| !reading.length_passed);
        let jpeg = part
            .get(start..to_length.unwrap_or(limit))
            .unwrap_or_default();
        let repaired = match reading.walk.advance(jpeg) {
            Step::End {
                picture: Ok(picture),
                length,
            } => {
                return Ok(self.accept(received, &reading, length, picture, None));
            }
            Step::End {
                picture: Err(flaw),
                length: end,
            } => return self.resume(received, reading, flaw, end),
            Step::Broken { flaw, end } => {
                let unended = jpeg.get(..end).unwrap_or(jpeg);
                match add_end_marker(unended, &reading.walk, false) {
                    Some(repaired) => repaired,
                    None => return self.resume(received, reading, flaw, end),
                }
            }
            Step::More if to_length.is_some() => {
                match add_end_marker(jpeg, &reading.walk, cut && declared == Some(limit)) {
                    Some(repaired) => repaired,
                    None => {
                        reading.length_passed = true;
                        self.state = State::Picture(reading);
                        return Ok(Progress::Moved);
                    }
                }
            }
            Step::More if cut => match add_end_marker(jpeg, &reading.walk, declared == Some(limit))
            {
                Some(repaired) => repaired,
                None => return self.reject_or_skip(received, &reading, Reason::Truncated, limit),
            },
            Step::More if bytes_max_reached => {
                return self.reject_or_skip(received, &reading, Reason::TooLarge, limit);
            }
            Step::More if is_searched => return Ok(self.wait(State::Picture(reading))),
            Step::More => {
                self.state = State::Picture(reading);
                return Ok(Progress::Moved);
            }
        };
        let length = repaired.jpeg.len() - END.len();
        let jpeg = repaired.jpeg.into_owned().into();
        Ok(self.accept(received, &reading, length, repaired.picture, Some(jpeg)))
    }

    /// Removes a picture of `length` bytes and returns it, or `repaired` instead of it. Discards
    /// one without a delimiter, until [`STRAYS_MAX`] show that there are no boundaries any more.
    fn accept(
        &mut self,
        received: &mut BytesMut,
        reading: &Reading,
        length: usize,
        picture: Picture,
        repaired: Option<Bytes>,
    ) -> Progress {
        let Reading {
            lead: Lead {
                fields, mut repair, ..
            },
            start,
            ..
        } = *reading;
        let size = Some((picture.width, picture.height));
        self.strays = if reading.is_stray {
            self.strays + u32::from(size == self.size)
        } else {
            0
        };
        if reading.is_stray && (size != self.size || self.strays < STRAYS_MAX) {
            self.skip(received, start + length);
            return Progress::Moved;
        }
        if reading.is_stray {
            self.boundary.unconfirm();
            repair = Some(Repair::Boundary);
        }
        self.size = size;
        let repair = repaired
            .is_some()
            .then_some(Repair::EndMarker)
            .or(repair)
            .or(fields.repair);
        self.forget(start + length);
        self.tally.accept(start + length, repair);
        received.advance(start);
        let jpeg = received.split_to(length).freeze();
        let (captured_at, sequence, ignored) = (
            fields.captured_at.value(),
            fields.sequence.value(),
            fields.ignored(),
        );
        self.tally.timestamps_ignored += u64::from(ignored.timestamp);
        self.tally.sequences_ignored += u64::from(ignored.sequence);
        Progress::Part(Part {
            jpeg: repaired.unwrap_or(jpeg),
            picture,
            captured_at,
            sequence,
            ignored,
            repair,
        })
    }

    /// Continues behind a picture that failed `end` bytes behind its start: with the next one in
    /// the same part, if there is one.
    fn resume(
        &mut self,
        received: &mut BytesMut,
        reading: Reading,
        flaw: JpegError,
        end: usize,
    ) -> Result<Progress, Rejected> {
        let bytes = reading.start + end;
        let is_bare = reading.is_stray || (reading.start == 0 && !reading.walk.has_begun());
        if !is_bare && reading.start > 0 && reading.walk.is_false_start(flaw) {
            self.state = State::Lead(Lead {
                from: bytes,
                reason: flaw.into(),
                ..reading.lead
            });
            return Ok(Progress::Moved);
        }
        let rejected = self.reject_or_skip(received, &reading, flaw.into(), bytes);
        if !is_bare && flaw == JpegError::Truncated {
            self.state = State::Lead(Lead::new(
                0,
                Fields {
                    content_length: None,
                    ..reading.lead.fields
                },
            ));
        }
        rejected
    }

    /// Removes `bytes` of an invalid picture: rejects it, or discards bytes that are no picture.
    fn reject_or_skip(
        &mut self,
        received: &mut BytesMut,
        reading: &Reading,
        reason: Reason,
        bytes: usize,
    ) -> Result<Progress, Rejected> {
        if reading.is_stray || (reading.start == 0 && !reading.walk.has_begun()) {
            self.skip(received, bytes);
            return Ok(Progress::Moved);
        }
        Err(self.reject(received, reason, bytes))
    }

    /// Continues the search for the delimiter behind a part. Returns the offset it has reached, and
    /// the result. While the boundary is not confirmed, only the picture determines its end.
    fn find_end(&mut self, part: &[u8], picture: usize) -> (usize, Found) {
        if !self.boundary.is_confirmed() {
            return (part.len(), Found::Nothing { clear: part.len() });
        }
        let from = self.searched.max(picture);
        let ahead = part
            .len()
            .min(from + self.boundary.line_bytes_max() + SEARCH_AHEAD_BYTES);
        let found = self
            .boundary
            .find(part.get(..ahead).unwrap_or(part), from, Wanted::Known);
        if let Found::Delimiter { start: clear, .. } | Found::Nothing { clear } = found {
            self.searched = clear;
        }
        (ahead, found)
    }

    fn wait(&mut self, state: State) -> Progress {
        self.state = state;
        Progress::NeedsMore
    }

    fn reject(&mut self, received: &mut BytesMut, reason: Reason, bytes: usize) -> Rejected {
        self.forget(bytes);
        received.advance(bytes);
        self.tally.reject(reason, bytes)
    }

    fn skip(&mut self, received: &mut BytesMut, bytes: usize) {
        self.forget(bytes);
        received.advance(bytes);
        self.tally.skip(bytes);
    }

    fn forget(&mut self, bytes: usize) {
        self.searched = self.searched.saturating_sub(bytes);
    }
}

/// Parses a message: the header block of a part and its picture without a delimiter, or a picture
/// alone. As lenient as [`PartDecoder`].
///
/// # Errors
/// There is no whole picture, or it is larger than `frame_bytes_max` bytes.
pub fn parse_message(message: &[u8], frame_bytes_max: usize) -> Result<Part, Rejected> {
    let mut received = BytesMut::with_capacity(message.len() + MESSAGE_DELIMITER.len());
    received.extend_from_slice(MESSAGE_DELIMITER);
    received.extend_from_slice(message.trim_ascii_start());
    let mut decoder = PartDecoder::new(None, frame_bytes_max);
    let part = decoder
        .decode(&mut received)?
        .or_else(|| decoder.finish_picture(&mut received, true));
    part.ok_or(Rejected {
        reason: Reason::Truncated,
        bytes: message.len(),
        by_driver: false,
    })
}

impl Lead {
    fn new(body: usize, fields: Fields) -> Self {
        Self {
            body,
            from: body,
            reason: Reason::NotJpeg,
            fields,
            repair: None,
        }
    }
}

impl Reading {
    fn new(lead: Lead, start: usize) -> Self {
        Self {
            lead,
            start,
            walk: Walk::new(),
            length_passed: false,
            is_stray: false,
        }
    }

    /// Returns the end of the body according to `Content-Length`.
    fn declared_end(&self) -> Option<usize> {
        let length = self.lead.fields.content_length?;
        self.lead
            .body
            .checked_add(length)
            .filter(|end| *end > self.start)
    }
}

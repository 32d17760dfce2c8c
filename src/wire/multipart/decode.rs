//! Parts as drivers and cameras send them.
//!
//! A JPEG tells itself where it ends: every one is walked to its end before it is handed out, and
//! what follows up to the next boundary is padding. So no length can be missing or wrong, and no
//! part waits for the boundary behind it.
//!
//! `Content-Length` matters only where the walk has not met an end marker. There and at the
//! boundary, the blocks of the picture are counted: if all are there, only the marker is missing,
//! and it is added. Where they cannot be counted (in a progressive picture), a length that ends
//! just at the boundary is believed. Everything else is a frame cut short.
//!
//! Between two pictures, the boundary may change, carry a counter, or give way to pictures without
//! any.

use std::mem;

use bytes::{Buf, Bytes, BytesMut};

use super::boundary::{Boundary, Found, Line, Wanted};
use super::head::{Fields, Head};
use crate::wire::jpeg::{END, JpegError, Picture, START, Step, Walk, with_end};
use crate::wire::part::{Part, Reason, Rejected, Repair, Tally};

/// The longest header block of a part, in bytes, with its delimiter line.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// A picture behind the one of a part is padding, such as a preview. So many of the same size as
/// that one, and without a delimiter, are a stream that has done with boundaries.
const STRAYS_MAX: u32 = 2;

/// Within a picture, the delimiter is looked for so far ahead of the walk: the next part may have
/// another, for which the same bytes are looked through again.
const SEARCH_AHEAD_BYTES: usize = 256;

/// What a message is put behind to become a part.
const MESSAGE_DELIMITER: &[u8] = b"--framecast-message\r\n";

/// Decodes the parts of a `multipart/x-mixed-replace` body (RFC 2046, section 5.1), leniently.
///
/// A frame is out as soon as its last byte is in. Each byte is looked at a bounded number of times,
/// however the bytes are cut, and no more of them are needed at once than the largest frame and its
/// header block.
#[derive(Debug)]
pub struct PartDecoder {
    frame_bytes_max: usize,
    boundary: Boundary,
    state: State,
    /// Within a picture, the known delimiter does not begin before this offset in the bytes
    /// received.
    searched: usize,
    /// The size of the newest picture, and how many of that size came since without a delimiter.
    size: Option<(u16, u16)>,
    strays: u32,
    tally: Tally,
}

/// Where the decoder is. In every state the part begins, with its delimiter, at the first byte
/// received.
#[derive(Debug)]
enum State {
    /// Between two parts, or before the first. No part begins before the offset.
    Between(usize),
    /// In the header block, behind the delimiter.
    Head(Head),
    /// In the body of a part, before its picture.
    Lead(Lead),
    /// In the picture.
    Picture(Reading),
}

/// The body of a part up to its picture.
#[derive(Debug)]
struct Lead {
    /// Where the body begins.
    body: usize,
    /// Where the search for the picture goes on.
    from: usize,
    /// Why the part is rejected if there is no picture.
    reason: Reason,
    fields: Fields,
    /// What was mended so far.
    repair: Option<Repair>,
}

/// A picture that is being read.
#[derive(Debug)]
struct Reading {
    lead: Lead,
    /// Where the picture begins; [`Lead::body`] but for the bytes that are left out.
    start: usize,
    walk: Walk,
    /// Whether the picture has been looked at where it ends by `Content-Length`.
    length_passed: bool,
    /// Whether it came without a delimiter, though the boundary is settled.
    is_stray: bool,
}

impl Default for State {
    fn default() -> Self {
        Self::Between(0)
    }
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
    /// A decoder that refuses frames larger than `frame_bytes_max`. `boundary` is the parameter of
    /// that name in the `Content-Type` field of the response, if there is one; the body has the
    /// last word.
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

    /// Takes the next part off the head of `received`, without a copy; `Ok(None)` until its picture
    /// is there as a whole. What is left in `received` must stay there, and new bytes be appended
    /// to it.
    ///
    /// # Errors
    /// A part was flawed, and has been taken off: call again.
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

    /// Takes the frame that `received` ends with, if only its end marker is missing. No more bytes
    /// will come.
    pub fn finish(&mut self, received: &mut BytesMut) -> Option<Part> {
        self.take_rest(received, false)
    }

    fn take_rest(&mut self, received: &mut BytesMut, length_is_known: bool) -> Option<Part> {
        let State::Picture(reading) = mem::take(&mut self.state) else {
            return None;
        };
        let rest = received.get(reading.start..)?;
        let length_is_known = length_is_known || reading.declared_end() == Some(received.len());
        let mended = with_end(rest, &reading.walk, length_is_known)?;
        let length = mended.jpeg.len() - END.len();
        let jpeg = mended.jpeg.into_owned().into();
        match self.accept(received, &reading, length, mended.picture, Some(jpeg)) {
            Progress::Part(part) => Some(part),
            Progress::Moved | Progress::NeedsMore => None,
        }
    }

    /// What has become of the bytes so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Skips what is between two parts.
    fn find_part(&mut self, searched: usize, received: &mut BytesMut) -> Progress {
        match self.boundary.find(received, searched, Wanted::Any) {
            Found::Delimiter { start, end } => {
                self.skip(received, start);
                self.begin_head(received, end - start);
                Progress::Moved
            }
            Found::Jpeg { start } => {
                self.skip(received, start);
                let is_stray = self.boundary.is_settled();
                self.state = State::Picture(Reading {
                    is_stray,
                    ..Reading::new(Lead::new(0, Fields::default()), 0)
                });
                Progress::Moved
            }
            Found::Nothing { clear } => {
                // The byte before tells whether what follows begins a line.
                let skipped = clear.saturating_sub(1);
                self.skip(received, skipped);
                self.wait(State::Between(clear - skipped))
            }
        }
    }

    fn begin_head(&mut self, received: &[u8], line: usize) {
        let delimiter = received.get(..line).unwrap_or_default().trim_ascii_start();
        let is_other = !self.boundary.knows(delimiter);
        if is_other && !self.boundary.is_settled() {
            self.learn(delimiter);
        }
        self.state = State::Head(Head::new(line, is_other && self.boundary.is_settled()));
    }

    /// Reads the header block line by line, up to the first two bytes of a picture.
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
                [b'\n', ..] => head.end(1),
                [b'\r', b'\n', ..] => head.end(2),
                [first, ..] if head.ended || *first == 0xff => {
                    self.begin_body(&head, received);
                    return Ok(Progress::Moved);
                }
                _ => match head.read_line(block) {
                    None => break,
                    // No delimiter after all, but something else that begins with dashes.
                    Some(false) if head.is_other || !self.boundary.is_settled() => {
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

    /// Takes another boundary. What was searched was searched for the old one.
    fn learn(&mut self, delimiter: &[u8]) {
        self.boundary.learn(delimiter);
        self.searched = 0;
    }

    /// Goes on behind the header block. Its delimiter becomes the boundary, if a field shows that
    /// it was one.
    fn begin_body(&mut self, head: &Head, received: &[u8]) {
        let mut lead = Lead::new(head.line, head.fields);
        if head.is_other {
            lead.repair = Some(Repair::Boundary);
            if head.fields.any {
                self.learn(
                    received
                        .get(..head.delimiter)
                        .unwrap_or_default()
                        .trim_ascii_start(),
                );
            }
        }
        if head.fields.any {
            self.boundary.settle();
        }
        self.state = State::Lead(lead);
    }

    /// Finds the start marker of a part's picture. A few bytes may precede it.
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

    /// Walks the picture, no further than its declared length at first, and then than the next
    /// delimiter.
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
        let mended = match reading.walk.advance(jpeg) {
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
                match with_end(unended, &reading.walk, false) {
                    Some(mended) => mended,
                    None => return self.resume(received, reading, flaw, end),
                }
            }
            Step::More if to_length.is_some() => {
                match with_end(jpeg, &reading.walk, cut && declared == Some(limit)) {
                    Some(mended) => mended,
                    None => {
                        reading.length_passed = true;
                        self.state = State::Picture(reading);
                        return Ok(Progress::Moved);
                    }
                }
            }
            Step::More if cut => match with_end(jpeg, &reading.walk, declared == Some(limit)) {
                Some(mended) => mended,
                None => return self.give_up(received, &reading, Reason::Truncated, limit),
            },
            Step::More if bytes_max_reached => {
                return self.give_up(received, &reading, Reason::TooLarge, limit);
            }
            Step::More if is_searched => return Ok(self.wait(State::Picture(reading))),
            Step::More => {
                self.state = State::Picture(reading);
                return Ok(Progress::Moved);
            }
        };
        let length = mended.jpeg.len() - END.len();
        let jpeg = mended.jpeg.into_owned().into();
        Ok(self.accept(received, &reading, length, mended.picture, Some(jpeg)))
    }

    /// Takes a picture of `length` bytes off; `mended` is the same with what it lacked. A stray one
    /// is skipped, but for those that show that there are no boundaries any more.
    fn accept(
        &mut self,
        received: &mut BytesMut,
        reading: &Reading,
        length: usize,
        picture: Picture,
        mended: Option<Bytes>,
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
            self.boundary.unsettle();
            repair = Some(Repair::Boundary);
        }
        self.size = size;
        let repair = mended
            .is_some()
            .then_some(Repair::EndMarker)
            .or(repair)
            .or(fields.repair);
        self.leave(start + length);
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
            jpeg: mended.unwrap_or(jpeg),
            picture,
            captured_at,
            sequence,
            ignored,
            repair,
        })
    }

    /// Goes on behind a picture that broke `end` bytes behind its start: with the next one in the
    /// same part, if any.
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
        let rejected = self.give_up(received, &reading, flaw.into(), bytes);
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

    /// Takes `bytes` of a flawed picture off: as one that is rejected, or as bytes that are none.
    fn give_up(
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

    /// Looks for the delimiter behind a part, a little further than before. Returns how far, and
    /// what it found. While the boundary is not settled, only the picture tells its end.
    fn find_end(&mut self, part: &[u8], picture: usize) -> (usize, Found) {
        if !self.boundary.is_settled() {
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

/// Reads what stands alone: the header block of a part and its picture without a delimiter, or a
/// picture without a header. It is read as [`PartDecoder`] reads a part.
///
/// # Errors
/// There is no whole picture, or one larger than `frame_bytes_max`.
pub fn parse_message(message: &[u8], frame_bytes_max: usize) -> Result<Part, Rejected> {
    let mut received = BytesMut::with_capacity(message.len() + MESSAGE_DELIMITER.len());
    received.extend_from_slice(MESSAGE_DELIMITER);
    received.extend_from_slice(message.trim_ascii_start());
    let mut decoder = PartDecoder::new(None, frame_bytes_max);
    let part = decoder
        .decode(&mut received)?
        .or_else(|| decoder.take_rest(&mut received, true));
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

    /// Where the body of the part ends by its `Content-Length`.
    fn declared_end(&self) -> Option<usize> {
        let length = self.lead.fields.content_length?;
        self.lead
            .body
            .checked_add(length)
            .filter(|end| *end > self.start)
    }
}

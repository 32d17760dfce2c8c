//! Splits a stream of JPEGs one after another into frames.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

use super::previews::Previews;
use super::{JpegError, Picture, START, Step, Walk, add_end_marker};
use crate::wire::metadata::IgnoredFields;
use crate::wire::part::{Part, Reason, Rejected, Repair, Tally};

/// The maximum number of times in a row that bytes are parsed again, from a start marker inside a
/// damaged frame. A truncated frame needs one or two retries. Without a limit, crafted input would
/// be parsed once for each start marker.
const RETRIES_MAX: u32 = 8;

/// A decoder for JPEGs one after another, as `rpicam-vid --codec mjpeg -o -` and `ffmpeg -f mjpeg
/// -` write them.
///
/// A frame is returned as soon as the last byte of its end marker has arrived. Bytes between frames
/// are discarded. If the next frame begins before the end marker, the frame is repaired if only the
/// marker is missing, and rejected otherwise; the next frame is not affected. Previews behind a
/// picture are discarded. The work is linear in the number of bytes, however they are split.
#[derive(Debug)]
pub struct Splitter {
    frame_bytes_max: usize,
    /// The parser of the frame at the front of the received bytes; `None` until its start marker
    /// has arrived.
    walk: Option<Walk>,
    /// The number of received bytes that an earlier, failed walk has parsed.
    walked: usize,
    retries: u32,
    previews: Previews,
    tally: Tally,
}

impl Splitter {
    /// Creates a splitter that rejects frames larger than `frame_bytes_max` bytes. It needs at most
    /// that many bytes in the buffer.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            frame_bytes_max: frame_bytes_max.max(START.len()),
            walk: None,
            walked: 0,
            retries: 0,
            previews: Previews::default(),
            tally: Tally::default(),
        }
    }

    /// Removes the next frame from the front of `received` and returns it, without a copy.
    /// `Ok(None)` means that more bytes are needed: leave the rest in `received` and append to it.
    ///
    /// # Errors
    /// A frame was rejected and removed. Call again for the next one.
    pub fn decode(&mut self, received: &mut BytesMut) -> Result<Option<Part>, Rejected> {
        loop {
            let Some(walk) = &mut self.walk else {
                if !self.seek(received) {
                    return Ok(None);
                }
                self.walk = Some(Walk::new());
                continue;
            };
            let frame = received.get(..self.frame_bytes_max).unwrap_or(received);
            match walk.advance(frame) {
                Step::More if frame.len() < self.frame_bytes_max => return Ok(None),
                Step::More => {
                    let bytes = frame.len();
                    return Err(self.reject(received, Reason::TooLarge, bytes));
                }
                Step::End {
                    picture: Ok(picture),
                    length,
                } => {
                    if let Some(part) = self.take(received, length, picture, None) {
                        return Ok(Some(part));
                    }
                }
                Step::End { length: end, .. } | Step::Broken { end, .. } if !walk.has_begun() => {
                    self.skip(received, end);
                }
                Step::End {
                    picture: Err(flaw),
                    length,
                } => {
                    return Err(self.reject(received, flaw.into(), length));
                }
                Step::Broken { flaw, end } => {
                    let inner_start = walk
                        .inner_start(frame, end)
                        .filter(|_| flaw != JpegError::Truncated);
                    let unended = frame
                        .get(..end)
                        .filter(|_| inner_start.is_none() && walk.has_scan());
                    if let Some(repaired) =
                        unended.and_then(|unended| add_end_marker(unended, walk, false))
                    {
                        let jpeg = Some(repaired.jpeg.into_owned().into());
                        match self.take(received, end, repaired.picture, jpeg) {
                            Some(part) => return Ok(Some(part)),
                            None => continue,
                        }
                    }
                    let (flaw, bytes) = self.resume(flaw, end, inner_start);
                    return Err(self.reject(received, flaw.into(), bytes));
                }
            }
        }
    }

    /// Returns the last frame if only its end marker is missing. Call it at the end of the input.
    pub fn finish(&mut self, received: &mut BytesMut) -> Option<Part> {
        let walk = self.walk.as_ref().filter(|walk| walk.has_scan())?;
        let repaired = add_end_marker(received, walk, false)?;
        let jpeg = repaired.jpeg.into_owned().into();
        self.take(received, received.len(), repaired.picture, Some(jpeg))
    }

    /// Removes the frame at the front of `received` and returns it, or `repaired` instead of it;
    /// `None` if it is a preview.
    fn take(
        &mut self,
        received: &mut BytesMut,
        length: usize,
        picture: Picture,
        repaired: Option<Bytes>,
    ) -> Option<Part> {
        self.forget(length);
        let jpeg = received.split_to(length).freeze();
        if self.previews.is_preview(picture, &jpeg) {
            self.tally.skip(length);
            return None;
        }
        let repair = repaired.is_some().then_some(Repair::EndMarker);
        self.tally.accept(length, repair);
        Some(Part {
            jpeg: repaired.unwrap_or(jpeg),
            picture,
            captured_at: None,
            sequence: None,
            ignored: IgnoredFields::default(),
            repair,
        })
    }

    /// Returns the counts of bytes and frames so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Discards the bytes before the next start marker. Returns whether there is one.
    fn seek(&mut self, received: &mut BytesMut) -> bool {
        let found = memmem::find(received, &START);
        let half = usize::from(received.last() == Some(&0xff));
        self.skip(received, found.unwrap_or(received.len() - half));
        found.is_some()
    }

    /// Returns the reason why a frame failed and the offset to continue at: the start marker inside
    /// it, if any, or its end.
    fn resume(
        &mut self,
        flaw: JpegError,
        end: usize,
        inner_start: Option<usize>,
    ) -> (JpegError, usize) {
        self.retries = if self.walked > 0 { self.retries + 1 } else { 0 };
        self.walked = self.walked.max(end);
        match inner_start {
            _ if self.retries > RETRIES_MAX => (flaw, self.walked),
            Some(next) => (JpegError::Truncated, next),
            None => (flaw, end),
        }
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

    /// Updates the state for the removal of `bytes` from the front of the received bytes.
    fn forget(&mut self, bytes: usize) {
        self.walk = None;
        self.walked = self.walked.saturating_sub(bytes);
    }
}

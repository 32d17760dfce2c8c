//! A stream of JPEGs one after another, cut into frames.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

use super::previews::Previews;
use super::{JpegError, Picture, START, Step, Walk, with_end};
use crate::wire::metadata::IgnoredFields;
use crate::wire::part::{Part, Reason, Rejected, Repair, Tally};

/// How often bytes that have been walked may be walked again from a start marker among them. Each
/// cut frame needs one such look, or two; without a bound, bytes made for the purpose would be
/// walked once for each start marker in them.
const SECOND_LOOKS_MAX: u32 = 8;

/// Cuts a stream of JPEGs one after another, as `rpicam-vid --codec mjpeg -o -` and `ffmpeg -f
/// mjpeg -` write it.
///
/// A frame is out as soon as the last byte of its end marker is in. What is no frame is skipped up
/// to the next start marker, and a frame that the next one interrupts costs that one nothing: it is
/// repaired if only its end marker is missing, and rejected if it was cut. Of a picture and its
/// previews, only the first comes out. Work is linear in the bytes received, however they are cut.
#[derive(Debug)]
pub struct Splitter {
    frame_bytes_max: usize,
    /// The walk through the frame at the head of the bytes received, once its start marker is
    /// there.
    walk: Option<Walk>,
    /// How many of the bytes received an earlier walk, which broke, has looked at.
    walked: usize,
    second_looks: u32,
    previews: Previews,
    tally: Tally,
}

impl Splitter {
    /// A splitter that refuses frames larger than `frame_bytes_max`, and never needs more than that
    /// many bytes at once.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            frame_bytes_max: frame_bytes_max.max(START.len()),
            walk: None,
            walked: 0,
            second_looks: 0,
            previews: Previews::default(),
            tally: Tally::default(),
        }
    }

    /// Takes the next frame off the head of `received`, without a copy; `Ok(None)` until it is
    /// there as a whole. What is left in `received` must stay there, and new bytes be appended to
    /// it.
    ///
    /// # Errors
    /// A frame was flawed, and has been taken off: call again.
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
                    let swallowed = walk
                        .swallowed(frame, end)
                        .filter(|_| flaw != JpegError::Truncated);
                    let unended = frame
                        .get(..end)
                        .filter(|_| swallowed.is_none() && walk.has_scan());
                    if let Some(mended) = unended.and_then(|unended| with_end(unended, walk, false))
                    {
                        let jpeg = Some(mended.jpeg.into_owned().into());
                        match self.take(received, end, mended.picture, jpeg) {
                            Some(part) => return Ok(Some(part)),
                            None => continue,
                        }
                    }
                    let (flaw, bytes) = self.resume(flaw, end, swallowed);
                    return Err(self.reject(received, flaw.into(), bytes));
                }
            }
        }
    }

    /// Takes the frame that `received` ends with, if only its end marker is missing. No more bytes
    /// will come.
    pub fn finish(&mut self, received: &mut BytesMut) -> Option<Part> {
        let walk = self.walk.as_ref().filter(|walk| walk.has_scan())?;
        let mended = with_end(received, walk, false)?;
        let jpeg = mended.jpeg.into_owned().into();
        self.take(received, received.len(), mended.picture, Some(jpeg))
    }

    /// Takes the frame at the head of `received` off; none if it is a preview. `mended` is the
    /// frame with what it lacked.
    fn take(
        &mut self,
        received: &mut BytesMut,
        length: usize,
        picture: Picture,
        mended: Option<Bytes>,
    ) -> Option<Part> {
        self.leave(length);
        let jpeg = received.split_to(length).freeze();
        if self.previews.is_follower(picture, &jpeg) {
            self.tally.skip(length);
            return None;
        }
        let repair = mended.is_some().then_some(Repair::EndMarker);
        self.tally.accept(length, repair);
        Some(Part {
            jpeg: mended.unwrap_or(jpeg),
            picture,
            captured_at: None,
            sequence: None,
            ignored: IgnoredFields::default(),
            repair,
        })
    }

    /// What has become of the bytes so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Skips what precedes the next start marker. Whether there is one.
    fn seek(&mut self, received: &mut BytesMut) -> bool {
        let found = memmem::find(received, &START);
        let half = usize::from(received.last() == Some(&0xff));
        self.skip(received, found.unwrap_or(received.len() - half));
        found.is_some()
    }

    /// Why a frame broke and where to go on: at the start marker it has swallowed, or else behind
    /// it.
    fn resume(
        &mut self,
        flaw: JpegError,
        end: usize,
        swallowed: Option<usize>,
    ) -> (JpegError, usize) {
        self.second_looks = if self.walked > 0 {
            self.second_looks + 1
        } else {
            0
        };
        self.walked = self.walked.max(end);
        match swallowed {
            _ if self.second_looks > SECOND_LOOKS_MAX => (flaw, self.walked),
            Some(next) => (JpegError::Truncated, next),
            None => (flaw, end),
        }
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

    /// Notes that `bytes` are taken off the head of what was received, and with them the frame
    /// walked through.
    fn leave(&mut self, bytes: usize) {
        self.walk = None;
        self.walked = self.walked.saturating_sub(bytes);
    }
}

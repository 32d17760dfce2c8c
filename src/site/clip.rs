//! The last seconds of a camera as a file: its pictures as they came, one after another or in an
//! AVI.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::hub::{Body, BodyKind, Next};
use crate::stream::Frame;
use crate::stream::Live;
use crate::wire::avi::{self, VideoFormat};

/// A chunk has so many bytes: a system call's worth.
const CHUNK_BYTES: usize = 16 * 1024;

/// And as many more, where a picture begins at the end of it.
const FRAMING_BYTES_MAX: usize = 16;

/// A single picture has no rate; it is shown for this long.
const STILL: Duration = Duration::from_secs(1);

/// How the pictures are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One after another and nothing else: players that open it know no times.
    Mjpeg,
    /// With a head, a rate and an index.
    Avi,
}

impl Format {
    /// The media type of a file.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Mjpeg => "video/x-motion-jpeg",
            Format::Avi => "video/x-msvideo",
        }
    }

    /// What its name ends with.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Mjpeg => "mjpeg",
            Format::Avi => "avi",
        }
    }
}

/// Makes the file of some frames, each of which it lets go of once it is through.
#[derive(Debug)]
pub struct Clip {
    format: Format,
    length: u64,
    /// What is left of what precedes the first picture, of a picture, or of what follows the last.
    sending: Bytes,
    /// What follows that, if it is a picture.
    padding: &'static [u8],
    pictures: VecDeque<Bytes>,
    /// What follows the last picture.
    tail: Bytes,
}

impl Clip {
    /// The file of `frames`, the oldest first.
    ///
    /// # Errors
    /// The format cannot hold so much.
    pub fn new(format: Format, frames: &[&Frame]) -> Result<Self, avi::TooLarge> {
        let lengths: Vec<usize> = frames.iter().map(|frame| frame.jpeg_len()).collect();
        let (head, tail, length) = match format {
            Format::Mjpeg => (
                Vec::new(),
                Vec::new(),
                lengths.iter().map(|&length| length as u64).sum(),
            ),
            Format::Avi => {
                let length = avi::file_length(lengths.iter().copied())?;
                (
                    avi::header(&video(frames), &lengths),
                    avi::index(&lengths),
                    length,
                )
            }
        };
        let pictures = frames.iter().map(|frame| frame.jpeg()).collect();
        Ok(Self {
            format,
            length,
            sending: head.into(),
            padding: b"",
            pictures,
            tail: tail.into(),
        })
    }

    /// Writes what precedes a picture.
    fn begin(&mut self, picture: Bytes, out: &mut Vec<u8>) -> Bytes {
        if self.format == Format::Avi {
            out.extend(avi::frame_header(picture.len()));
            self.padding = avi::padding(picture.len());
        }
        picture
    }
}

impl Body for Clip {
    fn kind(&self) -> BodyKind {
        BodyKind::Clip
    }

    fn next(&mut self, _: &Live, _: Instant) -> Next {
        let mut out = Vec::with_capacity(CHUNK_BYTES + FRAMING_BYTES_MAX);
        while out.len() < CHUNK_BYTES {
            if self.sending.is_empty() {
                out.extend_from_slice(mem::take(&mut self.padding));
                self.sending = match self.pictures.pop_front() {
                    Some(picture) => self.begin(picture, &mut out),
                    None if self.tail.is_empty() => break,
                    None => mem::take(&mut self.tail),
                };
            }
            let room = CHUNK_BYTES.saturating_sub(out.len());
            out.extend_from_slice(&self.sending.split_to(self.sending.len().min(room)));
        }
        if out.is_empty() {
            Next::End
        } else {
            Next::bytes(out)
        }
    }

    fn length(&self) -> Option<u64> {
        Some(self.length)
    }

    fn holds(&self, allocation: &Bytes) -> bool {
        let range = allocation.as_ptr_range();
        // Of what has been sent, an address is left and no memory.
        let held = self
            .pictures
            .iter()
            .chain([&self.sending])
            .filter(|bytes| !bytes.is_empty());
        held.map(|bytes| bytes.as_ptr())
            .any(|start| range.contains(&start))
    }
}

/// What an AVI says of its pictures, of which there is at least one: the size of the last, and the
/// mean time between.
fn video(frames: &[&Frame]) -> VideoFormat {
    let (width, height) = frames
        .last()
        .map_or((0, 0), |frame| (frame.picture.width, frame.picture.height));
    let interval = match frames {
        [first, .., last] => {
            let steps = u32::try_from(frames.len().saturating_sub(1)).unwrap_or(u32::MAX);
            last.published_at
                .saturating_duration_since(first.published_at)
                .checked_div(steps)
                .unwrap_or(STILL)
        }
        _ => STILL,
    };
    VideoFormat {
        width,
        height,
        interval,
    }
}

//! Clips: the last seconds of a camera as a file, as concatenated JPEGs or as AVI.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::hub::{Body, BodyKind, Next};
use crate::stream::Frame;
use crate::stream::Live;
use crate::wire::avi::{self, VideoFormat};

/// Size of a chunk: one system call.
const CHUNK_BYTES: usize = 16 * 1024;

/// Room for the header of a picture that begins at the end of a chunk.
const FRAMING_BYTES_MAX: usize = 16;

/// Duration of a clip of a single picture.
const STILL: Duration = Duration::from_secs(1);

/// The file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Concatenated JPEGs, without times.
    Mjpeg,
    /// AVI, with header, frame rate and index.
    Avi,
}

impl Format {
    /// Returns the media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Mjpeg => "video/x-motion-jpeg",
            Format::Avi => "video/x-msvideo",
        }
    }

    /// Returns the extension of file names.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Mjpeg => "mjpeg",
            Format::Avi => "avi",
        }
    }
}

/// The body of a clip. It releases each frame once it is sent.
#[derive(Debug)]
pub struct Clip {
    format: Format,
    length: u64,
    /// The rest of the header, the current picture, or the tail.
    sending: Bytes,
    /// The padding after the current picture.
    padding: &'static [u8],
    pictures: VecDeque<Bytes>,
    /// The end of the file, after the last picture.
    tail: Bytes,
}

impl Clip {
    /// Returns the clip of `frames`, the oldest first.
    ///
    /// # Errors
    /// The frames exceed the format's limit.
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

    /// Writes the header of a picture.
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
        // An empty `Bytes` still has an address, but holds no memory.
        let held = self
            .pictures
            .iter()
            .chain([&self.sending])
            .filter(|bytes| !bytes.is_empty());
        held.map(|bytes| bytes.as_ptr())
            .any(|start| range.contains(&start))
    }
}

/// Returns the parameters of an AVI: the size of the last frame, and the mean time between frames.
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

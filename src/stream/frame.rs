//! A frame: one picture of one camera, encoded once and shared by all viewers.

#![deny(clippy::arithmetic_side_effects)]

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::wire::jpeg::Picture;
use crate::wire::metadata::{Sequence, WallTime};
use crate::wire::multipart::{EncodedPart, Framing, PartFormat};

/// A published picture. A clone, a part and the JPEG are references to one allocation: no byte is
/// copied.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its number among the frames of its camera: 1, 2, 3 and so on.
    pub number: u64,
    /// The number that clients know it by: that of its source if it rises, otherwise one more than
    /// the sequence of the frame before.
    pub sequence: u64,
    /// The wall time of capture.
    pub captured_wall: WallTime,
    /// The estimated time of capture on the monotonic clock. Durations from here do not change when
    /// the wall clock is set.
    pub captured: Instant,
    /// When the frame was published, on the monotonic clock.
    pub published_at: Instant,
    /// Width and height in pixels.
    pub picture: Picture,
    part: EncodedPart,
}

/// A picture from a camera, before it is a frame.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// One whole JPEG.
    pub jpeg: &'a [u8],
    /// Its size in pixels.
    pub picture: Picture,
    /// The wall time of capture.
    pub captured_wall: WallTime,
    /// The time since capture; zero if `captured_wall` is in the future. Wrong if the wall clock
    /// was set since, or if the camera's clock is wrong.
    pub age: Duration,
    /// The sequence that the camera states; [`super::numbering`] decides whether to use it.
    pub sequence: Option<Sequence>,
}

impl Frame {
    /// Encodes a picture as a part of a stream. This makes the only copy of it.
    pub fn encode(
        part_format: PartFormat<'_>,
        number: u64,
        sequence: u64,
        source: &Captured<'_>,
        published_at: Instant,
    ) -> Self {
        let Captured {
            jpeg,
            picture,
            captured_wall,
            age,
            ..
        } = *source;
        let part = EncodedPart::encode(part_format, sequence, captured_wall, jpeg);
        let captured = published_at.checked_sub(age).unwrap_or(published_at);
        Self {
            number,
            sequence,
            captured_wall,
            captured,
            published_at,
            picture,
            part,
        }
    }

    /// Returns the frame as a part of a stream, with the delimiter that follows it.
    pub fn part(&self, framing: Framing) -> Bytes {
        self.part.framed(framing)
    }

    /// Returns the picture alone.
    pub fn jpeg(&self) -> Bytes {
        self.part.jpeg()
    }

    /// Returns the size of the picture alone, in bytes.
    pub fn jpeg_len(&self) -> usize {
        self.part.jpeg_len()
    }

    /// Returns the whole allocation. Parts and snapshots are slices of it.
    pub fn allocation(&self) -> &Bytes {
        self.part.allocation()
    }

    /// Returns the time since publication.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.published_at)
    }
}

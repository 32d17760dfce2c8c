//! A frame: one picture of one camera, encoded once and shared by everybody who is shown it.

#![deny(clippy::arithmetic_side_effects)]

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::wire::facts::WallTime;
use crate::wire::jpeg::Picture;
use crate::wire::multipart::{Division, EncodedPart, Framing};

/// One published picture. Cloning it, and taking a part or the JPEG from it, counts a reference and copies no byte.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Rises by at least one from frame to frame of a camera, from 1.
    pub sequence: u64,
    /// The wall time of capture.
    pub captured_at: WallTime,
    /// The same on the monotonic clock, as well as it is known: what is measured from here no change of the wall clock
    /// can spoil.
    pub captured_on: Instant,
    /// When the frame was published, on the monotonic clock.
    pub published_at: Instant,
    /// Width and height in pixels.
    pub picture: Picture,
    part: EncodedPart,
}

impl Frame {
    /// Encodes `jpeg`, captured `age` ago, as a part of a stream divided so. This is the only copy ever made of it.
    pub fn encode(
        division: Division<'_>,
        sequence: u64,
        captured_at: WallTime,
        age: Duration,
        published_at: Instant,
        picture: Picture,
        jpeg: &[u8],
    ) -> Self {
        let part = EncodedPart::encode(division, sequence, captured_at, jpeg);
        let captured_on = published_at.checked_sub(age).unwrap_or(published_at);
        Self { sequence, captured_at, captured_on, published_at, picture, part }
    }

    /// The frame as a part of a stream, with the delimiter that follows it.
    pub fn part(&self, framing: Framing) -> Bytes {
        self.part.framed(framing)
    }

    /// The picture alone.
    pub fn jpeg(&self) -> Bytes {
        self.part.jpeg()
    }

    /// The size of the picture alone, in bytes.
    pub fn jpeg_len(&self) -> usize {
        self.part.jpeg_len()
    }

    /// The whole allocation, of which every part and snapshot is a slice.
    pub fn allocation(&self) -> &Bytes {
        self.part.allocation()
    }

    /// How long ago the frame was published.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.published_at)
    }
}

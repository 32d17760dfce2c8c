//! A frame: one picture of one camera, encoded once and shared by everybody who is shown it.

#![deny(clippy::arithmetic_side_effects)]

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::wire::jpeg::Picture;
use crate::wire::metadata::{Sequence, WallTime};
use crate::wire::multipart::{EncodedPart, Framing, PartFormat};

/// One published picture. Cloning it, and taking a part or the JPEG from it, counts a reference and
/// copies no byte.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its place among the frames of its camera: 1, 2, 3 and so on.
    pub number: u64,
    /// What clients know it by: its source's own number where that rises; at least one above the
    /// frame's before it.
    pub sequence: u64,
    /// The wall time of capture.
    pub captured_wall: WallTime,
    /// The time of capture on the monotonic clock, as well as it is known: a change of the wall
    /// clock does not affect durations measured from here.
    pub captured: Instant,
    /// When the frame was published, on the monotonic clock.
    pub published_at: Instant,
    /// Width and height in pixels.
    pub picture: Picture,
    part: EncodedPart,
}

/// A picture as a camera gave it, to become a frame.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// One whole JPEG.
    pub jpeg: &'a [u8],
    /// What is known of it.
    pub picture: Picture,
    /// The wall time of capture.
    pub captured_wall: WallTime,
    /// How long ago that was. A clock that was set meanwhile, or a camera's own that is wrong,
    /// makes this wrong too; zero where the time lies ahead.
    pub age: Duration,
    /// The number that the camera states; see [`super::numbering`] for when it is taken.
    pub sequence: Option<Sequence>,
}

impl Frame {
    /// Encodes a picture as a part of a stream divided so. This is the only copy ever made of it.
    pub fn encode(
        division: PartFormat<'_>,
        number: u64,
        sequence: u64,
        given: &Captured<'_>,
        published_at: Instant,
    ) -> Self {
        let Captured {
            jpeg,
            picture,
            captured_wall,
            age,
            ..
        } = *given;
        let part = EncodedPart::encode(division, sequence, captured_wall, jpeg);
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

//! What all decoders of frames have in common: the frame, what was mended in it, why one is
//! rejected, and the tally.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use super::jpeg::{JpegError, Picture, with_standard_tables};
use super::metadata::{IgnoredFields, Sequence, WallTime};

/// One whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The JPEG, which has passed [`check`](super::jpeg::check).
    pub jpeg: Bytes,
    /// What its headers say of it.
    pub picture: Picture,
    /// The wall time of capture, if the source states one within the years 2000 to 9999.
    pub captured_at: Option<WallTime>,
    /// The frame's number, if the source states one within its bound.
    pub sequence: Option<Sequence>,
    /// Which of these two the source states, but not so that they can be used.
    pub ignored: IgnoredFields,
    /// What was mended in it or its framing, if anything.
    pub repair: Option<Repair>,
}

impl Part {
    /// The frame with the standard Huffman tables where the camera left them out (UVC): browsers
    /// show it only so.
    pub fn with_tables(mut self) -> Self {
        if !self.picture.huffman_tables {
            self.jpeg = with_standard_tables(&self.jpeg).into();
            self.picture.huffman_tables = true;
        }
        self
    }
}

/// A flaw that does not keep a frame from being shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The end marker (FF D9) was missing, and has been added. Every block of the picture is there.
    EndMarker,
    /// Bytes preceded the start marker (FF D8), and have been left out.
    StartMarker,
    /// The frame came behind another boundary than the frames before it, or without any.
    Boundary,
}

impl Repair {
    const ALL: [Self; 3] = [Self::EndMarker, Self::StartMarker, Self::Boundary];

    /// The name that a driver gives it in the part of a frame.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EndMarker => "end_marker",
            Self::StartMarker => "start_marker",
            Self::Boundary => "boundary",
        }
    }

    /// The repair of that [name](Self::as_str), in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|repair| repair.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndMarker => "a frame lacks its end marker (FF D9), which was added",
            Self::StartMarker => {
                "bytes precede the start marker (FF D8) of a frame, and were skipped"
            }
            Self::Boundary => "the boundary between frames has changed, and the new one is used",
        })
    }
}

/// One flawed frame, taken off the bytes received. It ends nothing: the next call goes on behind
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a frame of {bytes} bytes was rejected: {reason}")]
pub struct Rejected {
    /// What is wrong with it.
    pub reason: Reason,
    /// How many bytes went with it, framing included.
    pub bytes: usize,
    /// Whether the driver rejected it and reports that in [`REJECTED_FIELD`]: then the driver has
    /// logged it, too.
    pub by_driver: bool,
}

impl Rejected {
    /// The error, and the remedy if there is one, where frames may have `frame_bytes_max` bytes.
    pub fn message(&self, frame_bytes_max: usize) -> String {
        format!(
            "a frame of {} bytes was rejected: {}",
            self.bytes,
            self.reason.message(frame_bytes_max)
        )
    }
}

/// Names the bound of a frame, in whole MiB, and the option that raises it.
pub fn too_large(frame_bytes_max: usize) -> String {
    format!(
        "it is larger than {} MiB; raise --frame-max-mib",
        frame_bytes_max / (1024 * 1024)
    )
}

/// The field of a part without a picture, by which a driver reports a frame that it has rejected
/// itself, such as one that came over a network. Its value is the [name of the
/// reason](Reason::as_str).
pub const REJECTED_FIELD: &str = "X-Frame-Rejected";

/// The field of a part by which a driver reports that it has mended the frame. Its value is the
/// [name of the repair](Repair::as_str).
pub const REPAIRED_FIELD: &str = "X-Frame-Repaired";

/// Why a frame is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Larger than the bound the decoder was given.
    TooLarge,
    /// The header block of a part does not end within its bound.
    BadHeader,
    /// See [`JpegError::NotJpeg`].
    NotJpeg,
    /// See [`JpegError::Truncated`].
    Truncated,
    /// See [`JpegError::BadSegment`].
    BadSegment,
    /// See [`JpegError::NoFrame`].
    NoFrame,
    /// See [`JpegError::ZeroSize`].
    ZeroSize,
    /// See [`JpegError::TwelveBit`].
    TwelveBit,
    /// See [`JpegError::Lossless`].
    Lossless,
    /// See [`JpegError::Arithmetic`].
    Arithmetic,
    /// See [`JpegError::Hierarchical`].
    Hierarchical,
}

impl Reason {
    /// Every reason, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::TooLarge,
        Self::BadHeader,
        Self::NotJpeg,
        Self::Truncated,
        Self::BadSegment,
        Self::NoFrame,
        Self::ZeroSize,
        Self::TwelveBit,
        Self::Lossless,
        Self::Arithmetic,
        Self::Hierarchical,
    ];

    /// The reason of that [name](Self::as_str), in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str().eq_ignore_ascii_case(name))
    }

    /// Its name, and the remedy if there is one, where frames may have `frame_bytes_max` bytes.
    pub fn message(self, frame_bytes_max: usize) -> String {
        let remedy = self
            .remedy(frame_bytes_max)
            .map(|remedy| format!("; {remedy}"));
        format!("{self}{}", remedy.unwrap_or_default())
    }

    /// What there is to do about it, if that is clear, where frames may have `frame_bytes_max`
    /// bytes.
    pub fn remedy(self, frame_bytes_max: usize) -> Option<String> {
        match self {
            Self::TwelveBit => {
                Some("browsers show 8 bits a sample only: set the camera to 8 bits".to_owned())
            }
            Self::Lossless | Self::Arithmetic | Self::Hierarchical => Some(
                "browsers do not show that kind of JPEG: set the camera to baseline JPEG"
                    .to_owned(),
            ),
            Self::TooLarge => Some(too_large(frame_bytes_max)),
            _ => None,
        }
    }

    /// The name under which it is counted in the server's state. It never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::BadHeader => "bad_header",
            Self::NotJpeg => "not_jpeg",
            Self::Truncated => "truncated",
            Self::BadSegment => "bad_segment",
            Self::NoFrame => "no_frame",
            Self::ZeroSize => "zero_size",
            Self::TwelveBit => "twelve_bit",
            Self::Lossless => "lossless",
            Self::Arithmetic => "arithmetic",
            Self::Hierarchical => "hierarchical",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<JpegError> for Reason {
    fn from(flaw: JpegError) -> Self {
        match flaw {
            // No decoder meets trailing bytes: it cuts off what follows a picture, and looks for
            // the next one in it.
            JpegError::NotJpeg | JpegError::TrailingBytes => Self::NotJpeg,
            JpegError::Truncated => Self::Truncated,
            JpegError::BadSegment => Self::BadSegment,
            JpegError::NoFrame => Self::NoFrame,
            JpegError::ZeroSize => Self::ZeroSize,
            JpegError::TwelveBit => Self::TwelveBit,
            JpegError::Lossless => Self::Lossless,
            JpegError::Arithmetic => Self::Arithmetic,
            JpegError::Hierarchical => Self::Hierarchical,
        }
    }
}

/// Frames and the bytes they came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many frames.
    pub frames: u64,
    /// How many bytes, framing included.
    pub bytes: u64,
}

impl Count {
    fn add(&mut self, bytes: usize) {
        self.merge(Self {
            frames: 1,
            bytes: bytes as u64,
        });
    }

    fn merge(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
    }
}

/// What has become of every byte a decoder was given: after each call, the bytes fed are those
/// accepted, rejected and skipped, and those still in the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Frames handed out.
    pub accepted: Count,
    /// Those of them that were mended ([`Part::repair`]).
    pub repaired_frames: u64,
    /// Bytes that belong to no frame: padding and garbage between frames.
    pub discarded_bytes: u64,
    /// Times of capture that were out of range or no number: those frames have the time of their
    /// arrival.
    pub timestamps_ignored: u64,
    /// Numbers of frames that were out of range or no number: those frames are counted on.
    pub sequences_ignored: u64,
    rejected: [Count; Reason::ALL.len()],
}

impl Tally {
    /// The frames rejected for one reason.
    pub fn rejected(&self, reason: Reason) -> Count {
        self.rejected[reason as usize]
    }

    /// The bytes of the frames rejected, for whatever reason.
    pub fn rejected_bytes(&self) -> u64 {
        self.rejected.iter().map(|count| count.bytes).sum()
    }

    /// The sum of all bytes accepted, rejected and skipped.
    pub fn bytes(&self) -> u64 {
        self.accepted.bytes + self.rejected_bytes() + self.discarded_bytes
    }

    /// Adds what another decoder was given to this.
    pub fn merge(&mut self, other: &Self) {
        self.accepted.merge(other.accepted);
        self.repaired_frames += other.repaired_frames;
        self.discarded_bytes += other.discarded_bytes;
        self.timestamps_ignored += other.timestamps_ignored;
        self.sequences_ignored += other.sequences_ignored;
        for (count, other) in self.rejected.iter_mut().zip(other.rejected) {
            count.merge(other);
        }
    }

    pub(super) fn accept(&mut self, bytes: usize, repair: Option<Repair>) {
        self.accepted.add(bytes);
        self.repaired_frames += u64::from(repair.is_some());
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.discarded_bytes += bytes as u64;
    }

    pub(super) fn reject(&mut self, reason: Reason, bytes: usize) -> Rejected {
        self.rejected[reason as usize].add(bytes);
        Rejected {
            reason,
            bytes,
            by_driver: false,
        }
    }
}

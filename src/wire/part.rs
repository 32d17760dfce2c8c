//! What all frame decoders return: the frame with its metadata and repair, the reason of a
//! rejection, and counts.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use super::jpeg::{JpegError, Picture, with_standard_tables};
use super::metadata::{IgnoredFields, Sequence, WallTime};

/// A whole frame, decoded from a multipart part or a stream of JPEGs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The JPEG, which has passed [`check`](super::jpeg::check).
    pub jpeg: Bytes,
    /// The size and other properties from the JPEG's headers.
    pub picture: Picture,
    /// The capture time, if the source sends one within the years 2000 to 9999.
    pub captured_at: Option<WallTime>,
    /// The sequence number, if the source sends one up to [`Sequence::MAX`].
    pub sequence: Option<Sequence>,
    /// Which of these two fields were present but invalid.
    pub ignored: IgnoredFields,
    /// The repair of the frame or its framing, if one was needed.
    pub repair: Option<Repair>,
}

impl Part {
    /// Adds the standard Huffman tables if the frame has none: UVC cameras omit them, and browsers
    /// do not show such frames.
    pub fn with_tables(mut self) -> Self {
        if !self.picture.huffman_tables {
            self.jpeg = with_standard_tables(&self.jpeg).into();
            self.picture.huffman_tables = true;
        }
        self
    }
}

/// A repair of a damaged frame or its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The end marker (FF D9) was missing and has been added. All blocks of the picture are there.
    EndMarker,
    /// Bytes before the start marker (FF D8) have been removed.
    StartMarker,
    /// The boundary before the frame was a new one, or missing.
    Boundary,
}

impl Repair {
    const ALL: [Self; 3] = [Self::EndMarker, Self::StartMarker, Self::Boundary];

    /// Returns the name, which is the value of [`REPAIRED_FIELD`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EndMarker => "end_marker",
            Self::StartMarker => "start_marker",
            Self::Boundary => "boundary",
        }
    }

    /// Returns the repair with that [name](Self::as_str), ignoring case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|repair| repair.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndMarker => "a frame has no end marker (FF D9); added it",
            Self::StartMarker => "a frame has bytes before its start marker (FF D8); removed them",
            Self::Boundary => "the boundary between frames has changed; using the new one",
        })
    }
}

/// A rejected frame, which has been removed from the received bytes. The next call of the decoder
/// continues behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("rejected a frame of {bytes} bytes: {reason}")]
pub struct Rejected {
    /// The reason.
    pub reason: Reason,
    /// The number of removed bytes, framing included.
    pub bytes: usize,
    /// Whether the driver rejected it and reports that in [`REJECTED_FIELD`]. The driver has logged
    /// it already.
    pub by_driver: bool,
}

impl Rejected {
    /// Returns a message with the remedy, if there is one. `frame_bytes_max` is the decoder's
    /// limit.
    pub fn message(&self, frame_bytes_max: usize) -> String {
        format!(
            "rejected a frame of {} bytes: {}",
            self.bytes,
            self.reason.message(frame_bytes_max)
        )
    }
}

/// Returns the message for a frame above the limit of `frame_bytes_max` bytes.
pub fn too_large(frame_bytes_max: usize) -> String {
    format!(
        "larger than {} MiB; raise --frame-max-mib",
        frame_bytes_max / (1024 * 1024)
    )
}

/// The header field of a part without a picture, in which a driver reports that it has rejected a
/// frame, for example one from the network. Its value is the [name of the reason](Reason::as_str).
pub const REJECTED_FIELD: &str = "X-Frame-Rejected";

/// The header field in which a driver reports that it has repaired the frame. Its value is the
/// [name of the repair](Repair::as_str).
pub const REPAIRED_FIELD: &str = "X-Frame-Repaired";

/// The reason for rejecting a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The frame is larger than the decoder's limit.
    TooLarge,
    /// The header block of a part is longer than
    /// [`HEAD_BYTES_MAX`](super::multipart::HEAD_BYTES_MAX).
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
    /// All reasons, in the order of statistics.
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

    /// Returns the reason with that [name](Self::as_str), ignoring case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str().eq_ignore_ascii_case(name))
    }

    /// Returns the name and the remedy, if there is one. `frame_bytes_max` is the decoder's limit.
    pub fn message(self, frame_bytes_max: usize) -> String {
        let remedy = self
            .remedy(frame_bytes_max)
            .map(|remedy| format!("; {remedy}"));
        format!("{self}{}", remedy.unwrap_or_default())
    }

    /// Returns the remedy, if there is one. `frame_bytes_max` is the decoder's limit.
    pub fn remedy(self, frame_bytes_max: usize) -> Option<String> {
        match self {
            Self::TwelveBit => {
                Some("browsers show only 8 bits per sample: set the camera to 8 bits".to_owned())
            }
            Self::Lossless | Self::Arithmetic | Self::Hierarchical => Some(
                "browsers do not show this kind of JPEG: set the camera to baseline JPEG"
                    .to_owned(),
            ),
            Self::TooLarge => Some(too_large(frame_bytes_max)),
            _ => None,
        }
    }

    /// Returns the name, as in `/state`, `/metrics` and [`REJECTED_FIELD`]. Names never change.
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
            // No decoder sees trailing bytes: it searches them for the next picture.
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

/// A number of frames and of their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// The number of frames.
    pub frames: u64,
    /// The number of bytes, framing included.
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

/// The counts of a decoder. After each call, the sum of accepted, rejected and discarded bytes, and
/// of those still in the buffer, is the number of bytes received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Frames returned.
    pub accepted: Count,
    /// Frames returned that were repaired ([`Part::repair`]).
    pub repaired_frames: u64,
    /// Bytes between frames: padding and garbage.
    pub discarded_bytes: u64,
    /// Invalid capture times. Such frames get the time of arrival instead.
    pub timestamps_ignored: u64,
    /// Invalid sequence numbers. Such frames get the next number instead.
    pub sequences_ignored: u64,
    rejected: [Count; Reason::ALL.len()],
}

impl Tally {
    /// Returns the count of frames rejected for one reason.
    pub fn rejected(&self, reason: Reason) -> Count {
        self.rejected[reason as usize]
    }

    /// Returns the bytes of all rejected frames.
    pub fn rejected_bytes(&self) -> u64 {
        self.rejected.iter().map(|count| count.bytes).sum()
    }

    /// Returns the sum of accepted, rejected and discarded bytes.
    pub fn bytes(&self) -> u64 {
        self.accepted.bytes + self.rejected_bytes() + self.discarded_bytes
    }

    /// Adds the counts of another decoder.
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

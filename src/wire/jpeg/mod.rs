//! JPEG seen from outside: where a picture begins and ends, how large it is, whether it is whole.
//! Nothing is decoded.
//!
//! A JPEG is a row of marker segments (ITU T.81, annex B). Each tells its own length, so walking
//! from one to the next passes over whatever they hold: an EXIF thumbnail is a JPEG within the
//! picture, with an end marker of its own.

mod huffman;
mod mend;
mod previews;
mod scan;
mod splitter;
mod thumbnails;
mod walk;

pub(in crate::wire) use mend::with_end;
pub use mend::{Repaired, mend};
pub use splitter::Splitter;
pub use thumbnails::without_thumbnails;
pub(in crate::wire) use walk::{Step, Walk};

use thiserror::Error;

/// The largest frame taken from a source, in bytes, unless the user says otherwise. A 4K picture at
/// high quality has about 4 MiB.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The start-of-image marker.
pub(in crate::wire) const START: [u8; 2] = [0xff, 0xd8];

/// The end-of-image marker.
pub(in crate::wire) const END: [u8; 2] = [0xff, 0xd9];

/// What the headers of a JPEG say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels, never zero.
    pub width: u16,
    /// Height in pixels, never zero.
    pub height: u16,
    /// Whether a Huffman table precedes the first scan. UVC cameras leave the tables out of their
    /// MJPG frames, and browsers do not show those: see [`with_standard_tables`].
    pub huffman_tables: bool,
}

/// Why bytes are not one whole JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JpegError {
    /// The first two bytes are not FF D8.
    #[error("no JPEG begins here")]
    NotJpeg,
    /// There is no end-of-image marker, or the next picture begins before it.
    #[error("the picture ends before its end marker")]
    Truncated,
    /// A marker or a length where none can be.
    #[error("a segment of the picture is broken")]
    BadSegment,
    /// No frame header (SOF) or no scan: there is nothing to show.
    #[error("the picture has no frame header or no scan")]
    NoFrame,
    /// A width or height of zero. T.81 allows a height that is told after the first scan (DNL); no
    /// browser does.
    #[error("the picture has a width or height of zero")]
    ZeroSize,
    /// Twelve bits a sample (T.81, table B.2), which no browser shows.
    #[error(
        "the picture has 12 bits a sample, which browsers do not show; set the camera to 8 bits"
    )]
    TwelveBit,
    /// Lossless coding (T.81, annex H, or JPEG-LS), which no browser shows.
    #[error(
        "the picture is lossless JPEG, which browsers do not show; set the camera to baseline JPEG"
    )]
    Lossless,
    /// Arithmetic coding (T.81, annex D), which no browser shows.
    #[error(
        "the picture is arithmetic-coded JPEG, which browsers do not show; set the camera to baseline JPEG"
    )]
    Arithmetic,
    /// Hierarchical coding (T.81, annex J), which no browser shows.
    #[error(
        "the picture is hierarchical JPEG, which browsers do not show; set the camera to baseline JPEG"
    )]
    Hierarchical,
    /// The picture is whole but something follows it.
    #[error("bytes follow the end of the picture")]
    TrailingBytes,
}

/// Checks that `jpeg` is exactly one whole JPEG, by its structure alone: what the scans hold is not
/// decoded.
///
/// # Errors
/// The first flaw met.
pub fn check(jpeg: &[u8]) -> Result<Picture, JpegError> {
    match first(jpeg)? {
        (picture, whole) if whole.len() == jpeg.len() => Ok(picture),
        _ => Err(JpegError::TrailingBytes),
    }
}

/// The whole JPEG that `bytes` begin with, checked as [`check`] does. What follows it is cut off:
/// camera drivers pad their pictures.
///
/// # Errors
/// The first flaw met.
pub fn first(bytes: &[u8]) -> Result<(Picture, &[u8]), JpegError> {
    if !bytes.starts_with(&START) {
        return Err(JpegError::NotJpeg);
    }
    match Walk::new().advance(bytes) {
        Step::More => Err(JpegError::Truncated),
        Step::Broken { flaw, .. } => Err(flaw),
        Step::End { picture, length } => Ok((picture?, bytes.get(..length).unwrap_or(bytes))),
    }
}

/// A copy of `jpeg` with the standard Huffman tables (ITU T.81, K.3.3) before its first scan, if it
/// has none. A copy as it is if it has tables or no scan; [`Picture::huffman_tables`] tells
/// beforehand whether a copy is needed.
pub fn with_standard_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut walk = Walk::new();
    walk.advance(jpeg);
    let Some((headers, scans)) = walk.bare_scan().and_then(|at| jpeg.split_at_checked(at)) else {
        return jpeg.to_vec();
    };
    [headers, &huffman::standard_tables(), scans].concat()
}

//! The structure of JPEGs: where a picture begins and ends, its size, whether it is whole. No
//! picture is decoded.
//!
//! A JPEG is a sequence of marker segments (ITU T.81, annex B). Each segment states its length, so
//! a parser skips from one to the next and ignores their content. This matters: an EXIF thumbnail
//! is a JPEG inside a segment, with its own end marker.

mod huffman;
mod previews;
mod repair;
mod scan;
mod splitter;
mod thumbnails;
mod walk;

pub(in crate::wire) use repair::add_end_marker;
pub use repair::{Repaired, repair};
pub use splitter::Splitter;
pub use thumbnails::without_thumbnails;
pub(in crate::wire) use walk::{Step, Walk};

use thiserror::Error;

/// The default limit of a frame, in bytes. A 4K picture of high quality has about 4 MiB.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The start-of-image marker.
pub(in crate::wire) const START: [u8; 2] = [0xff, 0xd8];

/// The end-of-image marker.
pub(in crate::wire) const END: [u8; 2] = [0xff, 0xd9];

/// The properties of a JPEG from its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels, never zero.
    pub width: u16,
    /// Height in pixels, never zero.
    pub height: u16,
    /// Whether a Huffman table precedes the first scan. UVC cameras omit the tables from their MJPG
    /// frames, which browsers do not show then: see [`with_standard_tables`].
    pub huffman_tables: bool,
}

/// The reason why bytes are not one whole JPEG that browsers show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JpegError {
    /// The first two bytes are not FF D8.
    #[error("not a JPEG")]
    NotJpeg,
    /// The end-of-image marker is missing, or the next picture begins before it.
    #[error("the picture has no end marker")]
    Truncated,
    /// An invalid marker or segment length.
    #[error("invalid marker segment")]
    BadSegment,
    /// The frame header (SOF) or the scan is missing.
    #[error("no frame header or no scan")]
    NoFrame,
    /// Width or height is zero. T.81 allows a height behind the first scan (DNL); no browser does.
    #[error("width or height of zero")]
    ZeroSize,
    /// 12 bits per sample (T.81, table B.2), which no browser shows.
    #[error("12 bits per sample, which browsers do not show; set the camera to 8 bits")]
    TwelveBit,
    /// Lossless coding (T.81, annex H, or JPEG-LS), which no browser shows.
    #[error("lossless JPEG, which browsers do not show; set the camera to baseline JPEG")]
    Lossless,
    /// Arithmetic coding (T.81, annex D), which no browser shows.
    #[error("arithmetic-coded JPEG, which browsers do not show; set the camera to baseline JPEG")]
    Arithmetic,
    /// Hierarchical coding (T.81, annex J), which no browser shows.
    #[error("hierarchical JPEG, which browsers do not show; set the camera to baseline JPEG")]
    Hierarchical,
    /// Bytes follow the end marker.
    #[error("bytes follow the end of the picture")]
    TrailingBytes,
}

/// Checks that `jpeg` is exactly one whole JPEG. Checks its structure only; scans are not decoded.
///
/// # Errors
/// The first problem in byte order.
pub fn check(jpeg: &[u8]) -> Result<Picture, JpegError> {
    match first(jpeg)? {
        (picture, whole) if whole.len() == jpeg.len() => Ok(picture),
        _ => Err(JpegError::TrailingBytes),
    }
}

/// Returns the JPEG at the beginning of `bytes`, checked like [`check`], without the bytes behind
/// it: some camera drivers pad their pictures.
///
/// # Errors
/// The first problem in byte order.
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

/// Returns a copy of `jpeg` with the standard Huffman tables (ITU T.81, K.3.3) before its first
/// scan. If it has tables already, or no scan, the copy is the same; check
/// [`Picture::huffman_tables`] to avoid it.
pub fn with_standard_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut walk = Walk::new();
    walk.advance(jpeg);
    let Some((headers, scans)) = walk.bare_scan().and_then(|at| jpeg.split_at_checked(at)) else {
        return jpeg.to_vec();
    };
    [headers, &huffman::standard_tables(), scans].concat()
}

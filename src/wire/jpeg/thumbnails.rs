//! Removes thumbnails from a JPEG.

use std::borrow::Cow;
use std::iter;

use memchr::memmem;

use super::walk::{APP0, APP15, EOI, FILL, SOI, SOS, TEM};
use super::{START, Step, Walk};

/// Removes the application segments (ITU T.81, B.2.4.6) that contain a whole JPEG, such as an EXIF
/// thumbnail. Some clients search for the first end marker and would find the thumbnail's. Returns
/// `jpeg` itself, borrowed, if it has no such segment or is not a JPEG.
pub fn without_thumbnails(jpeg: &[u8]) -> Cow<'_, [u8]> {
    if !segments(jpeg).any(contains_jpeg) {
        return Cow::Borrowed(jpeg);
    }
    let mut stripped = Vec::with_capacity(jpeg.len());
    segments(jpeg)
        .filter(|segment| !contains_jpeg(segment))
        .for_each(|segment| stripped.extend_from_slice(segment));
    Cow::Owned(stripped)
}

/// Splits `jpeg` into its markers with their segments, and the rest from the first scan on.
fn segments(jpeg: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = jpeg;
    iter::from_fn(move || {
        let (segment, behind) = rest
            .split_at_checked(segment_bytes(rest))
            .unwrap_or((rest, &[]));
        rest = behind;
        (!segment.is_empty()).then_some(segment)
    })
}

/// Returns the length of the first segment; a larger number than there are bytes for the rest.
fn segment_bytes(bytes: &[u8]) -> usize {
    match *bytes {
        [0xff, FILL, ..] => 1,
        [0xff, SOI | TEM, ..] => 2,
        [0xff, SOS | EOI, ..] => usize::MAX,
        [0xff, _, high, low, ..] => 2 + usize::from(u16::from_be_bytes([high, low])),
        _ => usize::MAX,
    }
}

/// Whether `segment` is an application segment that contains a whole JPEG. No byte is parsed twice:
/// after a false start marker, the search continues behind the bytes that it parsed.
fn contains_jpeg(segment: &[u8]) -> bool {
    let [0xff, APP0..=APP15, _, _, data @ ..] = segment else {
        return false;
    };
    let mut rest = data;
    while let Some(found) = memmem::find(rest, &START).and_then(|start| rest.get(start..)) {
        let parsed = match Walk::new().advance(found) {
            Step::End { picture: Ok(_), .. } => return true,
            Step::End { length, .. } => length,
            Step::Broken { end, .. } => end,
            Step::More => return false,
        };
        rest = found.get(parsed..).unwrap_or_default();
    }
    false
}

//! Small pictures within a picture, and how to leave them out.

use std::borrow::Cow;
use std::iter;

use memchr::memmem;

use super::walk::{APP0, APP15, EOI, FILL, SOI, SOS, TEM};
use super::{START, Step, Walk};

/// `jpeg` without those application segments (ITU T.81, B.2.4.6) that hold a whole JPEG, such as
/// the thumbnail of an EXIF segment. A reader that looks for end markers instead of walking from
/// segment to segment would take the thumbnail's for the picture's. Borrowed if there is nothing to
/// leave out; `jpeg` itself if it is no JPEG.
pub fn without_thumbnails(jpeg: &[u8]) -> Cow<'_, [u8]> {
    if !pieces(jpeg).any(holds_picture) {
        return Cow::Borrowed(jpeg);
    }
    let mut stripped = Vec::with_capacity(jpeg.len());
    pieces(jpeg)
        .filter(|piece| !holds_picture(piece))
        .for_each(|piece| stripped.extend_from_slice(piece));
    Cow::Owned(stripped)
}

/// The headers of `jpeg`, marker by marker with their segments, then all the rest as one. Joined
/// they are `jpeg`.
fn pieces(jpeg: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = jpeg;
    iter::from_fn(move || {
        let (piece, behind) = rest
            .split_at_checked(piece_bytes(rest))
            .unwrap_or((rest, &[]));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

/// How long the first piece of `bytes` is; more than there is if they are to stay together.
fn piece_bytes(bytes: &[u8]) -> usize {
    match *bytes {
        [0xff, FILL, ..] => 1,
        [0xff, SOI | TEM, ..] => 2,
        [0xff, SOS | EOI, ..] => usize::MAX,
        [0xff, _, high, low, ..] => 2 + usize::from(u16::from_be_bytes([high, low])),
        _ => usize::MAX,
    }
}

/// Whether `piece` is an application segment with a whole JPEG in it. No byte is walked twice:
/// where one start marker led nowhere, the search goes on behind the bytes that showed it.
fn holds_picture(piece: &[u8]) -> bool {
    let [0xff, APP0..=APP15, _, _, data @ ..] = piece else {
        return false;
    };
    let mut rest = data;
    while let Some(found) = memmem::find(rest, &START).and_then(|start| rest.get(start..)) {
        let looked_at = match Walk::new().advance(found) {
            Step::End { picture: Ok(_), .. } => return true,
            Step::End { length, .. } => length,
            Step::Broken { end, .. } => end,
            Step::More => return false,
        };
        rest = found.get(looked_at..).unwrap_or_default();
    }
    false
}

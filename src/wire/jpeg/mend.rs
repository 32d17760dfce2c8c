//! One picture that stands alone, in a file or a buffer, and the flaws that do not keep it from
//! being shown.

use std::borrow::Cow;

use memchr::memmem;

use super::scan::{Ending, ending};
use super::{END, JpegError, Picture, START, Step, Walk, check};
use crate::wire::part::Repair;

/// So many bytes may precede a start marker, at most. A preview in the middle of another file is
/// not its picture.
pub(in crate::wire) const LEAD_BYTES_MAX: usize = 4096;

/// One whole JPEG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired<'a> {
    /// The JPEG, which passes [`check`](super::check). Borrowed unless its end marker was missing.
    pub jpeg: Cow<'a, [u8]>,
    /// What its headers say of it.
    pub picture: Picture,
    /// What was wrong with it.
    pub repair: Option<Repair>,
}

/// The first JPEG of `bytes`, which are all there is: a file, a device's buffer, the body of a
/// response.
///
/// Bytes before its start marker (at most 4 KiB) and behind its end are cut off. If its end marker
/// is missing, it is added, unless its last block is missing too. Where blocks cannot be counted,
/// as in a progressive picture, the length of `bytes` is believed.
///
/// # Errors
/// There is no whole picture: the flaw of the first one that begins.
pub fn mend(bytes: &[u8]) -> Result<Repaired<'_>, JpegError> {
    let mut start = 0;
    let mut flaw = JpegError::NotJpeg;
    while let Some(found) = bytes
        .get(start..)
        .and_then(|rest| memmem::find(rest, &START))
    {
        start += found;
        if start > LEAD_BYTES_MAX {
            break;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let lead = (start > 0).then_some(Repair::StartMarker);
        let mut walk = Walk::new();
        match walk.advance(rest) {
            Step::End {
                picture: Ok(picture),
                length,
            } => {
                let jpeg = rest.get(..length).unwrap_or(rest);
                return Ok(Repaired {
                    jpeg: Cow::Borrowed(jpeg),
                    picture,
                    repair: lead,
                });
            }
            Step::End {
                picture: Err(broken),
                length: end,
            }
            | Step::Broken { flaw: broken, end } => {
                if !walk.is_false_start(broken) {
                    let jpeg = rest.get(..end).unwrap_or(rest);
                    return with_end(jpeg, &walk, false).ok_or(broken);
                }
                if flaw == JpegError::NotJpeg {
                    flaw = broken;
                }
                start += end;
            }
            Step::More => return with_end(rest, &walk, true).ok_or(JpegError::Truncated),
        }
    }
    Err(flaw)
}

/// `jpeg`, which `walk` has walked without meeting an end marker, with one. None if it was cut
/// short, or, unless `length_is_known`, if that cannot be told.
pub(in crate::wire) fn with_end<'a>(
    jpeg: &[u8],
    walk: &Walk,
    length_is_known: bool,
) -> Option<Repaired<'a>> {
    let picture = walk.picture().ok()?;
    let length = match ending(jpeg) {
        Ending::Whole { length } => length,
        Ending::Unknown if length_is_known => jpeg.len() - usize::from(jpeg.last() == Some(&0xff)),
        Ending::Unknown | Ending::Cut => return None,
    };
    let jpeg = [jpeg.get(..length)?, &END].concat();
    // What broke before its scan ended may hold as many blocks, and yet a segment that no reader
    // accepts.
    let picture = check(&jpeg).ok().filter(|checked| *checked == picture)?;
    Some(Repaired {
        jpeg: Cow::Owned(jpeg),
        picture,
        repair: Some(Repair::EndMarker),
    })
}

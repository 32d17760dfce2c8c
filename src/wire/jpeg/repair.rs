//! Finds and repairs the picture in a file or a buffer.

use std::borrow::Cow;

use memchr::memmem;

use super::scan::{Ending, ending};
use super::{END, JpegError, Picture, START, Step, Walk, check};
use crate::wire::part::Repair;

/// The maximum number of bytes before the start marker. A preview in the middle of another file is
/// not its picture.
pub(in crate::wire) const LEAD_BYTES_MAX: usize = 4096;

/// A whole JPEG and its repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired<'a> {
    /// The JPEG, which passes [`check`](super::check). Borrowed unless an end marker was added.
    pub jpeg: Cow<'a, [u8]>,
    /// Its properties.
    pub picture: Picture,
    /// The repair, if one was needed.
    pub repair: Option<Repair>,
}

/// Finds the first JPEG in `bytes`, which are complete: a file, a device's buffer or the body of a
/// response.
///
/// Removes bytes before the start marker (at most 4 KiB) and behind the end. Adds a missing end
/// marker if the last block of the picture is there. If the blocks cannot be counted, as in a
/// progressive picture, `bytes` are assumed to be complete.
///
/// # Errors
/// There is no whole picture; the error is that of the first one that begins.
pub fn repair(bytes: &[u8]) -> Result<Repaired<'_>, JpegError> {
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
                    return add_end_marker(jpeg, &walk, false).ok_or(broken);
                }
                if flaw == JpegError::NotJpeg {
                    flaw = broken;
                }
                start += end;
            }
            Step::More => return add_end_marker(rest, &walk, true).ok_or(JpegError::Truncated),
        }
    }
    Err(flaw)
}

/// Adds the end marker to `jpeg`, in which `walk` found none. Returns `None` if blocks are missing;
/// if they cannot be counted, only if not `length_is_known`.
pub(in crate::wire) fn add_end_marker<'a>(
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
    // A picture whose walk failed before the end of its scan may have all blocks and an invalid
    // segment behind them.
    let picture = check(&jpeg).ok().filter(|checked| *checked == picture)?;
    Some(Repaired {
        jpeg: Cow::Owned(jpeg),
        picture,
        repair: Some(Repair::EndMarker),
    })
}

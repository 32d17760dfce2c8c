//! Recognizes previews: some cameras and phones write a preview, a second view or a gain map behind
//! each picture. Shown as frames, they would make the stream flicker.

use super::Picture;

/// The maximum number of previews that an index may announce. CIPA DC-007 sets no limit.
const PREVIEWS_MAX: u32 = 16;

/// After this number of smaller pictures in a row, the camera has changed its resolution.
const SMALLER_MAX: u32 = 3;

/// The marker of a segment with a Multi-Picture Format index (CIPA DC-007, 5.2) ...
const APP2: [u8; 2] = [0xff, 0xe2];
/// ... and the beginning of its content.
const MPF: &[u8] = b"MPF\0";

/// The tag of the number of images in an index (CIPA DC-007, 5.2.3.2).
const NUMBER_OF_IMAGES: u16 = 0xb001;

/// Separates the previews in a stream from its pictures.
///
/// The index of a picture (Multi-Picture Format) announces its previews. Without an index, a
/// preview is smaller than the picture in width and height. So after a change to a smaller
/// resolution, the first picture counts as a preview.
#[derive(Debug, Default)]
pub(super) struct Previews {
    /// The number of announced previews that have not arrived.
    announced: u32,
    /// The size of the newest picture.
    size: Option<(u16, u16)>,
    /// The size of the last smaller picture since then.
    smaller: Option<(u16, u16)>,
    /// The number of smaller pictures since then.
    smaller_count: u32,
}

impl Previews {
    /// Whether `jpeg`, the next picture of the stream, is a preview.
    pub(super) fn is_preview(&mut self, picture: Picture, jpeg: &[u8]) -> bool {
        let size = (picture.width, picture.height);
        let index = images_in_index(jpeg);
        if index.is_none() {
            if self.announced > 0 {
                self.announced -= 1;
                return true;
            }
            if self.is_smaller(size)
                && self.smaller != Some(size)
                && self.smaller_count + 1 < SMALLER_MAX
            {
                self.smaller = Some(size);
                self.smaller_count += 1;
                return true;
            }
        }
        *self = Self {
            announced: index.unwrap_or(1).saturating_sub(1).min(PREVIEWS_MAX),
            size: Some(size),
            ..Self::default()
        };
        false
    }

    fn is_smaller(&self, (width, height): (u16, u16)) -> bool {
        self.size
            .is_some_and(|(own_width, own_height)| width < own_width && height < own_height)
    }
}

/// Returns the number of images in the index of `jpeg`, itself included; `None` without an index.
/// Only the first image of a file has one.
fn images_in_index(jpeg: &[u8]) -> Option<u32> {
    let mut at = 2;
    while let Some(&[0xff, code, high, low]) = jpeg.get(at..at + 4) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !matches!(code, 0xc0..=0xfe) || code == 0xda || length < 2 {
            return None;
        }
        let data = jpeg.get(at + 4..at + 2 + length)?;
        if [0xff, code] == APP2
            && let Some(images) = data.strip_prefix(MPF).and_then(number_of_images)
        {
            return Some(images);
        }
        at += 2 + length;
    }
    None
}

/// Returns the number of images from the first directory of a TIFF structure (TIFF 6.0, section 2).
fn number_of_images(tiff: &[u8]) -> Option<u32> {
    let little = tiff.starts_with(b"II*\0");
    if !little && !tiff.starts_with(b"MM\0*") {
        return None;
    }
    let u16_at = |at: usize| {
        let bytes = tiff.get(at..at + 2)?.try_into().ok()?;
        Some(if little {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        })
    };
    let u32_at = |at: usize| {
        let bytes = tiff.get(at..at + 4)?.try_into().ok()?;
        Some(if little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    };
    let directory = usize::try_from(u32_at(4)?).ok()?.min(tiff.len());
    let entries = usize::from(u16_at(directory)?);
    let mut entries = (0..entries).map(|entry| directory + 2 + 12 * entry);
    let found = entries.find(|&entry| u16_at(entry).is_none_or(|tag| tag == NUMBER_OF_IMAGES))?;
    u32_at(found + 8)
}

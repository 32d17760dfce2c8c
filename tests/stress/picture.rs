//! Pictures that contain their number and size, so that a received picture can be compared with the
//! one written.

use std::collections::HashMap;
use std::sync::OnceLock;

use jpeg_encoder::{ColorType, Encoder};

/// The first bytes of each picture's first comment.
const MAGIC: &[u8; 8] = b"stresscm";
/// Start marker, comment marker, its length, the magic bytes, the number and the picture's size.
pub const PREFIX_BYTES: usize = 2 + 2 + 2 + 8 + 8 + 4;
/// Maximum length of a comment. A segment's length has two bytes (ITU T.81, B.1.1.4).
const COMMENT_BYTES_MAX: usize = 60_000;
/// Minimum size of a picture.
pub const BYTES_MIN: usize = 1024;
/// Maximum number of cached pictures.
const CACHED_MAX: usize = 256;

/// Makes picture `number` of exactly `bytes` bytes: a small JPEG after comments whose bytes follow
/// from the number.
pub fn picture(number: u64, bytes: usize) -> Vec<u8> {
    let small = small();
    let mut missing = bytes.max(BYTES_MIN) - small.len();
    let mut jpeg = Vec::with_capacity(bytes);
    jpeg.extend_from_slice(&small[..2]);
    let mut noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while missing > 0 {
        // The rest must be long enough for a segment of its own.
        let segment = if missing > COMMENT_BYTES_MAX {
            (missing - 64).min(COMMENT_BYTES_MAX)
        } else {
            missing
        };
        let end = jpeg.len() + segment;
        jpeg.extend([0xff, 0xfe]);
        jpeg.extend(((segment - 2) as u16).to_be_bytes());
        if jpeg.len() == 6 {
            jpeg.extend(MAGIC);
            jpeg.extend(number.to_be_bytes());
            jpeg.extend((bytes as u32).to_be_bytes());
        }
        while jpeg.len() < end {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            let room = end - jpeg.len();
            // Without FF, so that it contains no marker.
            jpeg.extend(
                noise
                    .to_le_bytes()
                    .iter()
                    .take(room)
                    .map(|byte| byte & 0x7f),
            );
        }
        missing -= segment;
    }
    jpeg.extend_from_slice(&small[2..]);
    jpeg
}

/// Parses the number and the size from the first bytes of a picture.
pub fn parse_prefix(start: &[u8]) -> Option<(u64, usize)> {
    let known = start.get(6..PREFIX_BYTES)?.strip_prefix(MAGIC)?;
    let (number, bytes) = known.split_first_chunk::<8>()?;
    let bytes = u32::from_be_bytes(bytes.try_into().ok()?) as usize;
    (bytes >= BYTES_MIN).then(|| (u64::from_be_bytes(*number), bytes))
}

fn small() -> &'static [u8] {
    static SMALL: OnceLock<Vec<u8>> = OnceLock::new();
    SMALL.get_or_init(|| {
        let pixels: Vec<u8> = (0..32 * 32).map(|at| (at * 7 % 251) as u8).collect();
        let mut jpeg = Vec::new();
        Encoder::new(&mut jpeg, 50)
            .encode(&pixels, 32, 32, ColorType::Luma)
            .expect("a small picture is encoded");
        jpeg
    })
}

/// A cache of recent pictures, because many viewers receive the same ones.
#[derive(Debug, Default)]
pub struct PictureCache {
    cached: HashMap<(u64, usize), Vec<u8>>,
}

impl PictureCache {
    /// Compares a picture with the one that the camera wrote under its number. Returns the number.
    pub fn check(&mut self, jpeg: &[u8]) -> Result<u64, String> {
        let (number, bytes) = parse_prefix(jpeg).ok_or("a picture that the camera never wrote")?;
        if self.cached.len() > CACHED_MAX {
            self.cached.clear();
        }
        let written = self
            .cached
            .entry((number, bytes))
            .or_insert_with(|| picture(number, bytes));
        if written == jpeg {
            Ok(number)
        } else {
            Err(format!(
                "picture {number} is not what the camera wrote ({} bytes)",
                jpeg.len()
            ))
        }
    }
}

//! Pictures that tell their own number and size, so that each can be made again from what arrived,
//! and compared.

use std::collections::HashMap;
use std::sync::OnceLock;

use jpeg_encoder::{ColorType, Encoder};

/// What the first comment of each picture begins with.
const MAGIC: &[u8; 8] = b"stresscm";
/// Start marker, comment marker, its length, the magic word, the number and the picture's size.
pub const KNOWN_BYTES: usize = 2 + 2 + 2 + 8 + 8 + 4;
/// The longest comment made here; a segment's length has two bytes (ITU T.81, B.1.1.4).
const COMMENT_BYTES_MAX: usize = 60_000;
/// No picture is smaller.
pub const BYTES_MIN: usize = 1024;
/// Pictures that are kept to compare with.
const KEPT_MAX: usize = 256;

/// Picture `number`, of exactly `bytes` bytes: a small JPEG behind comments whose every byte
/// follows from the number.
pub fn picture(number: u64, bytes: usize) -> Vec<u8> {
    let small = small();
    let mut missing = bytes.max(BYTES_MIN) - small.len();
    let mut jpeg = Vec::with_capacity(bytes);
    jpeg.extend_from_slice(&small[..2]);
    let mut noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while missing > 0 {
        // What is left over must be a whole segment, too.
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
            // Without FF, so that no marker can be seen in it.
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

/// The number and size that the first bytes of a picture tell.
pub fn read_known(start: &[u8]) -> Option<(u64, usize)> {
    let known = start.get(6..KNOWN_BYTES)?.strip_prefix(MAGIC)?;
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

/// The pictures that were met lately: many viewers are shown the same.
#[derive(Debug, Default)]
pub struct Gallery {
    kept: HashMap<(u64, usize), Vec<u8>>,
}

impl Gallery {
    /// Compares a picture, byte by byte, with the one that its source wrote under this number.
    /// Returns the number.
    pub fn check(&mut self, jpeg: &[u8]) -> Result<u64, String> {
        let (number, bytes) = read_known(jpeg).ok_or("a picture that the camera never wrote")?;
        if self.kept.len() > KEPT_MAX {
            self.kept.clear();
        }
        let written = self
            .kept
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

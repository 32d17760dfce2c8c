//! Makes JPEGs of an exact size in bytes.

use std::io;

use jpeg_encoder::{ColorType, Encoder};

const WIDTH: u16 = 320;
const QUALITY: u8 = 60;
/// Height of a strip: one row of 8x8 blocks (ITU T.81, A.1.1). A picture has as many strips as fit
/// into its size.
const STRIP_ROWS: u16 = 8;
const STRIPS_MAX: usize = (u16::MAX / STRIP_ROWS) as usize;
/// Number of strips encoded to estimate the bytes of one.
const SAMPLE_STRIPS: usize = 16;

/// The longest comment segment, with its marker. The length field has two bytes and counts itself
/// (ITU T.81, B.1.1.4).
const COMMENT_BYTES_MAX: usize = 2 + 65_535;
/// The shortest comment segment: marker and length.
const COMMENT_BYTES_MIN: usize = 4;

/// Makes picture `number`: a JPEG of exactly `bytes` bytes, nearly all of them in its scan.
pub(crate) fn jpeg(number: u8, bytes: usize) -> io::Result<Vec<u8>> {
    let strip_bytes = encode(number, SAMPLE_STRIPS)?.len() / SAMPLE_STRIPS;
    let mut strips = (bytes / strip_bytes).min(STRIPS_MAX);
    while strips > 0 {
        let jpeg = encode(number, strips)?;
        match bytes.checked_sub(jpeg.len()) {
            Some(missing) if missing == 0 || missing >= COMMENT_BYTES_MIN => {
                return Ok(pad(&jpeg, missing));
            }
            _ => strips -= 1,
        }
    }
    Err(io::Error::other(format!(
        "{bytes} bytes are too few for a picture; choose more"
    )))
}

/// Encodes a gradient with noise, which compresses badly.
fn encode(number: u8, strips: usize) -> io::Result<Vec<u8>> {
    let height = strips as u16 * STRIP_ROWS;
    let mut noise = u32::from(number);
    let positions = (0..height).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
    let pixels = positions.map(|(x, y)| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((x / 4 + y / 4) % 192) as u8 + (noise >> 27) as u8
    });
    let pixels: Vec<u8> = pixels.collect();
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, QUALITY)
        .encode(&pixels, WIDTH, height, ColorType::Luma)
        .map_err(io::Error::other)?;
    Ok(jpeg)
}

/// Inserts comment segments of `missing` bytes in total after the start-of-image marker.
fn pad(jpeg: &[u8], mut missing: usize) -> Vec<u8> {
    let (start_of_image, rest) = jpeg.split_at(2);
    let mut padded = start_of_image.to_vec();
    while missing > 0 {
        // The rest must be long enough for a segment of its own.
        let segment = match missing {
            ..=COMMENT_BYTES_MAX => missing,
            _ => COMMENT_BYTES_MAX.min(missing - COMMENT_BYTES_MIN),
        };
        padded.extend([0xff, 0xfe]);
        padded.extend(((segment - 2) as u16).to_be_bytes());
        padded.resize(padded.len() + segment - COMMENT_BYTES_MIN, b' ');
        missing -= segment;
    }
    padded.extend(rest);
    padded
}

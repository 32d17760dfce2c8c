//! Pictures of an exact size.

use std::fs;
use std::io;
use std::path::Path;

use jpeg_encoder::{ColorType, Encoder};

use crate::error;

/// Pictures that differ, so that neither server can be quick by sending the same one again.
const PICTURES: u8 = 10;

const WIDTH: u16 = 160;
const HEIGHT: u16 = 120;
const QUALITY: u8 = 60;

/// The longest comment segment, with its marker: the length field is of two bytes and counts itself (ITU T.81,
/// B.1.1.4).
const COMMENT_BYTES_MAX: usize = 2 + 65_535;
/// The shortest: a marker and a length.
const COMMENT_BYTES_MIN: usize = 4;

/// Fills a directory with JPEGs of exactly `bytes` bytes each.
pub(crate) fn write(directory: &Path, bytes: usize) -> io::Result<()> {
    for number in 0..PICTURES {
        let jpeg = pad(gradient(number)?, bytes)?;
        fs::write(directory.join(format!("{number:03}.jpg")), jpeg)?;
    }
    Ok(())
}

/// A smooth picture, small when encoded: what the size asks for is added as comments.
fn gradient(number: u8) -> io::Result<Vec<u8>> {
    let shift = u16::from(number) * 10;
    let grey = |x: u16, y: u16| ((x + y + shift) / 2 % 256) as u8;
    let pixels: Vec<u8> = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| grey(x, y))).collect();
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, QUALITY).encode(&pixels, WIDTH, HEIGHT, ColorType::Luma).map_err(io::Error::other)?;
    Ok(jpeg)
}

/// Puts comment segments behind the start of image until the size is reached.
fn pad(jpeg: Vec<u8>, bytes: usize) -> io::Result<Vec<u8>> {
    let mut missing = match bytes.checked_sub(jpeg.len()) {
        Some(missing) if missing == 0 || missing >= COMMENT_BYTES_MIN => missing,
        _ => {
            return Err(error(format!("pictures need at least {} bytes", jpeg.len() + COMMENT_BYTES_MIN)));
        }
    };
    let (start_of_image, rest) = jpeg.split_at(2);
    let mut padded = start_of_image.to_vec();
    while missing > 0 {
        // What is left over must be a whole segment too.
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
    Ok(padded)
}

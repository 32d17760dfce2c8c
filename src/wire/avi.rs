//! AVI files of motion JPEG, as every player opens them: a RIFF tree of a head, the pictures as
//! they are, and an index.
//!
//! The numbers come from Microsoft's "AVI RIFF File Reference" (`avih`, `strh`, `idx1`) and the
//! RIFF rules of 1991: each chunk is a code of four letters, the length of its data in 32
//! little-endian bits, and the data, padded to an even length by a byte that the length does not
//! count. A file has one rate, so a clip is played at the mean one.

#![deny(clippy::arithmetic_side_effects)]

use std::time::Duration;

use thiserror::Error;

/// The largest file in bytes: readers of the first version of the format hold offsets in signed
/// numbers, and many stop at one gibibyte.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The head of a chunk: its code and its length.
const CHUNK_HEAD_BYTES: u64 = 8;

/// All that precedes the first picture's chunk.
const HEAD_BYTES: u64 = 224;

/// One entry of the index.
const ENTRY_BYTES: u64 = 16;

/// Chunks of the first stream, which is of compressed pictures.
const PICTURE: [u8; 4] = *b"00dc";

/// The file has an index (`AVIF_HASINDEX`).
const HAS_INDEX: u32 = 0x10;

/// A picture that can be shown without the ones before it (`AVIIF_KEYFRAME`), as every JPEG can.
const KEYFRAME: u32 = 0x10;

/// What a file says of its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoFormat {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// From one picture to the next, in the mean: from a microsecond up to 71 minutes, and taken as
    /// the nearest of these.
    pub interval: Duration,
}

/// More than one file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the pictures make a file of {bytes} bytes, and an AVI file holds {FILE_BYTES_MAX} at most"
)]
pub struct TooLarge {
    /// What the file would have.
    pub bytes: u64,
}

/// The length in bytes of a file of pictures of such lengths.
///
/// # Errors
/// It would be larger than [`FILE_BYTES_MAX`].
pub fn file_length(pictures: impl IntoIterator<Item = usize>) -> Result<u64, TooLarge> {
    let entries = |length: usize| chunk_bytes(length).saturating_add(ENTRY_BYTES);
    let chunks = pictures
        .into_iter()
        .map(entries)
        .fold(0, u64::saturating_add);
    let bytes = chunks
        .saturating_add(HEAD_BYTES)
        .saturating_add(CHUNK_HEAD_BYTES);
    if bytes > FILE_BYTES_MAX {
        Err(TooLarge { bytes })
    } else {
        Ok(bytes)
    }
}

/// All that precedes the chunk of the first of pictures of such lengths, which [`file_length`] has
/// found to fit.
pub fn header(video: &VideoFormat, pictures: &[usize]) -> Vec<u8> {
    let count = number(pictures.len() as u64);
    let largest = number(pictures.iter().copied().max().unwrap_or(0) as u64);
    let data = pictures
        .iter()
        .map(|&length| chunk_bytes(length))
        .fold(0, u64::saturating_add);
    let index = index_bytes(pictures).saturating_add(CHUNK_HEAD_BYTES);
    let interval_us = number(u64::try_from(video.interval.as_micros()).unwrap_or(u64::MAX)).max(1);
    let (width, height) = (u32::from(video.width), u32::from(video.height));
    let bytes_per_second = number(
        u64::from(largest)
            .saturating_mul(1_000_000)
            .checked_div(u64::from(interval_us))
            .unwrap_or(0),
    );

    let mut out = Vec::with_capacity(HEAD_BYTES as usize);
    chunk(
        &mut out,
        *b"RIFF",
        number(
            data.saturating_add(index)
                .saturating_add(HEAD_BYTES)
                .saturating_sub(CHUNK_HEAD_BYTES),
        ),
    );
    out.extend(b"AVI ");
    chunk(&mut out, *b"LIST", 192);
    out.extend(b"hdrl");
    chunk(&mut out, *b"avih", 56);
    // The padding's granularity, the flags; the first frames, the streams; four words that are kept
    // for later.
    numbers(
        &mut out,
        &[
            interval_us,
            bytes_per_second,
            0,
            HAS_INDEX,
            count,
            0,
            1,
            largest,
            width,
            height,
        ],
    );
    numbers(&mut out, &[0; 4]);
    chunk(&mut out, *b"LIST", 116);
    out.extend(b"strl");
    chunk(&mut out, *b"strh", 56);
    out.extend(b"vidsMJPG");
    // Flags, priority and language, first frames; scale and rate; start and length; then any
    // quality, any sample size.
    numbers(
        &mut out,
        &[
            0,
            0,
            0,
            interval_us,
            1_000_000,
            0,
            count,
            largest,
            u32::MAX,
            0,
        ],
    );
    [0, 0, video.width, video.height]
        .iter()
        .for_each(|side| out.extend(side.to_le_bytes()));
    chunk(&mut out, *b"strf", 40);
    // The bitmap's own head: one plane of 24 bits a pixel.
    numbers(&mut out, &[40, width, height, 1 | 24 << 16]);
    out.extend(b"MJPG");
    numbers(
        &mut out,
        &[width.saturating_mul(height).saturating_mul(3), 0, 0, 0, 0],
    );
    chunk(&mut out, *b"LIST", number(data.saturating_add(4)));
    out.extend(b"movi");
    out
}

/// The head of the chunk of a picture of `length` bytes.
pub fn frame_header(length: usize) -> [u8; 8] {
    let [a, b, c, d] = number(length as u64).to_le_bytes();
    let [p, q, r, s] = PICTURE;
    [p, q, r, s, a, b, c, d]
}

/// What follows a picture of `length` bytes.
pub fn padding(length: usize) -> &'static [u8] {
    if length.is_multiple_of(2) { b"" } else { b"\0" }
}

/// What follows the last of pictures of such lengths: where each lies, counted from the word
/// `movi`.
pub fn index(pictures: &[usize]) -> Vec<u8> {
    let mut out =
        Vec::with_capacity(index_bytes(pictures).saturating_add(CHUNK_HEAD_BYTES) as usize);
    chunk(&mut out, *b"idx1", number(index_bytes(pictures)));
    let mut offset = 4_u64;
    for &length in pictures {
        out.extend(PICTURE);
        numbers(&mut out, &[KEYFRAME, number(offset), number(length as u64)]);
        offset = offset.saturating_add(chunk_bytes(length));
    }
    out
}

fn chunk(out: &mut Vec<u8>, code: [u8; 4], length: u32) {
    out.extend(code);
    out.extend(length.to_le_bytes());
}

fn numbers(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers
        .iter()
        .for_each(|number| out.extend(number.to_le_bytes()));
}

/// The chunk of a picture of `length` bytes, with its padding.
fn chunk_bytes(length: usize) -> u64 {
    (length as u64)
        .next_multiple_of(2)
        .saturating_add(CHUNK_HEAD_BYTES)
}

/// The entries of the index of such pictures.
fn index_bytes(pictures: &[usize]) -> u64 {
    ENTRY_BYTES.saturating_mul(pictures.len() as u64)
}

/// What fits the format's 32 bits: all that has to does, once the file is not too large.
fn number(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_two_pictures_is_right_to_the_byte() {
        let pictures: [&[u8]; 2] = [&[0xff, 0xd8, 0x01, 0xff, 0xd9], &[0xff, 0xd8, 0xff, 0xd9]];
        let lengths = [5, 4];
        let video = VideoFormat {
            width: 640,
            height: 480,
            interval: Duration::from_micros(33_333),
        };
        let mut file = header(&video, &lengths);
        assert_eq!(file.len() as u64, HEAD_BYTES);
        for picture in pictures {
            file.extend(frame_header(picture.len()));
            file.extend(picture);
            file.extend(padding(picture.len()));
        }
        file.extend(index(&lengths));

        let expected = [
            &b"RIFF\x1a\x01\0\0AVI LIST\xc0\0\0\0hdrlavih\x38\0\0\0"[..],
            b"\x35\x82\0\0\x96\0\0\0\0\0\0\0\x10\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\x05\0\0\0\x80\x02\0\0\xe0\x01\0\0",
            &[0; 16],
            b"LIST\x74\0\0\0strlstrh\x38\0\0\0vidsMJPG",
            &[0; 12],
            b"\x35\x82\0\0\x40\x42\x0f\0\0\0\0\0\x02\0\0\0\x05\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x80\x02\xe0\x01",
            b"strf\x28\0\0\0\x28\0\0\0\x80\x02\0\0\xe0\x01\0\0\x01\0\x18\0MJPG\0\x10\x0e\0",
            &[0; 16],
            b"LIST\x1e\0\0\0movi",
            b"00dc\x05\0\0\0\xff\xd8\x01\xff\xd9\0",
            b"00dc\x04\0\0\0\xff\xd8\xff\xd9",
            b"idx1\x20\0\0\0",
            b"00dc\x10\0\0\0\x04\0\0\0\x05\0\0\0",
            b"00dc\x10\0\0\0\x12\0\0\0\x04\0\0\0",
        ];
        assert_eq!(file, expected.concat());
        assert_eq!(file_length(lengths), Ok(file.len() as u64));
        // The length in the first chunk is that of all that follows it.
        assert_eq!(
            u32::from_le_bytes([file[4], file[5], file[6], file[7]]) as usize,
            file.len() - 8
        );
    }

    #[test]
    fn a_file_is_at_most_a_gibibyte() {
        let around = |last: usize| file_length([FILE_BYTES_MAX as usize / 2, last]);
        let room = FILE_BYTES_MAX - around(0).unwrap();
        assert_eq!(around(room as usize), Ok(FILE_BYTES_MAX));
        let bytes = FILE_BYTES_MAX + 2;
        assert_eq!(around(room as usize + 1), Err(TooLarge { bytes }));
        assert!(
            around(room as usize + 1)
                .unwrap_err()
                .to_string()
                .contains("1073741824 at most")
        );
    }
}

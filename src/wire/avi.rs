//! AVI files with MJPEG video: a RIFF file of a header, the frames as they are, and an index.
//!
//! A file is [`header`], then for each frame [`frame_header`], the JPEG and [`padding`], then
//! [`index`]. Nothing but the lengths of the frames must be known beforehand, so a file can be sent
//! while it is made.
//!
//! The numbers come from Microsoft's "AVI RIFF File Reference" (`avih`, `strh`, `idx1`) and from
//! RIFF (1991): each chunk is a code of four letters, the length of its data as a little-endian
//! `u32`, and the data, padded to an even length by a byte that the length does not count. A file
//! has one frame rate, so it is played at the mean rate of its frames.

#![deny(clippy::arithmetic_side_effects)]

use std::time::Duration;

use thiserror::Error;

/// The largest file, in bytes: many readers of AVI 1.0 accept no more than 1 GiB.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The size of a chunk's code and length.
const CHUNK_HEAD_BYTES: u64 = 8;

/// The size of everything before the first frame's chunk.
const HEAD_BYTES: u64 = 224;

/// The size of an index entry.
const ENTRY_BYTES: u64 = 16;

/// The code of a chunk of the first stream with a compressed frame.
const FRAME: [u8; 4] = *b"00dc";

/// The file has an index (`AVIF_HASINDEX`).
const HAS_INDEX: u32 = 0x10;

/// The frame does not depend on others (`AVIIF_KEYFRAME`).
const KEYFRAME: u32 = 0x10;

/// The size and the rate of a file's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoFormat {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// The mean interval between two frames, clamped to 1 µs to 71 minutes.
    pub interval: Duration,
}

/// The frames need a larger file than [`FILE_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the file would have {bytes} bytes; an AVI file has at most {FILE_BYTES_MAX}")]
pub struct TooLarge {
    /// The size that the file would have, in bytes.
    pub bytes: u64,
}

/// Returns the size of a file with frames of these lengths, in bytes.
///
/// # Errors
/// The file would be larger than [`FILE_BYTES_MAX`].
pub fn file_length(frames: impl IntoIterator<Item = usize>) -> Result<u64, TooLarge> {
    let entries = |length: usize| chunk_bytes(length).saturating_add(ENTRY_BYTES);
    let chunks = frames.into_iter().map(entries).fold(0, u64::saturating_add);
    let bytes = chunks
        .saturating_add(HEAD_BYTES)
        .saturating_add(CHUNK_HEAD_BYTES);
    if bytes > FILE_BYTES_MAX {
        Err(TooLarge { bytes })
    } else {
        Ok(bytes)
    }
}

/// Returns everything before the chunk of the first frame. `frames` are the lengths of the frames,
/// which must fit ([`file_length`]).
pub fn header(video: &VideoFormat, frames: &[usize]) -> Vec<u8> {
    let count = number(frames.len() as u64);
    let largest = number(frames.iter().copied().max().unwrap_or(0) as u64);
    let data = frames
        .iter()
        .map(|&length| chunk_bytes(length))
        .fold(0, u64::saturating_add);
    let index = index_bytes(frames).saturating_add(CHUNK_HEAD_BYTES);
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
    // Interval, bytes per second, padding granularity, flags, frames, initial frames, streams,
    // buffer size, width, height; then four reserved words.
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

/// Returns the chunk header of a frame of `length` bytes.
pub fn frame_header(length: usize) -> [u8; 8] {
    let [a, b, c, d] = number(length as u64).to_le_bytes();
    let [p, q, r, s] = FRAME;
    [p, q, r, s, a, b, c, d]
}

/// Returns the padding behind a frame of `length` bytes.
pub fn padding(length: usize) -> &'static [u8] {
    if length.is_multiple_of(2) { b"" } else { b"\0" }
}

/// Returns the index, which follows the last frame. `frames` are the lengths of the frames. Offsets
/// in the index count from the code `movi`.
pub fn index(frames: &[usize]) -> Vec<u8> {
    let mut out = Vec::with_capacity(index_bytes(frames).saturating_add(CHUNK_HEAD_BYTES) as usize);
    chunk(&mut out, *b"idx1", number(index_bytes(frames)));
    let mut offset = 4_u64;
    for &length in frames {
        out.extend(FRAME);
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

/// Returns the size of a frame's chunk, with its padding.
fn chunk_bytes(length: usize) -> u64 {
    (length as u64)
        .next_multiple_of(2)
        .saturating_add(CHUNK_HEAD_BYTES)
}

/// Returns the size of the index entries.
fn index_bytes(frames: &[usize]) -> u64 {
    ENTRY_BYTES.saturating_mul(frames.len() as u64)
}

/// Clamps to 32 bits. All numbers of a file of at most [`FILE_BYTES_MAX`] fit.
fn number(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_of_two_frames_equals_the_expected_bytes() {
        let frames: [&[u8]; 2] = [&[0xff, 0xd8, 0x01, 0xff, 0xd9], &[0xff, 0xd8, 0xff, 0xd9]];
        let lengths = [5, 4];
        let video = VideoFormat {
            width: 640,
            height: 480,
            interval: Duration::from_micros(33_333),
        };
        let mut file = header(&video, &lengths);
        assert_eq!(file.len() as u64, HEAD_BYTES);
        for frame in frames {
            file.extend(frame_header(frame.len()));
            file.extend(frame);
            file.extend(padding(frame.len()));
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
    fn file_larger_than_1_gib_is_rejected() {
        let around = |last: usize| file_length([FILE_BYTES_MAX as usize / 2, last]);
        let room = FILE_BYTES_MAX - around(0).unwrap();
        assert_eq!(around(room as usize), Ok(FILE_BYTES_MAX));
        let bytes = FILE_BYTES_MAX + 2;
        assert_eq!(around(room as usize + 1), Err(TooLarge { bytes }));
        assert!(
            around(room as usize + 1)
                .unwrap_err()
                .to_string()
                .contains("1073741824")
        );
    }
}

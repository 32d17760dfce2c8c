//! A driver that writes valid frames among all kinds of garbage at pipe speed, and counts both.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use framecast::wire::jpeg::FRAME_BYTES_MAX;

use crate::camera::write_file;
use crate::picture::{BYTES_MIN, PREFIX_BYTES, picture};

/// Number of frames between two that exceed the size limit.
const TOO_LARGE_INTERVAL: usize = 20_000;

/// Number of valid frames at the end. They are more than 64 KiB, so that no length field of a cut
/// frame reaches beyond the last one.
pub const GOOD_AT_LAST: usize = 100;

/// Lower bound of the bytes of a picture's tables and scan.
const PICTURE_BYTES: usize = 300;

/// Upper bound of the bytes of a picture's last block and end marker. A picture cut there is
/// repaired.
const LAST_BLOCK_BYTES: usize = 100;

/// One valid frame in this many lacks its end marker.
const UNENDED_INTERVAL: usize = 20;

/// Counters of the written frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Valid frames, including those without an end marker.
    pub good: u64,
    /// Valid frames without an end marker.
    pub unended: u64,
    /// Invalid frames, and runs of other bytes.
    pub flawed: u64,
    /// All bytes.
    pub bytes: u64,
}

impl Totals {
    pub fn parse(words: &str) -> Option<Self> {
        let figures: Option<Vec<u64>> = words.split(' ').map(|word| word.parse().ok()).collect();
        match figures?[..] {
            [good, unended, flawed, bytes] => Some(Self {
                good,
                unended,
                flawed,
                bytes,
            }),
            _ => None,
        }
    }
}

/// Writes `frames` frames, about half of them valid, then [`GOOD_AT_LAST`] valid ones. Writes its
/// counters to a file, and waits.
pub fn run(is_parts: bool, frames: usize, folder: &Path) -> io::Result<()> {
    if folder.join("ledger").exists() {
        rest();
    }
    let mut out = io::stdout().lock();
    let mut totals = Totals::default();
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let mut pending = Vec::new();
    for number in 1..=frames {
        let is_good = noise.below(2) == 0 || number == 1;
        let jpeg = picture(number as u64, BYTES_MIN + noise.below(3000));
        let is_unended = is_good && noise.below(UNENDED_INTERVAL) == 0;
        let whole = if is_unended {
            &jpeg[..jpeg.len() - 2]
        } else {
            &jpeg
        };
        match (is_good, is_parts) {
            (true, false) => pending.extend_from_slice(whole),
            (true, true) => put_part(&mut pending, &headers(whole.len()), whole),
            (false, false) => put_flawed_jpeg(&mut pending, &jpeg, &mut noise),
            (false, true) => put_flawed_part(&mut pending, &jpeg, &mut noise),
        }
        if is_unended {
            put_interruption(&mut pending, is_parts);
        }
        if number % TOO_LARGE_INTERVAL == TOO_LARGE_INTERVAL / 2 {
            put_too_large(&mut pending, &jpeg, is_parts);
        }
        totals.good += u64::from(is_good);
        totals.unended += u64::from(is_unended);
        totals.flawed += u64::from(!is_good);
        totals.bytes += pending.len() as u64;
        out.write_all(&pending)?;
        pending.clear();
    }
    for number in frames + 1..=frames + GOOD_AT_LAST {
        let jpeg = picture(number as u64, BYTES_MIN);
        if is_parts {
            put_part(&mut pending, &headers(jpeg.len()), &jpeg)
        } else {
            pending.extend_from_slice(&jpeg)
        }
        totals.good += 1;
    }
    totals.bytes += pending.len() as u64;
    out.write_all(&pending)?;
    out.flush()?;
    write_file(
        folder,
        "ledger",
        &format!(
            "{} {} {} {}",
            totals.good, totals.unended, totals.flawed, totals.bytes
        ),
    )?;
    rest()
}

/// Waits for ever: the server would restart a driver that exits.
fn rest() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn put_part(out: &mut Vec<u8>, headers: &str, body: &[u8]) {
    out.extend_from_slice(b"\r\n--frame\r\n");
    out.extend_from_slice(headers.as_bytes());
    out.extend_from_slice(body);
}

fn headers(length: usize) -> String {
    format!("Content-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n")
}

/// Appends one kind of damage to a sequence of JPEGs.
fn put_flawed_jpeg(out: &mut Vec<u8>, jpeg: &[u8], noise: &mut Noise) {
    match noise.below(10) {
        // Not cut within its comment: the comment's length would reach into later pictures, and two
        // pictures could look like one.
        0 => {
            let missing = LAST_BLOCK_BYTES + noise.below(PICTURE_BYTES - LAST_BLOCK_BYTES);
            out.extend_from_slice(&jpeg[..jpeg.len() - missing]);
            put_interruption(out, false);
        }
        // Without its end marker, which would also end a picture that was cut in its scan.
        1 => {
            out.extend_from_slice(&jpeg[PREFIX_BYTES + noise.below(PICTURE_BYTES)..jpeg.len() - 2])
        }
        2 => out.extend((0..noise.below(2000)).map(|_| noise.byte())),
        3 => out.resize(
            out.len() + noise.below(2000),
            [0x00, 0x7f, b'\n'][noise.below(3)],
        ),
        // After padding: otherwise it would end a picture that was cut just before.
        4 => out.extend([&[0; 500], b"\xff\xd8\xff\xd9".as_slice()].concat()),
        5 => out.extend_from_slice(b"\xff\xd8\xff\xd8\xff\xd8"),
        6 => out.extend_from_slice(b"\xff\xd8\xff\xfe\x00\x00"),
        7 => out.extend_from_slice(b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"),
        8 => out.extend(without_size(jpeg)),
        _ => out.extend(without_frame_header(jpeg)),
    }
}

/// Appends one kind of damaged part.
fn put_flawed_part(out: &mut Vec<u8>, jpeg: &[u8], noise: &mut Noise) {
    match noise.below(9) {
        0 => {
            put_part(
                out,
                &headers(jpeg.len()),
                &jpeg[..noise.below(jpeg.len() - LAST_BLOCK_BYTES)],
            );
            put_interruption(out, true);
        }
        1 => put_part(
            out,
            &headers(jpeg.len()),
            &jpeg[1 + noise.below(jpeg.len() - 2)..],
        ),
        2 => put_part(out, &headers(5), b"hello"),
        3 => put_part(out, "", b""),
        4 => put_part(out, &format!("X-Long: {}", "a".repeat(20_000)), b""),
        5 => put_part(out, "no field at all\r\n\r\n", b"\0\0\0\0"),
        6 => put_part(out, &headers(0), &without_size(jpeg)),
        7 => out.extend((0..noise.below(2000)).map(|_| noise.byte())),
        _ => out.extend_from_slice(b"\r\n--frame\r\n\r\n--frame\r\n\r\n--fra"),
    }
}

/// Appends bytes that end a picture without an end marker: any other bytes after its scan could be
/// read as its missing blocks.
fn put_interruption(out: &mut Vec<u8>, is_parts: bool) {
    out.extend_from_slice(if is_parts {
        b"\r\n--frame\r\n"
    } else {
        b"\xff\xd8"
    });
}

/// Appends a scan without an end that exceeds the size limit of frames.
fn put_too_large(out: &mut Vec<u8>, jpeg: &[u8], is_parts: bool) {
    let mut body = jpeg[..jpeg.len() - 2].to_vec();
    body.resize(FRAME_BYTES_MAX + 100_000, b'x');
    if is_parts {
        put_part(out, &headers(body.len()), &body)
    } else {
        out.extend(body)
    }
}

/// Returns the picture with a height of 0 in its frame header (SOF0).
fn without_size(jpeg: &[u8]) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    if let Some(at) = frame_header(&jpeg) {
        jpeg[at + 5] = 0;
        jpeg[at + 6] = 0;
    }
    jpeg
}

/// Returns the picture with a frame header that is too short.
fn without_frame_header(jpeg: &[u8]) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    if let Some(at) = frame_header(&jpeg) {
        jpeg[at + 3] = 5;
    }
    jpeg
}

/// Returns the offset of the frame header. Searches from the end, because the number in the comment
/// may look like one.
fn frame_header(jpeg: &[u8]) -> Option<usize> {
    memchr::memmem::rfind(jpeg, &[0xff, 0xc0])
}

/// A deterministic pseudo-random generator (xorshift).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 16) % bound.max(1) as u64) as usize
    }

    /// Returns any byte but FF, which could start a marker.
    fn byte(&mut self) -> u8 {
        ((self.next() >> 24) as u8).min(0xfe)
    }
}

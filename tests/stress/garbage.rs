//! A camera that writes good frames among every kind of garbage, as fast as they are taken, and
//! keeps count.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use framecast::wire::jpeg::FRAME_BYTES_MAX;

use crate::camera::announce;
use crate::picture::{BYTES_MIN, KNOWN_BYTES, picture};

/// Frames between two that are larger than any may be.
const TOO_LARGE_INTERVAL: usize = 20_000;

/// Good frames at the end: more than 64 KiB of them, so that no length in what was cut leads behind
/// the last.
pub const GOOD_AT_LAST: usize = 100;

/// The tables and the scan of each picture take more than this.
const PICTURE_BYTES: usize = 300;

/// The last block of each picture and its end marker take less than this: a picture that ends there
/// is repaired.
const LAST_BLOCK_BYTES: usize = 100;

/// One good frame in so many lacks its end marker.
const UNENDED_INTERVAL: usize = 20;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Good frames, those without an end marker among them.
    pub good: u64,
    /// Good frames without an end marker.
    pub unended: u64,
    /// Flawed ones, and stretches of what is none.
    pub flawed: u64,
    /// All bytes.
    pub bytes: u64,
}

impl Ledger {
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

/// Writes `frames` frames, of which about half are good, then some more that are; tells what it
/// wrote, and is silent.
pub fn run(is_parts: bool, frames: usize, folder: &Path) -> io::Result<()> {
    if folder.join("ledger").exists() {
        rest();
    }
    let mut out = io::stdout().lock();
    let mut ledger = Ledger::default();
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
        ledger.good += u64::from(is_good);
        ledger.unended += u64::from(is_unended);
        ledger.flawed += u64::from(!is_good);
        ledger.bytes += pending.len() as u64;
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
        ledger.good += 1;
    }
    ledger.bytes += pending.len() as u64;
    out.write_all(&pending)?;
    out.flush()?;
    announce(
        folder,
        "ledger",
        &format!(
            "{} {} {} {}",
            ledger.good, ledger.unended, ledger.flawed, ledger.bytes
        ),
    )?;
    rest()
}

/// A camera without more to say; the server would start one that has ended once more.
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

/// One of the ways in which a row of JPEGs can be broken.
fn put_flawed_jpeg(out: &mut Vec<u8>, jpeg: &[u8], noise: &mut Noise) {
    match noise.below(10) {
        // Not within its comment, whose length would lead into later pictures: that may look like
        // one picture of two.
        0 => {
            let missing = LAST_BLOCK_BYTES + noise.below(PICTURE_BYTES - LAST_BLOCK_BYTES);
            out.extend_from_slice(&jpeg[..jpeg.len() - missing]);
            put_interruption(out, false);
        }
        // Without its end, which would be an end for a picture that was cut in its scan, too.
        1 => out.extend_from_slice(&jpeg[KNOWN_BYTES + noise.below(PICTURE_BYTES)..jpeg.len() - 2]),
        2 => out.extend((0..noise.below(2000)).map(|_| noise.byte())),
        3 => out.resize(
            out.len() + noise.below(2000),
            [0x00, 0x7f, b'\n'][noise.below(3)],
        ),
        // Behind padding, or a picture that was cut just there would take its end for its own.
        4 => out.extend([&[0; 500], b"\xff\xd8\xff\xd9".as_slice()].concat()),
        5 => out.extend_from_slice(b"\xff\xd8\xff\xd8\xff\xd8"),
        6 => out.extend_from_slice(b"\xff\xd8\xff\xfe\x00\x00"),
        7 => out.extend_from_slice(b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"),
        8 => out.extend(without_size(jpeg)),
        _ => out.extend(without_frame_header(jpeg)),
    }
}

/// One of the ways in which a part can be broken.
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

/// What ends a picture without an end marker for certain: other bytes behind its scan may read as
/// its missing blocks.
fn put_interruption(out: &mut Vec<u8>, is_parts: bool) {
    out.extend_from_slice(if is_parts {
        b"\r\n--frame\r\n"
    } else {
        b"\xff\xd8"
    });
}

/// A scan without an end, longer than any frame may be.
fn put_too_large(out: &mut Vec<u8>, jpeg: &[u8], is_parts: bool) {
    let mut body = jpeg[..jpeg.len() - 2].to_vec();
    body.resize(FRAME_BYTES_MAX + 100_000, b'x');
    if is_parts {
        put_part(out, &headers(body.len()), &body)
    } else {
        out.extend(body)
    }
}

/// The picture with a height of zero in its frame header (SOF0).
fn without_size(jpeg: &[u8]) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    if let Some(at) = frame_header(&jpeg) {
        jpeg[at + 5] = 0;
        jpeg[at + 6] = 0;
    }
    jpeg
}

/// The picture with a frame header that is too short for what it must hold.
fn without_frame_header(jpeg: &[u8]) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    if let Some(at) = frame_header(&jpeg) {
        jpeg[at + 3] = 5;
    }
    jpeg
}

/// Where the frame header begins. The last one is meant: the picture's number, in its comment, may
/// look like one.
fn frame_header(jpeg: &[u8]) -> Option<usize> {
    memchr::memmem::rfind(jpeg, &[0xff, 0xc0])
}

/// Numbers that look like chance and are always the same (xorshift).
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

    /// Any byte but FF: what begins with it by chance may end a picture that was cut, or lead into
    /// a later one.
    fn byte(&mut self) -> u8 {
        ((self.next() >> 24) as u8).min(0xfe)
    }
}

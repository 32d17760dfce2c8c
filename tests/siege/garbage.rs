//! A camera that writes good frames among every kind of garbage, as fast as they are taken, and keeps count.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use framecast::wire::jpeg::FRAME_BYTES_MAX;

use crate::camera::announce;
use crate::picture::{BYTES_MIN, picture};

/// Frames between two that are larger than any may be.
const TOO_LARGE_INTERVAL: usize = 20_000;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Good frames.
    pub good: u64,
    /// Flawed ones, and stretches of what is none.
    pub flawed: u64,
    /// All bytes.
    pub bytes: u64,
}

impl Ledger {
    pub fn parse(words: &str) -> Option<Self> {
        let figures: Option<Vec<u64>> = words.split(' ').map(|word| word.parse().ok()).collect();
        match figures?[..] {
            [good, flawed, bytes] => Some(Self { good, flawed, bytes }),
            _ => None,
        }
    }
}

/// Writes `frames` frames, of which about half are good, then one more that is; tells what it wrote, and is silent.
pub fn run(is_parts: bool, frames: usize, folder: &Path) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut ledger = Ledger::default();
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    // A server that starts it once more is told nothing new.
    let frames = if folder.join("ledger").exists() { 0 } else { frames };
    let mut pending = Vec::new();
    for number in 1..=frames {
        let is_good = noise.below(2) == 0 || number == 1;
        let jpeg = picture(number as u64, BYTES_MIN + noise.below(3000));
        match (is_good, is_parts) {
            (true, false) => pending.extend_from_slice(&jpeg),
            (true, true) => put_part(&mut pending, &headers(jpeg.len()), &jpeg),
            (false, false) => put_flawed_jpeg(&mut pending, &jpeg, &mut noise),
            (false, true) => put_flawed_part(&mut pending, &jpeg, &mut noise),
        }
        if number % TOO_LARGE_INTERVAL == TOO_LARGE_INTERVAL / 2 {
            put_too_large(&mut pending, &jpeg, is_parts);
        }
        ledger.good += u64::from(is_good);
        ledger.flawed += u64::from(!is_good);
        ledger.bytes += pending.len() as u64;
        out.write_all(&pending)?;
        pending.clear();
    }
    let jpeg = picture(frames as u64 + 1, BYTES_MIN);
    match is_parts {
        true => put_part(&mut pending, &headers(jpeg.len()), &jpeg),
        false => pending.extend_from_slice(&jpeg),
    }
    out.write_all(&pending)?;
    out.flush()?;
    if frames > 0 {
        let bytes = ledger.bytes + pending.len() as u64;
        announce(folder, "ledger", &format!("{} {} {bytes}", ledger.good + 1, ledger.flawed))?;
    }
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
        0 => out.extend_from_slice(&jpeg[..2 + noise.below(jpeg.len() - 3)]),
        1 => out.extend_from_slice(&jpeg[2 + noise.below(jpeg.len() - 3)..]),
        2 => out.extend((0..noise.below(2000)).map(|_| noise.byte())),
        3 => out.resize(out.len() + noise.below(2000), [0x00, 0xff, b'\n'][noise.below(3)]),
        4 => out.extend_from_slice(b"\xff\xd8\xff\xd9"),
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
        0 => put_part(out, &headers(jpeg.len()), &jpeg[..noise.below(jpeg.len() - 1)]),
        1 => put_part(out, &headers(jpeg.len()), &jpeg[1 + noise.below(jpeg.len() - 2)..]),
        2 => put_part(out, &headers(5), b"hello"),
        3 => put_part(out, "", b""),
        4 => put_part(out, &format!("X-Long: {}", "a".repeat(20_000)), b""),
        5 => put_part(out, "no field at all\r\n\r\n", b"\0\0\0\0"),
        6 => put_part(out, &headers(0), &without_size(jpeg)),
        7 => out.extend((0..noise.below(2000)).map(|_| noise.byte())),
        _ => out.extend_from_slice(b"\r\n--frame\r\n\r\n--frame\r\n\r\n--fra"),
    }
}

/// A scan without an end, longer than any frame may be.
fn put_too_large(out: &mut Vec<u8>, jpeg: &[u8], is_parts: bool) {
    let mut body = jpeg[..jpeg.len() - 2].to_vec();
    body.resize(FRAME_BYTES_MAX + 100_000, b'x');
    match is_parts {
        true => put_part(out, &headers(body.len()), &body),
        false => out.extend(body),
    }
}

/// The picture with a height of zero in its frame header (SOF0).
fn without_size(jpeg: &[u8]) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    if let Some(at) = memchr::memmem::find(&jpeg, &[0xff, 0xc0]) {
        jpeg[at + 5] = 0;
        jpeg[at + 6] = 0;
    }
    jpeg
}

/// The picture with a frame header that is too short for what it must hold.
fn without_frame_header(jpeg: &[u8]) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    if let Some(at) = memchr::memmem::find(&jpeg, &[0xff, 0xc0]) {
        jpeg[at + 3] = 5;
    }
    jpeg
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

    fn byte(&mut self) -> u8 {
        (self.next() >> 24) as u8
    }
}

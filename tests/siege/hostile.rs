//! Drivers whose output costs as much as possible to decode, written as fast as a pipe goes.

use std::io::{self, Write};

use framecast::wire::jpeg::FRAME_BYTES_MAX;

use crate::picture::picture;

/// Bytes written at once, at least.
const PIECE_BYTES: usize = 64 * 1024;

/// One of the smallest JPEGs by structure: one component of one pixel, no tables, one byte of a scan.
const TINY_JPEG: &[u8] =
    b"\xff\xd8\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\0\xff\xd9";

/// What each kind writes again and again.
pub const KINDS: [(&str, fn() -> Vec<u8>); 13] = [
    ("start-markers", || vec![0xff, 0xd8, 0xff]),
    ("fill-bytes", || vec![0xff]),
    ("tiny-jpegs", || TINY_JPEG.to_vec()),
    ("cut-jpegs", || TINY_JPEG[..TINY_JPEG.len() - 2].to_vec()),
    ("empty-segments", || [&[0xff, 0xd8][..], &[0xff, 0xfe, 0, 2].repeat(FRAME_BYTES_MAX / 4)].concat()),
    ("largest-jpegs", || picture(1, FRAME_BYTES_MAX)),
    ("dashes", || b"-".to_vec()),
    ("delimiters", || b"--b\r\n".to_vec()),
    ("headers", || [&b"--b\r\n"[..], &b"X: y\r\n".repeat(PIECE_BYTES)].concat()),
    ("empty-parts", || b"--b\r\nA: b\r\n\r\n".to_vec()),
    ("reported-rejections", || b"--b\r\nX-Frame-Rejected: truncated\r\n\r\n".to_vec()),
    ("single-bytes", || picture(1, 1000)),
    ("stderr-lines", || b"a\n".to_vec()),
];

/// Writes bytes of a kind until nothing reads them any more.
pub fn run(kind: &str) -> io::Result<()> {
    let found = KINDS.iter().find(|(name, _)| *name == kind);
    let unit = found.map(|(_, unit)| unit()).ok_or_else(|| io::Error::other("no such kind of hostile driver"))?;
    let piece = unit.repeat(PIECE_BYTES.div_ceil(unit.len()));
    let mut out: Box<dyn Write> = match kind {
        "stderr-lines" => Box::new(io::stderr().lock()),
        _ => Box::new(Unbuffered),
    };
    loop {
        match kind {
            "single-bytes" => piece.chunks(1).try_for_each(|byte| out.write_all(byte))?,
            _ => out.write_all(&piece)?,
        }
    }
}

/// Standard output without the line buffer that the standard library puts before it.
struct Unbuffered;

impl Write for Unbuffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

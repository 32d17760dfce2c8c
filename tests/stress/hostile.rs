//! Drivers whose output is as expensive as possible to decode, written at pipe speed.

use std::io::{self, Write};

use framecast::wire::jpeg::FRAME_BYTES_MAX;
use jpeg_encoder::{ColorType, Encoder};

use crate::picture::picture;

/// Minimum number of bytes per write.
const PIECE_BYTES: usize = 64 * 1024;

/// A minimal JPEG: one component, one pixel, no tables, a scan of one byte.
const TINY_JPEG: &[u8] =
    b"\xff\xd8\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\0\xff\xd9";

/// Delimiter and header of a part.
const PART: &[u8] = b"--b\r\nContent-Type: image/jpeg\r\n\r\n";

/// The name of a kind, and the bytes that it repeats.
type Kind = (&'static str, fn() -> Vec<u8>);

pub const KINDS: [Kind; 15] = [
    ("start-markers", || vec![0xff, 0xd8, 0xff]),
    ("fill-bytes", || vec![0xff]),
    ("tiny-jpegs", || TINY_JPEG.to_vec()),
    ("cut-jpegs", || TINY_JPEG[..TINY_JPEG.len() - 2].to_vec()),
    ("empty-segments", || {
        [
            &[0xff, 0xd8][..],
            &[0xff, 0xfe, 0, 2].repeat(FRAME_BYTES_MAX / 4),
        ]
        .concat()
    }),
    ("largest-jpegs", || picture(1, FRAME_BYTES_MAX)),
    ("dashes", || b"-".to_vec()),
    ("delimiters", || b"--b\r\n".to_vec()),
    ("headers", || {
        [&b"--b\r\n"[..], &b"X: y\r\n".repeat(PIECE_BYTES)].concat()
    }),
    ("empty-parts", || b"--b\r\nA: b\r\n\r\n".to_vec()),
    ("reported-rejections", || {
        b"--b\r\nX-Frame-Rejected: truncated\r\n\r\n".to_vec()
    }),
    ("unended-parts", || {
        [PART, &noise(1000)[..], b"\r\n"].concat()
    }),
    ("cut-parts", || {
        [PART, &noise(1000)[..400_000], b"\r\n"].concat()
    }),
    ("single-bytes", || picture(1, 1000)),
    ("stderr-lines", || b"a\n".to_vec()),
];

/// Makes a square picture of noise without its end marker. Its scan is large, and all its blocks
/// must be counted to know whether the picture is whole.
fn noise(side: u16) -> Vec<u8> {
    let mut state = 1_u32;
    let mut sample = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let samples: Vec<u8> = (0..usize::from(side) * usize::from(side))
        .map(|_| sample())
        .collect();
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 90)
        .encode(&samples, side, side, ColorType::Luma)
        .expect("the picture is encoded");
    jpeg.truncate(jpeg.len() - 2);
    jpeg
}

/// Writes the bytes of a kind until the pipe is closed.
pub fn run(kind: &str) -> io::Result<()> {
    let found = KINDS.iter().find(|(name, _)| *name == kind);
    let unit = found
        .map(|(_, unit)| unit())
        .ok_or_else(|| io::Error::other("unknown kind of hostile driver"))?;
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

/// stdout without the line buffer of the standard library.
struct Unbuffered;

impl Write for Unbuffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! An input of the fuzzer: a stream of bytes, and the reads that split it.
//!
//! The first five bytes determine the number of lengths of reads that follow, whether a part of the
//! stream is repeated, its position and length, and a choice for the target. So a short input can
//! reach every limit, and the fuzzer chooses the reads as well as the bytes.

use std::borrow::Cow;

const PREFIX_BYTES: usize = 5;

/// The lengths of a repeated part: each limit of a parser is slightly above one of them. Short ones are
/// more frequent, because long ones take more time.
const STRETCHES: [usize; 16] = [
    30, 30, 64, 64, 128, 128, 256, 256, 600, 600, 1_000, 1_000, 2_000, 4_000, 8_100, 16_300,
];

/// The number of reads that suffices to notice work that grows with it.
const CRUMBS_MAX: usize = 500;

pub struct Sample<'a> {
    pub stream: Cow<'a, [u8]>,
    pub choice: u8,
    lengths: &'a [u8],
}

impl<'a> Sample<'a> {
    pub fn read(input: &'a [u8]) -> Option<Self> {
        let (&[pieces, stretch, at, width, choice], rest) =
            input.split_first_chunk::<PREFIX_BYTES>()?;
        let (lengths, stream) = rest.split_at(usize::from(pieces & 7).min(rest.len()));
        let stream = match stretch {
            0xf0.. => Cow::Owned(stretched(
                stream,
                STRETCHES[usize::from(stretch & 15)],
                at,
                width,
            )),
            _ => Cow::Borrowed(stream),
        };
        Some(Self {
            stream,
            choice,
            lengths,
        })
    }

    /// Returns the stream in reads of the given lengths, in rotation.
    pub fn pieces(&self) -> Vec<&[u8]> {
        let mut pieces = Vec::new();
        let mut rest = &*self.stream;
        for length in self.lengths.iter().chain([&255]).cycle() {
            let (piece, behind) = rest.split_at(rest.len().min(usize::from(*length) + 1));
            pieces.push(piece);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        pieces
    }

    /// Returns the stream byte by byte, or in the smallest allowed reads if it is long.
    pub fn crumbs(&self) -> impl Iterator<Item = &[u8]> {
        self.stream.chunks(1 + self.stream.len() / CRUMBS_MAX)
    }
}

/// Repeats the `width` bytes at `at` until they have `bytes` bytes.
fn stretched(stream: &[u8], bytes: usize, at: u8, width: u8) -> Vec<u8> {
    let (before, rest) = stream.split_at(usize::from(at).min(stream.len()));
    let (repeated, behind) = rest.split_at((usize::from(width) % 64 + 1).min(rest.len()));
    let copies = bytes.checked_div(repeated.len()).unwrap_or_default().max(1);
    [before, &repeated.repeat(copies), behind].concat()
}

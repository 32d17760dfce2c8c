//! An input: a stream of bytes, and in which ways it is cut.
//!
//! Its first five bytes tell of the rest: how many of the bytes behind them are lengths of pieces,
//! whether a part of the stream is said over and over, where that is and how long it is, and what
//! else the target lets the input choose. So a few bytes reach every bound, and where a stream is
//! cut is as much the fuzzer's choice as what is in it.

use std::borrow::Cow;

const PREFIX_BYTES: usize = 5;

/// How long the part that is said over and over becomes; every bound of a parser is a little above
/// one of these. Short ones come more often, since the time goes into the long ones.
const STRETCHES: [usize; 16] = [
    30, 30, 64, 64, 128, 128, 256, 256, 600, 600, 1_000, 1_000, 2_000, 4_000, 8_100, 16_300,
];

/// So many pieces are enough to tell work that grows with their number.
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

    /// The stream in pieces as long as the input says, over and over.
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

    /// The stream byte by byte, or in pieces as small as can be if it is long.
    pub fn crumbs(&self) -> impl Iterator<Item = &[u8]> {
        self.stream.chunks(1 + self.stream.len() / CRUMBS_MAX)
    }
}

/// `stream`, in which the `width` bytes at `at` are repeated until they are `bytes` long.
fn stretched(stream: &[u8], bytes: usize, at: u8, width: u8) -> Vec<u8> {
    let (before, rest) = stream.split_at(usize::from(at).min(stream.len()));
    let (repeated, behind) = rest.split_at((usize::from(width) % 64 + 1).min(rest.len()));
    let copies = bytes.checked_div(repeated.len()).unwrap_or_default().max(1);
    [before, &repeated.repeat(copies), behind].concat()
}

//! Decoding with a budget: a source that is costly to decode takes its own time, never that of
//! others.
//!
//! Bytes of a whole frame cost next to nothing, as a walk leaps over its scans. Garbage costs up to
//! 50 ns a byte, and each frame or rejected element costs what is done with it afterwards. So
//! decoding is counted in units of work, and what has been received is shown to the decoder in
//! pieces: between two of them it can stop, and go on in the next turn.

#![deny(clippy::arithmetic_side_effects)]

use bytes::BytesMut;

use super::decoder::SourceDecoder;
use super::part::{Part, Rejected, Tally};

/// Bytes shown to the decoder at once: less than a millisecond of work, whatever they are.
const PIECE_BYTES: usize = 16 * 1024;

/// Units of work for a byte that is shown to the decoder, for one that turns out to belong to no
/// frame, and for each frame, whole or rejected.
const UNITS_PER_BYTE: u64 = 1;
const UNITS_PER_WASTED_BYTE: u64 = 8;
const UNITS_PER_ELEMENT: u64 = 4096;

/// Work that may still be done, in units of about one byte of a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeBudget(u64);

impl DecodeBudget {
    /// What one source may cost in one turn: 512 KiB of whole frames, 64 KiB of garbage, or 128
    /// elements.
    pub const TURN: Self = Self(512 * 1024);

    /// Whether nothing is left.
    pub fn is_spent(self) -> bool {
        self.0 == 0
    }

    fn spend(&mut self, units: u64) {
        self.0 = self.0.saturating_sub(units);
    }
}

/// Decodes what a driver writes, as [`SourceDecoder`] does, within a budget.
#[derive(Debug)]
pub struct BudgetedDecoder {
    decoder: SourceDecoder,
    received: BytesMut,
    /// The bytes at the head of `received` that the decoder has seen.
    shown: usize,
}

impl BudgetedDecoder {
    /// A decoder that rejects frames larger than `frame_bytes_max`.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            decoder: SourceDecoder::new(frame_bytes_max),
            received: BytesMut::new(),
            shown: 0,
        }
    }

    /// Appends what has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next frame; `Ok(None)` until it is there as a whole, or once `work` is spent: then there
    /// may be one in the bytes that are here already.
    ///
    /// # Errors
    /// A frame was flawed, and has been removed: call again.
    pub fn decode(&mut self, budget: &mut DecodeBudget) -> Result<Option<Part>, Rejected> {
        while !budget.is_spent() {
            let seen = self.shown;
            let reach = self.received.len().min(seen.saturating_add(PIECE_BYTES));
            let hidden = self.received.split_off(reach);
            let before = self.decoder.tally();
            let outcome = self.decoder.decode(&mut self.received);
            let after = self.decoder.tally();
            // A frame that broke may be walked again from a start marker within it.
            self.shown = if outcome.is_err() {
                0
            } else {
                self.received.len()
            };
            self.received.unsplit(hidden);
            let wasted = wasted_bytes(&after).saturating_sub(wasted_bytes(&before));
            // Whether a frame without an end marker is whole is found out block by block.
            let repaired = outcome
                .iter()
                .flatten()
                .filter(|part| part.repair.is_some())
                .map(|part| part.jpeg.len() as u64);
            let wasted = repaired.fold(wasted, u64::saturating_add);
            let newly = reach.saturating_sub(seen) as u64;
            budget.spend(
                newly
                    .saturating_mul(UNITS_PER_BYTE)
                    .saturating_add(wasted.saturating_mul(UNITS_PER_WASTED_BYTE)),
            );
            match outcome {
                Ok(None) if self.shown == self.received.len() => return Ok(None),
                Ok(None) => {}
                element => {
                    budget.spend(UNITS_PER_ELEMENT);
                    return element;
                }
            }
        }
        Ok(None)
    }

    /// Takes the frame that all bytes end with, if only its end marker is missing. No more bytes
    /// will come.
    pub fn finish(&mut self) -> Option<Part> {
        self.shown = 0;
        self.decoder.finish(&mut self.received)
    }

    /// What has become of the bytes so far.
    pub fn tally(&self) -> Tally {
        self.decoder.tally()
    }

    /// Bytes that are not yet known to be a frame or none.
    pub fn buffered_bytes(&self) -> usize {
        self.received.len()
    }
}

fn wasted_bytes(tally: &Tally) -> u64 {
    tally.discarded_bytes.saturating_add(tally.rejected_bytes())
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test")]
mod tests {
    use super::*;

    const FRAME_BYTES_MAX: usize = 1024 * 1024;

    /// A JPEG by structure, of `bytes` bytes.
    fn jpeg(bytes: usize) -> Vec<u8> {
        let head =
            b"\xff\xd8\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0";
        let scan = vec![0x55; bytes.saturating_sub(head.len() + 2)];
        [&head[..], &scan, b"\xff\xd9"].concat()
    }

    /// Frames and rejected elements of one turn, with the bytes that were decided in it.
    fn turn(decoder: &mut BudgetedDecoder) -> (Vec<Result<Part, Rejected>>, usize) {
        let mut budget = DecodeBudget::TURN;
        let before = decoder.buffered_bytes();
        let mut elements = Vec::new();
        while let Some(element) = decoder.decode(&mut budget).transpose() {
            elements.push(element);
        }
        (elements, before.saturating_sub(decoder.buffered_bytes()))
    }

    #[test]
    fn budget_changes_nothing_but_when_a_frame_comes() {
        let stream = [
            vec![0xff; 100_000],
            jpeg(40_000),
            jpeg(600_000),
            vec![b'-'; 50_000],
            jpeg(28).repeat(300),
        ]
        .concat();
        let mut whole = SourceDecoder::new(FRAME_BYTES_MAX);
        let mut received = BytesMut::from(stream.as_slice());
        let expected: Vec<_> =
            std::iter::from_fn(|| whole.decode(&mut received).transpose()).collect();
        let mut decoder = BudgetedDecoder::new(FRAME_BYTES_MAX);
        decoder.push(&stream);
        let turns: Vec<_> = std::iter::repeat_with(|| turn(&mut decoder).0)
            .take(50)
            .collect();
        assert_eq!(turns.concat(), expected);
        assert_eq!(
            (decoder.tally(), decoder.buffered_bytes()),
            (whole.tally(), received.len())
        );
        assert!(
            turns.iter().filter(|elements| !elements.is_empty()).count() >= 4,
            "one turn did all"
        );
    }

    #[test]
    fn turn_ends_after_a_bounded_number_of_elements() {
        for unit in [jpeg(28), jpeg(28)[..26].to_vec()] {
            let mut decoder = BudgetedDecoder::new(FRAME_BYTES_MAX);
            decoder.push(&unit.repeat(10_000));
            let count = turn(&mut decoder).0.len();
            assert!(
                (10..=128).contains(&count),
                "{count} elements of {}",
                unit.escape_ascii()
            );
        }
    }

    #[test]
    fn turn_ends_after_a_bounded_number_of_bytes() {
        for (unit, most) in [
            (&b"\xff\xd8\xff"[..], 100_000),
            (b"\xff", 100_000),
            (b"-", 100_000),
            (b"--b\r\n", 100_000),
        ] {
            let mut decoder = BudgetedDecoder::new(FRAME_BYTES_MAX);
            decoder.push(&unit.repeat(500_000));
            let (elements, bytes) = turn(&mut decoder);
            assert!(
                elements.is_empty() && (10_000..most).contains(&bytes),
                "{bytes} of {}",
                unit.escape_ascii()
            );
        }
        let mut decoder = BudgetedDecoder::new(FRAME_BYTES_MAX);
        decoder.push(&jpeg(900_000));
        assert!(
            turn(&mut decoder).0.is_empty(),
            "half a mebibyte is a turn's work"
        );
        assert_eq!(turn(&mut decoder).0.len(), 1);
    }
}

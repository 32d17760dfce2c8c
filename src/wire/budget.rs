//! Decoding with a budget, so that a source whose output is expensive to decode cannot delay
//! others.
//!
//! Whole frames are cheap: the decoder skips most of their bytes. Garbage costs up to 50 ns per
//! byte, and each frame, also a rejected one, causes further work. So decoding is measured in units
//! of work. The decoder gets the received bytes in slices of 16 KiB and may stop after each slice.

#![deny(clippy::arithmetic_side_effects)]

use bytes::BytesMut;

use super::decoder::SourceDecoder;
use super::part::{Part, Rejected, Tally};

/// The bytes passed to the decoder at once: less than 1 ms of work, whatever they contain.
const SLICE_BYTES: usize = 16 * 1024;

/// Units of work per byte that is passed to the decoder.
const UNITS_PER_BYTE: u64 = 1;
/// Additional units per byte that belongs to no accepted frame.
const UNITS_PER_WASTED_BYTE: u64 = 8;
/// Additional units per frame, accepted or rejected.
const UNITS_PER_FRAME: u64 = 4096;

/// The remaining work, in units: a byte of a whole frame costs about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeBudget(u64);

impl DecodeBudget {
    /// The budget of one camera in one turn of the loop: 512 KiB of whole frames, 64 KiB of
    /// garbage, or 128 tiny frames.
    pub const TURN: Self = Self(512 * 1024);

    /// Whether no work is left.
    pub fn is_spent(self) -> bool {
        self.0 == 0
    }

    fn spend(&mut self, units: u64) {
        self.0 = self.0.saturating_sub(units);
    }
}

/// A [`SourceDecoder`] that stops when a budget is spent. It owns the buffer of received bytes.
#[derive(Debug)]
pub struct BudgetedDecoder {
    decoder: SourceDecoder,
    received: BytesMut,
    /// The number of bytes in `received` that the decoder has seen.
    seen: usize,
}

impl BudgetedDecoder {
    /// Creates a decoder that rejects frames larger than `frame_bytes_max` bytes.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            decoder: SourceDecoder::new(frame_bytes_max),
            received: BytesMut::new(),
            seen: 0,
        }
    }

    /// Appends received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Returns the next frame. `Ok(None)` means that more bytes are needed, or that `budget` is
    /// spent: then call again with a new budget, the buffer may contain whole frames.
    ///
    /// # Errors
    /// A frame was rejected and removed. Call again for the next one.
    pub fn decode(&mut self, budget: &mut DecodeBudget) -> Result<Option<Part>, Rejected> {
        while !budget.is_spent() {
            let seen = self.seen;
            let end = self.received.len().min(seen.saturating_add(SLICE_BYTES));
            let unseen = self.received.split_off(end);
            let before = self.decoder.tally();
            let result = self.decoder.decode(&mut self.received);
            let after = self.decoder.tally();
            // The decoder may search a rejected frame again, from a start marker within it.
            self.seen = if result.is_err() {
                0
            } else {
                self.received.len()
            };
            self.received.unsplit(unseen);
            let wasted = wasted_bytes(&after).saturating_sub(wasted_bytes(&before));
            // To repair a frame without an end marker, all its blocks were counted.
            let repaired = result
                .iter()
                .flatten()
                .filter(|part| part.repair.is_some())
                .map(|part| part.jpeg.len() as u64);
            let wasted = repaired.fold(wasted, u64::saturating_add);
            let new = end.saturating_sub(seen) as u64;
            budget.spend(
                new.saturating_mul(UNITS_PER_BYTE)
                    .saturating_add(wasted.saturating_mul(UNITS_PER_WASTED_BYTE)),
            );
            match result {
                Ok(None) if self.seen == self.received.len() => return Ok(None),
                Ok(None) => {}
                frame => {
                    budget.spend(UNITS_PER_FRAME);
                    return frame;
                }
            }
        }
        Ok(None)
    }

    /// Returns the last frame if only its end marker is missing. Call it at the end of the input.
    pub fn finish(&mut self) -> Option<Part> {
        self.seen = 0;
        self.decoder.finish(&mut self.received)
    }

    /// Returns the counts of bytes and frames so far.
    pub fn tally(&self) -> Tally {
        self.decoder.tally()
    }

    /// Returns the number of bytes that are not yet counted as accepted, rejected or discarded.
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

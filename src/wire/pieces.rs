//! Decoding with a budget: a source that is costly to decode takes its own time, never that of others.
//!
//! Bytes of a whole frame cost next to nothing, as a walk leaps over its scans. Garbage costs up to 50 ns a byte, and
//! each frame or rejected element costs what is done with it afterwards. So decoding is counted in units of work, and
//! what has been received is shown to the decoder in pieces: between two of them it can stop, and go on in the next
//! turn.

#![deny(clippy::arithmetic_side_effects)]

use bytes::BytesMut;

use super::source::{Part, Rejected, SourceDecoder, Tally};

/// Bytes shown to the decoder at once: less than a millisecond of work, whatever they are.
const PIECE_BYTES: usize = 16 * 1024;

/// Units of work for a byte that is shown to the decoder, for one that turns out to belong to no frame, and for each
/// frame, whole or rejected.
const UNITS_PER_BYTE: u64 = 1;
const UNITS_PER_WASTED_BYTE: u64 = 8;
const UNITS_PER_ELEMENT: u64 = 4096;

/// Work that may still be done, in units of about one byte of a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work(u64);

impl Work {
    /// What one source may cost in one turn: 512 KiB of whole frames, 64 KiB of garbage, or 128 elements.
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
pub struct PieceDecoder {
    decoder: SourceDecoder,
    received: BytesMut,
    /// The bytes at the head of `received` that the decoder has seen.
    shown: usize,
}

impl PieceDecoder {
    /// A decoder that rejects frames larger than `frame_bytes_max`.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self { decoder: SourceDecoder::new(frame_bytes_max), received: BytesMut::new(), shown: 0 }
    }

    /// Appends what has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next frame; `Ok(None)` until it is there as a whole, or once `work` is spent: then there may be one in the
    /// bytes that are here already.
    ///
    /// # Errors
    /// A frame was flawed, and has been removed: call again.
    pub fn decode(&mut self, work: &mut Work) -> Result<Option<Part>, Rejected> {
        while !work.is_spent() {
            let seen = self.shown;
            let reach = self.received.len().min(seen.saturating_add(PIECE_BYTES));
            let hidden = self.received.split_off(reach);
            let before = self.decoder.tally();
            let outcome = self.decoder.decode(&mut self.received);
            let after = self.decoder.tally();
            // A frame that broke may be walked again from a start marker within it.
            self.shown = if outcome.is_err() { 0 } else { self.received.len() };
            self.received.unsplit(hidden);
            let wasted = wasted_bytes(&after).saturating_sub(wasted_bytes(&before));
            let newly = reach.saturating_sub(seen) as u64;
            work.spend(
                newly.saturating_mul(UNITS_PER_BYTE).saturating_add(wasted.saturating_mul(UNITS_PER_WASTED_BYTE)),
            );
            match outcome {
                Ok(None) if self.shown == self.received.len() => return Ok(None),
                Ok(None) => {}
                element => {
                    work.spend(UNITS_PER_ELEMENT);
                    return element;
                }
            }
        }
        Ok(None)
    }

    /// Takes the frame that all bytes end with, if only its end marker is missing. No more bytes will come.
    pub fn finish(&mut self) -> Option<Part> {
        self.shown = 0;
        self.decoder.finish(&mut self.received)
    }

    /// What has become of the bytes so far.
    pub fn tally(&self) -> Tally {
        self.decoder.tally()
    }

    /// Bytes that are not yet known to be a frame or none.
    pub fn undecided_bytes(&self) -> usize {
        self.received.len()
    }
}

fn wasted_bytes(tally: &Tally) -> u64 {
    tally.skipped_bytes.saturating_add(tally.rejected_bytes())
}

//! What the loop counts of itself.

use std::time::{Duration, Instant};

use crate::stream::Histogram;
use crate::stream::metrics::Meter;

/// What the loop counts of itself.
#[derive(Clone, Copy, Debug)]
pub struct LoopStats {
    /// When the loop was made.
    pub started_at: Instant,
    /// Times around.
    pub turns: u64,
    /// Events handled.
    pub events: u64,
    /// Turns that waited and were woken, rather than coming straight back to work left over.
    pub wakeups: u64,
    /// The times between waking up and waiting again.
    pub turn: Histogram,
    /// The longest of them.
    pub longest_turn: Duration,
    /// Accepts that failed for want of descriptors or memory.
    pub accepts_exhausted: u64,
    /// Turns a second.
    pub rate: Meter,
}

impl LoopStats {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            started_at: now,
            turns: 0,
            events: 0,
            wakeups: 0,
            turn: Histogram::default(),
            longest_turn: Duration::ZERO,
            accepts_exhausted: 0,
            rate: Default::default(),
        }
    }

    /// A turn is over.
    pub(super) fn turned(&mut self, events: usize, began: Instant, took: Duration) {
        self.turns += 1;
        self.events += events as u64;
        self.turn.add(took);
        self.longest_turn = self.longest_turn.max(took);
        self.rate.tick(began);
    }
}

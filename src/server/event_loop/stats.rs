//! Counts the turns of the loop.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::logging;
use crate::site::connection_view::millis;
use crate::site::snapshot;
use crate::stream::Histogram;
use crate::stream::counts::Meter;

/// The counts of the loop.
#[derive(Clone, Copy, Debug)]
pub struct LoopStats {
    /// When the loop was made.
    pub started_at: Instant,
    /// Turns.
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

    /// Counts a turn that is over.
    pub(super) fn turned(&mut self, events: usize, began: Instant, took: Duration) {
        self.turns += 1;
        self.events += events as u64;
        self.turn.add(took);
        self.longest_turn = self.longest_turn.max(took);
        self.rate.tick(began);
    }

    /// Returns the counts, with the CPU time of this process and the lines that its log has lost.
    pub(in crate::server) fn snapshot(&self, now: Instant) -> snapshot::EventLoop {
        let cpu_time = clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default();
        snapshot::EventLoop {
            turns: self.turns,
            events: self.events,
            wakeups: self.wakeups,
            turns_per_second: self.rate.per_second(now),
            longest_turn_us: self.longest_turn.as_micros() as u64,
            turn: self.turn,
            cpu_ms: millis(cpu_time),
            accepts_exhausted: self.accepts_exhausted,
            log_lines_lost: logging::lines_lost(),
            uptime_ms: millis(now.saturating_duration_since(self.started_at)),
        }
    }
}

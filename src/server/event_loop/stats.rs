//! Counts the turns of the loop.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::logging;
use crate::site::connection_view::millis;
use crate::site::snapshot;
use crate::stream::counts::Meter;

/// The counts of the loop.
#[derive(Clone, Copy, Debug)]
pub struct LoopStats {
    /// When the loop was made.
    pub started_at: Instant,
    /// Turns that could wait for events, rather than continue work that was left.
    pub wakeups: u64,
    /// Accepts that failed, usually for lack of descriptors or memory.
    pub accept_failures: u64,
    turned: snapshot::EventLoop,
    rate: Meter,
}

impl LoopStats {
    pub(super) fn new(now: Instant) -> Self {
        let turned = snapshot::EventLoop::default();
        Self {
            started_at: now,
            wakeups: 0,
            accept_failures: 0,
            turned,
            rate: Meter::default(),
        }
    }

    /// Counts a turn that is over.
    pub(super) fn turned(&mut self, events: usize, began: Instant, took: Duration) {
        self.turned.turns += 1;
        self.turned.events += events as u64;
        self.turned.turn.add(took);
        self.turned.longest_turn_us = self.turned.longest_turn_us.max(took.as_micros() as u64);
        self.rate.tick(began);
    }

    /// Returns the counts, with the CPU time of the process and the number of dropped log lines.
    pub(in crate::server) fn snapshot(&self, now: Instant) -> snapshot::EventLoop {
        let cpu_time = clock_gettime(ClockId::ProcessCPUTime)
            .try_into()
            .unwrap_or_default();
        snapshot::EventLoop {
            wakeups: self.wakeups,
            turns_per_second: self.rate.per_second(now),
            cpu_ms: millis(cpu_time),
            accept_failures: self.accept_failures,
            log_lines_dropped: logging::lines_dropped(),
            uptime_ms: millis(now.saturating_duration_since(self.started_at)),
            ..self.turned
        }
    }
}

//! The time of a turn, its result, and when the next one is due.

use std::time::Instant;

/// The time of a turn, on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// When the kernel was asked for events. It has reported all that had happened by then, so
    /// deadlines expire by this time. If they expired by `now`, a process that was stopped during
    /// its wait would close peers whose bytes it has not read yet.
    pub asked_at: Instant,
    /// When the wait ended. The time of what the turn receives, answers and sends.
    pub now: Instant,
}

impl Tick {
    /// Returns the time of a turn that did not wait.
    pub fn at(now: Instant) -> Self {
        Self { asked_at: now, now }
    }
}

/// The result of a turn.
#[derive(Debug)]
pub struct Turned<T> {
    /// The transports of the connections that were closed since the last turn. Dropping one closes
    /// its descriptor.
    pub closed: Vec<T>,
}

/// When the next turn is due, if no input comes before. Ordered by time: the minimum of several is
/// the soonest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// At once: there is work that no event will announce.
    Now,
    /// At this time, the nearest deadline.
    At(Instant),
    /// Never: only an input can cause work.
    OnInput,
}

impl Wake {
    /// Whether a turn is due at `now`.
    pub fn is_due(self, now: Instant) -> bool {
        match self {
            Wake::Now => true,
            Wake::At(at) => at <= now,
            Wake::OnInput => false,
        }
    }
}

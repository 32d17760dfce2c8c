//! When a turn is taken, what it leaves, and when the next one is due.

use std::time::Instant;

/// The time of a turn, on the one monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// When the kernel was asked for events. All that had happened by then has been reported, so
    /// deadlines are judged by this time: a process that was stopped in its wait hears its peers
    /// before it finds them late.
    pub asked_at: Instant,
    /// When the wait ended. What happens in the turn happens at this time.
    pub now: Instant,
}

impl Tick {
    /// A turn that did not wait.
    pub fn at(now: Instant) -> Self {
        Self { asked_at: now, now }
    }
}

/// What a turn leaves to its caller.
#[derive(Debug)]
pub struct Turned<T> {
    /// The transports of the connections that were closed since the last turn. Dropping one closes
    /// its descriptor.
    pub closed: Vec<T>,
}

/// When the next turn must be taken, if no input comes before. The soonest of several is their
/// minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// At once: there is work that no event will report.
    Now,
    /// Then, at the nearest deadline.
    At(Instant),
    /// Not at all: there is nothing to wait for but inputs.
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

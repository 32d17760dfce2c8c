//! How often, and how much, a viewer is sent.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// The most that a viewer asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// The least time between two frames.
    pub interval: Option<Duration>,
    /// Bytes of its stream in a second.
    pub bytes_per_second: Option<NonZeroU64>,
}

impl RateLimit {
    /// How long a part of so many bytes takes: its interval, or as long as its bytes last at the
    /// viewer's rate, whichever is longer.
    pub fn time_of(&self, bytes: usize) -> Duration {
        let transfer = self.bytes_per_second.map_or(Duration::ZERO, |rate| {
            let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(rate.get()));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        });
        transfer.max(self.interval.unwrap_or_default())
    }

    /// Whether every frame is asked for.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

/// When a viewer's next frame is due.
///
/// A token bucket that counts time instead of bytes, and that may be overdrawn: a frame is sent as
/// soon as those before it are paid for, whatever its own size, so even one that is larger than a
/// second's bytes is sent sooner or later. What was saved while no frame came is worth one frame
/// and no burst.
#[derive(Debug)]
pub struct Pacer {
    limit: RateLimit,
    due: Instant,
}

impl Pacer {
    /// The pacer of a viewer whose first frame is due at once.
    pub fn new(limit: RateLimit, now: Instant) -> Self {
        Self { limit, due: now }
    }

    /// When the next frame is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Charges for a part of so many bytes that has begun to leave.
    pub fn charge(&mut self, bytes: usize, now: Instant) {
        // On a grid, so that a late frame does not delay all that follow; but a viewer that fell
        // behind the grid gets no burst to catch up.
        self.due = (self.due + self.limit.time_of(bytes)).max(now);
    }
}

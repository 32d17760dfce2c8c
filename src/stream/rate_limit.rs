//! The rate limit of a viewer, in frames and bytes per second.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// The highest rate that a viewer asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// The minimum time between two frames.
    pub interval: Option<Duration>,
    /// Bytes of its stream per second.
    pub bytes_per_second: Option<NonZeroU64>,
}

impl RateLimit {
    /// Returns the time that a part of this size takes: the interval, or the size divided by the
    /// byte rate, whichever is longer.
    pub fn time_of(&self, bytes: usize) -> Duration {
        let transfer = self.bytes_per_second.map_or(Duration::ZERO, |rate| {
            let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(rate.get()));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        });
        transfer.max(self.interval.unwrap_or_default())
    }

    /// Whether there is no limit.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

/// Computes when the next frame of a viewer is due.
///
/// A token bucket that counts time instead of bytes and may be overdrawn: a frame of any size is
/// sent as soon as the time of the frames before it has passed. Silence does not add up to a burst:
/// the next frame is due at once, the one after it on time.
#[derive(Debug)]
pub struct Pacer {
    limit: RateLimit,
    due: Instant,
}

impl Pacer {
    /// Creates a pacer. The first frame is due at once.
    pub fn new(limit: RateLimit, now: Instant) -> Self {
        Self { limit, due: now }
    }

    /// Returns when the next frame is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Charges for a part of this size whose first byte has left.
    pub fn charge(&mut self, bytes: usize, now: Instant) {
        // Add to the time that was due, so that one late frame does not delay those that follow. A
        // viewer that is later than that gets no burst to catch up.
        self.due = (self.due + self.limit.time_of(bytes)).max(now);
    }
}

//! How often, and how much, a viewer is given.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use super::sabotage::{self, Sabotage};

/// The most that a viewer asked to be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// The least time between two frames.
    pub interval: Option<Duration>,
    /// Bytes of its stream in a second.
    pub bytes_per_second: Option<NonZeroU64>,
}

impl Pace {
    /// How long a part of so many bytes takes up: its interval, or as long as its bytes last at the viewer's rate,
    /// whichever is longer.
    pub fn time_of(&self, bytes: usize) -> Duration {
        let transfer = self.bytes_per_second.map_or(Duration::ZERO, |rate| {
            let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(rate.get()));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        });
        transfer.max(self.interval.unwrap_or_default())
    }

    /// Whether nothing is asked for but every frame.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

/// When a viewer's next frame is due.
///
/// Each frame takes up its time, and the next one is due when that has passed. This is a token bucket that counts in
/// time rather than in bytes, and that may be overdrawn: a frame goes as soon as those before it are paid for, whatever
/// its own size, so even one that is larger than a second's bytes is shown sooner or later. What was saved up while
/// nothing came is worth one frame and no burst.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    due: Instant,
}

impl Schedule {
    /// The schedule of a viewer whose first frame is due at once.
    pub fn new(pace: Pace, now: Instant) -> Self {
        Self { pace, due: now }
    }

    /// When the next frame is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Charges for a part of so many bytes that has begun to leave.
    pub fn charge(&mut self, bytes: usize, now: Instant) {
        let mut time = self.pace.time_of(bytes);
        if sabotage::is(Sabotage::NeverRefill) && self.pace.bytes_per_second.is_some() {
            time *= 1000;
        }
        // On a grid, so that a late frame does not push back all that follow; but a viewer that fell behind the grid
        // is not given a burst to catch up.
        self.due = (self.due + time).max(now);
    }
}

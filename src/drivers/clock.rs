//! The clock of an emulated camera: tick `n` is `n / fps` seconds after the Unix epoch.
//!
//! Every process with the same `fps` shows the same tick at the same time. A process that was too
//! slow or suspended continues with the current tick: it neither drifts nor catches up.

use std::thread;
use std::time::Duration;

use crate::clock::wall_time;

/// The maximum time to sleep, in seconds, before the wall clock is read again: it may be set in the
/// meantime.
const SLEEP_SECONDS_MAX: f64 = 1.0;

/// The tick of a clock with `fps` ticks per second at `unix`, the time since the Unix epoch.
pub fn tick_at(unix: Duration, fps: f64) -> u64 {
    (unix.as_secs_f64() * fps) as u64
}

/// An endless iterator that waits for the next tick and returns it.
#[derive(Debug)]
pub struct Ticks {
    fps: f64,
    last: Option<u64>,
}

impl Ticks {
    /// A clock with `fps` ticks per second, above 0.
    pub fn new(fps: f64) -> Self {
        Self { fps, last: None }
    }
}

impl Iterator for Ticks {
    type Item = (u64, Duration);

    /// Waits for the next tick, and returns it with the wall time. The first call does not wait.
    fn next(&mut self) -> Option<(u64, Duration)> {
        loop {
            let now = wall_time();
            let tick = tick_at(now, self.fps);
            if self.last.replace(tick) != Some(tick) {
                return Some((tick, now));
            }
            let wait = (tick + 1) as f64 / self.fps - now.as_secs_f64();
            thread::sleep(Duration::from_secs_f64(wait.clamp(0.0, SLEEP_SECONDS_MAX)));
        }
    }
}

/// The index of the picture, of `count` (at least one), that a camera with `fps` pictures per
/// second shows at `unix`, the time since the Unix epoch. It depends on the clock alone, so that
/// every process shows the same picture.
pub fn picture_at(unix: Duration, fps: f64, count: usize) -> usize {
    (tick_at(unix, fps) % count as u64) as usize
}

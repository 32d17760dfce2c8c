//! A camera's clock: tick `n` is `n / fps` seconds after the Unix epoch.
//!
//! Whatever is shown by the clock is the same for every process that shows it, and a process that
//! was too slow or suspended goes on with the tick that is now: it neither drifts nor catches up.

use std::thread;
use std::time::Duration;

use crate::clock::wall_time;

/// The longest sleep, in seconds, before the clock is read again: it may have been set meanwhile.
const SLEEP_SECONDS_MAX: f64 = 1.0;

/// The tick that a clock of `fps` ticks a second shows at `unix`, a time since the Unix epoch.
pub fn tick_at(unix: Duration, fps: f64) -> u64 {
    (unix.as_secs_f64() * fps) as u64
}

/// The ticks from now on, each when its time has come.
#[derive(Debug)]
pub struct Ticks {
    fps: f64,
    last: Option<u64>,
}

impl Ticks {
    /// A clock of `fps` ticks a second, a number above 0.
    pub fn new(fps: f64) -> Self {
        Self { fps, last: None }
    }
}

impl Iterator for Ticks {
    type Item = (u64, Duration);

    /// Waits for the next tick, the first time not at all, and gives it and the wall time. It never
    /// ends.
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

/// Which of `count` pictures (at least one) a camera of `fps` pictures a second shows at `unix`, a
/// time since the Unix epoch. The clock alone decides, so every process that shows them shows the
/// same one.
pub fn picture_at(unix: Duration, fps: f64, count: usize) -> usize {
    (tick_at(unix, fps) % count as u64) as usize
}

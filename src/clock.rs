//! The wall clock, read in one place. Durations and deadlines use the monotonic clock, which never
//! jumps.

use std::time::{Duration, SystemTime};

/// Returns the wall time since the Unix epoch; zero if the clock is set to a time before it.
pub fn wall_time() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

//! The wall clock, read in one place. Durations and deadlines use the monotonic clock instead,
//! which is never set.

use std::time::{Duration, SystemTime};

/// The wall time, as a time since the Unix epoch. A clock set before the epoch reads as the epoch.
pub fn wall_time() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

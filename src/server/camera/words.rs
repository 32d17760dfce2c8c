//! What drivers say, kept to a few lines a second.

use std::time::{Duration, Instant};

/// So many lines a second are logged.
const LINES_PER_SECOND_MAX: u32 = 5;

/// Lets a few lines a second through, and says how many it kept back.
#[derive(Debug, Default)]
pub(super) struct LineLimit {
    window_started: Option<Instant>,
    said: u32,
    kept_back: u32,
}

impl LineLimit {
    /// Says a line, or keeps it back.
    pub(super) fn say(&mut self, now: Instant, say: impl FnOnce()) {
        let fresh = self.window_started.is_none_or(|started| now >= started + Duration::from_secs(1));
        if fresh {
            if self.kept_back > 0 {
                log::warn!("({} more lines like the last were left out)", self.kept_back);
            }
            *self = Self { window_started: Some(now), ..Self::default() };
        }
        if self.said < LINES_PER_SECOND_MAX {
            self.said += 1;
            say();
        } else {
            self.kept_back += 1;
        }
    }
}

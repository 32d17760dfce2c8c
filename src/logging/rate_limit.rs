//! How often a line of one kind is logged: others write what it is about.

use std::time::{Duration, Instant};

/// Bounds how often lines of one kind are logged; those left out are counted and told with the next
/// one.
#[derive(Debug, Default)]
pub struct RateLimit {
    window_started: Option<Instant>,
    lines: u32,
    left_out: u32,
}

impl RateLimit {
    /// Lines of one kind in one second.
    pub const LINES_PER_SECOND_MAX: u32 = 5;

    /// Whether a line may be logged at `now`. If others were left out since the last one, their
    /// number is logged here, as of `what`.
    pub fn admit(&mut self, what: &str, now: Instant) -> bool {
        if self
            .window_started
            .is_none_or(|started| now >= started + Duration::from_secs(1))
        {
            if self.left_out > 0 {
                log::info!("{what}: {} more lines were left out", self.left_out);
            }
            *self = Self {
                window_started: Some(now),
                lines: 0,
                left_out: 0,
            };
        }
        let admitted = self.lines < Self::LINES_PER_SECOND_MAX;
        self.lines += u32::from(admitted);
        self.left_out += u32::from(!admitted);
        admitted
    }
}

//! Limits the rate of log lines that peers cause.

use std::time::{Duration, Instant};

/// Limits the rate of one kind of line. The number of suppressed lines is logged with the next one.
#[derive(Debug, Default)]
pub struct LogLimit {
    window_started: Option<Instant>,
    lines: u32,
    suppressed: u32,
}

impl LogLimit {
    /// Lines in one second.
    pub const LINES_PER_SECOND_MAX: u32 = 5;

    /// Returns whether a line may be logged at `now`. If lines were suppressed before, logs their
    /// number; `kind` names them.
    pub fn admit(&mut self, kind: &str, now: Instant) -> bool {
        if self
            .window_started
            .is_none_or(|started| now >= started + Duration::from_secs(1))
        {
            if self.suppressed > 0 {
                log::info!("{kind}: suppressed {} log lines", self.suppressed);
            }
            *self = Self {
                window_started: Some(now),
                lines: 0,
                suppressed: 0,
            };
        }
        let admitted = self.lines < Self::LINES_PER_SECOND_MAX;
        self.lines += u32::from(admitted);
        self.suppressed += u32::from(!admitted);
        admitted
    }
}

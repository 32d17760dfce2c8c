//! What drivers say, kept to a few lines a second, and to what everybody may hear.

use std::time::{Duration, Instant};

use crate::capture::exec::without_logins;

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

/// What a driver said, as it may be shown to viewers: without our own program's name before it, and without the user
/// and password of an address, which many programs repeat when they cannot reach it.
pub(super) fn presentable(line: &str) -> String {
    without_logins(line.strip_prefix("framecast: ").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_shown_a_password() {
        let cases = [
            ("rtsp://user:pa@ss@cam:554/live: refused", "rtsp://cam:554/live: refused"),
            ("from http://a:b@c to http://d:e@f.", "from http://c to http://f."),
            ("framecast: no JPEG in /pictures", "no JPEG in /pictures"),
            ("http://cam/path@2 and me@home", "http://cam/path@2 and me@home"),
            ("cut short http://", "cut short http://"),
        ];
        for (line, shown) in cases {
            assert_eq!(presentable(line), shown);
        }
    }
}

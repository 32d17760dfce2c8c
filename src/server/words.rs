//! What child processes say, kept to a few lines a second, and to what everybody may hear.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use log::Level;

use crate::capture::exec::without_logins;

/// So many lines a second are logged of one child.
const LINES_PER_SECOND_MAX: u32 = 5;

/// So many different lines are remembered as said.
const LINES_REMEMBERED_MAX: usize = 16;

/// What is logged of one camera or publisher: each line once until it is well again, and a few a second at most. A
/// child that is restarted for hours says the same each time.
#[derive(Debug)]
pub(super) struct Words {
    whose: String,
    window_started: Option<Instant>,
    said_in_window: u32,
    kept_back: u32,
    said: VecDeque<String>,
}

impl Words {
    /// The words of `whose`, with which each line begins.
    pub(super) fn new(whose: String) -> Self {
        Self { whose, window_started: None, said_in_window: 0, kept_back: 0, said: VecDeque::new() }
    }

    /// Says a line, or keeps it back.
    pub(super) fn say(&mut self, level: Level, line: &str, now: Instant) {
        let whose = &self.whose;
        if self.said.iter().any(|said| said == line) {
            log::debug!("{whose}: {line}");
            return;
        }
        if self.window_started.is_none_or(|started| now >= started + Duration::from_secs(1)) {
            if self.kept_back > 0 {
                log::warn!("{whose}: ({} more lines were left out)", self.kept_back);
            }
            (self.window_started, self.said_in_window, self.kept_back) = (Some(now), 0, 0);
        }
        if self.said_in_window == LINES_PER_SECOND_MAX {
            self.kept_back += 1;
            return;
        }
        self.said_in_window += 1;
        log::log!(level, "{whose}: {line}");
        self.said.truncate(LINES_REMEMBERED_MAX - 1);
        self.said.push_front(line.to_owned());
    }

    /// All is well again: what goes wrong next is news, even if it is the same.
    pub(super) fn forget(&mut self) {
        self.said.clear();
    }
}

/// What a child said, as it may be shown to viewers: without our own program's name before it, and without the user
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

//! What child processes say, kept to a few lines a second, and to what everybody may hear.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use log::Level;

use crate::wire::printable::Printable;
use crate::wire::secret::SecretAddress;

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

/// A line of a child's standard error as it may be shown to viewers: without our own program's name before it, with the
/// credentials of its source and of other addresses masked, and with control characters escaped.
pub(super) fn presentable(line: &str, address: &SecretAddress) -> String {
    let line = line.strip_prefix("framecast: ").unwrap_or(line);
    Printable(address.redact(line)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn child_stderr_is_masked_and_escaped() {
        let address = SecretAddress::new("exec:grab rtsp://ann:s3cret@cam/");
        for (line, shown) in [
            ("rtsp://ann:s3cret@cam/: refused", "rtsp://***@cam/: refused"),
            ("framecast: no JPEG in /pictures", "no JPEG in /pictures"),
            ("s3cret is \x1b[31mwrong\x07", "*** is \\u{1b}[31mwrong\\u{7}"),
        ] {
            assert_eq!(presentable(line, &address), shown);
        }
    }
}

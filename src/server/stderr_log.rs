//! The log of one child process: its stderr, rate-limited, deduplicated and with credentials
//! removed, and what the server logs about it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use log::Level;

use crate::wire::printable::Printable;
use crate::wire::secret::SecretAddress;

/// Lines of stderr logged in one second. A child that writes more is logged less and less often,
/// down to one line in [`WINDOW_MAX`].
const LINES_PER_WINDOW: u32 = 5;
const WINDOW_MIN: Duration = Duration::from_secs(1);
const WINDOW_MAX: Duration = Duration::from_secs(60);

/// Lines that are remembered as logged.
const LINES_REMEMBERED_MAX: usize = 16;

/// Logs each line once, until the child is well again: one that is restarted for hours writes the
/// same each time.
#[derive(Debug)]
pub(super) struct StderrLog {
    prefix: String,
    cap: Cap,
    logged: VecDeque<String>,
}

/// Bounds the lines of a child: some in a second, and fewer while there are more than that.
#[derive(Debug)]
struct Cap {
    window: Duration,
    /// When the window ends that began with the first line in it.
    ends_at: Option<Instant>,
    /// Lines logged in it, and left out.
    logged: u32,
    left_out: u32,
}

impl Cap {
    /// Whether a line may be logged at `now`, and how many were left out before it.
    fn admits(&mut self, now: Instant) -> Option<u32> {
        let mut left_out = 0;
        if self.ends_at.is_none_or(|ends_at| now >= ends_at) {
            left_out = std::mem::take(&mut self.left_out);
            let is_quiet = self
                .ends_at
                .is_none_or(|ends_at| now >= ends_at + self.window);
            self.window = match left_out {
                0 if is_quiet => WINDOW_MIN,
                0 => self.window,
                _ => (self.window * 2).min(WINDOW_MAX),
            };
            (self.ends_at, self.logged) = (Some(now + self.window), 0);
        }
        if self.logged
            == if self.window == WINDOW_MIN {
                LINES_PER_WINDOW
            } else {
                1
            }
        {
            self.left_out += 1;
            return None;
        }
        self.logged += 1;
        Some(left_out)
    }
}

impl StderrLog {
    /// A log whose lines begin with `prefix`.
    pub(super) fn new(prefix: String) -> Self {
        let cap = Cap {
            window: WINDOW_MIN,
            ends_at: None,
            logged: 0,
            left_out: 0,
        };
        Self {
            prefix,
            cap,
            logged: VecDeque::new(),
        }
    }

    /// Logs a line that the child wrote, unless it was logged already or there are too many.
    pub(super) fn log_child(&mut self, level: Level, line: &str, now: Instant) {
        if !self.is_known(line)
            && let Some(left_out) = self.cap.admits(now)
        {
            if left_out > 0 {
                log::warn!("{}: ({left_out} more lines were left out)", self.prefix);
            }
            self.write(level, line);
        }
    }

    /// Logs a line about the child, unless it was logged already.
    pub(super) fn log(&mut self, level: Level, line: &str) {
        if !self.is_known(line) {
            self.write(level, line);
        }
    }

    /// Forgets what was logged: all is well again, and what goes wrong next is news.
    pub(super) fn forget(&mut self) {
        self.logged.clear();
    }

    fn is_known(&self, line: &str) -> bool {
        let is_known = self.logged.iter().any(|logged| logged == line);
        if is_known {
            log::debug!("{}: {line}", self.prefix);
        }
        is_known
    }

    fn write(&mut self, level: Level, line: &str) {
        log::log!(level, "{}: {line}", self.prefix);
        self.logged.truncate(LINES_REMEMBERED_MAX - 1);
        self.logged.push_front(line.to_owned());
    }
}

/// A line of stderr as it may be shown to viewers: without our own program's name before it, with
/// the credentials of `address` and of other addresses masked, and with control characters escaped.
pub(super) fn presentable(line: &str, address: &SecretAddress) -> String {
    let line = line.strip_prefix("framecast: ").unwrap_or(line);
    Printable(address.redact(line)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_lines_are_logged_once_a_minute() {
        let mut cap = StderrLog::new(String::new()).cap;
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let logged = |cap: &mut Cap, from: u32, to: u32| {
            (from * 10..to * 10)
                .filter(|tenth| cap.admits(at(f64::from(*tenth) / 10.0)).is_some())
                .count()
        };
        assert_eq!(logged(&mut cap, 0, 1), 5, "a few at once");
        assert!(logged(&mut cap, 1, 120) < 10);
        assert_eq!(logged(&mut cap, 120, 1320), 20, "one a minute");
        assert_eq!(
            cap.admits(at(1500.0)).map(|left_out| left_out > 100),
            Some(true),
            "how many were left out is known"
        );
        assert_eq!(
            logged(&mut cap, 1700, 1701),
            5,
            "after a rest, all is as before"
        );
    }

    #[test]
    fn child_stderr_is_masked_and_escaped() {
        let address = SecretAddress::new("exec:grab rtsp://ann:s3cret@cam/");
        for (line, shown) in [
            (
                "rtsp://ann:s3cret@cam/: refused",
                "rtsp://***@cam/: refused",
            ),
            ("framecast: no JPEG in /pictures", "no JPEG in /pictures"),
            (
                "s3cret is \x1b[31mwrong\x07",
                "*** is \\u{1b}[31mwrong\\u{7}",
            ),
        ] {
            assert_eq!(presentable(line, &address), shown);
        }
    }
}

//! Logs the stderr of one child process, and the server's own lines about it: rate-limited,
//! deduplicated, with credentials removed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use log::Level;

use crate::text::escaped::Escaped;
use crate::text::secret::SecretAddress;

/// Lines of stderr logged in one second. If a child keeps writing more, one line is logged in a
/// window that doubles from [`WINDOW_MIN`] to [`WINDOW_MAX`].
const LINES_PER_WINDOW: u32 = 5;
const WINDOW_MIN: Duration = Duration::from_secs(1);
const WINDOW_MAX: Duration = Duration::from_secs(60);

/// Logged lines that are kept to recognize a repetition.
const LINES_REMEMBERED_MAX: usize = 16;

/// Logs each line once, until the child works again: a child that is restarted for hours writes the
/// same lines each time.
#[derive(Debug)]
pub(super) struct StderrLog {
    prefix: String,
    limit: LineLimit,
    logged: VecDeque<String>,
}

/// Limits the rate of lines: [`LINES_PER_WINDOW`] a second, and one in a longer window while the
/// child exceeds that.
#[derive(Debug)]
struct LineLimit {
    window: Duration,
    /// When the window ends, which began with its first line.
    ends_at: Option<Instant>,
    /// Lines logged and suppressed in the window.
    logged: u32,
    suppressed: u32,
}

impl LineLimit {
    /// Returns whether a line may be logged at `now`, as the number of lines suppressed before it.
    fn admit(&mut self, now: Instant) -> Option<u32> {
        let mut suppressed = 0;
        if self.ends_at.is_none_or(|ends_at| now >= ends_at) {
            suppressed = std::mem::take(&mut self.suppressed);
            let is_quiet = self
                .ends_at
                .is_none_or(|ends_at| now >= ends_at + self.window);
            self.window = match suppressed {
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
            self.suppressed += 1;
            return None;
        }
        self.logged += 1;
        Some(suppressed)
    }
}

impl StderrLog {
    /// Begins each line with `prefix`.
    pub(super) fn new(prefix: String) -> Self {
        let limit = LineLimit {
            window: WINDOW_MIN,
            ends_at: None,
            logged: 0,
            suppressed: 0,
        };
        Self {
            prefix,
            limit,
            logged: VecDeque::new(),
        }
    }

    /// Logs a line of stderr, unless it repeats a logged line or exceeds the rate limit.
    pub(super) fn log_child(&mut self, level: Level, line: &str, now: Instant) {
        if !self.is_repeated(line)
            && let Some(suppressed) = self.limit.admit(now)
        {
            if suppressed > 0 {
                log::warn!("{}: suppressed {suppressed} lines of stderr", self.prefix);
            }
            self.write(level, line);
        }
    }

    /// Logs a line about the child, unless it repeats a logged line.
    pub(super) fn log(&mut self, level: Level, line: &str) {
        if !self.is_repeated(line) {
            self.write(level, line);
        }
    }

    /// Forgets the logged lines: the child works again, and the next problem is a new one.
    pub(super) fn forget(&mut self) {
        self.logged.clear();
    }

    fn is_repeated(&self, line: &str) -> bool {
        let is_repeated = self.logged.iter().any(|logged| logged == line);
        if is_repeated {
            log::debug!("{}: {line}", self.prefix);
        }
        is_repeated
    }

    fn write(&mut self, level: Level, line: &str) {
        log::log!(level, "{}: {line}", self.prefix);
        self.logged.truncate(LINES_REMEMBERED_MAX - 1);
        self.logged.push_front(line.to_owned());
    }
}

/// Makes a line of stderr fit for viewers: removes our program's name at its start, masks the
/// credentials of `address` and of other addresses, and escapes control characters.
pub(super) fn sanitize(line: &str, address: &SecretAddress) -> String {
    let line = line.strip_prefix("framecast: ").unwrap_or(line);
    Escaped(address.redact(line)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_stderr_is_logged_once_a_minute() {
        let mut limit = StderrLog::new(String::new()).limit;
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let logged = |limit: &mut LineLimit, from: u32, to: u32| {
            (from * 10..to * 10)
                .filter(|tenth| limit.admit(at(f64::from(*tenth) / 10.0)).is_some())
                .count()
        };
        assert_eq!(logged(&mut limit, 0, 1), 5, "a burst");
        assert!(logged(&mut limit, 1, 120) < 10);
        assert_eq!(logged(&mut limit, 120, 1320), 20, "then one a minute");
        assert_eq!(
            limit.admit(at(1500.0)).map(|suppressed| suppressed > 100),
            Some(true),
            "the suppressed lines are counted"
        );
        assert_eq!(
            logged(&mut limit, 1700, 1701),
            5,
            "a pause restores the limit"
        );
    }

    #[test]
    fn stderr_shown_to_viewers_is_masked_and_escaped() {
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
            assert_eq!(sanitize(line, &address), shown);
        }
    }
}

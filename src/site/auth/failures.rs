//! Rate-limits failed logins per client network.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::digest::Digest;
use crate::hub::ClientNet;

/// Failed logins of one client network within the window, after which further credentials of the
/// subject are refused without a check.
pub const FAILURES_MAX: u32 = 10;

/// The window of time, which begins with the first failure.
const WINDOW: Duration = Duration::from_secs(60);

/// Limit of windows. Beyond it the oldest is dropped: a client with that many networks cannot be
/// stopped by counting.
pub const WINDOWS_MAX: usize = 4096;

/// What failed logins are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// All logins but those of [`Subject::EmbeddedToken`].
    Any,
    /// Logins with one user name, as a digest.
    User(Digest),
    /// Tokens in a header field, or in the URL of a page that the user opened.
    Token,
    /// Tokens in the URL of a request that another site's page may have caused, such as by an
    /// `<img>`.
    EmbeddedToken,
}

/// The client networks with failed logins within the window.
#[derive(Debug, Default)]
pub struct Failures {
    windows: BTreeMap<(ClientNet, Subject), Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    failures: u32,
}

impl Failures {
    /// Counts one failed login.
    pub fn count(&mut self, client_net: ClientNet, subject: Subject, now: Instant) {
        self.count_one((client_net, subject), now);
        if matches!(subject, Subject::User(_) | Subject::Token) {
            self.count_one((client_net, Subject::Any), now);
        }
    }

    fn count_one(&mut self, key: (ClientNet, Subject), now: Instant) {
        if !self.windows.contains_key(&key) {
            self.make_room(now);
        }
        let window = self.windows.entry(key).or_insert(Window {
            began: now,
            failures: 0,
        });
        if now >= window.began + WINDOW {
            *window = Window {
                began: now,
                failures: 0,
            };
        }
        window.failures = window.failures.saturating_add(1);
    }

    /// Returns the number of windows.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Returns the number of failed logins in the current window.
    pub fn of(&self, client_net: ClientNet, subject: Subject, now: Instant) -> u32 {
        self.window(client_net, subject, now)
            .map_or(0, |window| window.failures)
    }

    /// Returns for how long credentials of a subject are still refused; `None` if they are
    /// accepted.
    pub fn blocked_for(
        &self,
        client_net: ClientNet,
        subject: Subject,
        now: Instant,
    ) -> Option<Duration> {
        let window = self
            .window(client_net, subject, now)
            .filter(|window| window.failures >= FAILURES_MAX)?;
        Some((window.began + WINDOW).saturating_duration_since(now))
    }

    fn window(&self, client_net: ClientNet, subject: Subject, now: Instant) -> Option<&Window> {
        self.windows
            .get(&(client_net, subject))
            .filter(|window| now < window.began + WINDOW)
    }

    fn make_room(&mut self, now: Instant) {
        if self.windows.len() < WINDOWS_MAX {
            return;
        }
        self.windows.retain(|_, window| now < window.began + WINDOW);
        if self.windows.len() >= WINDOWS_MAX {
            let oldest = self
                .windows
                .iter()
                .min_by_key(|(_, window)| window.began)
                .map(|(&key, _)| key);
            oldest.and_then(|oldest| self.windows.remove(&oldest));
        }
    }
}

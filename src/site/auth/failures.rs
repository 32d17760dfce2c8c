//! Rate-limits failed logins per client network.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::digest::Digest;
use crate::stream::ClientNet;

/// Failed logins of one client network within the window, after which more credentials of the
/// subject are refused unread.
pub const FAILURES_MAX: u32 = 10;

/// The window begins with the first of them.
const WINDOW: Duration = Duration::from_secs(60);

/// Windows that are remembered. Past it the oldest is dropped: counting does not stop a client with
/// that many networks.
pub const WINDOWS_MAX: usize = 4096;

/// What failed logins are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Every login that any other subject but [`Subject::EmbeddedToken`] counts.
    Any,
    /// Logins of one user name, by its digest.
    User(Digest),
    /// Tokens in a header field, and those in the address of a page that the user opened.
    Token,
    /// Tokens in the address of a request that another site's page may have made, such as an
    /// `<img>` there.
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

    /// The number of windows that are remembered.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Failed logins in the current window.
    pub fn of(&self, client_net: ClientNet, subject: Subject, now: Instant) -> u32 {
        self.window(client_net, subject, now)
            .map_or(0, |window| window.failures)
    }

    /// For how long credentials of a subject are refused, if they are.
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

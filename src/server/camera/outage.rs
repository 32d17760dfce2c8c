//! A camera that gives no pictures: since when, why, and what its viewers are shown meanwhile.

use std::time::{Duration, Instant};

/// A camera may be gone for this long before its viewers are told: a driver that is back by then was never missed.
const GRACE: Duration = Duration::from_millis(500);

/// One outage, from the moment it is noticed to the next live frame.
#[derive(Debug)]
pub(super) struct Outage {
    /// The wall time it began, as a time since the Unix epoch.
    since: Duration,
    noticed_at: Instant,
    reason: String,
    /// The reason that viewers have been told.
    told: Option<String>,
}

impl Outage {
    /// An outage that has just been noticed.
    pub(super) fn new(reason: String, since: Duration, now: Instant) -> Self {
        Self { since, noticed_at: now, reason, told: None }
    }

    /// The wall time it began, as a time since the Unix epoch.
    pub(super) fn since(&self) -> Duration {
        self.since
    }

    /// Why there are no pictures.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// More has become known of why.
    pub(super) fn explain(&mut self, reason: String) {
        self.reason = reason;
    }

    /// Whether viewers have been told that the camera is offline, whatever reason was known then.
    pub(super) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// When viewers are to be told; nothing if they have been told all there is to it.
    pub(super) fn tell_at(&self) -> Option<Instant> {
        let is_news = self.told.as_deref() != Some(self.reason.as_str());
        is_news.then_some(self.noticed_at + GRACE)
    }

    /// Viewers are being told what is known now.
    pub(super) fn told(&mut self) {
        self.told = Some(self.reason.clone());
    }
}

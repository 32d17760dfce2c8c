//! Output of a driver that is no frame: how much of it is reported, and what it looks like.

use std::time::{Duration, Instant};

use crate::wire::sniff::{Content, HEAD_BYTES};
use crate::wire::source::{Reason, Tally};

/// After so many bytes without a frame in them, what they look like is reported.
const USELESS_BYTES: u64 = 64 * 1024;

/// So long after its first bytes, a driver that has given no frame is reported however few there
/// were.
const USELESS_AFTER: Duration = Duration::from_secs(5);

/// What a driver has written since its newest frame.
#[derive(Debug, Default)]
pub(super) struct Useless {
    /// How it begins.
    head: Vec<u8>,
    /// When the first bytes came.
    since: Option<Instant>,
    /// Bytes of no frame that were written before.
    bytes_before: u64,
    /// Why the newest frame was rejected, if one was.
    pub(super) rejected: Option<Reason>,
}

impl Useless {
    /// Nothing was written since a frame, at which the driver's count was `tally`.
    pub(super) fn after(tally: &Tally) -> Self {
        Self {
            bytes_before: bytes_of_no_frame(tally),
            ..Self::default()
        }
    }

    /// Takes note of bytes that the driver wrote.
    pub(super) fn note(&mut self, bytes: &[u8], now: Instant) {
        self.since.get_or_insert(now);
        let room = HEAD_BYTES.saturating_sub(self.head.len());
        self.head
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// What is wrong with it and what to do, if it is useless beyond doubt. A frame may have
    /// `frame_bytes_max` bytes.
    pub(super) fn complaint(
        &self,
        tally: &Tally,
        frame_bytes_max: usize,
        now: Instant,
    ) -> Option<String> {
        let is_due = self.bytes(tally) >= USELESS_BYTES
            || self.complaint_at(tally).is_some_and(|at| now >= at);
        is_due.then(|| self.described(frame_bytes_max))
    }

    /// The same of a driver that has ended: nothing will follow what it has written, unless that
    /// begins a JPEG.
    pub(super) fn last_complaint(&self, tally: &Tally, frame_bytes_max: usize) -> Option<String> {
        let is_useless =
            self.rejected.is_some() || !self.head.is_empty() && !self.head.starts_with(b"\xff\xd8");
        (is_useless && tally.accepted.frames == 0).then(|| self.described(frame_bytes_max))
    }

    fn described(&self, frame_bytes_max: usize) -> String {
        if let Some(reason) = self.rejected {
            return format!(
                "its frames are rejected: {}",
                reason.sentence(frame_bytes_max)
            );
        }
        let content = Content::of(&self.head);
        format!("it writes no JPEG but {content}; {}", content.remedy())
    }

    /// When there is a complaint even if nothing more is written. A driver that has given frames
    /// may pause with a few bytes of padding behind the last one.
    pub(super) fn complaint_at(&self, tally: &Tally) -> Option<Instant> {
        // Bytes that may be a frame to come are no reason, but for dashes, which begin a boundary
        // at best.
        let is_suspect = self.bytes(tally) > 0 || self.head.starts_with(b"--");
        self.since
            .filter(|_| is_suspect && tally.accepted.frames == 0)
            .map(|since| since + USELESS_AFTER)
    }

    fn bytes(&self, tally: &Tally) -> u64 {
        bytes_of_no_frame(tally).saturating_sub(self.bytes_before)
    }
}

fn bytes_of_no_frame(tally: &Tally) -> u64 {
    tally.discarded_bytes + tally.rejected_bytes()
}

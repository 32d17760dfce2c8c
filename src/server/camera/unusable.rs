//! Output of a driver that is not a frame: when it is reported, and what it looks like.

use std::time::{Duration, Instant};

use crate::wire::part::{Reason, Tally};
use crate::wire::sniff::{Content, HEAD_BYTES};

/// After this many bytes without a frame, the output is reported.
const UNUSABLE_BYTES: u64 = 64 * 1024;

/// A driver without a frame is reported this long after its first bytes, however few they are.
const UNUSABLE_AFTER: Duration = Duration::from_secs(5);

/// The output of a driver since its newest frame.
#[derive(Debug, Default)]
pub(super) struct UnusableOutput {
    /// Its first bytes, to recognize the format.
    head: Vec<u8>,
    /// When the first bytes arrived.
    since: Option<Instant>,
    /// The unusable bytes before the newest frame, which do not count.
    bytes_before: u64,
    /// Why the last picture was rejected.
    pub(super) rejected: Option<Reason>,
}

impl UnusableOutput {
    /// Starts again after a frame, when the driver's count was `tally`.
    pub(super) fn after_frame(tally: &Tally) -> Self {
        Self {
            bytes_before: unusable_bytes(tally),
            ..Self::default()
        }
    }

    /// Records bytes that the driver wrote.
    pub(super) fn record(&mut self, bytes: &[u8], now: Instant) {
        self.since.get_or_insert(now);
        let room = HEAD_BYTES.saturating_sub(self.head.len());
        self.head
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// Returns the problem and its remedy, once it is certain. `frame_bytes_max` is the limit of a
    /// frame, which the text may name.
    pub(super) fn problem(
        &self,
        tally: &Tally,
        frame_bytes_max: usize,
        now: Instant,
    ) -> Option<String> {
        let is_due = self.bytes(tally) >= UNUSABLE_BYTES
            || self.problem_at(tally).is_some_and(|at| now >= at);
        is_due.then(|| self.describe(frame_bytes_max))
    }

    /// Returns the problem of a driver that has exited: nothing will follow its output, unless that
    /// begins a JPEG.
    pub(super) fn problem_at_exit(&self, tally: &Tally, frame_bytes_max: usize) -> Option<String> {
        let is_unusable =
            self.rejected.is_some() || !self.head.is_empty() && !self.head.starts_with(b"\xff\xd8");
        (is_unusable && tally.accepted.frames == 0).then(|| self.describe(frame_bytes_max))
    }

    fn describe(&self, frame_bytes_max: usize) -> String {
        if let Some(reason) = self.rejected {
            let reason = reason.message(frame_bytes_max);
            return format!("frames rejected: {reason}");
        }
        let content = Content::detect(&self.head);
        format!("expected JPEG, got {content}; {}", content.remedy())
    }

    /// Returns when there is a problem even if the driver writes nothing more. A driver that has
    /// written frames may pause after a few bytes of padding.
    pub(super) fn problem_at(&self, tally: &Tally) -> Option<Instant> {
        // Bytes that may begin a frame are no problem. Dashes begin a boundary at most.
        let is_suspect = self.bytes(tally) > 0 || self.head.starts_with(b"--");
        self.since
            .filter(|_| is_suspect && tally.accepted.frames == 0)
            .map(|since| since + UNUSABLE_AFTER)
    }

    fn bytes(&self, tally: &Tally) -> u64 {
        unusable_bytes(tally).saturating_sub(self.bytes_before)
    }
}

fn unusable_bytes(tally: &Tally) -> u64 {
    tally.discarded_bytes + tally.rejected_bytes()
}

//! What the hub counts.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use serde::Serialize;

/// How often something happens, measured over windows of at least a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    window_started: Option<Instant>,
    ticks: u32,
    per_second: f32,
}

impl Meter {
    const WINDOW: Duration = Duration::from_secs(1);
    /// A rate that was measured this long ago says nothing about now.
    const STALE: Duration = Duration::from_secs(3);

    /// Counts one.
    pub fn tick(&mut self, now: Instant) {
        let Some(started) = self.window_started else {
            self.window_started = Some(now);
            return;
        };
        self.ticks += 1;
        let elapsed = now.saturating_duration_since(started);
        if elapsed >= Self::WINDOW {
            self.per_second = self.ticks as f32 / elapsed.as_secs_f32();
            self.window_started = Some(now);
            self.ticks = 0;
        }
    }

    /// The rate, per second. It falls by itself when nothing happens any more.
    pub fn per_second(&self, now: Instant) -> f32 {
        let elapsed = self.window_started.map_or(Duration::ZERO, |started| {
            now.saturating_duration_since(started)
        });
        if elapsed > Self::STALE {
            self.ticks as f32 / elapsed.as_secs_f32()
        } else {
            self.per_second
        }
    }
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The peer closed it, or its network did.
    PeerClosed,
    /// The last reply was sent.
    Finished,
    /// Nothing, or no whole request, was said in time.
    RequestTimeout,
    /// The peer's kernel took no byte for too long.
    StallTimeout,
    /// One frame took too long.
    FrameTimeout,
    /// It held the oldest frame when too many were held.
    RetainedLimit,
    /// The transport failed.
    TransportError,
    /// The server is going down.
    Shutdown,
    /// The credential that opened a clip expired, or was revoked, before its end.
    CredentialExpired,
}

impl CloseReason {
    /// The reason that an error of a transport is.
    pub fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected => {
                CloseReason::PeerClosed
            }
            _ => CloseReason::TransportError,
        }
    }
}

/// Connections closed, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(
    missing_docs,
    reason = "each field is the count of the reason of the same name"
)]
pub struct Closes {
    pub peer_closed: u64,
    pub finished: u64,
    pub request_timeout: u64,
    pub stall_timeout: u64,
    pub frame_timeout: u64,
    pub retained_limit: u64,
    pub transport_error: u64,
    pub shutdown: u64,
    pub credential_expired: u64,
}

impl Closes {
    /// Every reason and its count.
    pub fn by_reason(&self) -> [(&'static str, u64); 9] {
        // Taken apart by name, so that a new reason cannot be forgotten here.
        let Self {
            peer_closed,
            finished,
            request_timeout,
            stall_timeout,
            frame_timeout,
            retained_limit,
            transport_error,
            shutdown,
            credential_expired,
        } = *self;
        [
            ("peer_closed", peer_closed),
            ("finished", finished),
            ("request_timeout", request_timeout),
            ("stall_timeout", stall_timeout),
            ("frame_timeout", frame_timeout),
            ("retained_limit", retained_limit),
            ("transport_error", transport_error),
            ("shutdown", shutdown),
            ("credential_expired", credential_expired),
        ]
    }

    /// Counts one.
    pub fn count(&mut self, reason: CloseReason) {
        let count = match reason {
            CloseReason::PeerClosed => &mut self.peer_closed,
            CloseReason::Finished => &mut self.finished,
            CloseReason::RequestTimeout => &mut self.request_timeout,
            CloseReason::StallTimeout => &mut self.stall_timeout,
            CloseReason::FrameTimeout => &mut self.frame_timeout,
            CloseReason::RetainedLimit => &mut self.retained_limit,
            CloseReason::TransportError => &mut self.transport_error,
            CloseReason::Shutdown => &mut self.shutdown,
            CloseReason::CredentialExpired => &mut self.credential_expired,
        };
        *count += 1;
    }
}

/// What happened to the frames that were published while a viewer, or all of them, watched:
/// `offered = delivered + skipped_slow + skipped_rate + cut`, once nothing is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FrameCounts {
    /// Frames there were for it, the one it was greeted with included.
    pub offered: u64,
    /// Frames whose last byte the kernel took.
    pub delivered: u64,
    /// Frames given once more, because nothing newer came.
    pub repeated: u64,
    /// Frames a newer one replaced before they had begun to leave.
    pub skipped_slow: u64,
    /// Frames left out because the viewer asked for fewer.
    pub skipped_rate: u64,
    /// Frames that had begun to leave when the connection ended.
    pub cut: u64,
}

impl FrameCounts {
    /// Adds another's counts to these.
    pub fn add(&mut self, other: &FrameCounts) {
        self.offered += other.offered;
        self.delivered += other.delivered;
        self.repeated += other.repeated;
        self.skipped_slow += other.skipped_slow;
        self.skipped_rate += other.skipped_rate;
        self.cut += other.cut;
    }
}

/// What became of writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WriteCounts {
    /// Bytes the transports took.
    pub sent_bytes: u64,
    /// Writes of which the transport took a part.
    pub partial_writes: u64,
    /// Writes that would have blocked.
    pub would_blocks: u64,
}

impl WriteCounts {
    /// Counts writes up to the next pause.
    pub fn add(&mut self, bytes: usize, is_partial: bool, would_block: bool) {
        self.sent_bytes += bytes as u64;
        self.partial_writes += u64::from(is_partial);
        self.would_blocks += u64::from(would_block);
    }
}

/// What all connections together came to.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Totals {
    /// Connections admitted.
    pub accepted: u64,
    /// Requests handed out to be answered.
    pub requests: u64,
    /// Requests refused before that, as malformed or too late.
    pub invalid_requests: u64,
    /// Connections closed, by reason.
    pub closed: Closes,
    /// Frames published, over all cameras, those that stood in for live ones included.
    #[serde(skip)]
    pub published: u64,
    /// Bytes that came.
    pub received_bytes: u64,
    /// Writes; reads that would have blocked count there, too.
    #[serde(flatten)]
    pub writes: WriteCounts,
    /// Connections whose turn ended on their budget, with work left.
    pub budget_exhausted: u64,
    /// Events for a connection that was no longer there.
    pub stale_events: u64,
    /// Records of frames that tables and events left out, since their peers were too slow.
    pub events_missed: u64,
    /// Streams and other bodies that ended because the credential that opened them expired or was
    /// revoked.
    pub credential_expired: u64,
}

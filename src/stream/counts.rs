//! The counters of the hub.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use serde::Serialize;

/// A rate of events, measured over windows of at least a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    window_started: Option<Instant>,
    ticks: u32,
    per_second: f32,
}

impl Meter {
    const WINDOW: Duration = Duration::from_secs(1);
    /// A rate that was measured this long ago is out of date.
    const STALE: Duration = Duration::from_secs(3);

    /// Counts one event.
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

    /// Returns the rate per second. It falls when no more events come.
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
    /// No whole request arrived in time.
    RequestTimeout,
    /// The transport took no byte for too long.
    StallTimeout,
    /// One frame took too long.
    FrameTimeout,
    /// It held the oldest frame when too many were held.
    RetainedLimit,
    /// The transport failed.
    TransportError,
    /// The server shuts down.
    Shutdown,
    /// The credential that opened the body expired or was revoked before the end of the body.
    CredentialExpired,
}

impl CloseReason {
    /// Returns the reason for an error of a transport.
    pub fn from_error(error: &io::Error) -> Self {
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
    /// Returns every reason and its count.
    pub fn by_reason(&self) -> [(&'static str, u64); 9] {
        // Destructured without `..`: a new reason does not compile until it is listed.
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

    /// Counts a closed connection.
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

/// The fate of the frames that were published during one subscription, or over all of them. With
/// nothing in flight, `offered = delivered + skipped_slow + skipped_rate + cut`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FrameCounts {
    /// Frames that were published for the viewer, with its first one.
    pub offered: u64,
    /// Frames whose last byte the transport took.
    pub delivered: u64,
    /// Frames sent once more, because no newer one came.
    pub repeated: u64,
    /// Frames that a newer one replaced before their first byte left.
    pub skipped_slow: u64,
    /// Frames skipped because of the viewer's rate limit.
    pub skipped_rate: u64,
    /// Frames that were partly sent when the connection ended.
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

/// The results of writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WriteCounts {
    /// Bytes that the transport took.
    pub sent_bytes: u64,
    /// Writes of which the transport took a part.
    pub partial_writes: u64,
    /// Writes that returned "would block"; in [`Totals`], also reads.
    pub would_blocks: u64,
}

impl WriteCounts {
    /// Adds the result of one attempt.
    pub fn add(&mut self, bytes: usize, is_partial: bool, would_block: bool) {
        self.sent_bytes += bytes as u64;
        self.partial_writes += u64::from(is_partial);
        self.would_blocks += u64::from(would_block);
    }
}

/// The totals over all connections.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Totals {
    /// Connections admitted.
    pub accepted: u64,
    /// Requests that were complete and valid.
    pub requests: u64,
    /// Requests refused by the hub: malformed, late, or from a client with too many connections.
    pub invalid_requests: u64,
    /// Connections closed, by reason.
    pub closed: Closes,
    /// Frames published, over all cameras, with placeholders.
    #[serde(skip)]
    pub published: u64,
    /// Bytes read.
    pub received_bytes: u64,
    /// Writes. `would_blocks` also counts reads.
    #[serde(flatten)]
    pub writes: WriteCounts,
    /// Attempts to read or write that ended at their budget, with work left.
    pub budget_exhausted: u64,
    /// Events for closed connections.
    pub stale_events: u64,
    /// Events and table rows that slow peers missed.
    pub events_missed: u64,
    /// Streams and other bodies that ended because the credential that opened them expired or was
    /// revoked.
    pub credential_expired: u64,
}

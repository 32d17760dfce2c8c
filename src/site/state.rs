//! The figures of `/state`. Where ustreamer has a field of the same meaning, it has its name and place.

use std::collections::BTreeMap;

use serde::Serialize;

use super::auth::Counts;
use crate::stream::Histogram;
use crate::stream::metrics::{FrameCounts, Totals};

/// Viewers listed in one answer, unless they are asked for by their keys: a crowd's figures would be megabytes.
pub const VIEWERS_LISTED_MAX: usize = 256;

/// All of `/state`.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are the documentation, in the reader's JSON as here")]
pub struct State {
    pub ok: bool,
    pub result: Selected,
    #[serde(flatten)]
    pub summary: Summary,
    pub limits: Limits,
}

/// What changes: the data of a `state` event, and most of `/state`.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Summary {
    pub cameras: Vec<Camera>,
    pub viewers: usize,
    pub publishers: Vec<Publisher>,
    pub frames: FrameCounts,
    /// Bytes of past frames that slow viewers hold.
    pub pinned_bytes: usize,
    /// Requests refused before anybody looked what they are for, by reason.
    pub refused: Counts,
    pub connections: Connections,
    #[serde(rename = "loop")]
    pub event_loop: EventLoop,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl State {
    /// The figures of the camera at place `camera` alone, without those of the server as a whole, of other viewers, and
    /// of where its frames come from: for the holder of a token that opens one camera.
    pub fn of_camera_alone(mut self, camera: usize) -> Self {
        let cameras = std::mem::take(&mut self.summary.cameras);
        let own = cameras.into_iter().nth(camera).map(|camera| Camera { source: String::new(), ..camera });
        let summary = &mut self.summary;
        summary.viewers = own.as_ref().map_or(0, |camera| camera.viewers);
        summary.frames = own.as_ref().map_or(FrameCounts::default(), |camera| camera.frames);
        summary.cameras = own.into_iter().collect();
        summary.publishers = Vec::new();
        summary.refused = Counts::default();
        summary.pinned_bytes = 0;
        summary.connections = Connections::default();
        summary.tls = None;
        self
    }
}

/// The camera that was asked for, in ustreamer's shape. Rates are whole numbers there, as whoever reads them expects;
/// [`Camera`] has them to the decimal.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Selected {
    pub instance_id: String,
    pub source: Source,
    pub stream: Stream,
}

#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Source {
    pub online: bool,
    pub resolution: Resolution,
    pub desired_fps: u32,
    pub captured_fps: u32,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Resolution {
    pub width: u16,
    pub height: u16,
}

#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Stream {
    pub queued_fps: u32,
    pub clients: usize,
    pub clients_stat: BTreeMap<String, Viewer>,
}

/// One viewer.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Viewer {
    pub key: String,
    pub peer: String,
    pub camera: String,
    pub fps: u32,
    pub advance_headers: bool,
    #[serde(flatten)]
    pub frames: FrameCounts,
    pub queued_bytes: usize,
    pub partial_writes: u64,
    pub age_ms: u64,
}

/// One camera.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Camera {
    pub name: String,
    pub source: String,
    pub online: bool,
    pub running: bool,
    pub captured_fps: f32,
    pub resolution: Resolution,
    pub sequence: u64,
    pub frame_age_ms: Option<u64>,
    pub viewers: usize,
    /// What is kept of its past.
    pub history_frames: usize,
    pub history_bytes: usize,
    pub restarts: u32,
    pub accepted: u64,
    /// Accepted frames with a flaw in them or their framing that was mended.
    pub repaired: u64,
    pub rejected: BTreeMap<&'static str, u64>,
    /// Times and numbers of frames that were out of range: the time of arrival and the next number stand for them.
    pub timestamps_ignored: u64,
    pub sequences_ignored: u64,
    /// All bytes that its drivers wrote are in one of these four: whole frames, flawed ones, none, and not known yet.
    pub accepted_bytes: u64,
    pub rejected_bytes: u64,
    pub skipped_bytes: u64,
    pub undecided_bytes: u64,
    pub published: u64,
    pub frames: FrameCounts,
    #[serde(skip)]
    pub capture_to_publish: Histogram,
    #[serde(skip)]
    pub capture_to_last_byte: Histogram,
    /// Whether it should give frames and does not, for longer than a restart takes.
    pub offline: bool,
    /// Whether viewers are shown a picture that stands in for live ones.
    pub stood_in_for: bool,
    pub error: Option<String>,
}

/// One place where a camera is published.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Publisher {
    pub camera: String,
    pub target: String,
    pub running: bool,
    pub restarts: u32,
    /// What its process was given as a viewer, since it was started.
    #[serde(flatten)]
    pub frames: FrameCounts,
    pub error: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Connections {
    pub open: usize,
    /// Tables that are being read, listeners to events, and clips that are being sent.
    pub tables: usize,
    pub listeners: usize,
    pub clips: usize,
    #[serde(flatten)]
    pub totals: Totals,
}

/// The loop itself.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct EventLoop {
    pub turns: u64,
    pub events: u64,
    pub wakeups: u64,
    pub turns_per_second: f32,
    pub longest_turn_us: u64,
    #[serde(skip)]
    pub turn: Histogram,
    pub cpu_ms: u64,
    pub accepts_exhausted: u64,
    pub log_lines_lost: u64,
    pub uptime_ms: u64,
}

/// Encrypted listeners.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Tls {
    pub handshakes: u64,
    pub handshakes_failed: u64,
    /// Connections that spoke HTTP without TLS, and were told so.
    pub plain_requests: u64,
    pub renewals: u64,
    /// Renewed certificates that could not be used: the old one was kept.
    pub renewals_failed: u64,
}

#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Limits {
    pub handshake_timeout_ms: u64,
    pub viewers_max: usize,
    pub connections_max: usize,
    pub connections_per_address_max: usize,
    pub request_timeout_ms: u64,
    pub idle_timeout_ms: u64,
    pub stall_timeout_ms: u64,
    pub frame_timeout_ms: u64,
    pub repeat_after_ms: u64,
    pub frames_pinned_bytes_max: usize,
    pub history_ms: u64,
    pub history_bytes_max: usize,
    pub clips_max: usize,
}

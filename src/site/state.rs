//! The figures of `/state`. Where ustreamer has a field of the same meaning, it has its name and place.

use std::collections::BTreeMap;

use serde::Serialize;

use super::auth::Counts;
use crate::stream::metrics::{FrameCounts, Totals};

/// Viewers listed in one answer, unless they are asked for by their keys: a crowd's figures would be megabytes.
pub const VIEWERS_LISTED_MAX: usize = 256;

/// All of `/state`.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the names are the documentation, in the reader's JSON as here")]
pub struct State {
    pub ok: bool,
    pub result: Selected,
    pub cameras: Vec<Camera>,
    pub frames: FrameCounts,
    pub connections: Connections,
    /// Requests refused before anybody looked what they are for, by reason.
    pub refused: Counts,
    #[serde(rename = "loop")]
    pub event_loop: EventLoop,
    pub limits: Limits,
}

/// The camera that was asked for, in ustreamer's shape.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Selected {
    pub instance_id: String,
    pub source: Source,
    pub stream: Stream,
}

#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Source {
    pub online: bool,
    pub resolution: Resolution,
    pub desired_fps: f32,
    pub captured_fps: f32,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Resolution {
    pub width: u16,
    pub height: u16,
}

#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Stream {
    pub queued_fps: f32,
    pub clients: usize,
    pub clients_stat: BTreeMap<String, Viewer>,
}

/// One viewer.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Viewer {
    pub key: String,
    pub peer: String,
    pub camera: String,
    pub fps: f32,
    pub advance_headers: bool,
    #[serde(flatten)]
    pub frames: FrameCounts,
    pub queued_bytes: usize,
    pub partial_writes: u64,
    pub age_ms: u64,
}

/// One camera.
#[derive(Debug, Serialize)]
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
    pub restarts: u32,
    pub accepted: u64,
    pub rejected: BTreeMap<&'static str, u64>,
    pub skipped_bytes: u64,
    /// Whether viewers are shown a picture that stands in for live ones.
    pub stood_in_for: bool,
    pub error: Option<String>,
}

#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Connections {
    pub open: usize,
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
    pub accepts_exhausted: u64,
    pub log_lines_lost: u64,
    pub uptime_ms: u64,
}

#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "see State")]
pub struct Limits {
    pub viewers_max: usize,
    pub connections_max: usize,
    pub connections_per_address_max: usize,
    pub request_timeout_ms: u64,
    pub idle_timeout_ms: u64,
    pub stall_timeout_ms: u64,
    pub frame_timeout_ms: u64,
    pub repeat_after_ms: u64,
    pub frames_pinned_bytes_max: usize,
}

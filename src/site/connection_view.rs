//! Connections as `/state` and the `loop` event of `/events` list them.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::hub::{BodyKind, Hub, Transport};
use crate::hub::{Connection, State};
use crate::stream::counts::FrameCounts;
use crate::wire::multipart::Framing;

/// Limit of the connections in one [`LoopEvent`]. Of more, it has the first in the order of slots.
pub const CONNECTIONS_SHOWN_MAX: usize = 64;

/// One connection.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(
    missing_docs,
    reason = "the guide's page metrics.md describes each field"
)]
pub struct ConnectionView {
    pub number: u32,
    pub peer: String,
    pub kind: Kind,
    pub age_ms: u64,
    /// Of a viewer: the value of `key=`, its camera, its delivered frames per second, its framing.
    pub key: String,
    pub camera: String,
    pub fps: u32,
    pub advance_headers: bool,
    #[serde(flatten)]
    pub frames: FrameCounts,
    /// The sequence of the newest frame for it, if no byte of that was sent.
    pub waiting_sequence: Option<u64>,
    pub in_flight: Option<InFlight>,
    /// Whether a read or write may succeed: the last one did not return "would block".
    pub readable: bool,
    pub writable: bool,
    pub queued_bytes: usize,
    pub sent_bytes: u64,
    pub would_blocks: u64,
    pub partial_writes: u64,
}

/// What a connection receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Frames.
    Viewer,
    /// Server-sent events.
    Events,
    /// The table of frames.
    Table,
    /// Responses to single requests.
    #[default]
    Request,
}

/// A frame that is partly sent.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs, reason = "see ConnectionView")]
pub struct InFlight {
    pub sequence: u64,
    pub bytes: usize,
    pub bytes_left: usize,
}

/// The data of a `loop` event, which the page `/loop` draws.
#[derive(Debug, Serialize)]
pub struct LoopEvent {
    /// The turns since the last event. [`Turn`] is an array, since JSON would repeat the names.
    pub turns: Vec<Turn>,
    /// Further turns that did not fit.
    pub turns_omitted: u64,
    /// The number of open connections.
    pub connections_open: usize,
    /// The connections, up to [`CONNECTIONS_SHOWN_MAX`].
    pub connections: Vec<ConnectionView>,
}

/// One turn: its start (µs since the start of the loop), its duration (µs), events handled, bytes
/// received, bytes sent, frames published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Turn(pub u64, pub u64, pub u64, pub u64, pub u64, pub u64);

impl ConnectionView {
    /// Returns the view of a connection. `names` are the cameras' names.
    pub fn new<T: Transport>(
        hub: &Hub<T>,
        connection: &Connection<T>,
        names: &[&str],
        now: Instant,
    ) -> Self {
        let in_flight = connection
            .queue
            .in_flight()
            .map(|(frame, bytes_left)| InFlight {
                sequence: frame.sequence,
                bytes: frame.bytes,
                bytes_left,
            });
        let view = Self {
            number: connection.key.number,
            peer: connection.client.to_string(),
            kind: Kind::of(connection),
            age_ms: millis(now.saturating_duration_since(connection.since)),
            in_flight,
            readable: connection.readable,
            writable: connection.writable,
            queued_bytes: connection.queue.bytes_queued(),
            sent_bytes: connection.writes.sent_bytes,
            would_blocks: connection.writes.would_blocks,
            partial_writes: connection.writes.partial_writes,
            ..Self::default()
        };
        let Some(viewer) = connection.viewer() else {
            return view;
        };
        let channel = &hub.live().channels[viewer.camera];
        let (newest, _) = channel.newest(viewer.delay, now);
        Self {
            age_ms: millis(now.saturating_duration_since(viewer.since)),
            key: viewer.label.to_string(),
            camera: names[viewer.camera].to_owned(),
            fps: whole(viewer.tally.rate.per_second(now)),
            advance_headers: viewer.framing == Framing::Advance,
            frames: viewer.counts(channel.newest_number(viewer.delay, now)),
            waiting_sequence: newest
                .filter(|frame| viewer.tally.is_new(frame))
                .map(|frame| frame.sequence),
            ..view
        }
    }
}

impl Kind {
    fn of<T>(connection: &Connection<T>) -> Self {
        match body_kind(connection) {
            Some(BodyKind::Frames) => Self::Viewer,
            Some(BodyKind::Table) => Self::Table,
            Some(BodyKind::Events) => Self::Events,
            Some(BodyKind::Clip) | None => Self::Request,
        }
    }
}

/// Returns the kind of a connection's body, if it has one that is pulled.
pub fn body_kind<T>(connection: &Connection<T>) -> Option<BodyKind> {
    match &connection.state {
        State::Sending(sending) => sending.body.as_ref().map(|body| body.kind()),
        _ => None,
    }
}

/// Returns a rate as a whole number, as in ustreamer.
pub(super) fn whole(per_second: f32) -> u32 {
    per_second.round() as u32
}

/// Returns a duration in milliseconds.
pub fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

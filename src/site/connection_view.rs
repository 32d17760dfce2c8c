//! Connections as `/state` lists the viewers among them, and as `/loop` draws them.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::hub::{BodyKind, Hub, Transport};
use crate::hub::{Connection, State};
use crate::stream::counts::FrameCounts;
use crate::wire::multipart::Framing;

/// Connections shown in one [`LoopEvent`]; of more, the first in the order of their slots.
pub const CONNECTIONS_SHOWN_MAX: usize = 64;

/// One connection.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(
    missing_docs,
    reason = "the names are the documentation, in the reader's JSON as here"
)]
pub struct ConnectionView {
    pub number: u32,
    pub peer: String,
    pub kind: Kind,
    pub age_ms: u64,
    /// Of a viewer: the word it gave as `key=`, its camera, its frames delivered a second and its
    /// framing.
    pub key: String,
    pub camera: String,
    pub fps: u32,
    pub advance_headers: bool,
    #[serde(flatten)]
    pub frames: FrameCounts,
    /// The sequence of the newest frame for it, if that has not begun to leave.
    pub waiting_sequence: Option<u64>,
    pub in_flight: Option<InFlight>,
    /// There may be bytes to read, and room for bytes to write: no "would block" has said
    /// otherwise.
    pub readable: bool,
    pub writable: bool,
    pub queued_bytes: usize,
    pub sent_bytes: u64,
    pub would_blocks: u64,
    pub partial_writes: u64,
}

/// What a connection is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Frames.
    Viewer,
    /// Server-sent events.
    Events,
    /// A table.
    Table,
    /// Replies, one after another.
    #[default]
    Request,
}

/// A frame of which some bytes have left.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs, reason = "see ConnectionView")]
pub struct InFlight {
    pub sequence: u64,
    pub bytes: usize,
    pub bytes_left: usize,
}

/// The data of a `loop` event, which `/loop` draws.
#[derive(Debug, Serialize)]
pub struct LoopEvent {
    /// The turns since the last such event: see [`Turn`] for the order of the numbers. JSON would
    /// repeat their names.
    pub turns: Vec<Turn>,
    /// Turns that are not among them, because there were too many.
    pub turns_omitted: u64,
    /// Connections there are.
    pub connections_open: usize,
    /// Those that are shown.
    pub connections: Vec<ConnectionView>,
}

/// One turn: when it began (µs since the loop did), how long it took (µs), events handled, bytes
/// read and written, frames published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Turn(pub u64, pub u64, pub u64, pub u64, pub u64, pub u64);

impl ConnectionView {
    /// Returns how a connection stands. The cameras are called `names`.
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

/// Returns what a connection is sent, if that is made as it is sent.
pub fn body_kind<T>(connection: &Connection<T>) -> Option<BodyKind> {
    match &connection.state {
        State::Sending(sending) => sending.body.as_ref().map(|body| body.kind()),
        _ => None,
    }
}

/// Returns a rate as ustreamer states it.
pub(super) fn whole(per_second: f32) -> u32 {
    per_second.round() as u32
}

/// Returns a time in milliseconds, for JSON.
pub fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

//! A snapshot of the server's state, which `/state`, `/metrics` and `/events` render. A field with
//! the meaning of one of ustreamer's has the same name.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

use super::auth::Counts;
use super::connection_view::{ConnectionView, body_kind, millis};
use crate::hub::{BodyKind, Hub, Key, Limits, Transport};
use crate::stream::Channel;
use crate::stream::counts::{FrameCounts, Totals};
use crate::stream::{Frame, Histogram};

/// Limit of the viewers listed in a snapshot. 3,000 viewers would be a megabyte of JSON.
pub const VIEWERS_LISTED_MAX: usize = 256;

/// The server at one moment: the data of a `state` event, and most of `/state`.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(
    missing_docs,
    reason = "the guide's page metrics.md describes each field"
)]
pub struct Snapshot {
    pub cameras: Vec<Camera>,
    pub viewers: usize,
    pub publishers: Vec<Publisher>,
    pub frames: FrameCounts,
    /// Bytes of past frames that are retained for slow viewers.
    pub retained_bytes: usize,
    /// Requests that failed access control, by reason.
    pub refused: Counts,
    pub connections: Connections,
    #[serde(rename = "loop")]
    pub event_loop: EventLoop,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    pub limits: LimitsInForce,
    /// The listed viewers.
    #[serde(skip)]
    pub listed: Vec<ConnectionView>,
}

/// The state of the server outside the hub.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "see Snapshot")]
pub struct Server {
    pub drivers: Vec<Driver>,
    pub publishers: Vec<Publisher>,
    pub refused: Counts,
    pub event_loop: EventLoop,
    pub tls: Option<Tls>,
    pub connections_max: usize,
}

/// One camera.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see Snapshot")]
pub struct Camera {
    #[serde(flatten)]
    pub driver: Driver,
    pub captured_fps: f32,
    pub resolution: Resolution,
    pub sequence: u64,
    pub frame_age_ms: Option<u64>,
    pub viewers: usize,
    /// Its history.
    pub history_frames: usize,
    pub history_bytes: usize,
    pub published_frames: u64,
    pub frames: FrameCounts,
    #[serde(skip)]
    pub capture_to_publish: Histogram,
    #[serde(skip)]
    pub capture_to_last_byte: Histogram,
}

/// The driver process of a camera.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see Snapshot")]
pub struct Driver {
    /// The camera's name.
    pub name: String,
    pub source: String,
    pub online: bool,
    #[serde(rename = "driver_running")]
    pub running: bool,
    #[serde(rename = "driver_restarts")]
    pub restarts: u32,
    pub accepted_frames: u64,
    /// Accepted frames that were repaired.
    pub repaired_frames: u64,
    pub rejected_frames: BTreeMap<&'static str, u64>,
    /// Capture times and sequence numbers out of range: the time of arrival and the next number are
    /// used instead.
    pub timestamps_ignored: u64,
    pub sequences_ignored: u64,
    /// The bytes read from the driver are the sum of these four: of valid frames, of invalid
    /// frames, of no frame, and not yet decoded.
    pub accepted_bytes: u64,
    pub rejected_bytes: u64,
    pub discarded_bytes: u64,
    pub buffered_bytes: u64,
    /// Whether it should deliver frames and has not, for longer than a restart takes.
    pub offline: bool,
    /// Whether viewers are shown a placeholder.
    pub placeholder: bool,
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see Snapshot")]
pub struct Resolution {
    pub width: u16,
    pub height: u16,
}

/// A target to which a camera is published.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see Snapshot")]
pub struct Publisher {
    pub camera: String,
    pub target: String,
    pub running: bool,
    pub restarts: u32,
    /// The frames sent to its process, since that was started.
    #[serde(flatten)]
    pub frames: FrameCounts,
    pub error: Option<String>,
    /// The connection to that process.
    #[serde(skip)]
    pub key: Option<Key>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see Snapshot")]
pub struct Connections {
    pub open: usize,
    /// Connections that receive a table, events, or a clip.
    pub tables: usize,
    pub event_streams: usize,
    pub clips: usize,
    #[serde(flatten)]
    pub totals: Totals,
}

/// The event loop.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see Snapshot")]
pub struct EventLoop {
    pub turns: u64,
    pub events: u64,
    pub wakeups: u64,
    pub turns_per_second: f32,
    pub longest_turn_us: u64,
    #[serde(skip)]
    pub turn: Histogram,
    pub cpu_ms: u64,
    pub accept_failures: u64,
    pub log_lines_dropped: u64,
    pub uptime_ms: u64,
}

/// The TLS listeners.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see Snapshot")]
pub struct Tls {
    pub handshakes: u64,
    pub handshakes_failed: u64,
    /// Requests in plain HTTP on a TLS port.
    pub plain_http_requests: u64,
    pub certificate_reloads: u64,
    /// Changed certificates that were invalid. The old one stays in use.
    pub certificate_reloads_failed: u64,
}

/// The limits of this server.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "see Snapshot")]
pub struct LimitsInForce {
    pub handshake_timeout_ms: u64,
    pub viewers_max: usize,
    pub connections_max: usize,
    pub connections_per_address_max: usize,
    pub request_timeout_ms: u64,
    pub idle_timeout_ms: u64,
    pub stall_timeout_ms: u64,
    pub frame_timeout_ms: u64,
    pub repeat_after_ms: u64,
    pub retained_bytes_max: usize,
    pub history_ms: u64,
    pub history_bytes_max: usize,
    pub clips_max: usize,
}

impl Snapshot {
    /// Takes a snapshot, in one pass over the connections. Lists the viewers with one of these
    /// `labels` or, without labels, all viewers, up to [`VIEWERS_LISTED_MAX`].
    pub fn new<T: Transport>(
        hub: &Hub<T>,
        server: Server,
        labels: Option<&[&str]>,
        now: Instant,
    ) -> Self {
        let drivers = server.drivers.into_iter().zip(&hub.live().channels);
        let mut snapshot = Self {
            cameras: drivers
                .map(|(driver, channel)| Camera::new(driver, channel, now))
                .collect(),
            viewers: hub.live().viewers(),
            publishers: server.publishers,
            retained_bytes: hub.live().retained.bytes(),
            refused: server.refused,
            connections: Connections {
                open: hub.connections().len(),
                totals: hub.live().totals,
                ..Connections::default()
            },
            event_loop: server.event_loop,
            tls: server.tls,
            limits: LimitsInForce::new(&hub.live().limits, server.connections_max),
            ..Self::default()
        };
        snapshot.add_connections(hub, labels, now);
        snapshot
            .cameras
            .iter()
            .for_each(|camera| snapshot.frames.add(&camera.frames));
        snapshot
    }

    fn add_connections<T: Transport>(
        &mut self,
        hub: &Hub<T>,
        labels: Option<&[&str]>,
        now: Instant,
    ) {
        let names: Vec<String> = self
            .cameras
            .iter()
            .map(|camera| camera.driver.name.clone())
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for (key, connection) in hub.connections().iter() {
            let count = match body_kind(connection) {
                Some(BodyKind::Table) => Some(&mut self.connections.tables),
                Some(BodyKind::Events) => Some(&mut self.connections.event_streams),
                Some(BodyKind::Clip) => Some(&mut self.connections.clips),
                Some(BodyKind::Frames) | None => None,
            };
            count
                .into_iter()
                .for_each(|count| *count = count.saturating_add(1));
            let Some(viewer) = connection.viewer() else {
                continue;
            };
            let frames =
                viewer.counts(hub.live().channels[viewer.camera].newest_number(viewer.delay, now));
            self.cameras[viewer.camera].frames.add(&frames);
            if let Some(publisher) = self
                .publishers
                .iter_mut()
                .find(|publisher| publisher.key == Some(key))
            {
                publisher.frames = frames;
            }
            let is_listed = labels.is_none_or(|labels| labels.contains(&&*viewer.label));
            if is_listed && self.listed.len() < VIEWERS_LISTED_MAX {
                self.listed
                    .push(ConnectionView::new(hub, connection, &names, now));
            }
        }
    }

    /// Reduces the snapshot to what a token for one camera grants access to: that camera, without
    /// its source, and nothing about the other cameras and their connections.
    pub fn for_camera(self, camera: usize) -> Self {
        let own = self.cameras.into_iter().nth(camera);
        let own = own.map(|camera| Camera {
            driver: Driver {
                source: String::new(),
                ..camera.driver
            },
            ..camera
        });
        Self {
            viewers: own.as_ref().map_or(0, |camera| camera.viewers),
            frames: own
                .as_ref()
                .map_or(FrameCounts::default(), |camera| camera.frames),
            cameras: own.into_iter().collect(),
            event_loop: self.event_loop,
            limits: self.limits,
            listed: self.listed,
            ..Self::default()
        }
    }
}

impl Camera {
    /// Returns one camera. Its counts are those of its closed viewers.
    fn new(driver: Driver, channel: &Channel, now: Instant) -> Self {
        let frame = channel.live.as_ref();
        let resolution = |frame: &Frame| Resolution {
            width: frame.picture.width,
            height: frame.picture.height,
        };
        Self {
            driver: Driver {
                sequences_ignored: driver
                    .sequences_ignored
                    .saturating_add(channel.sequences_ignored()),
                ..driver
            },
            captured_fps: channel.rate.per_second(now),
            resolution: frame.map(resolution).unwrap_or_default(),
            sequence: frame.map_or(0, |frame| frame.sequence),
            frame_age_ms: frame.map(|frame| millis(frame.age(now))),
            viewers: channel.viewers,
            history_frames: channel.history.len(),
            history_bytes: channel.history.bytes(),
            published_frames: channel.published,
            frames: channel.closed_totals,
            capture_to_publish: channel.capture_to_publish,
            capture_to_last_byte: channel.capture_to_last_byte,
        }
    }
}

impl LimitsInForce {
    fn new(limits: &Limits, connections_max: usize) -> Self {
        Self {
            handshake_timeout_ms: millis(limits.handshake_timeout),
            viewers_max: limits.viewers_max,
            connections_max,
            connections_per_address_max: limits.connections_per_client_max,
            request_timeout_ms: millis(limits.request_timeout),
            idle_timeout_ms: millis(limits.idle_timeout),
            stall_timeout_ms: millis(limits.stall_timeout),
            frame_timeout_ms: millis(limits.frame_timeout),
            repeat_after_ms: millis(limits.repeat_after),
            retained_bytes_max: limits.retained_bytes_max,
            history_ms: millis(limits.history_span),
            history_bytes_max: limits.history_bytes_max,
            clips_max: limits.clips_max,
        }
    }
}

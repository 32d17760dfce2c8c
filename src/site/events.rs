//! Server-sent events: the state every second, a record of each frame, the turns of the event loop.
//!
//! A slow client misses events: once it has received the previous ones, it gets the newest of each
//! kind. A client that reconnects with `Last-Event-ID` gets all frame records since then that the
//! event log still has.

use std::mem;
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;

use crate::hub::{Body, BodyKind, Next};
use crate::stream::event_log::{Figures, FrameRecord};
use crate::stream::{EventLog, Live, Topic};
use crate::wire::sse;

/// A chunk is sent once it has reached this size.
const CHUNK_BYTES: usize = 12 * 1024;

/// The time after which a client reconnects.
const RETRY_MS: u32 = 2000;

/// The body of one `/events` response.
#[derive(Debug)]
pub struct Events {
    /// The cameras whose frame records are sent.
    cameras: Vec<Followed>,
    with_loop: bool,
    with_state: bool,
    /// The newest id in the event log when the client connected.
    past: u64,
    /// The id of the last event sent, or of the last one that the client received before.
    last_id: u64,
    /// Frame records up to this id are sent or skipped.
    last_frame_id: u64,
    /// Frame records that were skipped since [`take_missed`](Body::take_missed).
    missed: u64,
    has_started: bool,
}

/// A camera whose frame records are sent.
#[derive(Debug)]
struct Followed {
    camera: usize,
    name: String,
    /// The number of its last record that was sent or received before.
    last_number: u64,
}

impl Events {
    /// Returns the body for the frames of `cameras`, the state and, if requested, the event loop.
    /// Frame records begin after the id `last`. Without it, or if it is greater than the newest id
    /// (it stems from another server), they begin now.
    pub fn new(
        cameras: Vec<(usize, String)>,
        with_loop: bool,
        last: Option<u64>,
        log: &EventLog,
    ) -> Self {
        let past = log.last_id();
        let last = last.filter(|&last| last <= past);
        let last_frame_id = last.unwrap_or(past);
        let followed = |(camera, name)| {
            let unsent = log.frames_after(camera, last_frame_id).len() as u64;
            Followed {
                camera,
                name,
                last_number: log.frames_recorded(camera).saturating_sub(unsent),
            }
        };
        Self {
            cameras: cameras.into_iter().map(followed).collect(),
            with_loop,
            with_state: true,
            past,
            last_id: last.unwrap_or(0),
            last_frame_id,
            missed: 0,
            has_started: false,
        }
    }

    /// Omits the `state` events.
    pub fn without_state(self) -> Self {
        Self {
            with_state: false,
            ..self
        }
    }

    /// Returns the topics of which only the newest entry is sent, with the names of their events.
    fn figures_topics(&self) -> impl Iterator<Item = (Topic, &'static str)> {
        let state = self.with_state.then_some((Topic::State, "state"));
        state
            .into_iter()
            .chain(self.with_loop.then_some((Topic::Loop, "loop")))
    }

    /// Returns all entries to send now, in the order of their ids.
    fn pending<'a>(&self, log: &'a EventLog) -> Vec<(u64, Entry<'a>)> {
        let mut pending = Vec::new();
        for (place, Followed { camera, .. }) in self.cameras.iter().enumerate() {
            let records = log.frames_after(*camera, self.last_frame_id);
            let newest = records.len().saturating_sub(1);
            let sent = records
                .enumerate()
                .filter(|(index, record)| *index == newest || record.id <= self.past);
            pending.extend(sent.map(|(_, record)| (record.id, Entry::Frame(place, record))));
        }
        for (topic, name) in self.figures_topics() {
            let figures = log
                .figures(topic)
                .filter(|figures| figures.id > self.last_id);
            pending.extend(figures.map(|figures| (figures.id, Entry::Figures(name, figures))));
        }
        pending.sort_unstable_by_key(|(id, _)| *id);
        pending
    }
}

impl Body for Events {
    fn kind(&self) -> BodyKind {
        BodyKind::Events
    }

    fn topics(&self) -> Vec<Topic> {
        let frames = self.cameras.iter().map(|followed| Topic::Frames {
            camera: followed.camera,
        });
        frames
            .chain(self.figures_topics().map(|(topic, _)| topic))
            .collect()
    }

    fn next(&mut self, live: &Live, _: Instant) -> Next {
        let mut out = Vec::new();
        if !self.has_started {
            self.has_started = true;
            sse::write_retry(&mut out, RETRY_MS);
        }
        let mut last_id = self.last_id;
        for (id, entry) in self.pending(&live.event_log) {
            if out.len() >= CHUNK_BYTES {
                break;
            }
            match entry {
                Entry::Frame(place, record) => {
                    let followed = &mut self.cameras[place];
                    let missed = record
                        .number
                        .saturating_sub(followed.last_number.saturating_add(1));
                    self.missed = self.missed.saturating_add(missed);
                    followed.last_number = record.number;
                    // Numbers and strings always serialize.
                    let data =
                        serde_json::to_vec(&Frame::new(&followed.name, record)).unwrap_or_default();
                    sse::write_event(&mut out, id, "frame", &data);
                }
                Entry::Figures(name, figures) => {
                    sse::write_event(&mut out, id, name, &figures.data)
                }
            }
            last_id = id;
        }
        self.last_frame_id = self.last_frame_id.max(last_id);
        self.last_id = last_id;
        Next::bytes(out)
    }

    fn keep_alive(&self) -> Option<Bytes> {
        Some(Bytes::from_static(sse::COMMENT))
    }

    fn take_missed(&mut self) -> u64 {
        mem::take(&mut self.missed)
    }
}

/// The content of one event.
enum Entry<'a> {
    /// The index in [`Events::cameras`], and the record.
    Frame(usize, &'a FrameRecord),
    /// The name of the event, and its data.
    Figures(&'static str, &'a Figures),
}

/// The data of a `frame` event.
#[derive(Debug, Serialize)]
pub(super) struct Frame<'a> {
    camera: &'a str,
    sequence: u64,
    /// In seconds since the Unix epoch.
    captured_at: f64,
    bytes: usize,
    width: u16,
    height: u16,
}

impl<'a> Frame<'a> {
    pub(super) fn new(camera: &'a str, record: &FrameRecord) -> Self {
        let FrameRecord {
            sequence,
            captured_wall,
            bytes,
            width,
            height,
            ..
        } = *record;
        Self {
            camera,
            sequence,
            captured_at: captured_wall.since_epoch().as_micros() as f64 / 1e6,
            bytes,
            width,
            height,
        }
    }
}

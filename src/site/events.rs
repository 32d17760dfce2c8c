//! Server-sent events: the server's figures each second, each frame's facts, the turns of the loop.
//!
//! A slow listener is told the newest of each kind once it has taken what it was told before. What
//! was published before it came, it is told in full if it says where it stopped, as far as that is
//! remembered.

use std::mem;
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;

use crate::hub::{Body, BodyKind, Next};
use crate::stream::event_log::{Figures, FrameRecord};
use crate::stream::{EventLog, Live, Topic};
use crate::wire::sse;

/// What is told at once is sent once it has grown to this size.
const CHUNK_BYTES: usize = 12 * 1024;

/// A client waits this long before it connects again.
const RETRY_MS: u32 = 2000;

/// Writes events for one listener.
#[derive(Debug)]
pub struct Events {
    /// The cameras whose frames are told of.
    cameras: Vec<Followed>,
    tells_loop: bool,
    tells_state: bool,
    /// Up to this number in the journal, frames were published before the listener came.
    past: u64,
    /// The number of the last event told, or of the last one that the listener says it knows.
    told: u64,
    /// And of frames: all up to this number are known, or not asked for.
    told_frames: u64,
    /// Frames that it will never be told of, since somebody asked last.
    missed: u64,
    is_greeted: bool,
}

/// A camera whose frames are told of.
#[derive(Debug)]
struct Followed {
    camera: usize,
    name: String,
    /// The number, among its frames, of the last one told of or known.
    told_number: u64,
}

impl Events {
    /// The events of `cameras`' frames, and of the loop if so asked, from the one after number
    /// `last` on; from now on if that is not given, or a number of the future, as one of another
    /// server's may be.
    pub fn new(
        cameras: Vec<(usize, String)>,
        tells_loop: bool,
        last: Option<u64>,
        log: &EventLog,
    ) -> Self {
        let past = log.last_id();
        let last = last.filter(|&last| last <= past);
        let told_frames = last.unwrap_or(past);
        let followed = |(camera, name)| {
            let to_tell = log.frames_after(camera, told_frames).len() as u64;
            Followed {
                camera,
                name,
                told_number: log.frames_recorded(camera).saturating_sub(to_tell),
            }
        };
        Self {
            cameras: cameras.into_iter().map(followed).collect(),
            tells_loop,
            tells_state: true,
            past,
            told: last.unwrap_or(0),
            told_frames,
            missed: 0,
            is_greeted: false,
        }
    }

    /// The same without the server's figures.
    pub fn without_state(self) -> Self {
        Self {
            tells_state: false,
            ..self
        }
    }

    /// The topics of which only the newest entry is sent, with the names of the events.
    fn news(&self) -> impl Iterator<Item = (Topic, &'static str)> {
        let state = self.tells_state.then_some((Topic::State, "state"));
        state
            .into_iter()
            .chain(self.tells_loop.then_some((Topic::Loop, "loop")))
    }

    /// Everything that is to be told now, in the order of its numbers.
    fn pending<'a>(&self, log: &'a EventLog) -> Vec<(u64, Entry<'a>)> {
        let mut pending = Vec::new();
        for (place, Followed { camera, .. }) in self.cameras.iter().enumerate() {
            let facts = log.frames_after(*camera, self.told_frames);
            let newest = facts.len().saturating_sub(1);
            let told = facts
                .enumerate()
                .filter(|(age, fact)| *age == newest || fact.id <= self.past);
            pending.extend(told.map(|(_, fact)| (fact.id, Entry::Frame(place, fact))));
        }
        for (topic, name) in self.news() {
            let news = log.figures(topic).filter(|news| news.id > self.told);
            pending.extend(news.map(|news| (news.id, Entry::News(name, news))));
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
        frames.chain(self.news().map(|(topic, _)| topic)).collect()
    }

    fn next(&mut self, live: &Live, _: Instant) -> Next {
        let mut out = Vec::new();
        if !self.is_greeted {
            self.is_greeted = true;
            sse::write_retry(&mut out, RETRY_MS);
        }
        let mut told = self.told;
        for (id, entry) in self.pending(&live.event_log) {
            if out.len() >= CHUNK_BYTES {
                break;
            }
            match entry {
                Entry::Frame(place, fact) => {
                    let followed = &mut self.cameras[place];
                    let missed = fact
                        .number
                        .saturating_sub(followed.told_number.saturating_add(1));
                    self.missed = self.missed.saturating_add(missed);
                    followed.told_number = fact.number;
                    // Plain numbers and words always serialise.
                    let data =
                        serde_json::to_vec(&Frame::new(&followed.name, fact)).unwrap_or_default();
                    sse::write_event(&mut out, id, "frame", &data);
                }
                Entry::News(name, news) => sse::write_event(&mut out, id, name, &news.data),
            }
            told = id;
        }
        self.told_frames = self.told_frames.max(told);
        self.told = told;
        Next::bytes(out)
    }

    fn keep_alive(&self) -> Option<Bytes> {
        Some(Bytes::from_static(sse::COMMENT))
    }

    fn take_missed(&mut self) -> u64 {
        mem::take(&mut self.missed)
    }
}

/// What one event tells.
enum Entry<'a> {
    /// Of which of the cameras that are followed.
    Frame(usize, &'a FrameRecord),
    News(&'static str, &'a Figures),
}

/// The data of a `frame` event.
#[derive(Debug, Serialize)]
struct Frame<'a> {
    camera: &'a str,
    sequence: u64,
    /// Seconds since the Unix epoch.
    captured_at: f64,
    bytes: usize,
    width: u16,
    height: u16,
}

impl<'a> Frame<'a> {
    fn new(camera: &'a str, fact: &FrameRecord) -> Self {
        let FrameRecord {
            sequence,
            captured_wall,
            bytes,
            width,
            height,
            ..
        } = *fact;
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

//! Server-sent events: the server's figures each second, each frame's facts, the turns of the loop.
//!
//! A slow listener is told the newest of each kind once it has taken what it was told before. What was published before
//! it came, it is told in full if it says where it stopped, as far as that is remembered.

use bytes::Bytes;
use serde::Serialize;

use crate::stream::journal::{Fact, News};
use crate::stream::{Journal, Produced, Producer, Topic};
use crate::wire::sse;

/// What is told at once is sent once it has grown to this size.
const CHUNK_BYTES: usize = 12 * 1024;

/// A client waits this long before it connects again.
const RETRY_MS: u32 = 2000;

/// Writes events for one listener.
#[derive(Debug)]
pub struct Events {
    /// The cameras whose frames are told of, with their names.
    cameras: Vec<(usize, String)>,
    tells_loop: bool,
    /// Up to this number in the journal, frames were published before the listener came.
    past: u64,
    /// The number of the last event told, or of the last one that the listener says it knows.
    told: u64,
    /// And of frames: all up to this number are known, or not asked for.
    told_frames: u64,
    is_greeted: bool,
}

impl Events {
    /// The events of `cameras`' frames, and of the loop if so asked, from the one after number `last` on; from now on
    /// if that is not given, or a number of the future, as one of another server's may be.
    pub fn new(cameras: Vec<(usize, String)>, tells_loop: bool, last: Option<u64>, journal: &Journal) -> Self {
        let past = journal.last_id();
        let last = last.filter(|&last| last <= past);
        Self {
            cameras,
            tells_loop,
            past,
            told: last.unwrap_or(0),
            told_frames: last.unwrap_or(past),
            is_greeted: false,
        }
    }

    /// What must be told of for these events to come.
    pub fn follows(&self) -> Vec<Topic> {
        let frames = self.cameras.iter().map(|&(camera, _)| Topic::Frames { camera });
        frames.chain([Topic::State]).chain(self.tells_loop.then_some(Topic::Loop)).collect()
    }

    /// Everything that is to be told now, in the order of its numbers.
    fn pending<'a>(&'a self, journal: &'a Journal) -> Vec<(u64, Entry<'a>)> {
        let mut pending = Vec::new();
        for (camera, name) in &self.cameras {
            let facts = journal.frames_after(*camera, self.told_frames);
            let newest = facts.len().saturating_sub(1);
            let told = facts.enumerate().filter(|(place, fact)| *place == newest || fact.id <= self.past);
            pending.extend(told.map(|(_, fact)| (fact.id, Entry::Frame(name, fact))));
        }
        let topics = [(Topic::State, "state"), (Topic::Loop, "loop")];
        for (topic, name) in topics.into_iter().take(1 + usize::from(self.tells_loop)) {
            let news = journal.news(topic).filter(|news| news.id > self.told);
            pending.extend(news.map(|news| (news.id, Entry::News(name, news))));
        }
        pending.sort_unstable_by_key(|(id, _)| *id);
        pending
    }
}

impl Producer for Events {
    fn produce(&mut self, journal: &Journal) -> Produced {
        let mut out = Vec::new();
        if !self.is_greeted {
            self.is_greeted = true;
            sse::retry(&mut out, RETRY_MS);
        }
        let mut told = self.told;
        for (id, entry) in self.pending(journal) {
            if out.len() >= CHUNK_BYTES {
                break;
            }
            entry.write(&mut out, id);
            told = id;
        }
        self.told_frames = self.told_frames.max(told);
        self.told = told;
        if out.is_empty() { Produced::NotYet } else { Produced::Chunk(out.into()) }
    }

    fn sign_of_life(&self) -> Bytes {
        Bytes::from_static(sse::COMMENT)
    }
}

/// What one event tells.
enum Entry<'a> {
    Frame(&'a str, &'a Fact),
    News(&'static str, &'a News),
}

impl Entry<'_> {
    fn write(&self, out: &mut Vec<u8>, id: u64) {
        match self {
            Entry::Frame(camera, fact) => {
                // Plain numbers and words always serialise.
                let data = serde_json::to_vec(&Frame::new(camera, fact)).unwrap_or_default();
                sse::event(out, id, "frame", &data);
            }
            Entry::News(name, news) => sse::event(out, id, name, &news.data),
        }
    }
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
    fn new(camera: &'a str, fact: &Fact) -> Self {
        let Fact { sequence, captured_at, bytes, width, height, .. } = *fact;
        Self { camera, sequence, captured_at: captured_at.as_micros() as f64 / 1e6, bytes, width, height }
    }
}

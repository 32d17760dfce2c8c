//! The journal: what is known of past frames, the server's news of itself, and who reads them.

use std::time::Duration;

use bytes::Bytes;

use super::channel::{Channel, Subscribers};
use super::key::Key;
use crate::stream::frame::Frame;
use crate::stream::sabotage::{self, Sabotage};
use crate::wire::facts::WallTime;

/// Frames of one camera of which the facts are kept.
const FACTS_MAX: usize = 1000;

/// What is known of a frame that was published. The frame itself is gone as soon as nobody is being sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its number in the journal: it rises over all topics together.
    pub id: u64,
    /// Its number among the facts of its camera: 1, 2, 3 and so on. So whoever reads them knows how many it has missed.
    pub number: u64,
    /// The frame's sequence.
    pub sequence: u64,
    /// The wall time of capture.
    pub captured_wall: WallTime,
    /// How long before that the camera's last frame was captured, if there was one.
    pub interval: Option<Duration>,
    /// The size of the JPEG.
    pub bytes: usize,
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
}

/// Something the server says of itself. Only the newest of each topic is kept.
#[derive(Clone, Debug)]
pub struct News {
    /// Its number in the journal.
    pub id: u64,
    /// What it says; one line.
    pub data: Bytes,
}

/// What can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The facts of a camera's frames.
    Frames {
        /// Which camera, from 0.
        camera: usize,
    },
    /// The server's figures.
    State,
    /// The turns of its loop.
    Loop,
}

/// One channel for each topic, all numbered together.
#[derive(Debug)]
pub struct Journal {
    last_id: u64,
    frames: Vec<Channel<Fact>>,
    state: Channel<News>,
    turns: Channel<News>,
}

impl Journal {
    /// An empty journal of so many cameras.
    pub fn new(cameras: usize) -> Self {
        Self {
            last_id: 0,
            frames: (0..cameras).map(|_| Channel::new(FACTS_MAX)).collect(),
            state: Channel::new(1),
            turns: Channel::new(1),
        }
    }

    /// Notes that a frame was published.
    pub fn record(&mut self, camera: usize, frame: &Frame) {
        self.last_id += 1;
        let number = self.frames_noted(camera) + 1;
        let channel = &mut self.frames[camera];
        let interval = channel.latest().map(|last| frame.captured_wall.saturating_since(last.captured_wall));
        channel.publish(Fact {
            id: self.last_id,
            number,
            sequence: frame.sequence,
            captured_wall: frame.captured_wall,
            interval,
            bytes: frame.jpeg_len(),
            width: frame.picture.width,
            height: frame.picture.height,
        });
    }

    /// Replaces the newest news of a topic; the facts of frames are no news.
    pub fn announce(&mut self, topic: Topic, data: Bytes) {
        self.last_id += 1;
        let news = News { id: self.last_id, data };
        match topic {
            Topic::State => drop(self.state.publish(news)),
            Topic::Loop => drop(self.turns.publish(news)),
            Topic::Frames { .. } => {}
        }
    }

    /// The number of the newest entry; 0 if there is none.
    pub fn last_id(&self) -> u64 {
        self.last_id
    }

    /// How many frames of a camera were noted so far.
    pub fn frames_noted(&self, camera: usize) -> u64 {
        self.frames[camera].latest().map_or(0, |fact| fact.number)
    }

    /// The facts of a camera's frames with numbers above `id`, as far as they are kept, the oldest first.
    pub fn frames_after(&self, camera: usize, id: u64) -> impl ExactSizeIterator<Item = &Fact> {
        self.frames[camera].since(move |fact| fact.id <= id)
    }

    /// The newest news of a topic.
    pub fn news(&self, topic: Topic) -> Option<&News> {
        match topic {
            Topic::State => self.state.latest(),
            Topic::Loop => self.turns.latest(),
            Topic::Frames { .. } => None,
        }
    }

    /// Tells `key` of each entry of a topic from now on.
    pub fn follow(&mut self, topic: Topic, key: Key) {
        match topic {
            Topic::Frames { camera } => self.frames[camera].subscribe(key),
            Topic::State => self.state.subscribe(key),
            Topic::Loop => self.turns.subscribe(key),
        }
    }

    /// Tells `key` no more.
    pub fn unfollow(&mut self, topic: Topic, key: Key) {
        if sabotage::is(Sabotage::FollowForEver) {
            return;
        }
        let news = match topic {
            Topic::Frames { camera } => return self.frames[camera].unsubscribe(key),
            Topic::State => &mut self.state,
            Topic::Loop => &mut self.turns,
        };
        news.unsubscribe(key);
        if news.subscribers().len() == 0 {
            // Nobody keeps it up to date any more, and whoever comes next is not to be told old news.
            news.retract();
        }
    }

    /// Everybody who follows a topic.
    pub fn followers(&self, topic: Topic) -> Subscribers<'_> {
        match topic {
            Topic::Frames { camera } => self.frames[camera].subscribers(),
            Topic::State => self.state.subscribers(),
            Topic::Loop => self.turns.subscribers(),
        }
    }

    /// Whether anybody follows a topic.
    pub fn is_followed(&self, topic: Topic) -> bool {
        self.followers(topic).len() > 0
    }
}

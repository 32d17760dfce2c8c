//! The event log: records of past frames, and the server's newest statistics.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::frame::Frame;
use crate::wire::metadata::WallTime;

/// Records per camera.
const RECORDS_MAX: usize = 1000;

/// The record of a published frame. The frame itself may be freed by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRecord {
    /// Its number in the log, which counts over all topics.
    pub id: u64,
    /// Its number among the records of its camera: 1, 2, 3 and so on. A gap shows a reader how many
    /// it has missed.
    pub number: u64,
    /// The frame's sequence.
    pub sequence: u64,
    /// The wall time of capture.
    pub captured_wall: WallTime,
    /// The time since the capture of the camera's previous frame.
    pub interval: Option<Duration>,
    /// The size of the JPEG.
    pub bytes: usize,
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
}

/// The newest statistics of a topic.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The number of the entry in the log.
    pub id: u64,
    /// One line.
    pub data: Bytes,
}

/// The topics that a body can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The frames of a camera.
    Frames {
        /// Which camera, from 0.
        camera: usize,
    },
    /// The server's statistics.
    State,
    /// The turns of the event loop.
    Loop,
}

/// The records of each camera's frames and the newest statistics, with one numbering.
#[derive(Debug)]
pub struct EventLog {
    last_id: u64,
    frames: Vec<VecDeque<FrameRecord>>,
    state: Option<Figures>,
    turns: Option<Figures>,
}

impl EventLog {
    /// Creates an empty log for this number of cameras.
    pub fn new(cameras: usize) -> Self {
        Self {
            last_id: 0,
            frames: vec![VecDeque::new(); cameras],
            state: None,
            turns: None,
        }
    }

    /// Appends the record of a published frame.
    pub fn append(&mut self, camera: usize, frame: &Frame) {
        self.last_id += 1;
        let number = self.frames_recorded(camera) + 1;
        let records = &mut self.frames[camera];
        let interval = records
            .back()
            .map(|last| frame.captured_wall.saturating_since(last.captured_wall));
        if records.capacity() == 0 {
            records.reserve_exact(RECORDS_MAX);
        } else if records.len() == RECORDS_MAX {
            records.pop_front();
        }
        records.push_back(FrameRecord {
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

    /// Replaces the statistics of `State` or `Loop`.
    pub fn publish(&mut self, topic: Topic, data: Bytes) {
        self.last_id += 1;
        let id = self.last_id;
        self.place(topic).into_iter().for_each(|figures| {
            *figures = Some(Figures {
                id,
                data: data.clone(),
            })
        });
    }

    /// Removes the statistics of a topic: without subscribers, they are not updated.
    pub fn clear(&mut self, topic: Topic) {
        self.place(topic)
            .into_iter()
            .for_each(|figures| *figures = None);
    }

    fn place(&mut self, topic: Topic) -> Option<&mut Option<Figures>> {
        match topic {
            Topic::State => Some(&mut self.state),
            Topic::Loop => Some(&mut self.turns),
            Topic::Frames { .. } => None,
        }
    }

    /// Returns the number of the newest entry; 0 if there is none.
    pub fn last_id(&self) -> u64 {
        self.last_id
    }

    /// Returns how many frames of a camera were recorded so far.
    pub fn frames_recorded(&self, camera: usize) -> u64 {
        self.frames[camera].back().map_or(0, |record| record.number)
    }

    /// Returns the records of a camera with an `id` above this one that are still in the log,
    /// oldest first.
    pub fn frames_after(
        &self,
        camera: usize,
        id: u64,
    ) -> impl ExactSizeIterator<Item = &FrameRecord> {
        let records = &self.frames[camera];
        records.range(records.partition_point(|record| record.id <= id)..)
    }

    /// Returns the newest statistics of a topic.
    pub fn figures(&self, topic: Topic) -> Option<&Figures> {
        match topic {
            Topic::State => self.state.as_ref(),
            Topic::Loop => self.turns.as_ref(),
            Topic::Frames { .. } => None,
        }
    }
}

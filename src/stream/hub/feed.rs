//! What the hub keeps of one camera, or of one that is replayed.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::stream::channel::Channel;
use crate::stream::frame::Frame;
use crate::stream::histogram::Histogram;
use crate::stream::history::History;
use crate::stream::key::Key;
use crate::stream::limits::Limits;
use crate::stream::metrics::{FrameCounts, Meter};
use crate::stream::numbering::Numbering;

/// A camera's frames and who wants them; or the same frames again, later.
#[derive(Debug)]
pub(super) struct Feed {
    /// What is shown: the newest live frame, or what stands in for one.
    pub(super) channel: Channel<Frame>,
    /// The newest frame the camera itself has given.
    pub(super) live: Option<Frame>,
    /// Those it gave before.
    pub(super) history: History,
    /// Where the frames come from, if this is no camera's own feed.
    pub(super) replay: Option<Replay>,
    pub(super) waiting: BTreeSet<Key>,
    pub(super) numbering: Numbering,
    pub(super) rate: Meter,
    /// Frames shown, those that stood in for live ones included.
    pub(super) published: u64,
    /// What became of them, over the viewers that have gone.
    pub(super) departed: FrameCounts,
    pub(super) capture_to_publish: Histogram,
    pub(super) capture_to_last_byte: Histogram,
}

/// A camera's past, shown at its own pace. Whoever wants the same delay shares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replay {
    /// Whose history is shown.
    pub(super) camera: usize,
    /// A frame is shown so long after it was published.
    pub(super) delay: Duration,
    /// The frames up to this sequence have been shown.
    pub(super) shown: u64,
}

impl Feed {
    /// A camera that has given nothing yet.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            channel: Channel::new(1),
            live: None,
            history: History::new(limits.history_span, limits.history_bytes_max),
            replay: None,
            waiting: BTreeSet::new(),
            numbering: Numbering::default(),
            rate: Meter::default(),
            published: 0,
            departed: FrameCounts::default(),
            capture_to_publish: Histogram::default(),
            capture_to_last_byte: Histogram::default(),
        }
    }
}

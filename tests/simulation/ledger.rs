//! What the world knows to be true: the frames that were published, byte for byte, and what has been counted of them.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framecast::hub::Topic;
use framecast::stream::metrics::FrameCounts;
use framecast::wire::multipart::Framing;

use crate::random::Random;

pub const BOUNDARY: &str = "frame";
pub const CLOSING: Bytes = Bytes::from_static(b"\r\n--frame--\r\n");

/// The largest picture of all.
pub const JPEG_BYTES_MAX: usize = 300_000;

/// Calls of one transport's read or write in one turn; beyond this, the turn would never end.
const CALLS_PER_TURN_MAX: u32 = 200_000;

/// Frames of each camera whose facts are remembered.
const FACTS_MAX: usize = 1000;

/// Frames kept of each camera, so that one which comes late can be told from one that never was.
const PAST_FRAMES: usize = 8;

/// Bytes that no two places of are alike; pictures are cut out of it.
static TAPE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut random = Random::new(0);
    (0..(2 * JPEG_BYTES_MAX) / 8).flat_map(|_| random.draw().to_le_bytes()).collect()
});

/// The picture `number` of `camera`: whoever knows the two knows every byte.
pub fn jpeg(camera: usize, number: u64, bytes: usize) -> &'static [u8] {
    let start = Random::new(number << 8 | camera as u64).below(TAPE.len() - bytes + 1);
    &TAPE[start..start + bytes]
}

/// A frame as it must arrive, encoded apart from the code that is tested.
#[derive(Debug)]
pub struct Published {
    pub camera: usize,
    /// Its place among the frames of its camera.
    pub number: u64,
    pub sequence: u64,
    pub at: Instant,
    pub is_live: bool,
    bytes: Bytes,
    header_bytes: usize,
}

impl Published {
    const ADVANCE: &'static [u8] = b"Content-Type: image/jpeg\r\n\r\n";

    pub fn new(
        camera: usize,
        (number, sequence): (u64, u64),
        captured_at: Duration,
        at: Instant,
        is_live: bool,
        jpeg: &[u8],
    ) -> Self {
        let header = format!(
            "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}.{:06}\r\nX-Frame-Sequence: {}\r\n\r\n",
            jpeg.len(),
            captured_at.as_secs(),
            captured_at.subsec_micros(),
            sequence,
        );
        let bytes = [header.as_bytes(), jpeg, b"\r\n--frame\r\n", Self::ADVANCE].concat().into();
        Self { camera, number, sequence, at, is_live, bytes, header_bytes: header.len() }
    }

    pub fn part(&self, framing: Framing) -> Bytes {
        match framing {
            Framing::Length => self.bytes.slice(..self.bytes.len() - Self::ADVANCE.len()),
            Framing::Advance => self.bytes.slice(self.header_bytes..),
        }
    }

    pub fn jpeg(&self) -> Bytes {
        let behind = b"\r\n--frame\r\n".len() + Self::ADVANCE.len();
        self.bytes.slice(self.header_bytes..self.bytes.len() - behind)
    }

    /// The size of the one allocation a frame has.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// What is known of a frame after it has gone.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    pub id: u64,
    pub sequence: u64,
    pub captured_at: Duration,
    pub interval: Option<Duration>,
    pub bytes: usize,
}

/// What is true of one camera.
#[derive(Debug, Default)]
pub struct Camera {
    /// What was shown last, whether or not it was taken back since.
    pub newest: Option<Rc<Published>>,
    /// Whether it was not taken back.
    pub is_shown: bool,
    /// The newest frame that is no stand-in.
    pub live: Option<Rc<Published>>,
    /// The number of the last frame.
    pub sequence: u64,
    /// Bytes taken back since the last frame was shown.
    pub retracted_bytes: usize,
    /// The facts of its last frames, the oldest first, and how many there were in all.
    pub facts: VecDeque<Fact>,
    pub facts_noted: u64,
    past: Vec<Rc<Published>>,
    /// What its history holds, the oldest first.
    pub history: VecDeque<Rc<Published>>,
    /// Frames shown; of one that is watched late, those that were due.
    pub published: u64,
    /// The number of the last frame that left the history, and whether it did so before its time.
    dropped: u64,
    is_cut_short: bool,
}

impl Camera {
    /// The camera as it is seen `delay` later.
    fn seen_late(&self, delay: Duration, now: Instant) -> Self {
        let is_due = |frame: &&Rc<Published>| frame.at + delay <= now;
        let newest = self.history.iter().rfind(is_due).or(self.history.front().filter(|_| self.is_cut_short)).cloned();
        Self {
            is_shown: newest.is_some(),
            sequence: newest.as_ref().map_or(0, |frame| frame.sequence),
            published: newest.as_ref().map_or(self.dropped, |frame| frame.number),
            newest,
            ..Self::default()
        }
    }

    /// The live frames of its history that are at most `span` older than the newest of them.
    pub fn last_seconds(&self, span: Duration) -> VecDeque<Rc<Published>> {
        let mut frames: VecDeque<_> = self.history.iter().filter(|frame| frame.is_live).cloned().collect();
        if let Some(newest) = frames.back().map(|frame| frame.at) {
            frames.retain(|frame| newest - frame.at <= span);
        }
        frames
    }

    /// Drops what the bounds do not allow to be kept.
    pub fn outdate(&mut self, span: Duration, bytes_max: usize, now: Instant) {
        let mut bytes: usize = self.history.iter().map(|frame| frame.len()).sum();
        while let Some(oldest) = self.history.front().cloned() {
            let next = self.history.get(1).unwrap_or(&oldest);
            let is_outdated = now - next.at >= span;
            if !is_outdated && (bytes <= bytes_max || self.history.len() == 1) {
                break;
            }
            bytes -= oldest.len();
            self.dropped = oldest.number;
            self.is_cut_short = !is_outdated;
            self.history.pop_front();
        }
    }

    pub fn show(&mut self, frame: Rc<Published>, is_live: bool) {
        self.published += 1;
        self.past.truncate(PAST_FRAMES - 1);
        self.past.insert(0, frame.clone());
        if is_live {
            self.live = Some(frame.clone());
        }
        self.newest = Some(frame);
        self.is_shown = true;
        self.retracted_bytes = 0;
    }

    pub fn retract(&mut self) {
        let forgotten = [self.newest.as_ref().filter(|_| self.is_shown), self.live.as_ref()];
        self.retracted_bytes += forgotten.into_iter().flatten().map(|frame| frame.len()).sum::<usize>();
        self.is_shown = false;
        self.live = None;
    }

    /// How many of its frames were noted up to entry `id` of the journal.
    pub fn noted_up_to(&self, id: u64) -> u64 {
        self.facts_noted - (self.facts.len() - self.facts.partition_point(|fact| fact.id <= id)) as u64
    }

    /// The frame on show, if there is one.
    pub fn shown(&self) -> Option<&Rc<Published>> {
        self.newest.as_ref().filter(|_| self.is_shown)
    }

    /// The recent frame whose part begins with these bytes, if any.
    pub fn recognise(&self, bytes: &[u8], framing: Framing) -> Option<u64> {
        let begins =
            |frame: &&Rc<Published>| frame.part(framing).starts_with(&bytes[..bytes.len().min(frame.len() / 2)]);
        self.past.iter().find(begins).map(|frame| frame.sequence)
    }
}

/// The truth, shared by all that happens in one world.
#[derive(Debug)]
pub struct Ledger {
    pub now: Instant,
    pub cameras: Vec<Camera>,
    /// Each of them as those see it who watch the past, and how far back that is.
    pub late: Vec<Camera>,
    pub delay: Duration,
    /// The hub was told to go down.
    pub stopping: bool,
    /// When it was told so.
    pub stopping_at: Option<Instant>,
    /// Until when it waits for requests on their way.
    pub last_call_until: Option<Instant>,
    /// Transports may be let go of.
    pub reaping: bool,
    /// What must have become of the frames; of those skipped, only their sum is known here.
    pub counts: FrameCounts,
    /// Counts whatever gets on: bytes, edges, newcomers, answers.
    pub moves: u64,
    /// The number of the newest entry of the journal, and the server's newest news with theirs.
    pub journal_id: u64,
    pub state: Option<(u64, String)>,
    pub turns: Option<(u64, String)>,
    /// Frames that readers of tables and events were never told of.
    pub untold: u64,
    /// Turns so far, and bytes of bodies made in this one.
    pub turns_begun: u64,
    pub made_bytes: usize,
    /// Every byte count of every call, folded into one number: two runs that agree here did the same.
    pub digest: u64,
    pub fault: Option<String>,
    calls: u32,
}

impl Ledger {
    pub fn new(cameras: usize, delay: Duration, now: Instant) -> Self {
        Self {
            now,
            cameras: (0..cameras).map(|_| Camera::default()).collect(),
            late: (0..cameras).map(|_| Camera::default()).collect(),
            delay,
            stopping: false,
            stopping_at: None,
            last_call_until: None,
            reaping: false,
            counts: FrameCounts::default(),
            moves: 0,
            journal_id: 0,
            state: None,
            turns: None,
            untold: 0,
            turns_begun: 0,
            made_bytes: 0,
            digest: 0,
            fault: None,
            calls: 0,
        }
    }

    /// Looks at the cameras as they are seen late, now.
    pub fn look_back(&mut self) {
        self.late = self.cameras.iter().map(|camera| camera.seen_late(self.delay, self.now)).collect();
    }

    /// A camera, or behind them all, one as it is seen late.
    pub fn camera(&self, place: usize) -> &Camera {
        self.cameras.get(place).unwrap_or_else(|| &self.late[place - self.cameras.len()])
    }

    /// How late a camera is.
    pub fn delay_of(&self, place: usize) -> Duration {
        if place < self.cameras.len() { Duration::ZERO } else { self.delay }
    }

    /// Notes the first thing that went wrong; what follows from it says little.
    pub fn blame(&mut self, fault: impl FnOnce() -> String) {
        self.fault.get_or_insert_with(fault);
    }

    pub fn turn_begins(&mut self) {
        self.calls = 0;
        self.turns_begun += 1;
        self.made_bytes = 0;
    }

    /// A frame of `camera` is published.
    pub fn record(&mut self, camera: usize, sequence: u64, captured_at: Duration, bytes: usize) {
        self.journal_id += 1;
        self.cameras[camera].facts_noted += 1;
        let facts = &mut self.cameras[camera].facts;
        let interval = facts.back().map(|last| captured_at.saturating_sub(last.captured_at));
        facts.push_back(Fact { id: self.journal_id, sequence, captured_at, interval, bytes });
        facts.drain(..facts.len().saturating_sub(FACTS_MAX));
    }

    /// The number of the newest entry of a topic.
    pub fn newest(&self, topic: Topic) -> Option<u64> {
        match topic {
            Topic::Frames { camera } => self.cameras[camera].facts.back().map(|fact| fact.id),
            Topic::State => self.state.as_ref().map(|(id, _)| *id),
            Topic::Loop => self.turns.as_ref().map(|(id, _)| *id),
        }
    }

    /// A transport is called. What is called without end in one turn would never come back.
    pub fn called(&mut self) {
        self.calls += 1;
        assert!(self.calls < CALLS_PER_TURN_MAX, "a turn without end");
    }

    pub fn fold(&mut self, value: u64) {
        self.digest = (self.digest ^ value).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }
}

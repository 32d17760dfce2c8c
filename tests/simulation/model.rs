//! The model that the hub is compared with: published frames, byte for byte, and their counts.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use framecast::hub::Limits;
use framecast::stream::Topic;
use framecast::stream::counts::FrameCounts;
use framecast::wire::multipart::Framing;

use crate::random::Random;

pub const BOUNDARY: &str = "frame";
pub const CLOSING: Bytes = Bytes::from_static(b"\r\n--frame--\r\n");

/// The largest JPEG.
pub const JPEG_BYTES_MAX: usize = 300_000;

/// Reads and writes in one turn; more mean that the turn does not end.
const CALLS_PER_TURN_MAX: u32 = 200_000;

/// Records in the log of each camera.
const RECORDS_MAX: usize = 1000;

/// Random bytes. JPEGs are slices of them.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut random = Random::new(0);
    (0..(2 * JPEG_BYTES_MAX) / 8)
        .flat_map(|_| random.draw().to_le_bytes())
        .collect()
});

/// Returns the JPEG `number` of `camera`.
pub fn jpeg(camera: usize, number: u64, bytes: usize) -> &'static [u8] {
    let start = Random::new(number << 8 | camera as u64).below(NOISE.len() - bytes + 1);
    &NOISE[start..start + bytes]
}

/// A frame as it must arrive, encoded without the code under test.
#[derive(Debug)]
pub struct Published {
    pub camera: usize,
    /// Its number among the frames of its camera.
    pub number: u64,
    pub sequence: u64,
    pub at: Duration,
    pub is_live: bool,
    bytes: Bytes,
    header_bytes: usize,
}

impl Published {
    const ADVANCE: &'static [u8] = b"Content-Type: image/jpeg\r\n\r\n";

    /// Returns the length of the part header, and the header, the JPEG and the delimiter.
    fn encode(captured_at: Duration, sequence: u64, jpeg: &[u8]) -> (usize, Bytes) {
        let header = format!(
            "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}.{:06}\r\nX-Frame-Sequence: {}\r\n\r\n",
            jpeg.len(),
            captured_at.as_secs(),
            captured_at.subsec_micros(),
            sequence,
        );
        (
            header.len(),
            [header.as_bytes(), jpeg, b"\r\n--frame\r\n", Self::ADVANCE]
                .concat()
                .into(),
        )
    }

    pub fn part(&self, framing: Framing) -> Bytes {
        match framing {
            Framing::Length => self.bytes.slice(..self.bytes.len() - Self::ADVANCE.len()),
            Framing::Advance => self.bytes.slice(self.header_bytes..),
        }
    }

    pub fn jpeg(&self) -> Bytes {
        let behind = b"\r\n--frame\r\n".len() + Self::ADVANCE.len();
        self.bytes
            .slice(self.header_bytes..self.bytes.len() - behind)
    }

    /// Returns the size of the frame's allocation.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// The record of a frame, without its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub id: u64,
    pub sequence: u64,
    pub captured_at: Duration,
    pub interval: Option<Duration>,
    pub bytes: usize,
}

/// The state of one camera.
#[derive(Debug, Default)]
pub struct Camera {
    /// The newest frame, and the newest frame that is no placeholder.
    shown: Option<Rc<Published>>,
    pub live: Option<Rc<Published>>,
    /// The sequence of the last frame, and how many there were.
    pub sequence: u64,
    pub published: u64,
    /// Bytes of frames cleared since the last frame was shown.
    pub cleared_bytes: usize,
    /// The records of its last frames, the oldest first, and how many there were in all.
    pub records: VecDeque<Record>,
    records_len: u64,
    /// The frames of its history, oldest first.
    pub history: VecDeque<Rc<Published>>,
    /// The number of the last frame removed from the history, and whether the limit of bytes
    /// removed it.
    dropped: u64,
    is_cut_short: bool,
}

impl Camera {
    /// Returns the newest frame for a viewer with this delay.
    pub fn shown(&self, delay: Duration, now: Duration) -> Option<&Rc<Published>> {
        if delay.is_zero() {
            return self.shown.as_ref();
        }
        let due = self
            .history
            .partition_point(|frame| frame.at + delay <= now);
        let due = if self.is_cut_short { due.max(1) } else { due };
        self.history.get(due.checked_sub(1)?)
    }

    /// Returns how many frames were published for a viewer with this delay.
    pub fn published(&self, delay: Duration, now: Duration) -> u64 {
        if delay.is_zero() {
            self.published
        } else {
            self.shown(delay, now)
                .map_or(self.dropped, |frame| frame.number)
        }
    }

    /// The live frames of its history that are at most `span` older than the newest of them.
    pub fn last_seconds(&self, span: Duration) -> VecDeque<Rc<Published>> {
        let mut frames: VecDeque<_> = self
            .history
            .iter()
            .filter(|frame| frame.is_live)
            .cloned()
            .collect();
        if let Some(newest) = frames.back().map(|frame| frame.at) {
            frames.retain(|frame| newest - frame.at <= span);
        }
        frames
    }

    /// Removes the frames that the limits exclude from the history.
    fn outdate(&mut self, limits: &Limits, now: Duration) {
        let mut bytes: usize = self.history.iter().map(|frame| frame.len()).sum();
        while let Some(oldest) = self.history.front() {
            let next = self.history.get(1).unwrap_or(oldest);
            let is_outdated = now - next.at >= limits.history_span;
            if !is_outdated && (bytes <= limits.history_bytes_max || self.history.len() == 1) {
                break;
            }
            bytes -= oldest.len();
            self.dropped = oldest.number;
            self.is_cut_short = !is_outdated;
            self.history.pop_front();
        }
    }

    /// Whether the frame is still shown, or in the history.
    pub fn keeps(&self, frame: &Published) -> bool {
        let is_it = |other: &Option<Rc<Published>>| {
            other
                .as_ref()
                .is_some_and(|other| other.number == frame.number)
        };
        let place = self
            .history
            .binary_search_by_key(&frame.number, |other| other.number);
        is_it(&self.shown) || is_it(&self.live) || place.is_ok()
    }

    pub fn clear(&mut self) {
        let cleared = [self.shown.take(), self.live.take()];
        self.cleared_bytes += cleared
            .iter()
            .flatten()
            .map(|frame| frame.len())
            .sum::<usize>();
    }

    /// Returns how many of its frames were recorded up to entry `id` of the event log.
    pub fn recorded_up_to(&self, id: u64) -> u64 {
        self.records_len
            - (self.records.len() - self.records.partition_point(|record| record.id <= id)) as u64
    }
}

/// The expected state of the hub.
#[derive(Debug, Default)]
pub struct Model {
    /// The time since [`crate::world::BEGINNING`], like every time in the model.
    pub now: Duration,
    pub limits: Limits,
    pub cameras: Vec<Camera>,
    /// The delay of viewers that watch the past.
    pub delay: Duration,
    /// When the hub was shut down.
    pub stopping_at: Option<Duration>,
    /// Transports may be dropped.
    pub is_reaping: bool,
    /// The frame counts of closed viewers, without the skipped frames.
    pub closed: FrameCounts,
    /// Counts all progress: bytes, edges, connections, answers.
    pub moves: u64,
    /// The number of the newest entry of the event log, and the newest statistics with theirs.
    pub log_id: u64,
    state: Option<(u64, String)>,
    turns: Option<(u64, String)>,
    /// Events and table rows that slow peers missed.
    pub missed: u64,
    /// Turns so far, and bytes of bodies made in this one.
    pub turn: u64,
    pub made_bytes: usize,
    /// A hash of the byte counts of all calls: two runs with the same digest did the same.
    pub digest: u64,
    pub fault: Option<String>,
    calls: u32,
}

impl Model {
    pub fn new(cameras: usize, limits: Limits, delay: Duration) -> Self {
        Self {
            limits,
            cameras: (0..cameras).map(|_| Camera::default()).collect(),
            delay,
            ..Self::default()
        }
    }

    /// Whether the hub was shut down.
    pub fn is_stopping(&self) -> bool {
        self.stopping_at.is_some()
    }

    /// Until when the hub waits for begun requests after that.
    pub fn last_call_until(&self) -> Option<Duration> {
        self.stopping_at
            .map(|at| at + self.limits.last_call_timeout)
    }

    /// Records the first failure. Later ones may be its consequences.
    pub fn fail(&mut self, fault: impl FnOnce() -> String) {
        self.fault.get_or_insert_with(fault);
    }

    pub fn turn_begins(&mut self) {
        self.calls = 0;
        self.turn += 1;
        self.made_bytes = 0;
    }

    /// Empties the histories whose newest frame is too old.
    pub fn turn_ends(&mut self) {
        for camera in &mut self.cameras {
            if camera
                .history
                .back()
                .is_some_and(|newest| self.now - newest.at >= self.limits.history_span)
            {
                camera.outdate(&self.limits, self.now);
            }
        }
    }

    /// Adds a published frame.
    pub fn publish(
        &mut self,
        of: usize,
        sequence: u64,
        captured_at: Duration,
        is_live: bool,
        jpeg: &[u8],
    ) {
        let camera = &mut self.cameras[of];
        (camera.sequence, camera.published, camera.cleared_bytes) =
            (sequence, camera.published + 1, 0);
        let (number, at) = (camera.published, self.now);
        let (header_bytes, bytes) = Published::encode(captured_at, sequence, jpeg);
        let frame = Rc::new(Published {
            camera: of,
            number,
            sequence,
            at,
            is_live,
            bytes,
            header_bytes,
        });
        camera.shown = Some(frame.clone());
        if is_live {
            camera.live = Some(frame.clone());
            self.log_id += 1;
            let interval = camera
                .records
                .back()
                .map(|last| captured_at.saturating_sub(last.captured_at));
            camera.records_len += 1;
            let (id, bytes) = (self.log_id, jpeg.len());
            camera.records.push_back(Record {
                id,
                sequence,
                captured_at,
                interval,
                bytes,
            });
            camera
                .records
                .drain(..camera.records.len().saturating_sub(RECORDS_MAX));
        }
        if !self.limits.history_span.is_zero() {
            camera.history.push_back(frame);
            camera.outdate(&self.limits, self.now);
        }
    }

    /// Adds published statistics.
    pub fn announce(&mut self, topic: Topic, data: String) {
        self.log_id += 1;
        let newest = if topic == Topic::State {
            &mut self.state
        } else {
            &mut self.turns
        };
        *newest = Some((self.log_id, data));
    }

    /// Returns the number of the newest entry of a topic.
    pub fn newest(&self, topic: Topic) -> Option<u64> {
        match topic {
            Topic::Frames { camera } => self.cameras[camera].records.back().map(|record| record.id),
            Topic::State => self.state.as_ref().map(|(id, _)| *id),
            Topic::Loop => self.turns.as_ref().map(|(id, _)| *id),
        }
    }

    /// Returns entry `id` of a topic as it is sent.
    pub fn event(&self, topic: Topic, id: u64) -> Option<String> {
        let (kind, data) = match topic {
            Topic::Frames { camera } => {
                let records = &self.cameras[camera].records;
                let place = records.binary_search_by_key(&id, |record| record.id);
                let Record {
                    sequence,
                    captured_at,
                    bytes,
                    ..
                } = records[place.ok()?];
                let captured_at = captured_at.as_micros() as f64 / 1e6;
                let frame = format!(
                    "\"camera\":\"{camera}\",\"sequence\":{sequence},\"captured_at\":{captured_at:?}"
                );
                (
                    "frame",
                    format!("{{{frame},\"bytes\":{bytes},\"width\":4,\"height\":3}}"),
                )
            }
            Topic::State => (
                "state",
                self.state.clone().filter(|(newest, _)| *newest == id)?.1,
            ),
            Topic::Loop => (
                "loop",
                self.turns.clone().filter(|(newest, _)| *newest == id)?.1,
            ),
        };
        Some(format!("id: {id}\nevent: {kind}\ndata: {data}\n\n"))
    }

    /// Counts a call of a transport.
    pub fn called(&mut self) {
        self.calls += 1;
        assert!(self.calls < CALLS_PER_TURN_MAX, "the turn does not end");
    }

    pub fn fold(&mut self, value: u64) {
        self.digest = (self.digest ^ value)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(23);
    }
}

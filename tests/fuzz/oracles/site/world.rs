//! A server as the site sees it, of whose facts none is what a real one would have.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use framecast::hub::{Hub, Limits, Transport};
use framecast::site::connection_view::ConnectionView;
use framecast::site::snapshot::{self, Driver, Snapshot};
use framecast::site::view::{CameraView, View};
use framecast::stream::Captured;
use framecast::stream::Topic;
use framecast::stream::counts::{FrameCounts, Totals, WriteCounts};
use framecast::wire::jpeg::Picture;
use framecast::wire::metadata::{Sequence, WallTime};
use framecast::wire::multipart::{Framing, PartDecoder};

const CAMERAS: [&str; 2] = ["front", "back-2"];

/// What a source states about one frame, and what is true of it.
#[derive(Clone, Debug)]
pub struct FrameRecord {
    pub camera: usize,
    pub is_live: bool,
    /// The values of `X-Timestamp` and `X-Frame-Sequence`.
    pub time: String,
    pub sequence: String,
    pub width: u16,
    pub height: u16,
    /// Since the frame before.
    pub pause_ms: u64,
    pub bytes: usize,
}

/// What the figures are made of.
#[derive(Clone, Debug)]
pub struct Figures {
    pub seed: u64,
    pub text: String,
}

#[derive(Debug)]
pub struct World {
    pub hub: Hub<Nowhere>,
    figures: Figures,
    pub now: Instant,
    wall: WallTime,
    /// Bits by which the site is to be led on different ways.
    pub choice: u8,
}

impl World {
    pub fn new(facts: &[FrameRecord], figures: Figures, choice: u8) -> Self {
        let mut limits = Limits {
            history_span: Duration::from_secs(10),
            ..Limits::default()
        };
        if choice & 0x40 > 0 {
            (limits.viewers_max, limits.clips_max) = (0, 0);
        }
        let mut hub = Hub::new(CAMERAS.len(), "frame", limits);
        let mut now = Instant::now();
        let mut wall = WallTime::nearest(Duration::from_secs(figures.seed >> 24));
        for fact in facts {
            now += Duration::from_millis(fact.pause_ms);
            let captured_wall = WallTime::parse(&fact.time).unwrap_or(wall);
            wall = WallTime::nearest(wall.since_epoch() + Duration::from_millis(fact.pause_ms));
            let picture = Picture {
                width: fact.width.max(1),
                height: fact.height.max(1),
                huffman_tables: true,
            };
            let shot = Captured {
                jpeg: &vec![0x55; fact.bytes],
                picture,
                captured_wall,
                age: wall.saturating_since(captured_wall),
                sequence: Sequence::parse(&fact.sequence),
            };
            if fact.is_live {
                hub.publish(fact.camera, shot, now)
            } else {
                hub.publish_placeholder(fact.camera, shot, now)
            }
        }
        hub.publish_figures(Topic::State, b"{}"[..].into());
        Self {
            hub,
            figures,
            now,
            wall,
            choice,
        }
    }

    /// What a viewer is sent of each camera's newest frame says the same of it again.
    pub fn check_frames(&self) {
        for frame in self
            .hub
            .live()
            .channels
            .iter()
            .filter_map(|channel| channel.live.as_ref())
        {
            let part = frame.part(Framing::Length);
            let end = part
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
                .expect("a header block");
            let header = std::str::from_utf8(&part[..end]).expect("text");
            let value = |name: &str| {
                header
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .expect("a field")
            };
            assert_eq!(value("Content-Length: ").parse(), Ok(frame.jpeg_len()));
            assert_eq!(value("X-Frame-Sequence: ").parse(), Ok(frame.sequence));
            let time = WallTime::parse(value("X-Timestamp: ")).expect("a time in range");
            assert!(frame.captured_wall.saturating_since(time) < Duration::from_micros(1));
            // The picture is none, but all around it can be read.
            let mut received = BytesMut::from(&b"--frame\r\n"[..]);
            received.extend_from_slice(&part);
            let mut decoder = PartDecoder::new(Some("frame"), 1024);
            while decoder.decode(&mut received).is_err() {}
            assert_eq!(decoder.tally().timestamps_ignored, 0);
        }
    }

    /// Numbers that have nothing to do with one another.
    fn number(&self, salt: u64) -> u64 {
        let mixed = (self.figures.seed ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed.rotate_left(31) >> (mixed & 63)
    }

    fn counts(&self, salt: u64) -> FrameCounts {
        let number = |offset: u64| self.number(salt.wrapping_add(offset));
        FrameCounts {
            offered: number(0),
            delivered: number(1),
            repeated: number(2),
            skipped_slow: number(3),
            skipped_rate: number(4),
            cut: number(5),
        }
    }

    fn camera(&self, index: usize) -> snapshot::Camera {
        let number = |offset: u64| self.number(offset.wrapping_mul(7).wrapping_add(index as u64));
        let frame = self.hub.live().channels[index].live.as_ref();
        snapshot::Camera {
            driver: Driver {
                name: CAMERAS[index].to_owned(),
                source: self.figures.text.clone(),
                restarts: number(4) as u32,
                accepted_frames: number(5),
                accepted_bytes: number(6),
                rejected_bytes: number(7),
                discarded_bytes: number(8),
                buffered_bytes: number(9),
                timestamps_ignored: number(10),
                sequences_ignored: number(11),
                error: Some(self.figures.text.clone()),
                ..Driver::default()
            },
            captured_fps: f32::from_bits(number(1) as u32),
            sequence: frame.map_or(number(2), |frame| frame.sequence),
            frame_age_ms: Some(number(3)),
            published_frames: number(12),
            frames: self.counts(number(13)),
            ..snapshot::Camera::default()
        }
    }

    /// What each request sees.
    pub fn view(&self) -> View<'_, Nowhere> {
        // A camera without patience for the time that it has been watched makes the server
        // unhealthy.
        let is_unhealthy = self.choice & 0x80 > 0;
        let camera = |name: &'static &str| CameraView {
            name,
            outage: (self.choice & 0x20 > 0).then_some(&self.figures.text),
            is_warming_up: false,
            wanted_for: is_unhealthy.then_some(Duration::from_nanos(self.number(50))),
            frame_timeout: Some(Duration::ZERO),
        };
        View {
            hub: &self.hub,
            cameras: CAMERAS.iter().map(camera).collect(),
            snapshot_max_age: None,
            now: self.now,
            wall_time: self.wall,
        }
    }

    /// A snapshot of numbers.
    pub fn snapshot(&self) -> Snapshot {
        let totals = Totals {
            received_bytes: self.number(20),
            writes: WriteCounts {
                sent_bytes: self.number(21),
                ..WriteCounts::default()
            },
            ..Totals::default()
        };
        let viewer = ConnectionView {
            number: self.number(60) as u32,
            key: self.figures.text.clone(),
            age_ms: self.number(61),
            fps: self.number(62) as u32,
            frames: self.counts(63),
            waiting_sequence: Some(self.number(64)),
            sent_bytes: self.number(65),
            ..ConnectionView::default()
        };
        Snapshot {
            cameras: (0..CAMERAS.len()).map(|index| self.camera(index)).collect(),
            frames: self.counts(30),
            connections: snapshot::Connections {
                totals,
                ..snapshot::Connections::default()
            },
            event_loop: snapshot::EventLoop {
                turns: self.number(40),
                turns_per_second: f32::from_bits(self.number(41) as u32),
                longest_turn_us: self.number(42),
                cpu_ms: self.number(43),
                uptime_ms: self.number(44),
                ..snapshot::EventLoop::default()
            },
            listed: vec![viewer],
            ..Snapshot::default()
        }
    }
}

/// The transport of connections that there are none of.
#[derive(Debug)]
pub struct Nowhere;

impl Read for Nowhere {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Nowhere {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! What the site is shown of the server.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::camera::Camera;
use super::event_loop::LoopStats;
use super::publisher::Publisher;
use super::settings::Settings;
use super::socket::Socket;
use super::tls::Tls;
use crate::clock::wall_time;
use crate::hub::{Hub, Journal, Purpose};
use crate::logging;
use crate::site::Scene;
use crate::site::auth::Counts;
use crate::site::state::{self, Resolution, State, VIEWERS_LISTED_MAX};
use crate::stream::{Frame, History};
use crate::wire::facts::WallTime;
use crate::wire::multipart::{Division, Framing};
use crate::wire::source::{Reason, Tally};

/// A look at the server, for the length of one answer.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// Who watches what.
    pub hub: &'a Hub<Socket>,
    /// Where the frames come from.
    pub cameras: &'a [Camera],
    /// What encrypted listeners have.
    pub tls: Option<&'a Tls>,
    /// Where the frames are published.
    pub publishers: &'a [Publisher],
    /// What the server was told.
    pub settings: &'a Settings,
    /// What the loop counts.
    pub stats: &'a LoopStats,
    /// Who was refused.
    pub refused: Counts,
    /// The time of this turn.
    pub now: Instant,
}

impl Scene for Stage<'_> {
    fn camera_names(&self) -> Vec<&str> {
        self.cameras.iter().map(Camera::name).collect()
    }

    fn is_warming_up(&self, camera: usize) -> bool {
        self.cameras[camera].is_warming_up(self.now)
    }

    fn snapshot_max_age(&self) -> Option<Duration> {
        self.settings.snapshot_max_age
    }

    fn frame(&self, camera: usize) -> Option<&Frame> {
        self.hub.frame(camera)
    }

    fn outage(&self, camera: usize) -> Option<String> {
        let camera = &self.cameras[camera];
        camera.outage().map(|reason| format!("Camera {} is offline: {reason}.", camera.name()))
    }

    fn has_room(&self) -> bool {
        self.hub.viewers_len() < self.hub.limits().viewers_max
    }

    fn history(&self, camera: usize) -> &History {
        self.hub.history(camera)
    }

    fn has_room_for_clip(&self) -> bool {
        self.hub.readers_of(Purpose::Clip) < self.hub.limits().clips_max
    }

    fn division(&self) -> Division<'_> {
        self.hub.division()
    }

    fn journal(&self) -> &Journal {
        self.hub.journal()
    }

    fn state(&self, camera: usize, labels: Option<&[&str]>) -> State {
        State { ok: true, result: self.selected(camera, labels), summary: self.summary(), limits: self.limits() }
    }

    fn complaint(&self) -> Option<String> {
        let is_silent = |index: usize| {
            let silence = match self.hub.frame(index) {
                Some(frame) => Some(frame.age(self.now)),
                None => self.cameras[index].wanted_for(self.now),
            };
            silence.zip(self.cameras[index].patience()).is_some_and(|(silence, patience)| silence > patience)
        };
        let wanted = |index: usize| self.cameras[index].wanted_for(self.now).is_some();
        let watched: Vec<usize> = (0..self.cameras.len()).filter(|&index| wanted(index)).collect();
        let silent = watched.iter().all(|&index| is_silent(index));
        (silent && !watched.is_empty()).then(|| {
            let patience = |index: usize| self.cameras[index].patience().unwrap_or_default().as_secs();
            let silent = |&index: &usize| format!("{} for {} s", self.cameras[index].name(), patience(index));
            let silent: Vec<String> = watched.iter().map(silent).collect();
            format!("Watched cameras give no frame: {}.", silent.join(", "))
        })
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn wall_time(&self) -> WallTime {
        WallTime::nearest(wall_time())
    }
}

impl Stage<'_> {
    /// Figures that change.
    pub fn summary(&self) -> state::Summary {
        state::Summary {
            cameras: (0..self.cameras.len()).map(|index| self.camera(index)).collect(),
            publishers: self.publishers.iter().map(|publisher| self.publisher(publisher)).collect(),
            viewers: self.hub.viewers_len(),
            frames: self.hub.frame_counts(self.now),
            refused: self.refused,
            pinned_bytes: self.hub.pinned_bytes(),
            connections: state::Connections {
                open: self.hub.len(),
                tables: self.hub.readers_of(Purpose::Table),
                listeners: self.hub.readers_of(Purpose::Events),
                clips: self.hub.readers_of(Purpose::Clip),
                totals: *self.hub.totals(),
            },
            event_loop: self.event_loop(),
            tls: self.tls.map(Tls::counts),
        }
    }

    fn selected(&self, index: usize, labels: Option<&[&str]>) -> state::Selected {
        let camera = &self.cameras[index];
        let fps = whole(self.hub.frame_rate(index, self.now));
        let viewers = self.hub.viewers().filter(|(_, _, viewer)| match labels {
            Some(labels) => labels.contains(&&*viewer.label),
            None => true,
        });
        let clients_stat = viewers
            .take(VIEWERS_LISTED_MAX)
            .map(|(key, connection, viewer)| {
                let figures = state::Viewer {
                    key: viewer.label.to_string(),
                    peer: connection.client.to_string(),
                    camera: self.cameras[viewer.camera].name().to_owned(),
                    fps: whole(viewer.rate.per_second(self.now)),
                    advance_headers: viewer.framing == Framing::Advance,
                    frames: self.hub.counts(viewer, self.now),
                    queued_bytes: connection.queue.bytes_queued(),
                    partial_writes: connection.partial_writes,
                    age_ms: millis(self.now.saturating_duration_since(viewer.since)),
                };
                (key.number.to_string(), figures)
            })
            .collect();
        state::Selected {
            instance_id: String::new(),
            source: state::Source {
                online: camera.is_online(),
                resolution: self.resolution(index),
                desired_fps: fps,
                captured_fps: fps,
            },
            stream: state::Stream { queued_fps: fps, clients: self.hub.viewers_of(index), clients_stat },
        }
    }

    fn camera(&self, index: usize) -> state::Camera {
        let camera = &self.cameras[index];
        let frame = self.hub.frame(index);
        let tally = camera.tally();
        state::Camera {
            name: camera.name().to_owned(),
            source: camera.source(),
            online: camera.is_online(),
            running: camera.is_running(),
            captured_fps: self.hub.frame_rate(index, self.now),
            resolution: self.resolution(index),
            sequence: frame.map_or(0, |frame| frame.sequence),
            frame_age_ms: frame.map(|frame| millis(frame.age(self.now))),
            viewers: self.hub.viewers_of(index),
            history_frames: self.hub.history(index).len(),
            history_bytes: self.hub.history(index).bytes(),
            restarts: camera.restarts(),
            accepted: tally.accepted.frames,
            repaired: tally.repaired_frames,
            rejected: rejected(&tally),
            timestamps_ignored: tally.timestamps_ignored,
            sequences_ignored: tally.sequences_ignored.saturating_add(self.hub.sequences_ignored(index)),
            accepted_bytes: tally.accepted.bytes,
            rejected_bytes: tally.rejected_bytes(),
            skipped_bytes: tally.skipped_bytes,
            undecided_bytes: camera.bytes_undecided(),
            published: self.hub.frames_published(index),
            frames: self.hub.frame_counts_of(index, self.now),
            capture_to_publish: *self.hub.capture_to_publish(index),
            capture_to_last_byte: *self.hub.capture_to_last_byte(index),
            offline: camera.outage().is_some(),
            stood_in_for: camera.is_stood_in_for(),
            error: camera.outage().or(camera.trouble()).map(str::to_owned),
        }
    }

    fn publisher(&self, publisher: &Publisher) -> state::Publisher {
        let viewer = self.hub.viewers().find(|(key, ..)| publisher.key() == Some(*key));
        state::Publisher {
            camera: self.cameras[publisher.camera()].name().to_owned(),
            target: publisher.target(),
            running: publisher.key().is_some(),
            restarts: publisher.restarts(),
            frames: viewer.map(|(_, _, viewer)| self.hub.counts(viewer, self.now)).unwrap_or_default(),
            error: publisher.trouble().map(str::to_owned),
        }
    }

    fn resolution(&self, camera: usize) -> Resolution {
        let picture = self.hub.frame(camera).map(|frame| frame.picture);
        picture.map_or_else(Resolution::default, |picture| Resolution { width: picture.width, height: picture.height })
    }

    fn event_loop(&self) -> state::EventLoop {
        state::EventLoop {
            turns: self.stats.turns,
            events: self.stats.events,
            wakeups: self.stats.wakeups,
            turns_per_second: self.stats.rate.per_second(self.now),
            longest_turn_us: self.stats.longest_turn.as_micros() as u64,
            turn: self.stats.turn,
            cpu_ms: millis(cpu_time()),
            accepts_exhausted: self.stats.accepts_exhausted,
            log_lines_lost: logging::lines_lost(),
            uptime_ms: millis(self.now.saturating_duration_since(self.stats.started_at)),
        }
    }

    fn limits(&self) -> state::Limits {
        let limits = self.hub.limits();
        state::Limits {
            viewers_max: limits.viewers_max,
            connections_max: self.settings.connections_max,
            handshake_timeout_ms: millis(limits.handshake_timeout),
            connections_per_address_max: limits.connections_per_client_max,
            request_timeout_ms: millis(limits.request_timeout),
            idle_timeout_ms: millis(limits.idle_timeout),
            stall_timeout_ms: millis(limits.stall_timeout),
            frame_timeout_ms: millis(limits.frame_timeout),
            repeat_after_ms: millis(limits.repeat_after),
            frames_pinned_bytes_max: limits.frames_pinned_bytes_max,
            history_ms: millis(limits.history_span),
            history_bytes_max: limits.history_bytes_max,
            clips_max: limits.clips_max,
        }
    }
}

/// Frames rejected, by every reason that has occurred.
fn rejected(tally: &Tally) -> BTreeMap<&'static str, u64> {
    let counts = Reason::ALL.iter().map(|&reason| (reason.as_str(), tally.rejected(reason).frames));
    counts.filter(|&(_, frames)| frames > 0).collect()
}

/// The CPU time of this process so far.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

/// A rate as ustreamer tells it.
fn whole(per_second: f32) -> u32 {
    per_second.round() as u32
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

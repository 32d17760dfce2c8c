//! A camera and its driver: the child process that runs while the camera has viewers, and writes
//! its frames to a pipe.
//!
//! The driver is started for the first viewer, stopped some time after the last one has left, and
//! restarted when it exits. While it gives no frames, viewers are shown a placeholder.

mod frames;
mod placeholder;
mod useless;

use std::process::Stdio;
use std::time::{Duration, Instant};

use log::Level;
use mio::Registry;
use rustix::process::Signal;

use self::frames::{FrameReader, shot};
use self::placeholder::Placeholder;
use super::settings::{CameraSettings, DriverSpec, Offline, StdinFrom, WarmUp};
use super::socket::Socket;
use super::supervised::{ChildProcess, Exit, Supervised};
use super::token::ChildKind;
use crate::hub::{Hub, Tick};
use crate::wire::source::Tally;

/// A driver that has given no frame for this many times its frame timeout is killed.
const HOPELESS_FACTOR: u32 = 6;

/// A driver is sent SIGTERM so long after it closed its standard output.
const EXIT_GRACE: Duration = Duration::from_secs(2);

/// One camera and, while it has viewers, its driver.
#[derive(Debug)]
pub struct Camera {
    index: usize,
    name: String,
    frame_bytes_max: usize,
    warm_up: WarmUp,
    linger: Duration,
    driver: Supervised<FrameReader>,
    placeholder: Placeholder,
    /// The driver's last run gave a picture and exited with status 0: the camera is online until
    /// the next run.
    is_still: bool,
    /// Starts of such runs, which are no restarts.
    still_starts: u32,
    /// Since when it has had viewers; since when it has had none.
    wanted_since: Option<Instant>,
    unwanted_since: Option<Instant>,
    /// What became of the bytes of drivers that have exited.
    closed_tally: Tally,
}

impl Camera {
    /// A camera whose driver is started when it is first wanted. Placeholders are drawn as
    /// `renderer` says.
    pub fn new(
        index: usize,
        settings: CameraSettings,
        renderer: DriverSpec,
        offline: Offline,
        linger: Duration,
    ) -> Self {
        let CameraSettings {
            name,
            driver,
            frame_bytes_max,
            warm_up,
        } = settings;
        Self {
            index,
            frame_bytes_max,
            warm_up,
            linger,
            driver: Supervised::new(
                ChildKind::Driver,
                index,
                format_args!("camera {name}"),
                driver,
            ),
            placeholder: Placeholder::new(index, &name, renderer, offline, frame_bytes_max),
            is_still: false,
            still_starts: 0,
            wanted_since: None,
            unwanted_since: None,
            closed_tally: Tally::default(),
            name,
        }
    }

    /// Reads what its processes have written, publishes the frames, and notes exits.
    pub fn read(&mut self, hub: &mut Hub<Socket>, scratch: &mut [u8], now: Instant) {
        let (is_wanted, index) = (self.driver.is_running(), self.index);
        let mut size = None;
        self.driver.read(scratch, now, |frames, scratch, log| {
            let publish = |part: &_| {
                if is_wanted {
                    hub.publish(index, shot(part), now);
                    size = Some((part.picture.width, part.picture.height));
                }
            };
            frames.read(scratch, now, log, publish)
        });
        if let Some(size) = size {
            self.placeholder.size = size;
            self.recovered();
        }
        if self.driver.own().is_some_and(FrameReader::has_ended) {
            self.driver.signal_after(EXIT_GRACE, Signal::TERM, now);
        }
        if let Some(exit) = self.driver.take_exit(now) {
            self.exited(exit, now);
        }
        self.placeholder.read(hub, scratch, now);
    }

    /// Notes that a live frame has come.
    fn recovered(&mut self) {
        self.driver.set_well();
        if self.placeholder.reason().is_some() {
            self.driver.log().forget();
            self.driver.log().log(Level::Info, "online again");
        }
        self.placeholder.end();
    }

    fn exited(&mut self, exit: Exit<FrameReader>, now: Instant) {
        let Exit {
            own: frames,
            status,
            started_at,
            was_stopped,
        } = exit;
        self.closed_tally.merge(&frames.tally());
        // What is no whole frame by now will never be one.
        self.closed_tally.discarded_bytes += frames.buffered_bytes();
        if was_stopped {
            log::debug!("camera {}: driver stopped ({status})", self.name);
            return;
        }
        let repeat_interval = self
            .driver
            .spec()
            .repeat_interval
            .filter(|_| status.success() && frames.has_frames());
        self.is_still = repeat_interval.is_some();
        if let Some(every) = repeat_interval {
            self.driver.start_again_at(started_at + every);
            return;
        }
        if let (None, Some(complaint)) = (self.driver.error(), frames.last_complaint()) {
            self.driver.fail(complaint);
        }
        self.driver.restart_after(status, now);
    }

    /// Starts and stops the driver, depending on whether the camera is wanted, and reports an
    /// outage to its viewers. Deadlines are judged by `tick.asked_at`.
    pub fn attend(&mut self, wanted: bool, hub: &mut Hub<Socket>, registry: &Registry, tick: Tick) {
        let Tick { asked_at, now } = tick;
        if wanted {
            (self.wanted_since, self.unwanted_since) = (self.wanted_since.or(Some(asked_at)), None)
        } else {
            (self.wanted_since, self.unwanted_since) =
                (None, self.unwanted_since.or(Some(asked_at)))
        }
        let may_stop = self.driver.is_running() || self.driver.is_in_backoff();
        if may_stop
            && self
                .unwanted_since
                .is_some_and(|since| asked_at >= since + self.linger)
        {
            log::info!("camera {}: no viewers, stopping driver", self.name);
            self.stop(asked_at);
            hub.clear(self.index);
        }
        // Not only a wanted camera is restarted: a client that polls snapshots of an offline camera
        // is answered at once, so that the camera is never wanted for long.
        if (wanted || self.driver.is_in_backoff()) && self.driver.may_start(asked_at) {
            self.start(registry, now);
        }
        if let Some(fault) = self.fault(asked_at) {
            self.placeholder.note(fault, now);
        }
        self.placeholder.attend(hub, registry, tick);
    }

    fn start(&mut self, registry: &Registry, now: Instant) {
        self.still_starts += u32::from(self.is_still);
        let mut command = self.driver.command();
        command.stdout(Stdio::piped());
        let frame_bytes_max = self.frame_bytes_max;
        let is_started = self.driver.start(command, registry, now, |process, token| {
            FrameReader::open(process, token, registry, frame_bytes_max, now)
        });
        if is_started {
            let started = format!("started ({})", self.driver.spec().shown_as);
            self.driver.log().log(Level::Info, &started);
        } else {
            self.is_still = false;
            self.driver.back_off(now);
        }
    }

    /// Why there are no frames though there should be, if so.
    fn fault(&mut self, now: Instant) -> Option<String> {
        if self.driver.is_in_backoff() && !self.is_still {
            return self.driver.error().map(str::to_owned);
        }
        let frames = self.driver.running()?;
        let silent_for = now.saturating_duration_since(frames.newest_at);
        let complaint = frames.complaint(now);
        let DriverSpec {
            frame_timeout,
            recovers,
            ..
        } = *self.driver.spec();
        if !recovers
            && frame_timeout
                .is_some_and(|frame_timeout| silent_for >= frame_timeout * HOPELESS_FACTOR)
        {
            self.driver.signal_after(Duration::ZERO, Signal::KILL, now);
        }
        if let Some(complaint) = complaint {
            self.driver.fail(complaint.clone());
            return Some(complaint);
        }
        let frame_timeout = frame_timeout.filter(|frame_timeout| silent_for >= *frame_timeout)?;
        let silence = || format!("no picture for {} s", frame_timeout.as_secs());
        Some(self.driver.error().map_or_else(silence, str::to_owned))
    }

    /// Notes that a still picture of it was sent: a driver without viewers runs on as if one had
    /// just left.
    pub fn linger_on(&mut self, now: Instant) {
        self.unwanted_since = self.unwanted_since.map(|_| now);
    }

    /// Stops its processes.
    fn stop(&mut self, now: Instant) {
        self.placeholder.end();
        self.driver.stop(now);
        self.is_still = false;
    }

    /// Stops its processes, and starts no other: the server shuts down.
    pub fn shut_down(&mut self, now: Instant) {
        self.driver.retire();
        self.stop(now);
    }

    /// Whether no process of it is left.
    pub fn is_over(&self) -> bool {
        self.driver.child().is_none()
    }

    /// When a turn must be taken for it, whatever its processes do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let release_at = self.unwanted_since.map(|since| since + self.linger);
        let release_at =
            release_at.filter(|_| self.driver.is_running() || self.driver.is_in_backoff());
        let DriverSpec {
            frame_timeout,
            recovers,
            ..
        } = *self.driver.spec();
        let is_outage = self.placeholder.is_outage();
        let running = self.driver.running();
        let frame_timeout =
            frame_timeout.filter(|_| !(is_outage && (recovers || self.driver.is_overdue())));
        let frame_timeout = frame_timeout.map(|frame_timeout| {
            if is_outage {
                frame_timeout * HOPELESS_FACTOR
            } else {
                frame_timeout
            }
        });
        let silence = running
            .zip(frame_timeout)
            .map(|(frames, frame_timeout)| frames.newest_at + frame_timeout);
        let complaint = running
            .filter(|_| !is_outage)
            .and_then(FrameReader::complaint_at);
        [
            release_at,
            silence,
            complaint,
            self.placeholder.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Its processes.
    pub(super) fn processes(&self) -> [&dyn ChildProcess; 2] {
        [&self.driver, &self.placeholder.renderer]
    }

    /// Its processes.
    pub(super) fn processes_mut(&mut self) -> [&mut dyn ChildProcess; 2] {
        [&mut self.driver, &mut self.placeholder.renderer]
    }
}

/// What others may know of it.
impl Camera {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its frames come from, as the user wrote it, with credentials masked.
    pub fn source(&self) -> String {
        self.driver.spec().shown_as.to_string()
    }

    /// Whether its driver runs without viewers too: what writes to our standard input would be held
    /// up.
    pub fn is_always_on(&self) -> bool {
        self.driver.spec().stdin == StdinFrom::Server
    }

    /// Whether a driver runs and is wanted.
    pub fn is_running(&self) -> bool {
        self.driver.is_running() || self.is_still && self.driver.is_in_backoff()
    }

    /// Whether its driver has just been started, so that its pictures may still be dark or out of
    /// focus.
    pub fn is_warming_up(&self, now: Instant) -> bool {
        self.driver
            .running()
            .is_some_and(|frames| frames.is_warming_up(self.warm_up, now))
    }

    /// Whether a driver runs and gives frames.
    pub fn is_online(&self) -> bool {
        let gives_frames = self.driver.running().is_some_and(FrameReader::has_frames);
        (gives_frames || self.is_still) && !self.placeholder.is_outage()
    }

    /// Why its viewers are shown that it is offline, if they are.
    pub fn outage(&self) -> Option<&str> {
        self.placeholder.reason()
    }

    /// Whether its viewers are shown a placeholder.
    pub fn is_stood_in_for(&self) -> bool {
        self.placeholder.is_shown()
    }

    /// How often a driver was started after the first time.
    pub fn restarts(&self) -> u32 {
        (self.driver.starts() - self.still_starts).saturating_sub(1)
    }

    /// For how long it has had viewers without a break.
    pub fn wanted_for(&self, now: Instant) -> Option<Duration> {
        self.wanted_since
            .map(|since| now.saturating_duration_since(since))
    }

    /// How long it may give no frame while all is well; `None` for ever.
    pub fn frame_timeout(&self) -> Option<Duration> {
        self.driver.spec().frame_timeout
    }

    /// What went wrong last, while it is not online. What an online driver writes to stderr is no
    /// error.
    pub fn trouble(&self) -> Option<&str> {
        self.driver.error().filter(|_| !self.is_online())
    }

    /// What became of the bytes that all its drivers wrote.
    pub fn tally(&self) -> Tally {
        let mut tally = self.closed_tally;
        if let Some(frames) = self.driver.own() {
            tally.merge(&frames.tally());
        }
        tally
    }

    /// Bytes its driver wrote that are not yet known to be a frame or none.
    pub fn buffered_bytes(&self) -> u64 {
        self.driver.own().map_or(0, FrameReader::buffered_bytes)
    }
}

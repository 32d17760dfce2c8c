//! A camera and its driver, the child process that writes the camera's frames to a pipe.
//!
//! The driver starts with the first viewer, stops some time after the last one has left, and is
//! restarted when it exits. While there are no frames, viewers get a placeholder.

mod frames;
mod placeholder;
mod unusable;

use std::process::Stdio;
use std::time::{Duration, Instant};

use log::Level;
use mio::Registry;
use rustix::process::Signal;

use self::frames::{FrameReader, captured};
use self::placeholder::Placeholder;
use super::settings::{CameraSettings, DriverSpec, Offline, StdinFrom, WarmUp};
use super::socket::Socket;
use super::supervised::{ChildProcess, Exit, Supervised};
use super::token::ChildKind;
use crate::hub::{Hub, Tick, Wake};
use crate::wire::part::Tally;

/// A driver without a frame for this many times its frame timeout is killed.
const KILL_TIMEOUT_FACTOR: u32 = 6;

/// The time between the end of a driver's stdout and SIGTERM.
const EXIT_GRACE: Duration = Duration::from_secs(2);

/// One camera, its driver and its placeholder.
#[derive(Debug)]
pub struct Camera {
    index: usize,
    name: String,
    frame_bytes_max: usize,
    warm_up: WarmUp,
    linger: Duration,
    driver: Supervised<FrameReader>,
    placeholder: Placeholder,
    /// The driver takes one picture per run (`repeat_interval`), and the last run succeeded. So the
    /// camera is online between two runs.
    is_between_runs: bool,
    /// Starts of further runs of such a driver, which do not count as restarts.
    scheduled_starts: u32,
    /// Since when the camera is wanted (it has viewers, or always runs); since when it is not.
    wanted_since: Option<Instant>,
    unwanted_since: Option<Instant>,
    /// The counts of drivers that have exited.
    exited_tally: Tally,
}

impl Camera {
    /// A camera whose driver does not run yet. The program `renderer` draws its placeholders.
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
            is_between_runs: false,
            scheduled_starts: 0,
            wanted_since: None,
            unwanted_since: None,
            exited_tally: Tally::default(),
            name,
        }
    }

    /// Reads the output of driver and renderer, publishes the frames, and handles exits.
    pub fn read(&mut self, hub: &mut Hub<Socket>, scratch: &mut [u8], now: Instant) {
        // The last output of a stopped driver is read, but not published.
        let (is_wanted, index) = (self.driver.is_running(), self.index);
        let mut size = None;
        self.driver.read(scratch, now, |frames, scratch, log| {
            let publish = |part: &_| {
                if is_wanted {
                    hub.publish(index, captured(part), now);
                    size = Some((part.picture.width, part.picture.height));
                }
            };
            frames.read(scratch, now, log, publish)
        });
        if let Some(size) = size {
            self.placeholder.size = size;
            self.recovered();
        }
        if self.driver.data().is_some_and(FrameReader::has_ended) {
            self.driver.signal_after(EXIT_GRACE, Signal::TERM, now);
        }
        if let Some(exit) = self.driver.take_exit(now) {
            self.exited(exit, now);
        }
        self.placeholder.read(hub, scratch, now);
    }

    /// Called after a live frame: ends an outage.
    fn recovered(&mut self) {
        self.driver.set_healthy();
        if self.placeholder.reason().is_some() {
            self.driver.log().forget();
            self.driver.log().log(Level::Info, "online again");
        }
        self.placeholder.end();
    }

    fn exited(&mut self, exit: Exit<FrameReader>, now: Instant) {
        let Exit {
            data: frames,
            status,
            started_at,
            was_stopped,
        } = exit;
        self.exited_tally.merge(&frames.tally());
        // The rest of its output can no longer become a frame.
        self.exited_tally.discarded_bytes += frames.buffered_bytes();
        if was_stopped {
            log::debug!("camera {}: driver stopped ({status})", self.name);
            return;
        }
        let repeat_interval = self
            .driver
            .spec()
            .repeat_interval
            .filter(|_| status.success() && frames.has_frames());
        self.is_between_runs = repeat_interval.is_some();
        if let Some(every) = repeat_interval {
            self.driver.schedule_start(started_at + every);
            return;
        }
        if let (None, Some(problem)) = (self.driver.error(), frames.problem_at_exit()) {
            self.driver.set_error(problem);
        }
        self.driver.schedule_restart(status, now);
    }

    /// Starts and stops the driver, depending on whether the camera is wanted, and reports an
    /// outage to viewers. Deadlines are compared with `tick.asked_at`.
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
        // A restart needs no viewer. A snapshot of an offline camera is answered at once, so a client
        // that polls snapshots would never be there when the backoff ends.
        if (wanted || self.driver.is_in_backoff()) && self.driver.may_start(asked_at) {
            self.start(registry, now);
        }
        if let Some(reason) = self.outage_reason(asked_at) {
            self.placeholder.set_outage(reason, now);
        }
        self.placeholder.attend(hub, registry, tick);
    }

    fn start(&mut self, registry: &Registry, now: Instant) {
        self.scheduled_starts += u32::from(self.is_between_runs);
        let mut command = self.driver.command();
        command.stdout(Stdio::piped());
        let frame_bytes_max = self.frame_bytes_max;
        let is_started = self.driver.start(command, registry, now, |process, token| {
            FrameReader::open(process, token, registry, frame_bytes_max, now)
        });
        if is_started {
            let started = format!("started driver ({})", self.driver.spec().shown_as);
            self.driver.log().log(Level::Info, &started);
        } else {
            self.is_between_runs = false;
            self.driver.back_off(now);
        }
    }

    /// Returns why there are no frames although there should be. Kills a driver that has been silent
    /// for too long.
    fn outage_reason(&mut self, now: Instant) -> Option<String> {
        if self.driver.is_in_backoff() && !self.is_between_runs {
            return self.driver.error().map(str::to_owned);
        }
        let frames = self.driver.running()?;
        let silent_for = now.saturating_duration_since(frames.newest_at);
        let problem = frames.problem(now);
        let DriverSpec {
            frame_timeout,
            recovers,
            ..
        } = *self.driver.spec();
        if !recovers
            && frame_timeout.is_some_and(|timeout| silent_for >= timeout * KILL_TIMEOUT_FACTOR)
        {
            self.driver.signal_after(Duration::ZERO, Signal::KILL, now);
        }
        if let Some(problem) = problem {
            self.driver.set_error(problem.clone());
            return Some(problem);
        }
        let timeout = frame_timeout.filter(|timeout| silent_for >= *timeout)?;
        let silence = || format!("no frame for {} s", timeout.as_secs());
        Some(self.driver.error().map_or_else(silence, str::to_owned))
    }

    /// Called when a snapshot was sent: a driver without viewers runs on as if one had just left.
    pub fn restart_linger(&mut self, now: Instant) {
        self.unwanted_since = self.unwanted_since.map(|_| now);
    }

    /// Stops driver and renderer.
    fn stop(&mut self, now: Instant) {
        self.placeholder.end();
        self.driver.stop(now);
        self.is_between_runs = false;
    }

    /// Stops driver and renderer for good: the server is shutting down.
    pub fn shut_down(&mut self, now: Instant) {
        self.driver.retire();
        self.stop(now);
    }

    /// Whether the driver has exited.
    pub fn is_over(&self) -> bool {
        self.driver.child().is_none()
    }

    /// Returns when [`Camera::attend`] is due, apart from the signals and starts that
    /// [`ChildProcess::next_wake`] covers.
    pub fn next_wake(&self) -> Wake {
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
        // A silent driver becomes an outage first, and is killed later.
        let timeout = match frame_timeout {
            Some(timeout) if !is_outage => Some(timeout),
            Some(timeout) if !recovers && !self.driver.is_signalled() => {
                Some(timeout * KILL_TIMEOUT_FACTOR)
            }
            _ => None,
        };
        let silence = running
            .zip(timeout)
            .map(|(frames, timeout)| frames.newest_at + timeout);
        let problem = running
            .filter(|_| !is_outage)
            .and_then(FrameReader::problem_at);
        let report = self.placeholder.next_deadline();
        let deadlines = [release_at, silence, problem, report];
        let next = deadlines.into_iter().flatten().min();
        next.map_or(Wake::OnInput, Wake::At)
    }

    /// Driver and renderer.
    pub(super) fn processes(&self) -> [&dyn ChildProcess; 2] {
        [&self.driver, &self.placeholder.renderer]
    }

    /// Driver and renderer.
    pub(super) fn processes_mut(&mut self) -> [&mut dyn ChildProcess; 2] {
        [&mut self.driver, &mut self.placeholder.renderer]
    }
}

/// What the site shows.
impl Camera {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its frames come from, as the user wrote it, with credentials masked.
    pub fn source(&self) -> String {
        self.driver.spec().shown_as.to_string()
    }

    /// Whether the driver runs without viewers too. A camera on stdin does: the program that writes
    /// to it would block.
    pub fn is_always_on(&self) -> bool {
        self.driver.spec().stdin == StdinFrom::Server
    }

    /// Whether the driver runs, or is between two runs.
    pub fn is_running(&self) -> bool {
        self.driver.is_running() || self.is_between_runs && self.driver.is_in_backoff()
    }

    /// Whether the driver has just been started, so that its pictures may still be dark or out of
    /// focus.
    pub fn is_warming_up(&self, now: Instant) -> bool {
        self.driver
            .running()
            .is_some_and(|frames| frames.is_warming_up(self.warm_up, now))
    }

    /// Whether there are frames.
    pub fn is_online(&self) -> bool {
        let has_frames = self.driver.running().is_some_and(FrameReader::has_frames);
        (has_frames || self.is_between_runs) && !self.placeholder.is_outage()
    }

    /// Why the camera is offline, once that was reported to viewers.
    pub fn outage(&self) -> Option<&str> {
        self.placeholder.reason()
    }

    /// Whether viewers get a placeholder.
    pub fn shows_placeholder(&self) -> bool {
        self.placeholder.is_shown()
    }

    /// How often the driver was restarted.
    pub fn restarts(&self) -> u32 {
        (self.driver.starts() - self.scheduled_starts).saturating_sub(1)
    }

    /// For how long the camera has been wanted without a break.
    pub fn wanted_for(&self, now: Instant) -> Option<Duration> {
        self.wanted_since
            .map(|since| now.saturating_duration_since(since))
    }

    /// The time without a frame after which the camera is offline; `None`: no limit.
    pub fn frame_timeout(&self) -> Option<Duration> {
        self.driver.spec().frame_timeout
    }

    /// The last error, unless the camera is online: what an online driver writes to stderr is not an
    /// error.
    pub fn error(&self) -> Option<&str> {
        self.driver.error().filter(|_| !self.is_online())
    }

    /// Counts the output of all its drivers.
    pub fn tally(&self) -> Tally {
        let mut tally = self.exited_tally;
        if let Some(frames) = self.driver.data() {
            tally.merge(&frames.tally());
        }
        tally
    }

    /// Bytes of the driver that may still become a frame.
    pub fn buffered_bytes(&self) -> u64 {
        self.driver.data().map_or(0, FrameReader::buffered_bytes)
    }
}

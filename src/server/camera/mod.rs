//! The child process behind a camera: started when somebody watches, stopped when nobody does, restarted when it dies.
//!
//! Whatever can block, crash or hang in getting a picture happens in there. What comes out is a pipe of frames, which
//! the loop reads like any connection, and a pipe of words, which go to the log.

mod driver;
mod words;

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use mio::Registry;
use rustix::process::Signal;

use self::driver::Driver;
use self::words::LineLimit;
use super::settings::CameraSettings;
use super::token::Pipe;
use crate::stream::Key;
use crate::wire::source::{Part, Tally};

/// The wait before a driver that died is started again doubles from the first to the last of these.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(8);

/// A driver that has lived this long was well: the next wait is short again.
const WELL_AFTER: Duration = Duration::from_secs(8);

/// A driver that was told to end is killed after this long.
const KILL_AFTER: Duration = Duration::from_secs(2);

/// One camera and, while somebody watches, its driver.
#[derive(Debug)]
pub struct Camera {
    settings: CameraSettings,
    index: u32,
    program: PathBuf,
    life: Life,
    runs: u32,
    backoff: Duration,
    /// A process has ended, but there may be frames left in its pipe.
    reap_owed: bool,
    linger: Duration,
    wanted_since: Option<Instant>,
    unwanted_since: Option<Instant>,
    trouble: Option<String>,
    words: LineLimit,
    departed: Tally,
}

/// Where a camera stands.
#[derive(Debug)]
enum Life {
    /// Nobody watches.
    Off,
    /// The driver runs.
    On(Driver),
    /// The driver died; it is started again then.
    Down { until: Instant },
    /// The driver was told to end, and is killed then.
    Ending { driver: Driver, kill_at: Instant },
}

impl Camera {
    /// A camera whose drivers are started as `program capture SOURCE`.
    pub fn new(settings: CameraSettings, index: usize, program: PathBuf, linger: Duration) -> Self {
        Self {
            settings,
            index: index as u32,
            program,
            life: Life::Off,
            runs: 0,
            backoff: BACKOFF_MIN,
            reap_owed: false,
            linger,
            wanted_since: None,
            unwanted_since: None,
            trouble: None,
            words: LineLimit::default(),
            departed: Tally::default(),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Where its frames come from, as the user said it but without secrets.
    pub fn source(&self) -> String {
        self.settings.source.to_string()
    }

    /// Whether it is to run even while nobody watches: whoever writes to our standard input would be held up.
    pub fn is_always_on(&self) -> bool {
        self.settings.source.reads_stdin()
    }

    /// Whether a driver runs and is wanted.
    pub fn is_running(&self) -> bool {
        matches!(self.life, Life::On(_))
    }

    /// Whether a driver runs and has given a frame.
    pub fn is_online(&self) -> bool {
        matches!(&self.life, Life::On(driver) if driver.has_given_frames())
    }

    /// How often a driver was started after the first time.
    pub fn restarts(&self) -> u32 {
        self.runs.saturating_sub(1)
    }

    /// For how long somebody has been watching without a break.
    pub fn wanted_for(&self, now: Instant) -> Option<Duration> {
        self.wanted_since.map(|since| now.saturating_duration_since(since))
    }

    /// What went wrong last, while it is not made good.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// What became of the bytes that all its drivers wrote.
    pub fn tally(&self) -> Tally {
        let mut tally = self.departed;
        if let Some(driver) = self.driver() {
            tally.merge(&driver.tally());
        }
        tally
    }

    /// Brings the driver in line with whether it is wanted. Returns whether the camera has just been let go, so that
    /// its last frame is no longer live.
    pub fn attend(&mut self, wanted: bool, registry: &Registry, now: Instant) -> bool {
        match wanted {
            true => (self.wanted_since, self.unwanted_since) = (self.wanted_since.or(Some(now)), None),
            false => (self.wanted_since, self.unwanted_since) = (None, self.unwanted_since.or(Some(now))),
        }
        let let_go = self.unwanted_since.is_some_and(|since| now >= since + self.linger);
        match &mut self.life {
            Life::Off if wanted => self.start(registry, now),
            Life::Down { until } if wanted && now >= *until => self.start(registry, now),
            Life::Down { .. } if let_go => {
                self.life = Life::Off;
                return true;
            }
            Life::On(_) if let_go => {
                log::info!("camera {}: nobody watches, so it stops", self.settings.name);
                self.stop(now);
                return true;
            }
            Life::Ending { driver, kill_at } if now >= *kill_at => {
                driver.signal(Signal::KILL);
                *kill_at = now + KILL_AFTER;
            }
            _ => {}
        }
        false
    }

    /// When [`Camera::attend`] must be called next, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.life {
            Life::Off => None,
            Life::On(_) => self.unwanted_since.map(|since| since + self.linger),
            Life::Down { until } => Some(self.unwanted_since.map_or(*until, |since| since + self.linger)),
            Life::Ending { kill_at, .. } => Some(*kill_at),
        }
    }

    /// Whether reading ended early and must go on without an edge.
    pub fn is_owed(&self) -> bool {
        self.driver().is_some_and(Driver::is_owed)
    }

    /// Reads frames until the pipe is empty or the budget is spent, and hands each to `publish`.
    pub fn read_output(&mut self, run: Option<u32>, scratch: &mut [u8], now: Instant, mut publish: impl FnMut(Part)) {
        let wanted = self.is_running();
        let current = self.runs & Key::NUMBER_MASK;
        let Some(driver) = self.driver_mut() else { return };
        if run.is_some_and(|run| run != current) {
            return;
        }
        let end = driver.read_output(scratch, |part| {
            if wanted {
                publish(part);
            }
        });
        let closed = driver.has_closed_output();
        if let Err(error) = end {
            log::warn!("camera {}: its pipe failed: {error}", self.settings.name);
        }
        if self.is_online() {
            self.trouble = None;
        }
        if closed || self.reap_owed {
            self.reap(now);
        }
    }

    /// Logs what the driver says, line by line.
    pub fn read_errors(&mut self, run: u32, scratch: &mut [u8], now: Instant) {
        let current = self.runs & Key::NUMBER_MASK;
        let Camera { life, words, settings, trouble, .. } = self;
        let (Life::On(driver) | Life::Ending { driver, .. }) = life else { return };
        if run != current {
            return;
        }
        driver.read_errors(scratch, |line| {
            *trouble = Some(line.to_owned());
            words.say(now, || log::warn!("camera {}: {line}", settings.name));
        });
    }

    /// Looks whether the driver has ended, and sees to what follows.
    pub fn reap(&mut self, now: Instant) {
        // The frames that are still in the pipe come first.
        self.reap_owed = self.is_owed();
        if self.reap_owed {
            return;
        }
        let Some(driver) = self.driver_mut() else { return };
        match driver.has_ended() {
            Ok(true) => match driver.reap() {
                Ok(status) => self.ended(status, now),
                Err(error) => log::error!("camera {}: its driver cannot be reaped: {error}", self.settings.name),
            },
            // It has closed its output, but goes on: nothing is to be had from it any more.
            Ok(false) if driver.has_closed_output() => driver.signal(Signal::KILL),
            Ok(false) => {}
            Err(error) => log::error!("camera {}: its driver cannot be waited for: {error}", self.settings.name),
        }
    }

    /// Tells the driver to end.
    pub fn stop(&mut self, now: Instant) {
        match std::mem::replace(&mut self.life, Life::Off) {
            Life::On(driver) => {
                driver.signal(Signal::TERM);
                self.life = Life::Ending { driver, kill_at: now + KILL_AFTER };
            }
            ending @ Life::Ending { .. } => self.life = ending,
            Life::Off | Life::Down { .. } => {}
        }
    }

    /// Ends the driver and all it has started, now.
    pub fn kill(&mut self) {
        if let Some(driver) = self.driver_mut() {
            driver.signal(Signal::KILL);
            // It cannot refuse, so this wait is short; without it a zombie would be left to our own parent.
            let _ = driver.reap();
        }
        self.life = Life::Off;
    }

    /// Whether no process of it is left.
    pub fn is_over(&self) -> bool {
        self.driver().is_none()
    }

    fn start(&mut self, registry: &Registry, now: Instant) {
        self.runs += 1;
        let pipe = Pipe { camera: self.index, run: self.runs & Key::NUMBER_MASK };
        match Driver::spawn(&self.program, &self.settings, pipe, registry, now) {
            Ok(driver) => {
                log::info!("camera {}: started ({})", self.settings.name, self.settings.source);
                self.life = Life::On(driver);
            }
            Err(error) => {
                let trouble = format!("its driver cannot be started: {error}");
                log::error!("camera {}: {trouble}; again in {:?}", self.settings.name, self.backoff);
                self.trouble = Some(trouble);
                self.back_off(now);
            }
        }
    }

    fn ended(&mut self, status: ExitStatus, now: Instant) {
        let (driver, wanted) = match std::mem::replace(&mut self.life, Life::Off) {
            Life::On(driver) => (driver, true),
            Life::Ending { driver, .. } => (driver, false),
            other => {
                self.life = other;
                return;
            }
        };
        self.departed.merge(&driver.tally());
        // What is no whole frame by now will never be one.
        self.departed.skipped_bytes += driver.bytes_undecided();
        if !wanted {
            log::debug!("camera {}: stopped ({status})", self.settings.name);
            return;
        }
        if now.saturating_duration_since(driver.started_at()) >= WELL_AFTER && driver.has_given_frames() {
            self.backoff = BACKOFF_MIN;
        }
        log::warn!("camera {}: its driver ended ({status}); again in {:?}", self.settings.name, self.backoff);
        self.trouble.get_or_insert_with(|| format!("its driver ended ({status})"));
        self.back_off(now);
    }

    fn back_off(&mut self, now: Instant) {
        self.life = Life::Down { until: now + self.backoff };
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }

    fn driver(&self) -> Option<&Driver> {
        match &self.life {
            Life::On(driver) | Life::Ending { driver, .. } => Some(driver),
            Life::Off | Life::Down { .. } => None,
        }
    }

    fn driver_mut(&mut self) -> Option<&mut Driver> {
        match &mut self.life {
            Life::On(driver) | Life::Ending { driver, .. } => Some(driver),
            Life::Off | Life::Down { .. } => None,
        }
    }
}

//! The child process behind a camera: started when somebody watches, stopped when nobody does, restarted when it dies.
//!
//! Whatever can block, crash or hang in getting a picture happens in there. What comes out is a pipe of frames, which
//! the loop reads like any connection, and a pipe of words, which go to the log. While the frames fail to come, viewers
//! are shown a picture that says so; drawing it would hold up the loop, so that is a child process too.

mod outage;
mod process;
mod useless;

use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use log::Level;
use mio::Registry;
use rustix::process::Signal;

use self::outage::Outage;
use self::process::Process;
use super::child::{self, Backoff, Child, KILL_AFTER, WELL_AFTER};
use super::settings::{CameraSettings, Offline};
use super::token::Pipe;
use super::words::{Words, presentable};
use crate::drivers::SOURCE_VARIABLE;
use crate::hub::Key;
use crate::wire::source::{Part, Tally};

/// A driver that should have given a frame by now, and has not for this many times as long, is beyond help.
const HOPELESS_FACTOR: u32 = 6;

/// The size of the picture that stands in for frames when none has been seen.
const STAND_IN_SIZE: (u16, u16) = (640, 480);

/// One camera and, while somebody watches, its driver.
#[derive(Debug)]
pub struct Camera {
    settings: CameraSettings,
    index: u32,
    program: PathBuf,
    offline: Offline,
    linger: Duration,
    life: Life,
    backoff: Backoff,
    /// Processes started for it, of either kind, and drivers among them.
    runs: u32,
    starts: u32,
    /// The driver's last run gave a picture and ended well: the camera is online from one run to the next.
    is_still: bool,
    /// A process has ended, but there may be frames and words left in its pipes.
    reap_owed: bool,
    wanted_since: Option<Instant>,
    unwanted_since: Option<Instant>,
    outage: Option<Outage>,
    artist: Option<Process>,
    size: (u16, u16),
    trouble: Option<String>,
    words: Words,
    departed: Tally,
    news: Vec<News>,
}

/// What a camera has to tell the loop.
#[derive(Debug)]
pub enum News {
    /// A live frame.
    Frame(Part),
    /// The camera is down: nobody is to wait for a frame any more.
    Offline,
    /// The picture to be shown meanwhile.
    StandIn(Part),
    /// Nobody watches any more: its last frame is no longer live.
    LetGo,
}

/// Where a camera stands.
#[derive(Debug)]
enum Life {
    /// Nobody watches.
    Off,
    /// The driver runs.
    On(Process),
    /// The driver has given a picture and ended well; it is run again then.
    Resting { until: Instant },
    /// The driver died; it is started again then.
    Down { until: Instant },
    /// The driver was told to end, and is killed then.
    Ending { driver: Process, kill_at: Instant },
}

impl Camera {
    /// A camera whose drivers are started as `program capture`.
    pub fn new(settings: CameraSettings, index: usize, program: PathBuf, offline: Offline, linger: Duration) -> Self {
        Self {
            words: Words::new(format!("camera {}", settings.name)),
            settings,
            index: index as u32,
            program,
            offline,
            linger,
            life: Life::Off,
            backoff: Backoff::default(),
            runs: 0,
            starts: 0,
            is_still: false,
            reap_owed: false,
            wanted_since: None,
            unwanted_since: None,
            outage: None,
            artist: None,
            size: STAND_IN_SIZE,
            trouble: None,
            departed: Tally::default(),
            news: Vec::new(),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Where its frames come from, as the user wrote it, with credentials masked.
    pub fn source(&self) -> String {
        self.settings.source.to_string()
    }

    /// Whether it is to run even while nobody watches: whoever writes to our standard input would be held up.
    pub fn is_always_on(&self) -> bool {
        self.settings.source.reads_stdin()
    }

    /// Whether a driver runs and is wanted.
    pub fn is_running(&self) -> bool {
        matches!(self.life, Life::On(_) | Life::Resting { .. })
    }

    /// Whether its driver has just been started, so that its pictures may still be dark or out of focus.
    pub fn is_warming_up(&self, now: Instant) -> bool {
        matches!(&self.life, Life::On(driver) if driver.is_warming_up(self.settings.warm_up, now))
    }

    /// Whether a driver runs and gives frames.
    pub fn is_online(&self) -> bool {
        let gives_frames = match &self.life {
            Life::On(driver) => self.is_still || driver.has_given_frames(),
            Life::Resting { .. } => true,
            Life::Off | Life::Down { .. } | Life::Ending { .. } => false,
        };
        gives_frames && self.outage.is_none()
    }

    /// Why viewers are shown that it is offline, if they are.
    pub fn outage(&self) -> Option<&str> {
        self.outage.as_ref().filter(|outage| outage.is_told()).map(Outage::reason)
    }

    /// Whether its viewers are shown a picture in the place of live ones.
    pub fn is_stood_in_for(&self) -> bool {
        self.outage().is_some() && !matches!(self.offline, Offline::Last)
    }

    /// How often a driver was started after the first time.
    pub fn restarts(&self) -> u32 {
        self.starts.saturating_sub(1)
    }

    /// For how long somebody has been watching without a break.
    pub fn wanted_for(&self, now: Instant) -> Option<Duration> {
        self.wanted_since.map(|since| now.saturating_duration_since(since))
    }

    /// What went wrong last, while no frames come. What a driver writes to its standard error meanwhile is no trouble.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref().filter(|_| !self.is_online())
    }

    /// What became of the bytes that all its drivers wrote.
    pub fn tally(&self) -> Tally {
        let mut tally = self.departed;
        if let Some(driver) = self.driver() {
            tally.merge(&driver.tally());
        }
        tally
    }

    /// Bytes its driver wrote that are not yet known to be a frame or none.
    pub fn bytes_undecided(&self) -> u64 {
        self.driver().map_or(0, Process::bytes_undecided)
    }

    /// What it has had to tell since the last time.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Brings the driver in line with whether it is wanted, and viewers' knowledge in line with whether it is well.
    pub fn attend(&mut self, wanted: bool, registry: &Registry, now: Instant) {
        match wanted {
            true => (self.wanted_since, self.unwanted_since) = (self.wanted_since.or(Some(now)), None),
            false => (self.wanted_since, self.unwanted_since) = (None, self.unwanted_since.or(Some(now))),
        }
        let let_go = self.unwanted_since.is_some_and(|since| now >= since + self.linger);
        match &mut self.life {
            Life::Off if wanted => self.start(registry, now),
            Life::On(_) | Life::Resting { .. } | Life::Down { .. } if let_go => self.let_go(now),
            // Not only while it is wanted: a client that polls snapshots of an offline camera is answered at once, and
            // would never find it back.
            Life::Resting { until } | Life::Down { until } if now >= *until => self.start(registry, now),
            Life::On(driver) => driver.hurry(now),
            Life::Ending { driver, kill_at } if now >= *kill_at => {
                driver.signal(Signal::KILL);
                *kill_at = now + KILL_AFTER;
            }
            _ => {}
        }
        self.attend_outage(registry, now);
    }

    /// A picture of it has been asked for: if nobody watches, it is kept as long as if somebody had just left.
    pub fn linger_on(&mut self, now: Instant) {
        self.unwanted_since = self.unwanted_since.map(|_| now);
    }

    /// When [`Camera::attend`] must be called next, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        let let_go = self.unwanted_since.map(|since| since + self.linger);
        let next = match &self.life {
            Life::Off => None,
            Life::On(driver) => {
                let patience = self.patience().and_then(|patience| match self.outage {
                    None => Some(driver.silent_since() + patience),
                    Some(_) if self.settings.source.heals() => None,
                    Some(_) => Some(driver.silent_since() + patience * HOPELESS_FACTOR),
                });
                let complaint = driver.complaint_at().filter(|_| self.outage.is_none());
                let_go.into_iter().chain(patience).chain(driver.hurry_at()).chain(complaint).min()
            }
            Life::Resting { until } | Life::Down { until } => let_go.into_iter().chain([*until]).min(),
            Life::Ending { kill_at, .. } => Some(*kill_at),
        };
        let tell = self.outage.as_ref().filter(|_| self.artist.is_none()).and_then(Outage::tell_at);
        next.into_iter().chain(tell).min()
    }

    /// Whether reading ended early and must go on without an edge.
    pub fn is_owed(&self) -> bool {
        self.reap_owed
            || self.driver().is_some_and(Process::is_owed)
            || self.artist.as_ref().is_some_and(Process::is_owed)
    }

    /// A child process has ended, maybe one of this camera's. What is left in its pipes comes first.
    pub fn child_ended(&mut self) {
        self.reap_owed = true;
    }

    /// Reads what process number `run` has written, or any of its processes, until there is no more or the budget is
    /// spent.
    pub fn read(&mut self, run: Option<u32>, scratch: &mut [u8], now: Instant) {
        let is_meant = |process: &Process| run.is_none_or(|run| run == process.run());
        if self.artist.as_ref().is_some_and(is_meant) {
            self.read_artist(scratch, now);
        }
        if self.driver().is_some_and(is_meant) {
            self.read_driver(scratch, now);
        }
        if run.is_none() {
            self.reap_owed &= self.driver().is_some_and(Process::is_owed);
        }
    }

    /// Its processes, of either kind.
    pub(super) fn children(&self) -> impl Iterator<Item = &Child> {
        self.driver().into_iter().chain(&self.artist).map(Process::child)
    }

    /// Tells its processes to end.
    pub fn stop(&mut self, now: Instant) {
        self.end_outage();
        match std::mem::replace(&mut self.life, Life::Off) {
            Life::On(driver) => {
                driver.signal(Signal::TERM);
                self.life = Life::Ending { driver, kill_at: now + KILL_AFTER };
            }
            ending @ Life::Ending { .. } => self.life = ending,
            Life::Off | Life::Resting { .. } | Life::Down { .. } => {}
        }
        self.is_still = false;
    }

    /// Ends its processes and all they have started, now.
    pub fn kill(&mut self) {
        self.end_outage();
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
        self.starts += u32::from(!self.is_still);
        let mut command = self.command("capture");
        command.arg(child::frame_max_argument(self.settings.frame_bytes_max));
        // The name is for the list of processes.
        command.arg(child::server_argument()).arg(format!("--camera={}", self.settings.name));
        command.env(SOURCE_VARIABLE, self.settings.source.address().expose());
        command.stdin(if self.settings.source.reads_stdin() { Stdio::inherit() } else { Stdio::null() });
        match self.spawn(command, registry, now) {
            Ok(driver) => {
                let words = format!("started ({})", self.settings.source);
                self.words.say(Level::Info, &words);
                self.life = Life::On(driver);
            }
            Err(error) => {
                self.trouble = Some(format!("its driver cannot be started: {error}"));
                self.back_off(now);
            }
        }
    }

    fn let_go(&mut self, now: Instant) {
        log::info!("camera {}: nobody watches, so it stops", self.settings.name);
        self.stop(now);
        self.news.push(News::LetGo);
    }

    fn read_driver(&mut self, scratch: &mut [u8], now: Instant) {
        let Self { life, words, trouble, news, size, settings, .. } = self;
        let (driver, wanted) = match life {
            Life::On(driver) => (driver, true),
            Life::Ending { driver, .. } => (driver, false),
            Life::Off | Life::Resting { .. } | Life::Down { .. } => return,
        };
        let count = news.len();
        let mut say = |line: &str| words.say(Level::Warn, line);
        let publish = |part: Part| {
            if wanted {
                *size = (part.picture.width, part.picture.height);
                news.push(News::Frame(part));
            }
        };
        if let Err(error) = driver.read_output(scratch, now, publish, &mut say) {
            say(&format!("its pipe failed: {error}"));
        }
        driver.read_errors(scratch, |line| {
            let line = presentable(line, settings.source.address());
            words.relay(Level::Warn, &line, now);
            *trouble = Some(line);
        });
        if self.news.len() > count {
            self.recovered();
        }
        self.reap(now);
    }

    /// A live frame has come.
    fn recovered(&mut self) {
        self.trouble = None;
        if self.outage().is_some() {
            self.words.forget();
            self.words.say(Level::Info, "gives pictures again");
        }
        self.end_outage();
    }

    /// Looks whether the driver has ended, and sees to what follows. What was left in its pipes has been read.
    fn reap(&mut self, now: Instant) {
        let looks_over = self.reap_owed;
        let Some(driver) = self.driver_mut() else { return };
        if driver.is_owed() || !(looks_over || driver.closed_at().is_some()) {
            return;
        }
        match driver.has_ended() {
            Ok(true) => match driver.reap() {
                Ok(status) => self.ended(status, now),
                Err(error) => log::error!("camera {}: its driver cannot be reaped: {error}", self.settings.name),
            },
            Ok(false) => {}
            Err(error) => log::error!("camera {}: its driver cannot be waited for: {error}", self.settings.name),
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
        self.is_still = status.success() && driver.has_given_frames();
        if let Some(every) = self.settings.source.repeats_every().filter(|_| self.is_still) {
            self.backoff = Backoff::default();
            self.life = Life::Resting { until: driver.started_at() + every };
            return;
        }
        self.is_still = false;
        if now.saturating_duration_since(driver.started_at()) >= WELL_AFTER && driver.has_given_frames() {
            self.backoff = Backoff::default();
            self.words.forget();
        }
        if let (None, Some(complaint)) = (&self.trouble, driver.last_complaint()) {
            self.words.say(Level::Warn, &complaint);
            self.trouble = Some(complaint);
        }
        self.trouble.get_or_insert_with(|| format!("its driver ended ({status})"));
        let words = format!("its driver ended ({status}) and is started again");
        self.words.say(Level::Warn, &words);
        self.back_off(now);
    }

    fn back_off(&mut self, now: Instant) {
        self.life = Life::Down { until: now + self.backoff.next() };
    }

    /// How long the camera may give no frame while all is well, as its source has it.
    pub fn patience(&self) -> Option<Duration> {
        self.settings.source.patience()
    }

    fn command(&self, what: &str) -> Command {
        child::command(&self.program, what)
    }

    fn spawn(&mut self, mut command: Command, registry: &Registry, now: Instant) -> std::io::Result<Process> {
        self.runs += 1;
        let pipe = Pipe { camera: self.index, run: self.runs & Key::NUMBER_MASK };
        Process::spawn(&mut command, self.settings.frame_bytes_max, pipe, registry, now)
    }

    fn driver(&self) -> Option<&Process> {
        match &self.life {
            Life::On(driver) | Life::Ending { driver, .. } => Some(driver),
            Life::Off | Life::Resting { .. } | Life::Down { .. } => None,
        }
    }

    fn driver_mut(&mut self) -> Option<&mut Process> {
        match &mut self.life {
            Life::On(driver) | Life::Ending { driver, .. } => Some(driver),
            Life::Off | Life::Resting { .. } | Life::Down { .. } => None,
        }
    }
}

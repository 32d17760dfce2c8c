//! The child process that passes a camera's frames on, and is a viewer to us.
//!
//! Whatever can block in publishing happens in there. Its standard input is one end of a pair of sockets, the other end
//! a connection like any viewer's: a publisher that cannot keep up skips frames as a slow viewer does, and its leaving
//! is seen as any viewer's is. As long as it is published, a camera runs.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use log::Level;
use mio::net::UnixStream;
use mio::{Interest, Registry};
use rustix::process::Signal;

use super::child::{self, Backoff, Child, KILL_AFTER, WELL_AFTER};
use super::settings::PublisherSettings;
use super::socket::Socket;
use super::token::Owner;
use super::words::{Words, presentable};
use crate::hub::{Hub, Key, Subscription};
use crate::publish::{TARGET_VARIABLE, WELL};
use crate::stream::{Pace, Peer};
use crate::wire::multipart::{Framing, preamble};

/// One place where a camera is published and, but for a moment after it died, its process.
#[derive(Debug)]
pub struct Publisher {
    settings: PublisherSettings,
    index: u32,
    program: PathBuf,
    life: Life,
    backoff: Backoff,
    /// Processes started for it.
    runs: u32,
    /// The process has said that frames go out.
    was_well: bool,
    /// A process has ended, but there may be words left in its pipe.
    reap_owed: bool,
    /// The server goes down.
    stopping: bool,
    trouble: Option<String>,
    words: Words,
}

/// Where a publisher stands.
#[derive(Debug)]
enum Life {
    /// It is started then.
    Down { until: Instant },
    /// The process runs and watches.
    On { child: Child, key: Key },
    /// The process is no viewer any more, and is killed then.
    Ending { child: Child, kill_at: Instant },
    /// The server goes down, and no process is left.
    Over,
}

impl Publisher {
    /// A publisher of the camera `name`, whose process is started as `program publish` at the next opportunity.
    pub fn new(settings: PublisherSettings, name: &str, index: usize, program: PathBuf, now: Instant) -> Self {
        Self {
            words: Words::new(format!("publisher of {name}")),
            settings,
            index: index as u32,
            program,
            life: Life::Down { until: now },
            backoff: Backoff::default(),
            runs: 0,
            was_well: false,
            reap_owed: false,
            stopping: false,
            trouble: None,
        }
    }

    /// Which camera it publishes, from 0.
    pub fn camera(&self) -> usize {
        self.settings.camera
    }

    /// Where to, as the user wrote it, with credentials masked.
    pub fn target(&self) -> String {
        self.settings.target.to_string()
    }

    /// Its connection, while it watches.
    pub fn key(&self) -> Option<Key> {
        match self.life {
            Life::On { key, .. } => Some(key),
            _ => None,
        }
    }

    /// How often its process was started after the first time.
    pub fn restarts(&self) -> u32 {
        self.runs.saturating_sub(1)
    }

    /// What went wrong last, while it is not made good.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Starts the process if it is time, and sees to it that one who has left the hub goes altogether.
    pub fn attend(&mut self, hub: &mut Hub<Socket>, registry: &Registry, now: Instant) {
        match &mut self.life {
            Life::Down { until } if now >= *until => {
                if let Err(error) = self.start(hub, registry, now) {
                    let words = format!("its process cannot be started: {error}");
                    self.words.say(Level::Error, &words);
                    self.trouble = Some(words);
                    self.life = Life::Down { until: now + self.backoff.next() };
                }
            }
            // It was let go as a viewer is that takes nothing, or it has ended, which SIGCHLD tells.
            Life::On { key, .. } if !hub.contains(*key) => self.end(now),
            Life::Ending { child, kill_at } if now >= *kill_at => {
                child.signal(Signal::KILL);
                *kill_at = now + KILL_AFTER;
            }
            _ => {}
        }
    }

    /// When [`Publisher::attend`] must be called next, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.life {
            Life::Down { until } => Some(until),
            Life::Ending { kill_at, .. } => Some(kill_at),
            Life::On { .. } | Life::Over => None,
        }
    }

    /// Whether [`Publisher::read`] must be called without an event.
    pub fn is_owed(&self) -> bool {
        self.reap_owed || self.child().is_some_and(Child::is_owed)
    }

    /// A child process has ended, maybe this one. What is left in its pipe comes first.
    pub fn child_ended(&mut self) {
        self.reap_owed = true;
    }

    /// Reads what process number `run` has said, or whichever runs, and looks whether it has ended.
    pub fn read(&mut self, run: Option<u32>, scratch: &mut [u8], now: Instant) {
        if run.is_some_and(|run| run != self.runs & Key::NUMBER_MASK) {
            return;
        }
        let Self { life, words, trouble, was_well, settings, .. } = self;
        let (Life::On { child, .. } | Life::Ending { child, .. }) = life else {
            self.reap_owed = false;
            return;
        };
        child.read_words(scratch, |line| {
            let line = presentable(line, settings.target.written());
            if line.starts_with(WELL) {
                (*was_well, *trouble) = (true, None);
                words.forget();
                words.relay(Level::Info, &line, now);
            } else {
                words.relay(Level::Warn, &line, now);
                *trouble = Some(line);
            }
        });
        self.reap(now);
    }

    /// The server goes down: the process is told by the end of its input, which comes after a whole frame.
    pub fn stop(&mut self, now: Instant) {
        self.stopping = true;
        match &self.life {
            Life::On { .. } => self.end(now),
            Life::Down { .. } => self.life = Life::Over,
            Life::Ending { .. } | Life::Over => {}
        }
    }

    /// Ends its process and all it has started, now.
    pub fn kill(&mut self) {
        if let Life::On { child, .. } | Life::Ending { child, .. } = &mut self.life {
            // It cannot refuse, so this wait is short.
            let _ = child.reap();
        }
        self.life = Life::Over;
    }

    /// Whether no process of it is left.
    pub fn is_over(&self) -> bool {
        self.child().is_none()
    }

    fn start(&mut self, hub: &mut Hub<Socket>, registry: &Registry, now: Instant) -> io::Result<()> {
        self.runs += 1;
        self.was_well = false;
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = child::command(&self.program, "publish");
        command.arg(child::server_argument()).stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
        command.arg(child::frame_max_argument(self.settings.frame_bytes_max));
        command.env(TARGET_VARIABLE, self.settings.target.written().expose());
        let errors = Owner::PublisherErrors { index: self.index, run: self.runs & Key::NUMBER_MASK };
        let child = Child::spawn(&mut command, errors.token(), registry, now)?;

        let framing = Framing::Length;
        let camera = self.settings.camera;
        let head = preamble(hub.division(), framing);
        let subscription =
            Subscription { camera, framing, delay: Duration::ZERO, pace: Pace::default(), label: String::new(), head };
        let key = hub.admit(Peer::Publisher, now, |key| {
            let mut socket = Socket::Unix(UnixStream::from_std(ours));
            let both = Interest::READABLE | Interest::WRITABLE;
            registry.register(&mut socket, Owner::Connection(key).token(), both)?;
            Ok(socket)
        })?;
        hub.subscribe_unasked(key, subscription, now);
        self.life = Life::On { child, key };
        Ok(())
    }

    fn end(&mut self, now: Instant) {
        match std::mem::replace(&mut self.life, Life::Over) {
            Life::On { child, .. } => self.life = Life::Ending { child, kill_at: now + KILL_AFTER },
            other => self.life = other,
        }
    }

    /// Looks whether the process has ended, and sees to what follows. Its last words have been read.
    fn reap(&mut self, now: Instant) {
        let (Life::On { child, .. } | Life::Ending { child, .. }) = &mut self.life else { return };
        if child.is_owed() || !std::mem::take(&mut self.reap_owed) {
            return;
        }
        let started_at = child.started_at();
        match child.has_ended().and_then(|ended| if ended { child.reap().map(Some) } else { Ok(None) }) {
            Ok(Some(status)) => self.ended(status, started_at, now),
            Ok(None) => {}
            Err(error) => log::error!("a publisher cannot be reaped: {error}"),
        }
    }

    fn ended(&mut self, status: ExitStatus, started_at: Instant, now: Instant) {
        if self.stopping {
            self.life = Life::Over;
            return;
        }
        if self.was_well && now.saturating_duration_since(started_at) >= WELL_AFTER {
            self.backoff = Backoff::default();
        }
        let words = format!("its process ended ({status}) and is started again");
        self.words.say(Level::Warn, &words);
        self.trouble.get_or_insert(words);
        self.life = Life::Down { until: now + self.backoff.next() };
    }

    pub(super) fn child(&self) -> Option<&Child> {
        match &self.life {
            Life::On { child, .. } | Life::Ending { child, .. } => Some(child),
            Life::Down { .. } | Life::Over => None,
        }
    }
}

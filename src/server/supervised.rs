//! One supervised child process: start, backoff, stop, kill, exit.
//!
//! Everything that can block, crash or hang runs in a child process: drivers, placeholder
//! renderers, publishers, password checks, and the new process of a restart. [`Supervised`] is the
//! life cycle they share. What a process writes besides stderr is its user's: a `P`, made when the
//! process starts and returned with its exit.
//!
//! ```text
//!         start            exit, restart_after
//!   Off ---------> Running ---------------------> Backoff ---> start
//!    ^                | stop
//!    |      exit      v
//!    +------------ Stopping     SIGTERM first, SIGKILL after KILL_AFTER
//! ```
//!
//! Events only set bits: [`Supervised::ready`] for a pipe, [`Supervised::child_exited`] for
//! SIGCHLD. Pipes are read once in each turn, and an exit is taken after its pipes are empty, so
//! that the last frame and the last line count.

use std::fmt;
use std::io;
use std::mem;
use std::process::{self, Command, ExitStatus};
use std::time::{Duration, Instant};

use log::Level;
use mio::{Registry, Token};
use rustix::process::Signal;

use super::child::{self, Child};
use super::settings::DriverSpec;
use super::stderr_log::{StderrLog, presentable};
use super::token::{ChildId, ChildKind, Owner};
use crate::hub::{Key, Wake};

/// The wait before a restart doubles from the first to the last of these.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(8);

/// The wait is [`BACKOFF_MIN`] again after a process that did its work for this long.
const WELL_AFTER: Duration = Duration::from_secs(2);

/// A process is killed so long after it was signalled to exit.
const KILL_AFTER: Duration = Duration::from_secs(2);

/// A child process that is started, restarted and stopped.
#[derive(Debug)]
pub(super) struct Supervised<P> {
    kind: ChildKind,
    index: u32,
    spec: DriverSpec,
    life: Life<P>,
    backoff: Duration,
    /// Counts the starts. Events of an older generation are ignored.
    generation: u32,
    /// The server shuts down: no further start.
    is_retired: bool,
    /// What went wrong last, until the process reports or shows that all is well.
    error: Option<String>,
    log: StderrLog,
}

#[derive(Debug)]
enum Life<P> {
    /// There is no process.
    Off,
    /// The process runs and is wanted.
    Running(Running<P>),
    /// The process has exited, and another one is due then.
    Backoff { until: Instant },
    /// The process runs and is to exit.
    Stopping(Running<P>),
}

#[derive(Debug)]
struct Running<P> {
    child: Child,
    own: P,
    /// A pipe may have bytes: an edge came, or a budget ended the last reading.
    is_ready: bool,
    /// SIGCHLD came since the last look.
    may_have_exited: bool,
    /// It has done its work.
    is_well: bool,
    /// The next signal, unless it exits before.
    signal_at: Option<(Instant, Signal)>,
}

/// A process that has exited.
#[derive(Debug)]
pub(super) struct Exit<P> {
    pub(super) own: P,
    pub(super) status: ExitStatus,
    pub(super) started_at: Instant,
    /// It was stopped.
    pub(super) was_stopped: bool,
}

/// A child process, whatever its user keeps of it: how the event loop treats all of them alike.
pub(super) trait ChildProcess {
    /// Sends the next signal to a process that is overdue.
    fn attend(&mut self, now: Instant);
    /// When a turn must be taken for it.
    fn next_wake(&self) -> Wake;
    /// Notes an edge of a pipe, if it is one of the present process.
    fn ready(&mut self, id: ChildId);
    /// Notes that some child of the server has exited, perhaps this one.
    fn child_exited(&mut self);
    /// Kills the process and all it has started, now.
    fn kill(&mut self);
    /// The process, running or stopping.
    fn child(&self) -> Option<&Child>;
}

impl<P> ChildProcess for Supervised<P> {
    fn attend(&mut self, now: Instant) {
        let Some(process) = self.process_mut() else {
            return;
        };
        if let Some((_, signal)) = process.signal_at.filter(|(at, _)| now >= *at) {
            process.child.signal(signal);
            process.signal_at = Some((now + KILL_AFTER, Signal::KILL));
        }
    }

    fn next_wake(&self) -> Wake {
        match &self.life {
            Life::Off => Wake::OnInput,
            Life::Backoff { until } => Wake::At(*until),
            Life::Running(process) | Life::Stopping(process) => match process.signal_at {
                _ if process.is_ready => Wake::Now,
                Some((at, _)) => Wake::At(at),
                None => Wake::OnInput,
            },
        }
    }

    fn ready(&mut self, id: ChildId) {
        if id == self.id()
            && let Some(process) = self.process_mut()
        {
            process.is_ready = true;
        }
    }

    fn child_exited(&mut self) {
        if let Some(process) = self.process_mut() {
            (process.is_ready, process.may_have_exited) = (true, true);
        }
    }

    fn kill(&mut self) {
        if let Some(process) = self.process_mut() {
            let _ = process.child.reap();
        }
        self.life = Life::Off;
    }

    fn child(&self) -> Option<&Child> {
        self.process().map(|process| &process.child)
    }
}

impl<P> Supervised<P> {
    /// A process that is not running. Log lines begin with `prefix`.
    pub(super) fn new(
        kind: ChildKind,
        index: usize,
        prefix: impl fmt::Display,
        spec: DriverSpec,
    ) -> Self {
        Self {
            kind,
            index: index as u32,
            spec,
            life: Life::Off,
            backoff: BACKOFF_MIN,
            generation: 0,
            is_retired: false,
            error: None,
            log: StderrLog::new(prefix.to_string()),
        }
    }

    pub(super) fn spec(&self) -> &DriverSpec {
        &self.spec
    }

    /// The command to start, for its user to complete.
    pub(super) fn command(&self) -> Command {
        child::command(&self.spec)
    }

    /// Starts `command`. `open` takes the pipes it needs of the process and registers them under
    /// the token it is given. Returns whether the process runs; if not, the reason is logged.
    pub(super) fn start(
        &mut self,
        mut command: Command,
        registry: &Registry,
        now: Instant,
        open: impl FnOnce(&mut process::Child, Token) -> io::Result<P>,
    ) -> bool {
        self.generation += 1;
        let token = Owner::Child(self.id()).token();
        let started = Child::spawn(&mut command, token, registry, now).and_then(|mut child| {
            match open(&mut child.process, token) {
                Ok(own) => Ok((child, own)),
                Err(error) => {
                    let _ = child.reap();
                    Err(error)
                }
            }
        });
        self.started(started)
    }

    /// Notes the outcome of a start. Returns whether the process runs.
    pub(super) fn started(&mut self, started: io::Result<(Child, P)>) -> bool {
        match started {
            Ok((child, own)) => {
                let (is_ready, may_have_exited, is_well, signal_at) = (false, false, false, None);
                self.life = Life::Running(Running {
                    child,
                    own,
                    is_ready,
                    may_have_exited,
                    is_well,
                    signal_at,
                });
                true
            }
            Err(error) => {
                let problem = format!("cannot start {}: {error}", self.kind);
                self.log.log(Level::Error, &problem);
                self.error = Some(problem);
                false
            }
        }
    }

    /// Reads what the process has written since: its own pipes with `read`, which returns whether
    /// its budget ended the reading, then stderr, which goes to the log.
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        now: Instant,
        read: impl FnOnce(&mut P, &mut [u8], &mut StderrLog) -> bool,
    ) {
        let Self {
            life,
            log,
            error,
            spec,
            ..
        } = self;
        let (Life::Running(process) | Life::Stopping(process)) = life else {
            return;
        };
        if !mem::take(&mut process.is_ready) {
            return;
        }
        process.is_ready = read(&mut process.own, scratch, log);
        let is_well = &mut process.is_well;
        process.is_ready |= process.child.read_stderr(scratch, |line| {
            let line = presentable(line, &spec.shown_as);
            if spec
                .success_prefix
                .is_some_and(|begin| line.starts_with(begin))
            {
                (*is_well, *error) = (true, None);
                log.forget();
                log.log_child(Level::Info, &line, now);
            } else {
                log.log_child(Level::Warn, &line, now);
                *error = Some(line);
            }
        });
    }

    /// Takes the exit of the process, once its pipes are empty. The process is reaped, and none is
    /// due.
    pub(super) fn take_exit(&mut self, now: Instant) -> Option<Exit<P>> {
        let process = self.process_mut()?;
        if process.is_ready || !mem::take(&mut process.may_have_exited) {
            return None;
        }
        let status = match process.child.has_exited() {
            Ok(false) => return None,
            Ok(true) => process.child.reap(),
            Err(error) => Err(error),
        };
        let status = status
            .inspect_err(|error| {
                self.log
                    .log(Level::Error, &format!("cannot wait for process: {error}"))
            })
            .ok()?;
        let (process, was_stopped) = match mem::replace(&mut self.life, Life::Off) {
            Life::Running(process) => (process, false),
            Life::Stopping(process) => (process, true),
            Life::Off | Life::Backoff { .. } => return None,
        };
        let started_at = process.child.started_at;
        if process.is_well && now.saturating_duration_since(started_at) >= WELL_AFTER {
            self.backoff = BACKOFF_MIN;
            self.log.forget();
        }
        Some(Exit {
            own: process.own,
            status,
            started_at,
            was_stopped,
        })
    }

    /// Logs that the process exited with `status`, and schedules the next start after the backoff.
    pub(super) fn restart_after(&mut self, status: ExitStatus, now: Instant) {
        let problem = format!("{} ended ({status}), restarting", self.kind);
        self.log.log(Level::Warn, &problem);
        self.error.get_or_insert(problem);
        self.back_off(now);
    }

    /// Schedules the next start after the backoff.
    pub(super) fn back_off(&mut self, now: Instant) {
        self.life = Life::Backoff {
            until: now + self.backoff,
        };
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }

    /// Schedules the next start at `until`; nothing has failed.
    pub(super) fn start_again_at(&mut self, until: Instant) {
        self.backoff = BACKOFF_MIN;
        self.life = Life::Backoff { until };
    }

    /// Logs a problem of the process, and keeps it as the last error.
    pub(super) fn fail(&mut self, problem: String) {
        self.log.log(Level::Warn, &problem);
        self.error = Some(problem);
    }

    /// Notes that the process has done its work. What goes wrong next is news.
    pub(super) fn set_well(&mut self) {
        self.error = None;
        if let Some(process) = self.process_mut() {
            process.is_well = true;
        }
    }

    /// Sends `signal` unless the process exits within `grace`, or a signal is due already. Until it
    /// exits, the process counts as running.
    pub(super) fn signal_after(&mut self, grace: Duration, signal: Signal, now: Instant) {
        if let Some(process) = self.process_mut() {
            process.signal_at.get_or_insert((now + grace, signal));
        }
    }

    /// Stops the process with SIGTERM, and cancels a restart that is due.
    pub(super) fn stop(&mut self, now: Instant) {
        if let Life::Running(process) = &self.life {
            process.child.signal(Signal::TERM);
        }
        self.expect_exit(now);
    }

    /// The same without SIGTERM: the process exits at the end of its input.
    pub(super) fn expect_exit(&mut self, now: Instant) {
        self.life = match mem::replace(&mut self.life, Life::Off) {
            Life::Running(mut process) => {
                process.signal_at = Some((now + KILL_AFTER, Signal::KILL));
                Life::Stopping(process)
            }
            stopping @ Life::Stopping(_) => stopping,
            Life::Off | Life::Backoff { .. } => Life::Off,
        };
    }

    /// Allows no further start.
    pub(super) fn retire(&mut self) {
        self.is_retired = true;
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// Whether there is no process, and none is due.
    pub(super) fn is_off(&self) -> bool {
        matches!(self.life, Life::Off)
    }

    /// Whether a process runs that was not stopped.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.life, Life::Running(_))
    }

    /// Whether a signal is due, or was sent, that the process has not followed yet.
    pub(super) fn is_overdue(&self) -> bool {
        self.process()
            .is_some_and(|process| process.signal_at.is_some())
    }

    pub(super) fn is_in_backoff(&self) -> bool {
        matches!(self.life, Life::Backoff { .. })
    }

    /// Whether a process may be started now.
    pub(super) fn may_start(&self, now: Instant) -> bool {
        !self.is_retired
            && match &self.life {
                Life::Off => true,
                Life::Backoff { until } => now >= *until,
                Life::Running(_) | Life::Stopping(_) => false,
            }
    }

    /// How many processes were started, or tried to be.
    pub(super) fn starts(&self) -> u32 {
        self.generation
    }

    /// What went wrong last, until the process is well.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    pub(super) fn log(&mut self) -> &mut StderrLog {
        &mut self.log
    }

    /// What its user keeps of the process, running or stopping.
    pub(super) fn own(&self) -> Option<&P> {
        self.process().map(|process| &process.own)
    }

    /// The same, of a process that was not stopped.
    pub(super) fn running(&self) -> Option<&P> {
        self.own().filter(|_| self.is_running())
    }

    fn id(&self) -> ChildId {
        ChildId {
            kind: self.kind,
            index: self.index,
            generation: self.generation & Key::NUMBER_MASK,
        }
    }

    fn process(&self) -> Option<&Running<P>> {
        match &self.life {
            Life::Running(process) | Life::Stopping(process) => Some(process),
            Life::Off | Life::Backoff { .. } => None,
        }
    }

    fn process_mut(&mut self) -> Option<&mut Running<P>> {
        match &mut self.life {
            Life::Running(process) | Life::Stopping(process) => Some(process),
            Life::Off | Life::Backoff { .. } => None,
        }
    }
}

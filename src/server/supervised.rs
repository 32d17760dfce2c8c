//! The life cycle of a child process: start, stop, kill, exit, restart after a backoff.
//!
//! Everything that can block, crash or hang runs in a child process: drivers, placeholder
//! renderers, publishers, password checks, and the new process of a restart. All of them share
//! [`Supervised`], which also reads stderr. `P` is what the caller keeps for each run of the
//! process, such as the pipe of its frames; it is returned with the exit.
//!
//! ```text
//!         start            exit, schedule_restart
//!   Off ---------> Running ---------------------> Backoff ---> start; stop: Off
//!    ^                | stop
//!    |      exit      v
//!    +------------ Stopping     SIGTERM first, SIGKILL after KILL_AFTER
//! ```
//!
//! Events only set bits: [`Supervised::ready`] for a pipe, [`Supervised::child_exited`] for
//! SIGCHLD. A turn reads the pipes whose bit is set. It handles an exit only when the pipes are
//! empty, so that the last frame and the last line of stderr are not lost.

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
use super::stderr_log::{StderrLog, sanitize};
use super::token::{ChildId, ChildKind, Owner};
use crate::hub::{Key, Wake};

/// The wait before a restart doubles with each restart, from the first to the second of these.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(8);

/// A process that worked, and ran for this long, resets the wait to [`BACKOFF_MIN`].
const HEALTHY_AFTER: Duration = Duration::from_secs(2);

/// The time between SIGTERM and SIGKILL.
const KILL_AFTER: Duration = Duration::from_secs(2);

/// A child process that is started, restarted and stopped.
#[derive(Debug)]
pub(super) struct Supervised<P> {
    kind: ChildKind,
    index: u32,
    spec: DriverSpec,
    state: State<P>,
    backoff: Duration,
    /// Counts the calls of `start`. An event of an older generation is ignored.
    generation: u32,
    /// The server is shutting down: no further start.
    is_retired: bool,
    /// The last error, until the process works again.
    error: Option<String>,
    log: StderrLog,
}

#[derive(Debug)]
enum State<P> {
    /// There is no process.
    Off,
    /// The process runs.
    Running(Running<P>),
    /// The process has exited, and the next start is due at `until`.
    Backoff { until: Instant },
    /// The process was stopped and has not exited yet.
    Stopping(Running<P>),
}

#[derive(Debug)]
struct Running<P> {
    child: Child,
    data: P,
    /// There may be bytes or an exit: an edge or SIGCHLD came, or a budget ended the last read.
    is_ready: bool,
    /// SIGCHLD came since the last call of waitid(2).
    may_have_exited: bool,
    /// The process has worked: see [`Supervised::set_healthy`].
    is_healthy: bool,
    /// The next signal and its time, unless the process exits before.
    signal_at: Option<(Instant, Signal)>,
}

/// A process that has exited.
#[derive(Debug)]
pub(super) struct Exit<P> {
    pub(super) data: P,
    pub(super) status: ExitStatus,
    pub(super) started_at: Instant,
    pub(super) was_stopped: bool,
}

/// What the event loop does with every child process, independent of `P`.
pub(super) trait ChildProcess {
    /// Sends the signal that is due.
    fn attend(&mut self, now: Instant);
    /// Returns when the next turn is needed.
    fn next_wake(&self) -> Wake;
    /// Sets the bit of the process `id`; ignores the event if that is another process.
    fn ready(&mut self, id: ChildId);
    /// Called on SIGCHLD, which does not name the child that has exited.
    fn child_exited(&mut self);
    /// Kills the process group at once.
    fn kill(&mut self);
    /// Returns the process, running or stopping.
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
        match &self.state {
            State::Off => Wake::OnInput,
            State::Backoff { until } => Wake::At(*until),
            State::Running(process) | State::Stopping(process) => match process.signal_at {
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
        self.state = State::Off;
    }

    fn child(&self) -> Option<&Child> {
        self.process().map(|process| &process.child)
    }
}

impl<P> Supervised<P> {
    /// Starts nothing yet. Log lines begin with `prefix`.
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
            state: State::Off,
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

    /// Returns the command to start; the caller may add arguments and pipes.
    pub(super) fn command(&self) -> Command {
        child::command(&self.spec)
    }

    /// Starts `command`. `open` takes the pipes that the caller reads, and registers them under the
    /// given token. Returns whether the process runs; an error is logged.
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
                Ok(data) => Ok((child, data)),
                Err(error) => {
                    let _ = child.reap();
                    Err(error)
                }
            }
        });
        self.started(started)
    }

    /// Handles the result of a start. Returns whether the process runs; an error is logged.
    pub(super) fn started(&mut self, started: io::Result<(Child, P)>) -> bool {
        match started {
            Ok((child, data)) => {
                let (is_ready, may_have_exited, is_healthy, signal_at) =
                    (false, false, false, None);
                self.state = State::Running(Running {
                    child,
                    data,
                    is_ready,
                    may_have_exited,
                    is_healthy,
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

    /// Reads the pipes, if the bit is set: first those of the caller with `read`, then stderr,
    /// which goes to the log. `read` returns whether its budget was reached. Then, or if the budget
    /// of stderr was reached, the bit stays set.
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        now: Instant,
        read: impl FnOnce(&mut P, &mut [u8], &mut StderrLog) -> bool,
    ) {
        let Self {
            state,
            log,
            error,
            spec,
            ..
        } = self;
        let (State::Running(process) | State::Stopping(process)) = state else {
            return;
        };
        if !mem::take(&mut process.is_ready) {
            return;
        }
        process.is_ready = read(&mut process.data, scratch, log);
        let is_healthy = &mut process.is_healthy;
        process.is_ready |= process.child.read_stderr(scratch, |line| {
            let line = sanitize(line, &spec.shown_as);
            if spec
                .success_prefix
                .is_some_and(|begin| line.starts_with(begin))
            {
                (*is_healthy, *error) = (true, None);
                log.forget();
                log.log_child(Level::Info, &line, now);
            } else {
                log.log_child(Level::Warn, &line, now);
                *error = Some(line);
            }
        });
    }

    /// Returns the exit of the process, once its pipes are empty, and reaps it. No start is
    /// scheduled.
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
            .inspect_err(|error| self.log.log(Level::Error, &format!("waitid: {error}")))
            .ok()?;
        let (process, was_stopped) = match mem::replace(&mut self.state, State::Off) {
            State::Running(process) => (process, false),
            State::Stopping(process) => (process, true),
            State::Off | State::Backoff { .. } => return None,
        };
        let started_at = process.child.started_at;
        if process.is_healthy && now.saturating_duration_since(started_at) >= HEALTHY_AFTER {
            self.backoff = BACKOFF_MIN;
            self.log.forget();
        }
        Some(Exit {
            data: process.data,
            status,
            started_at,
            was_stopped,
        })
    }

    /// Logs the exit, and schedules a restart after the backoff.
    pub(super) fn schedule_restart(&mut self, status: ExitStatus, now: Instant) {
        let problem = format!("{} exited ({status}); restarting", self.kind);
        self.log.log(Level::Warn, &problem);
        self.error.get_or_insert(problem);
        self.back_off(now);
    }

    /// Schedules the next start after the backoff.
    pub(super) fn back_off(&mut self, now: Instant) {
        self.state = State::Backoff {
            until: now + self.backoff,
        };
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }

    /// Schedules the next start at `until`, and resets the backoff.
    pub(super) fn schedule_start(&mut self, until: Instant) {
        self.backoff = BACKOFF_MIN;
        self.state = State::Backoff { until };
    }

    /// Logs a problem as a warning, and keeps it as the last error.
    pub(super) fn set_error(&mut self, problem: String) {
        self.log.log(Level::Warn, &problem);
        self.error = Some(problem);
    }

    /// Called when the process has worked, such as written a frame: clears the last error.
    pub(super) fn set_healthy(&mut self) {
        self.error = None;
        if let Some(process) = self.process_mut() {
            process.is_healthy = true;
        }
    }

    /// Schedules `signal` after `grace`, unless a signal is scheduled already. The process counts
    /// as running until it exits.
    pub(super) fn signal_after(&mut self, grace: Duration, signal: Signal, now: Instant) {
        if let Some(process) = self.process_mut() {
            process.signal_at.get_or_insert((now + grace, signal));
        }
    }

    /// Sends SIGTERM, and SIGKILL after [`KILL_AFTER`]. Cancels a scheduled start.
    pub(super) fn stop(&mut self, now: Instant) {
        if let State::Running(process) = &self.state {
            process.child.signal(Signal::TERM);
        }
        self.expect_exit(now);
    }

    /// Does the same without SIGTERM: the process exits at the end of its input.
    pub(super) fn expect_exit(&mut self, now: Instant) {
        self.state = match mem::replace(&mut self.state, State::Off) {
            State::Running(mut process) => {
                process.signal_at = Some((now + KILL_AFTER, Signal::KILL));
                State::Stopping(process)
            }
            stopping @ State::Stopping(_) => stopping,
            State::Off | State::Backoff { .. } => State::Off,
        };
    }

    /// Forbids further starts.
    pub(super) fn retire(&mut self) {
        self.is_retired = true;
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// Whether there is no process, and no start is scheduled.
    pub(super) fn is_off(&self) -> bool {
        matches!(self.state, State::Off)
    }

    /// Whether the process runs and was not stopped.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// Whether a signal is scheduled, or was sent and the process has not exited yet.
    pub(super) fn is_signalled(&self) -> bool {
        self.process()
            .is_some_and(|process| process.signal_at.is_some())
    }

    pub(super) fn is_in_backoff(&self) -> bool {
        matches!(self.state, State::Backoff { .. })
    }

    /// Whether a process may be started now.
    pub(super) fn may_start(&self, now: Instant) -> bool {
        !self.is_retired
            && match &self.state {
                State::Off => true,
                State::Backoff { until } => now >= *until,
                State::Running(_) | State::Stopping(_) => false,
            }
    }

    /// The number of calls of [`Supervised::start`], failed ones included.
    pub(super) fn starts(&self) -> u32 {
        self.generation
    }

    /// The last error, until the process works again.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    pub(super) fn log(&mut self) -> &mut StderrLog {
        &mut self.log
    }

    /// The data of the process, running or stopping.
    pub(super) fn data(&self) -> Option<&P> {
        self.process().map(|process| &process.data)
    }

    /// The data of the process, if it was not stopped.
    pub(super) fn running(&self) -> Option<&P> {
        self.data().filter(|_| self.is_running())
    }

    fn id(&self) -> ChildId {
        ChildId {
            kind: self.kind,
            index: self.index,
            generation: self.generation & Key::NUMBER_MASK,
        }
    }

    fn process(&self) -> Option<&Running<P>> {
        match &self.state {
            State::Running(process) | State::Stopping(process) => Some(process),
            State::Off | State::Backoff { .. } => None,
        }
    }

    fn process_mut(&mut self) -> Option<&mut Running<P>> {
        match &mut self.state {
            State::Running(process) | State::Stopping(process) => Some(process),
            State::Off | State::Backoff { .. } => None,
        }
    }
}

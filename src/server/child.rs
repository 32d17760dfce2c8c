//! A child process of ours: how it is started, what it says, and how it is brought to its end.

use std::io::{self, ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mio::unix::pipe::Receiver;
use mio::{Interest, Registry, Token};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{orphans, supervisor};

/// The wait before a child that died is started again doubles from the first to the last of these.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(8);

/// A child that has lived this long and done its work was well: the next wait is short again.
pub(super) const WELL_AFTER: Duration = Duration::from_secs(2);

/// A child that was told to end is killed after this long.
pub(super) const KILL_AFTER: Duration = Duration::from_secs(2);

/// Bytes of stderr read from one child in one turn: of the shortest lines there are, no more than a few milliseconds'
/// work.
const WORDS_BUDGET_BYTES: usize = 8 * 1024;

/// A line of a child's words is kept up to this length.
const LINE_BYTES_MAX: usize = 1024;

/// The command `program what`, which inherits nothing of how the server was told what to do.
pub(super) fn command(program: &Path, what: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(what);
    // The server's own options are none of its children's business, least of all other cameras' passwords.
    for (name, _) in std::env::vars_os() {
        let is_ours = name.to_str().is_some_and(|name| supervisor::VARIABLES.contains(&name));
        if is_ours || name.to_string_lossy().starts_with("FRAMECAST_") {
            command.env_remove(name);
        }
    }
    command
}

/// The argument by which a child of ours knows with whom to end.
pub(super) fn server_argument() -> String {
    format!("--server={}", process::id())
}

/// The argument that gives a child the largest frame, `bytes` long, of its camera.
pub(super) fn frame_max_argument(bytes: usize) -> String {
    format!("--frame-max-mib={}", bytes / (1024 * 1024))
}

/// The wait before a child is started again.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(BACKOFF_MIN)
    }
}

impl Backoff {
    /// How long to wait this time; the next time it is longer.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(BACKOFF_MAX);
        wait
    }
}

/// A running child process and the pipe of its words.
#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    /// What its descendants carry in their environment, see [`orphans`].
    mark: String,
    errors: Option<Receiver>,
    /// A budget ended the reading of the words early: there may be more, and no edge will tell.
    errors_owed: bool,
    line: Vec<u8>,
    started_at: Instant,
}

impl Child {
    /// Starts `command` in a process group of its own, and registers the pipe of its words as `errors`.
    pub(super) fn spawn(command: &mut Command, errors: Token, registry: &Registry, now: Instant) -> io::Result<Self> {
        let mark = orphans::mark(errors.0);
        let mut process = command
            .env(orphans::MARK, &mark)
            .stderr(Stdio::piped())
            // Its own group: Ctrl-C at the terminal is for us to pass on, and a kill reaches all that it starts.
            .process_group(0)
            .spawn()?;
        let missing = || io::Error::other("a pipe to it is missing");
        let mut words: Receiver = process.stderr.take().ok_or_else(missing)?.into();
        words.set_nonblocking(true)?;
        registry.register(&mut words, errors, Interest::READABLE)?;
        Ok(Self { process, mark, errors: Some(words), errors_owed: false, line: Vec::new(), started_at: now })
    }

    /// Its standard output, once, if it is a pipe.
    pub(super) fn take_output(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// When it was started.
    pub(super) fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Whether the reading of its words ended early and must go on without an edge.
    pub(super) fn is_owed(&self) -> bool {
        self.errors_owed
    }

    /// Whether the process has come to its end. It stays to be reaped.
    pub(super) fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.pid()), options)?.is_some())
    }

    /// Takes the exit status of a process that has ended. Whatever it has started goes with it: as long as it is not
    /// reaped, its group cannot be another's.
    pub(super) fn reap(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.process.wait()
    }

    /// Signals the process and all it has started. That they are gone already is no harm.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid(), signal);
    }

    /// What its descendants carry in their environment.
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Reads words until the pipe would block or has ended, and hands on each line.
    pub(super) fn read_words(&mut self, scratch: &mut [u8], mut say: impl FnMut(&str)) {
        self.errors_owed = false;
        let mut total = 0;
        while let Some(errors) = &mut self.errors {
            if total >= WORDS_BUDGET_BYTES {
                self.errors_owed = true;
                return;
            }
            match errors.read(&mut scratch[..WORDS_BUDGET_BYTES]) {
                Ok(0) => self.errors = None,
                Ok(count) => {
                    total += count;
                    self.split_lines(&scratch[..count], &mut say);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.errors = None,
            }
        }
        if !self.line.is_empty() {
            say(&String::from_utf8_lossy(&std::mem::take(&mut self.line)));
        }
    }

    fn split_lines(&mut self, words: &[u8], say: &mut impl FnMut(&str)) {
        for piece in words.split_inclusive(|&byte| byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            let (text, whole) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if whole {
                let line = std::mem::take(&mut self.line);
                if !line.is_empty() {
                    say(&String::from_utf8_lossy(&line));
                }
            }
        }
    }
}

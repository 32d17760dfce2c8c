//! One child process: starts it, reads its stderr, signals and reaps it.

use std::io::{self, ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{self, Command, ExitStatus, Stdio};
use std::time::Instant;

use mio::unix::pipe::Receiver;
use mio::{Interest, Registry, Token};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::settings::{DriverSpec, StdinFrom};
use super::systemd;

/// The environment variable that marks a child and all processes that it starts: see
/// [`orphans`](super::orphans).
pub(super) const MARK: &str = "CHILD_OF_FRAMECAST";

/// Bytes of stderr read from one child in one turn. To log so many of the shortest lines takes a few
/// milliseconds.
const STDERR_BUDGET_BYTES: usize = 8 * 1024;

/// A longer line of stderr is cut.
const LINE_BYTES_MAX: usize = 1024;

/// Returns the command of `spec`. It does not inherit the variables of systemd, nor the server's
/// options, which may hold the passwords of other cameras.
pub(super) fn command(spec: &DriverSpec) -> Command {
    let mut command = Command::new(&spec.program);
    for (name, _) in std::env::vars_os() {
        let is_systemd = name
            .to_str()
            .is_some_and(|name| systemd::VARIABLES.contains(&name));
        if is_systemd || name.to_string_lossy().starts_with("FRAMECAST_") {
            command.env_remove(name);
        }
    }
    command
        .args(&spec.args)
        .envs(spec.env.iter().map(|(name, value)| (name, value.expose())));
    command.stdout(Stdio::null()).stdin(match spec.stdin {
        StdinFrom::Null => Stdio::null(),
        StdinFrom::Server => Stdio::inherit(),
    });
    command
}

/// A running child process and the pipe of its stderr.
#[derive(Debug)]
pub(super) struct Child {
    /// The process, to take its pipes.
    pub(super) process: process::Child,
    /// The value of [`MARK`] in its environment.
    pub(super) mark: String,
    stderr: Option<Receiver>,
    /// The line of stderr that has not ended yet.
    line: Vec<u8>,
    pub(super) started_at: Instant,
}

impl Child {
    /// Starts `command` in a new process group, and registers its stderr under `token`.
    pub(super) fn spawn(
        command: &mut Command,
        token: Token,
        registry: &Registry,
        now: Instant,
    ) -> io::Result<Self> {
        // Unique, since no other child of this server has the same token.
        let mark = format!("{}.{}", process::id(), token.0);
        // With a group of its own, a kill reaches the processes that it has started, and Ctrl-C at
        // the terminal does not reach it.
        command
            .env(MARK, &mark)
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = Self {
            mark,
            ..Self::spawn_detached(command, now)?
        };
        if let Some(stderr) = child.process.stderr.take() {
            let mut stderr = Receiver::from(stderr);
            stderr.set_nonblocking(true)?;
            registry.register(&mut stderr, token, Interest::READABLE)?;
            child.stderr = Some(stderr);
        }
        Ok(child)
    }

    /// Starts `command` with our process group and stderr: for a process that outlives this one.
    pub(super) fn spawn_detached(command: &mut Command, now: Instant) -> io::Result<Self> {
        let process = command.spawn()?;
        Ok(Self {
            process,
            mark: String::new(),
            stderr: None,
            line: Vec::new(),
            started_at: now,
        })
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Whether the process has exited. It stays a zombie until [`Child::reap`].
    pub(super) fn has_exited(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.pid()), options)?.is_some())
    }

    /// Kills the process group and reaps the process. The kill comes first, because the kernel may
    /// reuse the number of the group once the process is reaped. The wait is short, because a process
    /// cannot ignore SIGKILL.
    pub(super) fn reap(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.process.wait()
    }

    /// Signals the process group, if there still is one.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid(), signal);
    }

    /// Reads stderr, and calls `on_line` for each line. Ends when the pipe would block (an edge is
    /// owed), has ended, or [`STDERR_BUDGET_BYTES`] are reached. Returns whether the budget was
    /// reached: then there may be more, and no edge will report it.
    pub(super) fn read_stderr(
        &mut self,
        scratch: &mut [u8],
        mut on_line: impl FnMut(&str),
    ) -> bool {
        let mut total = 0;
        while let Some(stderr) = &mut self.stderr {
            if total >= STDERR_BUDGET_BYTES {
                return true;
            }
            match stderr.read(&mut scratch[..STDERR_BUDGET_BYTES]) {
                Ok(0) => self.stderr = None,
                Ok(count) => {
                    total += count;
                    self.split_lines(&scratch[..count], &mut on_line);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => self.stderr = None,
            }
        }
        self.end_line(&mut on_line);
        false
    }

    fn split_lines(&mut self, bytes: &[u8], on_line: &mut impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < piece.len() {
                self.end_line(on_line);
            }
        }
    }

    fn end_line(&mut self, on_line: &mut impl FnMut(&str)) {
        if !self.line.is_empty() {
            on_line(&String::from_utf8_lossy(&std::mem::take(&mut self.line)));
        }
    }
}

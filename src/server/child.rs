//! A child process: how it is started, its stderr, and its end.

use std::io::{self, ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{self, Command, ExitStatus, Stdio};
use std::time::Instant;

use mio::unix::pipe::Receiver;
use mio::{Interest, Registry, Token};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::settings::{DriverSpec, StdinFrom};
use super::systemd;

/// The variable that marks a child of the server, and all that it starts: see
/// [`orphans`](super::orphans).
pub(super) const MARK: &str = "CHILD_OF_FRAMECAST";

/// Bytes of stderr read from one child in one turn: of the shortest lines, a few milliseconds'
/// work.
const STDERR_BUDGET_BYTES: usize = 8 * 1024;

/// A line of stderr is kept up to this length.
const LINE_BYTES_MAX: usize = 1024;

/// Returns the command of `spec`. It does not inherit the server's own options, which may hold the
/// passwords of other cameras, nor the variables of systemd.
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
    /// The process itself, to take its pipes.
    pub(super) process: process::Child,
    /// What its descendants carry in their environment: see [`MARK`].
    pub(super) mark: String,
    stderr: Option<Receiver>,
    line: Vec<u8>,
    pub(super) started_at: Instant,
}

impl Child {
    /// Starts `command` in a process group of its own, and registers the pipe of its stderr under
    /// `token`.
    pub(super) fn spawn(
        command: &mut Command,
        token: Token,
        registry: &Registry,
        now: Instant,
    ) -> io::Result<Self> {
        // No other child of this server has the same token.
        let mark = format!("{}.{}", process::id(), token.0);
        // In a group of its own, Ctrl-C at the terminal does not reach it, and a kill reaches all
        // that it has started.
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

    /// Starts `command` in our own process group and with our own stderr: for a process that is to
    /// outlive this one.
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

    /// Kills the process group and reaps the process. The kill comes first: as long as the process
    /// is not reaped, no other group can have its number. It cannot be refused, so the wait is
    /// short.
    pub(super) fn reap(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.process.wait()
    }

    /// Signals the process group. A group that is gone already is no error.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid(), signal);
    }

    /// Reads stderr until it would block or has ended, and calls `on_line` for each line. Returns
    /// whether its budget ended the reading: then there may be more, and no edge will report it.
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

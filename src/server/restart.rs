//! Restart without a refused connection: a new process inherits the listening sockets.
//!
//! A listening socket is a queue in the kernel. While any process has it open, new connections wait
//! in the queue, and none is refused. So the new process starts with the sockets of the old one.
//! The old one accepts until the new one signals, before its first turn, that it is ready.
//!
//! The sockets are passed in the way of systemd's socket activation (sd_listen_fds(3)), which is
//! supported by the same code: `LISTEN_FDS` is their number, the first one is descriptor 3, and
//! those that are named `https` in `LISTEN_FDNAMES` use TLS.
//!
//! | Signal | Sent to | Meaning |
//! |---|---|---|
//! | SIGUSR2 | a server | start a new process, from the same path and with the same options |
//! | SIGUSR1 | the old process, by the new one | the new process is ready |
//!
//! If the new process fails, the old one continues as if nothing had happened.

use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use command_fds::{CommandFdExt, FdMapping};
use listenfd::ListenFd;
use log::Level;
use rustix::process::{Pid, Signal, getppid, kill_process};

use super::child::Child;
use super::listener::Listener;
use super::settings::DriverSpec;
use super::supervised::{ChildProcess, Supervised};
use super::token::ChildKind;

/// The first inherited socket, after stdin, stdout and stderr (sd_listen_fds(3)).
const FIRST_DESCRIPTOR: i32 = 3;

/// The names of the sockets (sd_listen_fds_with_names(3)).
const ENCRYPTED: &str = "https";
const PLAIN: &str = "http";

/// The environment variable with the process id of the old process. Its name must not change,
/// because the two processes may be of different versions.
const OLD_PROCESS: &str = "FRAMECAST_OLD_PROCESS";

/// Returns the listening sockets that this process has inherited.
///
/// # Errors
/// A descriptor is not a listening TCP or Unix stream socket.
pub fn inherited() -> io::Result<Vec<Listener>> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len() {
        let is_encrypted = names.next() == Some(ENCRYPTED);
        let listener = match passed.take_tcp_listener(index) {
            Ok(socket) => socket.map(|socket| Listener::from_tcp(socket, is_encrypted)),
            Err(_) => passed.take_unix_listener(index)?.map(Listener::from_unix),
        };
        listeners.extend(listener.transpose()?);
    }
    Ok(listeners)
}

/// Signals the old process, if there is one, that this process is ready.
pub fn signal_ready() {
    let named = env::var(OLD_PROCESS)
        .ok()
        .and_then(|pid| pid.parse().ok())
        .and_then(Pid::from_raw);
    // An inherited variable may be for another process: only the parent can be the old process.
    let Some(old_process) = named.filter(|&pid| getppid() == Some(pid)) else {
        return;
    };
    if let Err(error) = kill_process(old_process, Signal::USR1) {
        log::warn!(
            "restart: cannot signal old process {}: {error}; stop it with SIGTERM",
            old_process.as_raw_nonzero()
        );
    }
}

/// The new process of a restart. It outlives this process.
#[derive(Debug)]
pub struct NewProcess(pub(super) Supervised<()>);

impl NewProcess {
    /// Starts nothing yet. The new process has the path and the options of this one.
    pub fn new(program: &Path) -> Self {
        let args = env::args_os().skip(1).collect();
        let spec = DriverSpec {
            program: program.to_owned(),
            args,
            ..DriverSpec::default()
        };
        Self(Supervised::new(ChildKind::NewProcess, 0, "restart", spec))
    }

    /// Starts the new process, which inherits `listeners`. An error is logged.
    pub fn start(&mut self, listeners: &[Listener], now: Instant) {
        let spec = self.0.spec();
        let started = command(spec, listeners)
            .and_then(|mut command| Child::spawn_detached(&mut command, now));
        let with_path = |error| io::Error::other(format!("{}: {error}", spec.program.display()));
        let started = started.map(|child| (child, ())).map_err(with_path);
        if self.0.started(started)
            && let Some(child) = self.0.child()
        {
            log::info!(
                "restart: started new process {}",
                child.pid().as_raw_nonzero()
            );
        }
    }

    /// Handles an exit of the new process. There is no pipe to read: it has our stderr.
    pub fn read(&mut self, now: Instant) {
        self.0.read(&mut [], now, |(), _, _| false);
        if let Some(exit) = self.0.take_exit(now) {
            let problem = format!(
                "new process exited ({}) before it was ready; this process continues",
                exit.status
            );
            self.0.log().log(Level::Error, &problem);
        }
    }
}

/// Returns the command of a new process, which inherits `listeners`, our standard streams and our
/// environment.
fn command(spec: &DriverSpec, listeners: &[Listener]) -> io::Result<Command> {
    let sockets: Vec<OwnedFd> = listeners
        .iter()
        .map(Listener::to_owned_fd)
        .collect::<io::Result<_>>()?;
    let name = |listener: &Listener| {
        if listener.is_encrypted() {
            ENCRYPTED
        } else {
            PLAIN
        }
    };
    let names: Vec<&str> = listeners.iter().map(name).collect();
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.args)
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"))
        // Both would have to be the id of the new process, which is not known yet. Without them, the
        // other variables are for any process.
        .env_remove("LISTEN_PID")
        .env_remove("WATCHDOG_PID")
        .env(OLD_PROCESS, std::process::id().to_string());
    let mappings = (FIRST_DESCRIPTOR..)
        .zip(sockets)
        .map(|(child_fd, parent_fd)| FdMapping {
            parent_fd,
            child_fd,
        });
    command
        .fd_mappings(mappings.collect())
        .map_err(io::Error::other)?;
    Ok(command)
}

//! Restart without refusal: a new process takes over the listening sockets.
//!
//! A listening socket is a queue in the kernel. As long as any process has it open, new connections
//! wait in it and none is refused. So a new process starts with the sockets of the old one, both
//! accept for a while, and the old one stops once the new one is ready. The sockets are passed as
//! systemd passes them to a service that it starts on demand (sd_listen_fds(3)): from descriptor 3
//! on, `LISTEN_FDS` of them, and those that `LISTEN_FDNAMES` calls `https` are encrypted. So the
//! same few lines serve both.
//!
//! | Signal | Sent to | Meaning |
//! |---|---|---|
//! | SIGUSR2 | a server | start a new process, from the same path and with the same options |
//! | SIGUSR1 | the old process, by the new one | the new process is ready |
//!
//! A new process that fails changes nothing: the old one has never stopped.

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

/// The first descriptor that is passed on: those before it are standard input, output and error.
const FIRST_DESCRIPTOR: i32 = 3;

/// The names of the sockets (sd_listen_fds_with_names(3)).
const ENCRYPTED: &str = "https";
const PLAIN: &str = "http";

/// The variable with the number of the old process. Old and new may be of different versions, so
/// its name stays.
const OLD_PROCESS: &str = "FRAMECAST_PREDECESSOR";

/// The listening sockets that this process was started with; none where nothing was passed on.
///
/// # Errors
/// What was passed on is no listening socket of TCP, nor a Unix stream one.
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

/// Notifies the old process, if there is one, that this one is ready.
pub fn announce() {
    let named = env::var(OLD_PROCESS)
        .ok()
        .and_then(|pid| pid.parse().ok())
        .and_then(Pid::from_raw);
    // The variable may be inherited from further up: only the parent can be the old process.
    let Some(old_process) = named.filter(|&pid| getppid() == Some(pid)) else {
        return;
    };
    if let Err(error) = kill_process(old_process, Signal::USR1) {
        log::warn!(
            "cannot signal the old process {}: {error}; stop it with SIGTERM",
            old_process.as_raw_nonzero()
        );
    }
}

/// The new process, until it is ready: it outlives this one.
#[derive(Debug)]
pub struct NewProcess(pub(super) Supervised<()>);

impl NewProcess {
    /// None yet. It is started from the same path and with the same options as this process.
    pub fn new(program: &Path) -> Self {
        let args = env::args_os().skip(1).collect();
        let spec = DriverSpec {
            program: program.to_owned(),
            args,
            ..DriverSpec::default()
        };
        Self(Supervised::new(ChildKind::NewProcess, 0, "restart", spec))
    }

    /// Starts it and passes it `listeners`. A failure is logged.
    pub fn start(&mut self, listeners: &[Listener], now: Instant) {
        let spec = self.0.spec();
        let started = command(spec, listeners)
            .and_then(|mut command| Child::spawn_detached(&mut command, now));
        let named = |error| io::Error::other(format!("{}: {error}", spec.program.display()));
        let started = started.map(|child| (child, ())).map_err(named);
        if self.0.started(started)
            && let Some(child) = self.0.child()
        {
            log::info!(
                "restart: started new process {}",
                child.pid().as_raw_nonzero()
            );
        }
    }

    /// Logs its exit.
    pub fn read(&mut self, now: Instant) {
        self.0.read(&mut [], now, |(), _, _| false);
        if let Some(exit) = self.0.take_exit(now) {
            let problem = format!(
                "new process ended ({}) before it was ready; this process continues",
                exit.status
            );
            self.0.log().log(Level::Error, &problem);
        }
    }
}

/// The command of a new process, which inherits `listeners`, our standard streams and our
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
        // Each would have to be the number of the new process, which does not exist yet; without
        // it, any is meant.
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

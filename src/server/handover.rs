//! Restart without refusal: listening sockets that were made by somebody else, and handing ours on.
//!
//! A listening socket is a queue in the kernel. As long as any process has it open, whoever comes is queued and nobody
//! is refused. So a new server is given the sockets of the old one when it is started, both accept for a while, and the
//! old one stops once the new one says that it is up. The sockets come as systemd passes them to a service it starts on
//! demand (sd_listen_fds(3)): from descriptor 3 on, `LISTEN_FDS` of them, and those that `LISTEN_FDNAMES` calls `https`
//! are encrypted. So the same few lines serve both.
//!
//! | Signal | Says |
//! |---|---|
//! | SIGUSR2 | to a server: start your successor, from the same path and with the same options |
//! | SIGUSR1 | from the successor, to the one that started it: I am up |
//!
//! A successor that fails changes nothing: its predecessor has never stopped.

use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use command_fds::{CommandFdExt, FdMapping};
use listenfd::ListenFd;
use rustix::process::{Pid, Signal, getppid, kill_process};

use super::listener::Listener;

/// The first descriptor that is passed on: those before it are standard input, output and error.
const FIRST_DESCRIPTOR: i32 = 3;

/// What a socket is called (sd_listen_fds_with_names(3)) whose connections are encrypted.
const ENCRYPTED: &str = "https";
const PLAIN: &str = "http";

/// Where a successor finds the process whose place it takes.
const PREDECESSOR: &str = "FRAMECAST_PREDECESSOR";

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

/// Tells the server whose place this one takes, if there is one, that it may stop accepting.
pub fn announce() {
    let named = env::var(PREDECESSOR).ok().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    // The variable may have come down from further up: only a parent has a successor.
    let Some(predecessor) = named.filter(|&pid| getppid() == Some(pid)) else { return };
    if let Err(error) = kill_process(predecessor, Signal::USR1) {
        log::warn!("the server before this one cannot be told to stop accepting: {error}");
    }
}

/// The server that is to take our place.
#[derive(Debug)]
pub struct Successor(Child);

impl Successor {
    /// Starts `program` as this process was started, and passes `listeners` on to it.
    ///
    /// # Errors
    /// It cannot be started, for example because no such program is there any more.
    pub fn start(program: &Path, listeners: &[Listener]) -> io::Result<Self> {
        let sockets: Vec<OwnedFd> = listeners.iter().map(Listener::to_owned_fd).collect::<io::Result<_>>()?;
        let count = sockets.len();
        let name = |listener: &Listener| if listener.is_encrypted() { ENCRYPTED } else { PLAIN };
        let names: Vec<&str> = listeners.iter().map(name).collect();
        let mappings = (FIRST_DESCRIPTOR..).zip(sockets).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
        let mut command = Command::new(program);
        command
            .args(env::args_os().skip(1))
            .env("LISTEN_FDS", count.to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            // Each would have to be the number of a process that is not there yet; without it, whoever asks is meant.
            .env_remove("LISTEN_PID")
            .env_remove("WATCHDOG_PID")
            .env(PREDECESSOR, std::process::id().to_string())
            .fd_mappings(mappings.collect())
            .map_err(io::Error::other)?;
        command.spawn().map(Self)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

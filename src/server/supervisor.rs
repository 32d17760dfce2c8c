//! The service manager: whoever started us and wants to know how we fare (sd_notify(3)).
//!
//! It is told when the server listens, when it comes to its end, and, if it asks for that, again and again that the
//! loop still goes around; one that does not is ended and started anew. Words go by datagram to a socket that is never
//! waited for: a manager that does not listen misses some, and nobody else is held up.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// The variables by which a manager makes itself known. They are for us alone: a driver is told of none of them.
pub const VARIABLES: [&str; 4] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDNAMES"];

/// Whom to tell, if anybody, and how often.
#[derive(Debug, Default)]
pub struct Supervisor {
    manager: Option<(UnixDatagram, SocketAddr)>,
    /// Half the time after which a silent loop counts as hung.
    interval: Option<Duration>,
    due: Option<Instant>,
}

impl Supervisor {
    /// The manager that the environment names. One that cannot be reached is warned of and done without.
    pub fn of_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        let variable = |name: &str| std::env::var(name).ok();
        // The variable may have been inherited from somebody who is watched in our place.
        let is_ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let timeout = variable("WATCHDOG_USEC").and_then(|micros| micros.parse().ok()).filter(|&micros| micros > 0);
        let interval = timeout.filter(|_| is_ours).map(|micros| Duration::from_micros(micros) / 2);
        match open(&name) {
            Ok(manager) => Self { manager: Some(manager), interval, due: None },
            Err(error) => {
                log::warn!("the service manager cannot be told how this server fares: {error}");
                Self::default()
            }
        }
    }

    /// The server listens.
    pub fn ready(&mut self, now: Instant) {
        self.tell("READY=1");
        self.due = self.interval.map(|interval| now + interval);
    }

    /// The server comes to its end.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Another process is this server from now on.
    pub fn hand_over(&mut self, pid: u32) {
        self.tell(&format!("MAINPID={pid}"));
        self.due = None;
    }

    /// The loop has gone around: says so, if it is time.
    pub fn attend(&mut self, now: Instant) {
        if let (Some(due), Some(interval)) = (self.due, self.interval)
            && now >= due
        {
            self.tell("WATCHDOG=1");
            self.due = Some(now + interval);
        }
    }

    /// When [`Supervisor::attend`] must be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.due
    }

    fn tell(&self, words: &str) {
        let Some((socket, manager)) = &self.manager else { return };
        if let Err(error) = socket.send_to_addr(words.as_bytes(), manager) {
            log::debug!("the service manager was not told {words}: {error}");
        }
    }
}

/// A path, or after an `@` a name in the abstract namespace.
fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let manager = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, manager))
}

//! Notifies systemd, or another service manager, of the server's state (sd_notify(3)).
//!
//! It is notified when the server listens, when it shuts down and, if it asks for that,
//! periodically that the loop still turns; it restarts a server that does not. Messages are
//! datagrams on a non-blocking socket: a manager that does not read misses some, and the loop never
//! waits.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use crate::hub::Wake;

/// The variables by which a service manager makes itself known. Child processes do not inherit
/// them.
pub const VARIABLES: [&str; 4] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDNAMES",
];

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct Systemd {
    manager: Option<(UnixDatagram, SocketAddr)>,
    /// Half the time after which a silent loop counts as hung.
    interval: Option<Duration>,
    due: Option<Instant>,
}

impl Systemd {
    /// The manager that the environment names. One that cannot be reached is logged, and not
    /// notified.
    pub fn of_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
            return Self::default();
        };
        let variable = |name: &str| std::env::var(name).ok();
        // The variable may be inherited from another process, whose watchdog it is.
        let is_ours =
            variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let timeout = variable("WATCHDOG_USEC")
            .and_then(|micros| micros.parse().ok())
            .filter(|&micros| micros > 0);
        let interval = timeout
            .filter(|_| is_ours)
            .map(|micros| Duration::from_micros(micros) / 2);
        match open(&name) {
            Ok(manager) => Self {
                manager: Some(manager),
                interval,
                due: None,
            },
            Err(error) => {
                log::warn!("NOTIFY_SOCKET: {error}; the service manager is not notified");
                Self::default()
            }
        }
    }

    /// The server listens.
    pub fn ready(&mut self, now: Instant) {
        self.notify("READY=1");
        self.due = self.interval.map(|interval| now + interval);
    }

    /// The server shuts down.
    pub fn stopping(&self) {
        self.notify("STOPPING=1");
    }

    /// The new process is this service from now on.
    pub fn hand_over(&mut self, pid: u32) {
        self.notify(&format!("MAINPID={pid}"));
        self.due = None;
    }

    /// Feeds the watchdog when it is due.
    pub fn attend(&mut self, now: Instant) {
        if let (Some(due), Some(interval)) = (self.due, self.interval)
            && now >= due
        {
            self.notify("WATCHDOG=1");
            self.due = Some(now + interval);
        }
    }

    /// When [`Systemd::attend`] must be called next.
    pub fn next_wake(&self) -> Wake {
        self.due.map_or(Wake::OnInput, Wake::At)
    }

    fn notify(&self, message: &str) {
        let Some((socket, manager)) = &self.manager else {
            return;
        };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), manager) {
            log::debug!("the service manager was not sent {message}: {error}");
        }
    }
}

/// Opens a path, or after an `@` a name in the abstract namespace.
fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let manager = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, manager))
}

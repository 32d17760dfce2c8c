//! Notifies systemd, or another service manager, of the server's state (sd_notify(3)).
//!
//! The messages are: the server is ready, it is shutting down, a new process is the main process,
//! and the keep-alive of the watchdog, which restarts a server whose loop hangs. They are datagrams
//! on a non-blocking socket: if the manager does not read, messages are lost, and the loop does not
//! wait.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use crate::hub::Wake;

/// The environment variables of a service manager. Child processes do not inherit them.
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
    /// The interval of keep-alives: half the watchdog's timeout, as sd_watchdog_enabled(3) advises.
    interval: Option<Duration>,
    /// When the next keep-alive is due.
    due: Option<Instant>,
}

impl Systemd {
    /// Opens the socket that the environment names. An error is logged; then nothing is sent.
    pub fn from_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
            return Self::default();
        };
        let variable = |name: &str| std::env::var(name).ok();
        // An inherited WATCHDOG_USEC may be for another process.
        let is_for_us =
            variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let timeout = variable("WATCHDOG_USEC")
            .and_then(|micros| micros.parse().ok())
            .filter(|&micros| micros > 0);
        let interval = timeout
            .filter(|_| is_for_us)
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

    /// Sends that the server is ready, and starts the keep-alives.
    pub fn ready(&mut self, now: Instant) {
        self.notify("READY=1");
        self.due = self.interval.map(|interval| now + interval);
    }

    /// Sends that the server is shutting down.
    pub fn stopping(&self) {
        self.notify("STOPPING=1");
    }

    /// Sends that the process `pid` is the main process from now on, and ends our keep-alives.
    pub fn set_main_pid(&mut self, pid: u32) {
        self.notify(&format!("MAINPID={pid}"));
        self.due = None;
    }

    /// Sends a keep-alive when it is due.
    pub fn attend(&mut self, now: Instant) {
        if let (Some(due), Some(interval)) = (self.due, self.interval)
            && now >= due
        {
            self.notify("WATCHDOG=1");
            self.due = Some(now + interval);
        }
    }

    /// Returns when to call [`Systemd::attend`] next.
    pub fn next_wake(&self) -> Wake {
        self.due.map_or(Wake::OnInput, Wake::At)
    }

    fn notify(&self, message: &str) {
        let Some((socket, manager)) = &self.manager else {
            return;
        };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), manager) {
            log::debug!("NOTIFY_SOCKET: {error}; {message} was not sent");
        }
    }
}

/// Opens the socket of a path, or of an abstract name after `@` (unix(7)).
fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let manager = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, manager))
}

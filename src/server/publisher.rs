//! A publisher: a child process that sends a camera's frames to another place, such as Redis.
//!
//! Its stdin is one end of a socket pair. The other end is a connection of the hub, and a viewer
//! like any other: a slow publisher skips frames, and its exit closes the connection. As it is a
//! viewer, its camera always runs.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::{Duration, Instant};

use mio::Registry;
use mio::net::UnixStream;

use super::settings::PublisherSettings;
use super::socket::Socket;
use super::supervised::{ChildProcess, Supervised};
use super::token::ChildKind;
use crate::hub::{Hub, Key, Subscription};
use crate::stream::{Peer, RateLimit};
use crate::wire::multipart::{Framing, preamble};

/// One target of a camera, and the process that publishes to it.
#[derive(Debug)]
pub struct Publisher {
    camera: usize,
    pub(super) process: Supervised<Key>,
}

impl Publisher {
    /// A publisher of the camera `name`. Its process starts in the first turn.
    pub fn new(index: usize, settings: PublisherSettings, name: &str, now: Instant) -> Self {
        let prefix = format_args!("publisher of {name}");
        let mut process = Supervised::new(ChildKind::Publisher, index, prefix, settings.process);
        process.schedule_start(now);
        Self {
            camera: settings.camera,
            process,
        }
    }

    /// The index of the camera.
    pub fn camera(&self) -> usize {
        self.camera
    }

    /// The target as the user wrote it, with credentials masked.
    pub fn target(&self) -> String {
        self.process.spec().shown_as.to_string()
    }

    /// The key of its connection, while it is a viewer.
    pub fn key(&self) -> Option<Key> {
        self.process.running().copied()
    }

    /// How often the process was restarted.
    pub fn restarts(&self) -> u32 {
        self.process.starts().saturating_sub(1)
    }

    /// The last error, until it publishes again.
    pub fn error(&self) -> Option<&str> {
        self.process.error()
    }

    /// Reads the stderr of the process, and handles its exit.
    pub fn read(&mut self, scratch: &mut [u8], now: Instant) {
        self.process.read(scratch, now, |_, _, _| false);
        if let Some(exit) = self
            .process
            .take_exit(now)
            .filter(|_| !self.process.is_retired())
        {
            self.process.schedule_restart(exit.status, now);
        }
    }

    /// Starts the process when that is due, and stops one whose connection the hub has closed.
    pub fn attend(&mut self, hub: &mut Hub<Socket>, registry: &Registry, now: Instant) {
        match self.key() {
            Some(key) if hub.connections().get(key).is_none() => self.process.expect_exit(now),
            None if self.process.may_start(now) => self.start(hub, registry, now),
            _ => {}
        }
    }

    fn start(&mut self, hub: &mut Hub<Socket>, registry: &Registry, now: Instant) {
        let camera = self.camera;
        let mut command = self.process.command();
        let is_started = match socket_pair() {
            Ok((ours, theirs)) => {
                command.stdin(theirs);
                self.process.start(command, registry, now, |_, _| {
                    subscribe(hub, camera, ours, registry, now)
                })
            }
            Err(error) => self.process.started(Err(error)),
        };
        if !is_started {
            self.process.back_off(now);
        }
    }

    /// Called when the server shuts down: the process exits at the end of its stream, and is not
    /// started again.
    pub fn shut_down(&mut self, now: Instant) {
        self.process.retire();
        self.process.expect_exit(now);
    }

    /// Whether the process has exited.
    pub fn is_over(&self) -> bool {
        self.process.child().is_none()
    }
}

/// Returns our end of a connection, which is non-blocking, and that of the child.
fn socket_pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours), theirs.into()))
}

/// Makes `socket` a viewer of `camera` without a request.
fn subscribe(
    hub: &mut Hub<Socket>,
    camera: usize,
    socket: UnixStream,
    registry: &Registry,
    now: Instant,
) -> io::Result<Key> {
    let framing = Framing::Length;
    let head = preamble(hub.live().part_format(), framing);
    let subscription = Subscription {
        camera,
        framing,
        delay: Duration::ZERO,
        rate_limit: RateLimit::default(),
        label: String::new(),
        head,
    };
    let key = hub.admit(Peer::Publisher, now, |key| {
        let mut socket = Socket::Unix(socket);
        socket.register(registry, key)?;
        Ok(socket)
    })?;
    hub.subscribe(key, subscription, now);
    Ok(key)
}

//! A publisher: the child process that passes a camera's frames on, and is a viewer of this server.
//!
//! Its standard input is one end of a socket pair, the other end a connection like any viewer's: a
//! publisher that cannot keep up skips frames as a slow viewer does, and its exit is noticed as any
//! viewer's leaving is. A camera runs as long as it is published.

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

/// One place where a camera is published, and its process.
#[derive(Debug)]
pub struct Publisher {
    camera: usize,
    pub(super) process: Supervised<Key>,
}

impl Publisher {
    /// A publisher of the camera `name`, whose process is started in the first turn.
    pub fn new(index: usize, settings: PublisherSettings, name: &str, now: Instant) -> Self {
        let prefix = format_args!("publisher of {name}");
        let mut process = Supervised::new(ChildKind::Publisher, index, prefix, settings.process);
        process.start_again_at(now);
        Self {
            camera: settings.camera,
            process,
        }
    }

    /// Which camera it publishes, from 0.
    pub fn camera(&self) -> usize {
        self.camera
    }

    /// Where to, as the user wrote it, with credentials masked.
    pub fn target(&self) -> String {
        self.process.spec().shown_as.to_string()
    }

    /// Its connection, while it is a viewer.
    pub fn key(&self) -> Option<Key> {
        self.process.running().copied()
    }

    /// How often its process was started after the first time.
    pub fn restarts(&self) -> u32 {
        self.process.starts().saturating_sub(1)
    }

    /// What went wrong last, until it publishes again.
    pub fn trouble(&self) -> Option<&str> {
        self.process.error()
    }

    /// Reads what its process has logged, and notes its exit.
    pub fn read(&mut self, scratch: &mut [u8], now: Instant) {
        self.process.read(scratch, now, |_, _, _| false);
        if let Some(exit) = self
            .process
            .take_exit(now)
            .filter(|_| !self.process.is_retired())
        {
            self.process.restart_after(exit.status, now);
        }
    }

    /// Starts the process when it is time, and ends one whose connection the hub has closed.
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

    /// Lets the process exit at the end of its stream, and starts no other: the server shuts down.
    pub fn shut_down(&mut self, now: Instant) {
        self.process.retire();
        self.process.expect_exit(now);
    }

    /// Whether no process of it is left.
    pub fn is_over(&self) -> bool {
        self.process.child().is_none()
    }
}

/// Our end of a connection, which never blocks, and that of a child.
fn socket_pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours), theirs.into()))
}

/// Makes `socket` a viewer of `camera` that has asked for nothing.
fn subscribe(
    hub: &mut Hub<Socket>,
    camera: usize,
    socket: UnixStream,
    registry: &Registry,
    now: Instant,
) -> io::Result<Key> {
    let framing = Framing::Length;
    let head = preamble(hub.live().division(), framing);
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

//! The turn: wait, hand each event to its owner, do what is due, write what is queued, let go of what is over.
//!
//! Everything is registered once, edge-triggered, and never again: the kernel tells what has changed, and we remember
//! it. Every loop that reads, writes or accepts ends in one of three ways and only these:
//!
//! 1. the kernel said "would block", so it owes an edge;
//! 2. nothing is left to do;
//! 3. our own budget was reached; then it is on us to come back, and the next wait does not wait.
//!
//! An edge that is taken and not used up in one of these ways is lost, and with it a viewer. That is the heart of
//! non-blocking I/O, and all of it is in this file, [`super::listener`], [`super::camera`] and `stream`.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll};

use super::camera::{Camera, News};
use super::listener::{Accepted, Listener};
use super::passwords::Passwords;
use super::scene::{Stage, wall_time};
use super::settings::{ListenAddress, Settings};
use super::signals::{self, Signals};
use super::socket::Socket;
use super::token::Owner;
use crate::site;
use crate::site::auth::{Guard, Policy};
use crate::stream::hub::Shot;
use crate::stream::{Hub, Readiness};
use crate::wire::jpeg::with_standard_tables;
use crate::wire::multipart::Division;
use crate::wire::source::Part;

/// Events taken from the kernel at once. More of them wait there; this only bounds one batch.
const EVENTS_MAX: usize = 1024;

/// Connections accepted in one turn and from one listener, so that a burst of newcomers does not hold up the viewers.
const ACCEPTS_MAX: usize = 64;

/// When descriptors or memory have run out, accepting is tried again after this long, and whenever something closes.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Bytes read from a pipe at once.
const SCRATCH_BYTES: usize = 256 * 1024;

/// The year 2000. Some servers count the time of a frame from when they were started; that says nothing to anybody
/// else.
const WALL_TIME_MIN: Duration = Duration::from_secs(946_684_800);

/// One thread's whole world.
#[derive(Debug)]
pub struct EventLoop {
    poll: Poll,
    signals: Signals,
    listeners: Vec<Listener>,
    cameras: Vec<Camera>,
    hub: Hub<Socket>,
    guard: Guard,
    passwords: Passwords,
    settings: Settings,
    stats: LoopStats,
    scratch: Box<[u8]>,
    /// Accepting has failed for want of descriptors or memory: try again then.
    accept_retry: Option<Instant>,
    /// The server is going down, and is gone by then.
    going_down: Option<Instant>,
}

/// What the loop counts of itself.
#[derive(Clone, Copy, Debug)]
pub struct LoopStats {
    /// When the loop was made.
    pub started_at: Instant,
    /// Times around.
    pub turns: u64,
    /// Events handled.
    pub events: u64,
    /// Turns that waited and were woken, rather than coming straight back to work left over.
    pub wakeups: u64,
    /// The longest time between waking up and waiting again.
    pub longest_turn: Duration,
    /// Accepts that failed for want of descriptors or memory.
    pub accepts_exhausted: u64,
    /// Turns a second.
    pub rate: crate::stream::metrics::Meter,
}

/// Why a server did not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}; choose another with --listen")]
    Listen {
        /// As it was given.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// The kernel refused something without which there is no loop.
    #[error("cannot {what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: io::Error,
    },
}

impl EventLoop {
    /// Makes everything that may fail or block: after this, the loop only moves bytes. Drivers are started as
    /// `program capture SOURCE`.
    ///
    /// # Errors
    /// An address is taken or unknown, or the kernel is out of something.
    pub fn new(settings: Settings, program: PathBuf) -> Result<Self, ServeError> {
        let poll = Poll::new().map_err(system("make an epoll instance"))?;
        let mut signals = Signals::take_over().map_err(system("take over signals"))?;
        let register = "register for events";
        let readable = Interest::READABLE;
        poll.registry().register(&mut signals, Owner::Signals.token(), readable).map_err(system(register))?;

        let mut listeners = Vec::new();
        for (index, address) in settings.listen.iter().enumerate() {
            let failed = |error| ServeError::Listen { address: spell(address), error };
            let mut listener = Listener::bind(address).map_err(failed)?;
            poll.registry()
                .register(&mut listener, Owner::Listener(index).token(), readable)
                .map_err(system(register))?;
            listeners.push(listener);
        }

        let linger = settings.camera_linger;
        let cameras = settings.cameras.iter().cloned().enumerate();
        let cameras: Vec<Camera> = cameras
            .map(|(index, camera)| Camera::new(camera, index, program.clone(), settings.offline.clone(), linger))
            .collect();
        let part_fields = settings.access.origins.part_fields();
        let division = Division { boundary: &settings.boundary, fields: &part_fields };
        Ok(Self {
            poll,
            signals,
            listeners,
            hub: Hub::new(cameras.len(), division, settings.limits.clone()),
            guard: guard(&settings)?,
            passwords: Passwords::new(program),
            cameras,
            settings,
            stats: LoopStats::new(Instant::now()),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            accept_retry: None,
            going_down: None,
        })
    }

    /// The addresses it listens on, as a browser takes them.
    pub fn addresses(&self) -> impl Iterator<Item = String> + '_ {
        self.listeners.iter().map(Listener::to_string)
    }

    /// Goes around until a signal says otherwise.
    ///
    /// # Errors
    /// Waiting for events failed, which nothing that a peer or a camera does can cause.
    pub fn run(mut self) -> Result<(), ServeError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.is_over(Instant::now()) {
            self.turn(&mut events)?;
        }
        self.cameras.iter_mut().for_each(Camera::kill);
        Ok(())
    }

    /// One time around.
    fn turn(&mut self, events: &mut Events) -> Result<(), ServeError> {
        self.wait(events)?;
        let now = Instant::now();
        for event in events.iter() {
            self.dispatch(event, now);
        }
        self.accept(now);
        self.hub.expire(now);
        self.hear_verdict(now);
        self.answer(now);
        self.attend_cameras(now);
        self.hub.flush(now);
        self.reap();
        self.stats.turned(events.iter().count(), now);
        Ok(())
    }

    /// Waits for events, no longer than to the nearest deadline, and not at all while work is left over.
    fn wait(&mut self, events: &mut Events) -> Result<(), ServeError> {
        let timeout = self.timeout(Instant::now());
        self.stats.wakeups += u64::from(timeout != Some(Duration::ZERO));
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(system("wait for events")(error)),
            _ => Ok(()),
        }
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        let accepts_owed = self.listeners.iter().any(Listener::is_owed) && self.may_accept();
        if self.hub.has_pending() || accepts_owed || self.cameras.iter().any(Camera::is_owed) {
            return Some(Duration::ZERO);
        }
        let cameras = self.cameras.iter().filter_map(Camera::next_deadline);
        let deadlines = cameras.chain(self.hub.next_deadline()).chain(self.passwords.next_deadline());
        let deadlines = deadlines.chain(self.accept_retry).chain(self.going_down);
        deadlines.min().map(|deadline| deadline.saturating_duration_since(now))
    }

    /// Hands an event to its owner.
    fn dispatch(&mut self, event: &mio::event::Event, now: Instant) {
        match Owner::of(event.token()) {
            Owner::Connection(key) => {
                let readiness = Readiness {
                    readable: event.is_readable(),
                    writable: event.is_writable(),
                    gone: event.is_error() || event.is_write_closed(),
                };
                self.hub.ready(key, readiness, now);
            }
            Owner::Listener(index) => self.listeners[index].ready(),
            Owner::CameraOutput(pipe) | Owner::CameraErrors(pipe) => {
                self.read_camera(pipe.camera as usize, Some(pipe.run), now);
            }
            Owner::Signals => self.obey_signals(now),
        }
    }

    /// Accepts whoever waits, as far as there is room.
    fn accept(&mut self, now: Instant) {
        if self.accept_retry.is_some_and(|retry| now >= retry) {
            self.accept_retry = None;
        }
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_MAX {
                if !self.listeners[index].is_owed() || !self.may_accept() {
                    break;
                }
                match self.listeners[index].accept() {
                    Accepted::Connection(socket, peer) => self.admit(socket, peer, now),
                    Accepted::Nobody => break,
                    Accepted::Exhausted(error) => {
                        if self.stats.accepts_exhausted == 0 {
                            log::warn!("no connection can be accepted for now: {error}; those that come wait");
                        }
                        self.stats.accepts_exhausted += 1;
                        self.accept_retry = Some(now + ACCEPT_RETRY);
                    }
                }
            }
        }
    }

    /// Whether a connection could be taken in, if one waits.
    fn may_accept(&self) -> bool {
        self.accept_retry.is_none() && self.going_down.is_none() && self.hub.len() < self.settings.connections_max
    }

    fn admit(&mut self, mut socket: Socket, peer: crate::stream::Peer, now: Instant) {
        let key = self.hub.next_key();
        let both = Interest::READABLE | Interest::WRITABLE;
        match self.poll.registry().register(&mut socket, Owner::Connection(key).token(), both) {
            Ok(()) => {
                self.hub.admit(socket, peer, now);
            }
            Err(error) => log::warn!("{peer}: cannot be registered for events: {error}"),
        }
    }

    /// Starts, stops and restarts drivers, and goes on with pipes whose reading ended early.
    fn attend_cameras(&mut self, now: Instant) {
        for index in 0..self.cameras.len() {
            if self.cameras[index].is_owed() {
                self.read_camera(index, None, now);
            }
            let always_on = self.settings.always_on || self.cameras[index].is_always_on();
            let wanted = self.going_down.is_none() && (always_on || self.hub.is_wanted(index));
            self.cameras[index].attend(wanted, self.poll.registry(), now);
            self.hear(index, now);
        }
    }

    fn read_camera(&mut self, index: usize, run: Option<u32>, now: Instant) {
        self.cameras[index].read(run, &mut self.scratch, now);
        self.hear(index, now);
    }

    /// Passes on to the hub what a camera has to tell.
    fn hear(&mut self, index: usize, now: Instant) {
        for news in self.cameras[index].take_news() {
            match news {
                News::Frame(part) => show(&mut self.hub, Hub::publish, index, &part, now),
                News::StandIn(part) => show(&mut self.hub, Hub::stand_in, index, &part, now),
                News::Offline => self.hub.give_up(index, now),
                News::LetGo => self.hub.retract(index),
            }
        }
    }

    /// Answers the requests that have come in whole.
    fn answer(&mut self, now: Instant) {
        while let Some(call) = self.hub.next_request() {
            let stage = Stage {
                hub: &self.hub,
                cameras: &self.cameras,
                settings: &self.settings,
                stats: &self.stats,
                refused: self.guard.counts(),
                now,
            };
            let answer = site::answer(&call, &mut self.guard, &stage);
            log::debug!("#{} {}: {}", call.key.number, call.peer, call.request.path);
            self.hub.respond(call, answer, now);
        }
        if let Some(ticket) = self.passwords.attend(&mut self.guard, now) {
            self.hub.decided(ticket, now);
        }
    }

    /// Lets the requests go on whose password has been checked.
    fn hear_verdict(&mut self, now: Instant) {
        if let Some(ticket) = self.passwords.hear(&mut self.guard, now) {
            self.hub.decided(ticket, now);
        }
    }

    /// Frees what was closed. A descriptor less may be what a waiting connection needs.
    fn reap(&mut self) {
        if self.hub.reap().count() > 0 {
            self.accept_retry = None;
        }
    }

    fn obey_signals(&mut self, now: Instant) {
        for request in self.signals.pending().collect::<Vec<_>>() {
            match request {
                signals::Request::Reap => {
                    self.cameras.iter_mut().for_each(Camera::child_ended);
                    self.passwords.child_ended();
                }
                signals::Request::ShutDown => self.shut_down(now),
            }
        }
    }

    /// The first time, everything is brought to its end; the second time, it is over.
    fn shut_down(&mut self, now: Instant) {
        if self.going_down.is_some() {
            log::info!("going down at once");
            self.going_down = Some(now);
            return;
        }
        log::info!("going down; once more to do so at once");
        self.going_down = Some(now + self.settings.shutdown_timeout);
        self.hub.shut_down(now);
        self.cameras.iter_mut().for_each(|camera| camera.stop(now));
    }

    fn is_over(&self, now: Instant) -> bool {
        let Some(deadline) = self.going_down else { return false };
        now >= deadline || (self.hub.is_empty() && self.cameras.iter().all(Camera::is_over))
    }
}

impl LoopStats {
    fn new(now: Instant) -> Self {
        Self {
            started_at: now,
            turns: 0,
            events: 0,
            wakeups: 0,
            longest_turn: Duration::ZERO,
            accepts_exhausted: 0,
            rate: Default::default(),
        }
    }

    fn turned(&mut self, events: usize, began: Instant) {
        self.turns += 1;
        self.events += events as u64;
        self.longest_turn = self.longest_turn.max(began.elapsed());
        self.rate.tick(began);
    }
}

type Show = fn(&mut Hub<Socket>, usize, Shot<'_>, Instant);

/// Gives the hub a picture, with the Huffman tables that a camera may have left out: browsers show it only with them.
fn show(hub: &mut Hub<Socket>, show: Show, camera: usize, part: &Part, now: Instant) {
    let completed = (!part.picture.huffman_tables).then(|| with_standard_tables(&part.jpeg));
    let shot = Shot {
        jpeg: completed.as_deref().unwrap_or(&part.jpeg),
        picture: part.picture,
        captured_at: part.captured_at.filter(|&time| time >= WALL_TIME_MIN).unwrap_or_else(wall_time),
        sequence: part.sequence,
    };
    show(hub, camera, shot, now);
}

/// The guard of this server, with a key that nobody has had before.
fn guard(settings: &Settings) -> Result<Guard, ServeError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::from).map_err(system("draw a random key"))?;
    let mut policy: Policy = settings.access.clone();
    policy.hosts.extend(super::own_names());
    let cameras = settings.cameras.iter().map(|camera| camera.name.clone()).collect();
    Ok(Guard::new(policy, cameras, &key))
}

fn spell(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Inet(address) => address.clone(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn system(what: &'static str) -> impl Fn(io::Error) -> ServeError {
    move |error| ServeError::System { what, error }
}

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

use mio::{Events, Interest, Poll, Waker};

use super::bulletin::Bulletin;
use super::camera::{Camera, News};
use super::handover::{self, Successor};
use super::listener::{Accepted, Listener};
use super::scene::{Stage, wall_time};
use super::settings::{ListenAddress, Settings};
use super::signals::{self, Signals};
use super::socket::Socket;
use super::supervisor::Supervisor;
use super::tls::{CertificateError, Tls};
use super::token::Owner;
use crate::site;
use crate::stream::hub::Shot;
use crate::stream::{Histogram, Hub, Peer, Readiness, Topic};
use crate::wire::jpeg::with_standard_tables;
use crate::wire::source::Part;

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;

/// Batches taken in one turn: enough for every connection there may be by default to be told of once.
const BATCHES_MAX: usize = 32;

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
    supervisor: Supervisor,
    listeners: Vec<Listener>,
    tls: Option<Tls>,
    cameras: Vec<Camera>,
    hub: Hub<Socket>,
    settings: Settings,
    stats: LoopStats,
    bulletin: Bulletin,
    scratch: Box<[u8]>,
    /// What drivers and a successor are started from.
    program: PathBuf,
    successor: Option<Successor>,
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
    /// The times between waking up and waiting again.
    pub turn: Histogram,
    /// The longest of them.
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
    /// What was passed on to be listened on cannot be.
    #[error("cannot listen on what was passed on by LISTEN_FDS: {0}; pass on listening TCP or Unix stream sockets")]
    Inherited(io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
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
    /// `program capture SOURCE`. Sockets that were passed on are listened on instead of the addresses in the settings.
    ///
    /// # Errors
    /// A certificate cannot be used, an address is taken or unknown, what was passed on is no listening socket, or the
    /// kernel is out of something.
    pub fn new(settings: Settings, program: PathBuf) -> Result<Self, ServeError> {
        let poll = Poll::new().map_err(system("make an epoll instance"))?;
        let mut signals = Signals::take_over().map_err(system("take over signals"))?;
        let register = "register for events";
        let readable = Interest::READABLE;
        poll.registry().register(&mut signals, Owner::Signals.token(), readable).map_err(system(register))?;

        let mut tls = None;
        if let Some(files) = &settings.tls {
            let waker = Waker::new(poll.registry(), Owner::Certificate.token()).map_err(system("make a waker"))?;
            tls = Some(Tls::new(files.clone(), waker)?);
            signals.take_over_renewal().map_err(system("take over signals"))?;
        }

        let mut listeners = listen(&settings)?;
        for (index, listener) in listeners.iter_mut().enumerate() {
            poll.registry().register(listener, Owner::Listener(index).token(), readable).map_err(system(register))?;
        }

        let linger = settings.camera_linger;
        let cameras = settings.cameras.iter().cloned().enumerate();
        let cameras: Vec<Camera> = cameras
            .map(|(index, camera)| Camera::new(camera, index, program.clone(), settings.offline.clone(), linger))
            .collect();
        Ok(Self {
            poll,
            signals,
            supervisor: Supervisor::of_environment(),
            listeners,
            tls,
            hub: Hub::new(cameras.len(), &settings.boundary, settings.limits.clone()),
            cameras,
            settings,
            stats: LoopStats::new(Instant::now()),
            bulletin: Bulletin::default(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            program,
            successor: None,
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
        handover::announce();
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.supervisor.ready(Instant::now());
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
        let count = self.dispatch_all(events, now)?;
        self.accept(now);
        self.hub.expire(now);
        self.answer(now);
        self.attend_cameras(now);
        self.tls.iter().for_each(Tls::allow_handshakes);
        self.hub.flush(now, Instant::now);
        self.reap();
        self.report(now);
        self.supervisor.attend(now);
        self.turned(count, now);
        Ok(())
    }

    /// Waits for events, no longer than to the nearest deadline, and not at all while work is left over.
    fn wait(&mut self, events: &mut Events) -> Result<(), ServeError> {
        let timeout = self.timeout(Instant::now());
        self.stats.wakeups += u64::from(timeout != Some(Duration::ZERO));
        self.poll(events, timeout)
    }

    fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> Result<(), ServeError> {
        match self.poll.poll(events, timeout) {
            // This is how the wait of a process that was stopped ends (signal(7)), and no event comes with it. Time has
            // passed, and who spoke or made room meanwhile must be heard before it is held against anybody.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.poll(events, Some(Duration::ZERO)),
            Err(error) => Err(system("wait for events")(error)),
            Ok(()) => Ok(()),
        }
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        let accepts_owed = self.listeners.iter().any(Listener::is_owed) && self.may_accept();
        if self.hub.has_pending() || accepts_owed || self.cameras.iter().any(Camera::is_owed) {
            return Some(Duration::ZERO);
        }
        let cameras = self.cameras.iter().filter_map(Camera::next_deadline);
        let ours = [self.hub.next_deadline(), self.bulletin.next_deadline(), self.supervisor.next_deadline()];
        let ours = ours.into_iter().chain([self.accept_retry, self.going_down]).flatten();
        cameras.chain(ours).min().map(|deadline| deadline.saturating_duration_since(now))
    }

    /// Hands each event to its owner, and those that did not fit into the batch: after a pause there is more to tell
    /// than one holds, and no deadline may be judged before it is told. Returns how many there were.
    fn dispatch_all(&mut self, events: &mut Events, now: Instant) -> Result<usize, ServeError> {
        let mut count = 0;
        for _ in 0..BATCHES_MAX {
            let batch = events.iter().count();
            events.iter().for_each(|event| self.dispatch(event, now));
            count += batch;
            if batch < EVENTS_MAX {
                break;
            }
            self.poll(events, Some(Duration::ZERO))?;
        }
        Ok(count)
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
            Owner::Listener(index) => self.listeners.get_mut(index).into_iter().for_each(Listener::ready),
            Owner::CameraOutput(pipe) | Owner::CameraErrors(pipe) => {
                self.read_camera(pipe.camera as usize, Some(pipe.run), now);
            }
            Owner::Signals => self.obey_signals(now),
            Owner::Certificate => self.tls.iter_mut().for_each(Tls::take_renewed),
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
                    Accepted::Connection(socket, peer) => self.admit(index, socket, peer, now),
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

    fn admit(&mut self, listener: usize, socket: Socket, peer: Peer, now: Instant) {
        let key = self.hub.next_key();
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = self.encrypt(listener, socket).and_then(|mut socket| {
            self.poll.registry().register(&mut socket, Owner::Connection(key).token(), both)?;
            Ok(socket)
        });
        match registered {
            Ok(socket) => {
                self.hub.admit(socket, peer, now);
            }
            Err(error) => log::warn!("{peer}: cannot be taken in: {error}"),
        }
    }

    /// Puts TLS on top of what an encrypted listener has accepted.
    fn encrypt(&self, listener: usize, socket: Socket) -> io::Result<Socket> {
        match (socket, &self.tls) {
            (Socket::Tcp(stream), Some(tls)) if self.listeners[listener].is_encrypted() => {
                Ok(Socket::Tls(Box::new(tls.accept(stream)?)))
            }
            (socket, _) => Ok(socket),
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
            let answer = site::answer(&call, &self.stage(now));
            log::debug!("#{} {}: {}", call.key.number, call.peer, call.request.path);
            self.hub.respond(call, answer, now);
        }
    }

    fn stage(&self, now: Instant) -> Stage<'_> {
        let Self { hub, cameras, tls, settings, stats, .. } = self;
        Stage { hub, cameras, tls: tls.as_ref(), settings, stats, now }
    }

    /// Tells whoever listens how things are, when it is time to: as the turn leaves them. It is sent with the next one.
    fn report(&mut self, now: Instant) {
        // Plain numbers and words always serialise; were it otherwise, empty news would show it.
        if self.bulletin.is_state_due(&self.hub, now) {
            let summary = serde_json::to_vec(&self.stage(now).summary()).unwrap_or_default();
            self.hub.announce(Topic::State, summary.into());
        }
        if let Some(lanes) = self.bulletin.lanes(&self.hub, now) {
            let lanes = serde_json::to_vec(&lanes).unwrap_or_default();
            self.hub.announce(Topic::Loop, lanes.into());
        }
    }

    /// Counts a turn that is over.
    fn turned(&mut self, events: usize, began: Instant) {
        let took = began.elapsed();
        self.stats.turned(events, began, took);
        self.bulletin.turned(&self.hub, began.saturating_duration_since(self.stats.started_at), took, events);
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
                    self.reap_successor();
                }
                signals::Request::Succeed => self.start_successor(),
                signals::Request::HandOver => self.hand_over(now),
                signals::Request::Renew => self.tls.iter_mut().for_each(Tls::renew),
                signals::Request::ShutDown => self.shut_down(now),
            }
        }
    }

    /// Starts the server that is to take this one's place. Until it says that it is up, nothing changes.
    fn start_successor(&mut self) {
        let reads_stdin = self.settings.cameras.iter().any(|camera| camera.source.reads_stdin());
        if self.successor.is_some() || self.going_down.is_some() {
            log::warn!("no successor is started: there is one already, or this server is going down");
        } else if reads_stdin {
            // Two drivers would each read some pieces of it, and frames would be made of both.
            log::warn!("no successor is started: standard input is a camera and cannot be read by two servers");
        } else {
            match Successor::start(&self.program, &self.listeners) {
                Ok(successor) => {
                    log::info!("process {} is started as the successor of this server", successor.id());
                    self.successor = Some(successor);
                }
                Err(error) => {
                    log::error!("the successor, {}, cannot be started: {error}", self.program.display());
                }
            }
        }
    }

    fn reap_successor(&mut self) {
        let Some(successor) = &mut self.successor else { return };
        match successor.ended() {
            Ok(None) => {}
            Ok(Some(status)) => {
                log::error!("the successor has ended ({status}) before it was up; this server goes on");
                self.successor = None;
            }
            Err(error) => log::error!("the successor cannot be waited for: {error}"),
        }
    }

    /// The successor is up: whoever comes is its guest from now on, and those who are here are seen off.
    fn hand_over(&mut self, now: Instant) {
        if self.successor.is_none() || self.going_down.is_some() {
            return;
        }
        log::info!("the successor is up");
        for mut listener in self.listeners.drain(..) {
            if let Err(error) = self.poll.registry().deregister(&mut listener) {
                log::warn!("{listener} goes on giving events: {error}");
            }
            listener.hand_over();
        }
        self.shut_down(now);
    }

    /// The first time, everything is brought to its end; the second time, it is over.
    fn shut_down(&mut self, now: Instant) {
        if self.going_down.is_some() {
            log::info!("going down at once");
            self.going_down = Some(now);
            return;
        }
        log::info!("going down; once more to do so at once");
        self.supervisor.stopping();
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
            turn: Histogram::default(),
            longest_turn: Duration::ZERO,
            accepts_exhausted: 0,
            rate: Default::default(),
        }
    }

    fn turned(&mut self, events: usize, began: Instant, took: Duration) {
        self.turns += 1;
        self.events += events as u64;
        self.turn.add(took);
        self.longest_turn = self.longest_turn.max(took);
        self.rate.tick(began);
    }
}

type Show = fn(&mut Hub<Socket>, usize, Shot<'_>, Instant);

/// Gives the hub a picture, with the Huffman tables that a camera may have left out: browsers show it only with them.
fn show(hub: &mut Hub<Socket>, show: Show, camera: usize, part: &Part, now: Instant) {
    let completed = (!part.picture.huffman_tables).then(|| with_standard_tables(&part.jpeg));
    let wall_now = wall_time();
    let captured_at = part.captured_at.filter(|&time| time >= WALL_TIME_MIN).unwrap_or(wall_now);
    let shot = Shot {
        jpeg: completed.as_deref().unwrap_or(&part.jpeg),
        picture: part.picture,
        captured_at,
        // Here, once a frame, the wall time of another program becomes a time on our own clock, which is never set.
        age: wall_now.saturating_sub(captured_at),
        sequence: part.sequence,
    };
    show(hub, camera, shot, now);
}

/// The sockets that were passed on, else those of the settings.
fn listen(settings: &Settings) -> Result<Vec<Listener>, ServeError> {
    let inherited = handover::inherited().map_err(ServeError::Inherited)?;
    if settings.tls.is_none() && inherited.iter().any(Listener::is_encrypted) {
        let missing = "one is called https, but there is neither --tls-cert nor --tls-key";
        return Err(ServeError::Inherited(io::Error::other(missing)));
    }
    if !inherited.is_empty() {
        return Ok(inherited);
    }
    let bind = |address| Listener::bind(address).map_err(|error| ServeError::Listen { address: spell(address), error });
    settings.listen.iter().map(bind).collect()
}

fn spell(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Inet(address) => address.clone(),
        ListenAddress::Https(address) => format!("https://{address}"),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn system(what: &'static str) -> impl Fn(io::Error) -> ServeError {
    move |error| ServeError::System { what, error }
}

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
//! non-blocking I/O, and all of it is in this file, [`super::listener`], [`super::camera`] and `stream`. What comes
//! before the first turn is in `start`, what brings about the last one in `end`.

mod end;
mod reload;
mod start;
mod stats;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll};

use self::reload::Reloads;
pub use start::ServeError;
pub use stats::LoopStats;

use super::batches::Batches;
use super::camera::{Camera, News};
use super::handover::{self, Successor};
use super::listener::{Accepted, Listener};
use super::passwords::Passwords;
use super::publisher::Publisher;
use super::settings::Settings;
use super::signals::Signals;
use super::snapshot::Parts;
use super::socket::Socket;
use super::stats_ticker::StatsTicker;
use super::supervisor::Supervisor;
use super::tls::Tls;
use super::token::Owner;
use crate::clock::wall_time;
use crate::hub::Shot;
use crate::hub::{Answer, Hub, Permit, Readiness, Reply, Response, Tick, Topic, Wake};
use crate::logging::RateLimit;
use crate::site::auth::{Authenticator, Decision};
use crate::site::{self, refusals};
use crate::stream::Peer;
use crate::wire::facts::WallTime;
use crate::wire::source::Part;

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;

/// Batches taken in one turn: enough for an event of every connection there may be by default. After a pause of the
/// process there are more events than one batch holds, and no deadline may be judged before they are handed out.
const BATCHES_MAX: usize = 32;

/// Connections accepted in one turn and from one listener, so that a burst of newcomers does not hold up the viewers.
const ACCEPTS_MAX: usize = 64;

/// When descriptors or memory have run out, accepting is tried again after this long, and whenever something closes.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// One thread's whole world.
#[derive(Debug)]
pub struct EventLoop {
    poll: Poll,
    signals: Signals,
    supervisor: Supervisor,
    listeners: Vec<Listener>,
    tls: Option<Tls>,
    cameras: Vec<Camera>,
    publishers: Vec<Publisher>,
    hub: Hub<Socket>,
    authenticator: Authenticator,
    reloads: Reloads,
    refusal_log: RateLimit,
    passwords: Passwords,
    settings: Settings,
    stats: LoopStats,
    stats_ticker: StatsTicker,
    scratch: Box<[u8]>,
    /// What drivers and a successor are started from.
    program: PathBuf,
    successor: Option<Successor>,
    /// Children when orphans were last looked for; none if a child has ended since.
    children_swept: Option<usize>,
    /// Accepting has failed for want of descriptors or memory: try again then.
    accept_retry: Option<Instant>,
    /// The server is going down, and is gone by then.
    going_down: Option<Instant>,
}

impl EventLoop {
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
        self.publishers.iter_mut().for_each(Publisher::kill);
        self.end_orphans();
        Ok(())
    }

    /// One time around.
    fn turn(&mut self, events: &mut Events) -> Result<(), ServeError> {
        let (tick, count) = self.wait(events)?;
        self.take_check_result(tick.now);
        self.turn_hub(tick);
        // After the hub's turn: only then is it known which cameras are wanted and which descriptors are free.
        self.accept(tick.now);
        self.check_passwords(tick.now);
        self.attend_publishers(tick.now);
        self.attend_cameras(tick);
        self.sweep_orphans();
        self.report(tick.now);
        self.supervisor.attend(tick.now);
        self.turned(count, tick.now);
        Ok(())
    }

    /// Waits for events, no longer than to the nearest deadline, and not at all while work is left over; then hands
    /// each event to its owner. Returns the time of the turn, and how many events there were.
    fn wait(&mut self, events: &mut Events) -> Result<(Tick, usize), ServeError> {
        let asked_at = Instant::now();
        let timeout = self.timeout(asked_at);
        self.stats.wakeups += u64::from(timeout != Some(Duration::ZERO));
        let mut batches = Batches::new(BATCHES_MAX, timeout);
        let mut now = None;
        let mut count = 0;
        while batches.poll(&mut self.poll, events).map_err(start::system("wait for events"))? {
            let now = *now.get_or_insert_with(Instant::now);
            count += events.iter().map(|event| self.dispatch(event, now)).count();
        }
        Ok((Tick { asked_at, now: now.unwrap_or(asked_at) }, count))
    }

    /// How long the wait may take; `None` without end.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        let accepts_owed = self.listeners.iter().any(Listener::is_owed) && self.may_accept();
        let children_owed = self.cameras.iter().any(Camera::is_owed) || self.publishers.iter().any(Publisher::is_owed);
        let hub = match self.hub.next_wake() {
            Wake::Now => return Some(Duration::ZERO),
            _ if accepts_owed || children_owed => return Some(Duration::ZERO),
            Wake::At(at) => Some(at),
            Wake::OnInput => None,
        };
        let cameras = self.cameras.iter().filter_map(Camera::next_deadline);
        let children = cameras.chain(self.publishers.iter().filter_map(Publisher::next_deadline));
        let ours = [hub, self.passwords.next_deadline(), self.stats_ticker.next_deadline()];
        let ours =
            ours.into_iter().chain([self.supervisor.next_deadline(), self.accept_retry, self.going_down]).flatten();
        children.chain(ours).min().map(|deadline| deadline.saturating_duration_since(now))
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
                self.hub.ready(key, readiness);
            }
            Owner::Listener(index) => self.listeners.get_mut(index).into_iter().for_each(Listener::ready),
            Owner::CameraOutput(pipe) | Owner::CameraErrors(pipe) => {
                self.read_camera(pipe.camera as usize, Some(pipe.run), now);
            }
            Owner::PublisherErrors { index, run } => {
                self.publishers[index as usize].read(Some(run), &mut self.scratch, now);
            }
            Owner::Signals => self.obey_signals(now),
            Owner::Background => self.take_reloaded(now),
            Owner::Addresses => self.reloads.addresses_changed(),
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
        let Self { hub, poll, listeners, tls, .. } = self;
        let tls = tls.as_ref().filter(|_| listeners[listener].is_encrypted());
        let admitted = hub.admit(peer, now, |key| {
            let mut socket = encrypt(socket, tls)?;
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut socket, Owner::Connection(key).token(), both)?;
            Ok(socket)
        });
        if let Err(error) = admitted {
            log::warn!("{peer}: cannot register connection: {error}");
        }
    }

    /// Starts, stops and restarts drivers, as is due by `asked_at`, and goes on with pipes whose reading ended early.
    fn attend_cameras(&mut self, Tick { asked_at, now }: Tick) {
        for index in 0..self.cameras.len() {
            if self.cameras[index].is_owed() {
                self.read_camera(index, None, now);
            }
            let always_on = self.settings.always_on || self.cameras[index].is_always_on();
            let wanted = self.going_down.is_none() && (always_on || self.hub.is_wanted(index));
            self.cameras[index].attend(wanted, self.poll.registry(), asked_at);
            self.hear(index, now);
        }
    }

    /// Starts and restarts publishers, before cameras are looked after: a publisher is a viewer.
    fn attend_publishers(&mut self, now: Instant) {
        for publisher in &mut self.publishers {
            if publisher.is_owed() {
                publisher.read(None, &mut self.scratch, now);
            }
            publisher.attend(&mut self.hub, self.poll.registry(), now);
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

    /// Takes the hub's turn, in which the site answers the requests.
    fn turn_hub(&mut self, tick: Tick) {
        let Self { hub, cameras, publishers, tls, settings, stats, authenticator, refusal_log, .. } = self;
        tls.iter().for_each(Tls::allow_handshakes);
        let turned = hub.turn(tick, Instant::now, |call, hub| {
            let client = authenticator.client(call);
            let decision = authenticator.authorize(call, tick.now, wall_time());
            let refused = authenticator.counts();
            let parts = Parts { hub, cameras, publishers, tls: tls.as_ref(), settings, stats, refused, now: tick.now };
            let snapshot = |labels: Option<&[&str]>| parts.snapshot(labels);
            let answer = site::answer(call, decision, authenticator.policy(), &parts.view(), snapshot);
            log::debug!("#{} {client}: {}", call.key.number, call.request.path);
            if let Answer::Respond(Response { still_of: Some(camera), .. }) = answer {
                cameras[camera].linger_on(tick.now);
            }
            if let Decision::Refuse(reason) = decision
                && refusal_log.admit("refused requests", tick.now)
            {
                log::info!("{client}: {} ({reason})", refusals::status(reason).code());
            }
            let permit = if let Decision::Pass(access) = decision { access.permit } else { Permit::default() };
            Reply { answer, client, permit }
        });
        if !turned.closed.is_empty() {
            // A descriptor less may be what a waiting connection needs.
            self.accept_retry = None;
        }
    }

    /// Starts the next check of a password, and hands out again the requests whose checks are not made after all.
    fn check_passwords(&mut self, now: Instant) {
        if let Some(ticket) = self.passwords.attend(&mut self.authenticator, now) {
            self.hub.decided(ticket, now);
        }
        for ticket in self.authenticator.take_dropped() {
            self.hub.decided(ticket, now);
        }
    }

    /// Hands out again the requests whose password has been checked.
    fn take_check_result(&mut self, now: Instant) {
        if let Some(ticket) = self.passwords.take_result(&mut self.authenticator, now) {
            self.hub.decided(ticket, now);
        }
    }

    /// Publishes periodic statistics to `/events` subscribers: as this turn leaves them, and sent with the next one.
    fn report(&mut self, now: Instant) {
        let Self { hub, cameras, publishers, tls, settings, stats, authenticator, stats_ticker, .. } = self;
        let refused = authenticator.counts();
        let parts = Parts { hub, cameras, publishers, tls: tls.as_ref(), settings, stats, refused, now };
        // Plain numbers and words always serialise; were it otherwise, an empty event would show it.
        let state = stats_ticker.state(parts).map(|snapshot| serde_json::to_vec(&snapshot).unwrap_or_default());
        let turns = stats_ticker.turns(parts).map(|event| serde_json::to_vec(&event).unwrap_or_default());
        for (topic, data) in [(Topic::State, state), (Topic::Loop, turns)] {
            data.into_iter().for_each(|data| hub.announce(topic, data.into()));
        }
    }

    /// Counts a turn that is over.
    fn turned(&mut self, events: usize, began: Instant) {
        let took = began.elapsed();
        self.stats.turned(events, began, took);
        self.stats_ticker.turned(&self.hub, began.saturating_duration_since(self.stats.started_at), took, events);
    }
}

/// Puts TLS on top of a socket, where its listener is encrypted.
fn encrypt(socket: Socket, tls: Option<&Tls>) -> io::Result<Socket> {
    match (socket, tls) {
        (Socket::Tcp(stream), Some(tls)) => Ok(Socket::Tls(Box::new(tls.accept(stream)?))),
        (socket, _) => Ok(socket),
    }
}

type Show = fn(&mut Hub<Socket>, usize, Shot<'_>, Instant);

/// Hands a picture to the hub.
fn show(hub: &mut Hub<Socket>, show: Show, camera: usize, part: &Part, now: Instant) {
    let wall_now = WallTime::nearest(wall_time());
    let captured_wall = part.captured_at.unwrap_or(wall_now);
    let shot = Shot {
        jpeg: &part.jpeg,
        picture: part.picture,
        captured_wall,
        // Here, once a frame, the wall time of another program becomes a time on our own clock, which is never set.
        age: wall_now.saturating_since(captured_wall),
        sequence: part.sequence,
    };
    show(hub, camera, shot, now);
}

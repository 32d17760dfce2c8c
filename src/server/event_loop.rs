//! The event loop: wait for events, hand each to its owner, take the hub's turn, attend to
//! listeners and child processes.
//!
//! Every socket and pipe is registered once, edge-triggered: the kernel reports a change once, and
//! the owner of the socket sets a bit. Every loop that reads, writes or accepts fails or ends in
//! one of three ways, and only these:
//!
//! 1. Would block: the bit is cleared, and the kernel owes the next edge.
//! 2. Nothing left: everything is written, or the input has ended.
//! 3. Own budget reached: the bit stays set, and the next wait takes no time. But a listener that
//!    may not accept yet waits for a timer or a closed connection: see [`super::listener`].
//!
//! Otherwise an edge is lost: no event reports the bytes that are left, and the viewer hangs. The
//! loops are in [`super::listener`], [`super::child`], [`super::camera::frames`], [`crate::hub`] and
//! its write queue. The code before the first turn is in `start`, the handling of signals in
//! `signals`.

mod children;
mod signals;
mod start;
mod stats;

use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll};

pub use self::stats::LoopStats;
use super::batches::Batches;
use super::camera::Camera;
use super::error::ServeError;
use super::listener::Listeners;
use super::passwords::Passwords;
use super::publisher::Publisher;
use super::reloads::Reloads;
use super::restart::{self, NewProcess};
use super::settings::Settings;
use super::signals::Signals;
use super::snapshot::Sources;
use super::socket::Socket;
use super::stats_ticker::StatsTicker;
use super::supervised::ChildProcess;
use super::systemd::Systemd;
use super::tls::Tls;
use super::token::Owner;
use crate::clock::wall_time;
use crate::hub::{Answer, Call, Hub, Permit, Readiness, Reply, Tick, Wake};
use crate::site::auth::{Authenticator, Decision};
use crate::site::{self, refusals};
use crate::stream::Topic;
use crate::stream::log_limit::LogLimit;

/// Events polled at once.
const EVENTS_MAX: usize = 1024;

/// Batches polled in one turn: an event for every connection that the default limits allow. A
/// process that was stopped finds more than one batch of events, and must dispatch all of them
/// before it closes a peer as late.
const BATCHES_MAX: usize = 32;

/// The event loop and all that it owns.
#[derive(Debug)]
pub struct EventLoop {
    poll: Poll,
    hub: Hub<Socket>,
    authenticator: Authenticator,
    refusal_log: LogLimit,
    settings: Settings,
    listeners: Listeners,
    tls: Option<Tls>,
    cameras: Vec<Camera>,
    publishers: Vec<Publisher>,
    passwords: Passwords,
    new_process: NewProcess,
    /// How many children there were at the last search for orphans; `None` if one has exited since.
    children_swept: Option<usize>,
    /// The buffer that pipes are read into.
    scratch: Box<[u8]>,
    signals: Signals,
    reloads: Reloads,
    systemd: Systemd,
    stats: LoopStats,
    stats_ticker: StatsTicker,
    /// The server is shutting down, and quits at this time at the latest.
    ending: Option<Instant>,
}

impl EventLoop {
    /// Takes turns until a signal ends the server.
    ///
    /// # Errors
    /// Polling failed. No peer and no camera can cause that.
    pub fn run(mut self) -> Result<(), ServeError> {
        restart::signal_ready();
        self.systemd.ready(Instant::now());
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.is_over(Instant::now()) {
            self.turn(&mut events)?;
        }
        self.kill_children();
        Ok(())
    }

    fn turn(&mut self, events: &mut Events) -> Result<(), ServeError> {
        // First: a deadline is checked only after all events are dispatched.
        let (tick, count) = self.wait(events)?;
        // Before the hub's turn: new frames and the results of password checks are sent in it.
        self.read_children(tick.now);
        self.turn_hub(tick);
        // After the hub's turn: each connection that it has closed has freed a descriptor.
        self.accept(tick.now);
        // After the answers: they decide which cameras run and which passwords are checked.
        self.attend_children(tick);
        // Last: the figures cover this turn's work, but not its duration. The next turn sends them.
        self.report(count, tick.now);
        Ok(())
    }

    /// Waits for events until the next deadline, and dispatches them. Returns the time of the turn
    /// and the number of events. Events that exceed [`BATCHES_MAX`] stay in the kernel's list for
    /// the next turn.
    fn wait(&mut self, events: &mut Events) -> Result<(Tick, usize), ServeError> {
        let asked_at = Instant::now();
        let timeout = match self.next_wake() {
            Wake::Now => Some(Duration::ZERO),
            Wake::At(deadline) => Some(deadline.saturating_duration_since(asked_at)),
            Wake::OnInput => None,
        };
        self.stats.wakeups += u64::from(timeout != Some(Duration::ZERO));
        let failed = ServeError::system("wait for events");
        let mut batches = Batches::new(BATCHES_MAX, timeout);
        let (mut woken_at, mut count) = (None, 0);
        while batches.poll(&mut self.poll, events).map_err(&failed)? {
            let now = *woken_at.get_or_insert_with(Instant::now);
            for event in events.iter() {
                self.dispatch(event, now);
                count += 1;
            }
        }
        let now = woken_at.unwrap_or(asked_at);
        Ok((Tick { asked_at, now }, count))
    }

    /// Returns when to take the next turn: the earliest time that any part of the server needs.
    fn next_wake(&self) -> Wake {
        let children = self.processes().map(ChildProcess::next_wake);
        let cameras = self.cameras.iter().map(Camera::next_wake);
        let others = [
            self.hub.next_wake(),
            self.listeners.next_wake(self.hub.connections().len()),
            self.systemd.next_wake(),
            self.stats_ticker.next_wake(),
            self.ending.map_or(Wake::OnInput, Wake::At),
        ];
        let all = children.chain(cameras).chain(others);
        all.min().unwrap_or(Wake::OnInput)
    }

    /// Hands an event to its owner. For connections, listeners and child processes, this only sets
    /// bits: nothing is read, written or accepted here.
    fn dispatch(&mut self, event: &Event, now: Instant) {
        match Owner::from_token(event.token()) {
            Owner::Connection(key) => {
                let readiness = Readiness {
                    readable: event.is_readable(),
                    writable: event.is_writable(),
                    gone: event.is_error() || event.is_write_closed(),
                };
                self.hub.ready(key, readiness);
            }
            Owner::Listener(index) => self.listeners.ready(index),
            Owner::Child(id) => self.processes_mut().for_each(|process| process.ready(id)),
            Owner::Signals => self.handle_signals(now),
            Owner::Addresses => self.reloads.addresses_changed(),
            Owner::Background => {
                self.tls.iter_mut().for_each(Tls::take_renewed);
                let (authenticator, hub) = (&mut self.authenticator, &mut self.hub);
                self.reloads.take(authenticator, hub, now);
            }
        }
    }

    /// Reads from every child process whose bit is set, publishes the frames, and handles exits.
    fn read_children(&mut self, now: Instant) {
        let (hub, scratch) = (&mut self.hub, &mut self.scratch);
        for camera in &mut self.cameras {
            camera.read(hub, scratch, now);
        }
        for publisher in &mut self.publishers {
            publisher.read(scratch, now);
        }
        self.passwords
            .read(&mut self.authenticator, hub, scratch, now);
        self.new_process.read(now);
    }

    /// Takes the hub's turn: receives, answers, sends and closes connections.
    fn turn_hub(&mut self, tick: Tick) {
        self.tls.iter().for_each(Tls::allow_handshakes);
        let turned = self.hub.turn(tick, Instant::now, |call: &Call, hub| {
            let client = self.authenticator.client(call);
            let decision = self.authenticator.authorize(call, tick.now, wall_time());
            let sources = Sources {
                hub,
                cameras: &self.cameras,
                publishers: &self.publishers,
                tls: self.tls.as_ref(),
                settings: &self.settings,
                stats: &self.stats,
                refused: self.authenticator.counts(),
                now: tick.now,
            };
            let (policy, view) = (self.authenticator.policy(), sources.view());
            let answer = site::answer(call, decision, policy, &view, |labels| {
                sources.snapshot(labels)
            });
            log::debug!("#{} {client}: {}", call.key.number, call.request.path);
            if let Answer::Respond(response) = &answer
                && let Some(camera) = response.still_of
            {
                self.cameras[camera].restart_linger(tick.now);
            }
            let mut permit = Permit::default();
            match decision {
                Decision::Pass(access) => permit = access.permit,
                Decision::Refuse(reason)
                    if self.refusal_log.admit("refused requests", tick.now) =>
                {
                    log::info!("{client}: {} ({reason})", refusals::status(reason).code());
                }
                Decision::Refuse(_) | Decision::Wait { .. } => {}
            }
            Reply {
                answer,
                client,
                permit,
            }
        });
        if !turned.closed.is_empty() {
            self.listeners.retry_now();
        }
    }

    fn accept(&mut self, now: Instant) {
        let (registry, tls) = (self.poll.registry(), self.tls.as_ref());
        self.stats.accept_failures += self.listeners.accept(&mut self.hub, tls, registry, now);
    }

    /// Starts and stops child processes. Publishers come before cameras: a publisher is a viewer,
    /// and its camera starts in the same turn.
    fn attend_children(&mut self, Tick { asked_at, now }: Tick) {
        self.processes_mut()
            .for_each(|process| process.attend(asked_at));
        let (registry, hub) = (self.poll.registry(), &mut self.hub);
        self.passwords
            .attend(&mut self.authenticator, hub, registry, now);
        for publisher in &mut self.publishers {
            publisher.attend(hub, registry, now);
        }
        for (index, camera) in self.cameras.iter_mut().enumerate() {
            let has_viewers = hub.subscribers(Topic::Frames { camera: index }) > 0;
            let is_wanted = has_viewers || self.settings.always_on || camera.is_always_on();
            let is_wanted = is_wanted && self.ending.is_none();
            camera.attend(is_wanted, hub, registry, Tick { asked_at, now });
        }
        self.sweep_orphans();
    }

    /// Publishes periodic statistics to `/events` subscribers, feeds the watchdog, and counts the
    /// turn.
    fn report(&mut self, events: usize, began: Instant) {
        let due = self.stats_ticker.take_due(Sources {
            hub: &self.hub,
            cameras: &self.cameras,
            publishers: &self.publishers,
            tls: self.tls.as_ref(),
            settings: &self.settings,
            stats: &self.stats,
            refused: self.authenticator.counts(),
            now: began,
        });
        for (topic, line) in due {
            self.hub.publish_figures(topic, line);
        }
        self.systemd.attend(began);
        let took = began.elapsed();
        self.stats.turned(events, began, took);
        let since_start = began.saturating_duration_since(self.stats.started_at);
        self.stats_ticker
            .turned(&self.hub, since_start, took, events);
    }
}

//! The event loop: wait, dispatch each event to its owner, take the hub's turn, attend to listeners
//! and children.
//!
//! Every source is registered once, edge-triggered, and never again: the kernel reports what has
//! changed, and its owner remembers it. Every loop that reads, writes or accepts ends in one of
//! three ways and only these:
//!
//! 1. the kernel returned "would block", so it owes an edge;
//! 2. nothing is left to do;
//! 3. a budget of ours was reached; then the owner stays ready, and the next wait takes no time.
//!
//! An edge that is taken and not used up in one of these ways is lost, and with it a viewer. That
//! is the heart of non-blocking I/O. All of it is in this file, [`super::listener`],
//! [`super::camera`] and [`crate::hub`]. What comes before the first turn is in `start`, what
//! signals ask for in `signals`.

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
use super::snapshot::Parts;
use super::socket::Socket;
use super::stats_ticker::StatsTicker;
use super::supervised::ChildProcess;
use super::systemd::Systemd;
use super::tls::Tls;
use super::token::Owner;
use crate::clock::wall_time;
use crate::hub::{Answer, Call, Hub, Permit, Readiness, Reply, Response, Tick, Wake};
use crate::logging::RateLimit;
use crate::site::auth::{Authenticator, Decision};
use crate::site::{self, refusals};
use crate::stream::Topic;

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;

/// Batches taken in one turn: enough for an event of every connection there may be by default.
/// After a pause of the process there are more events than one batch holds, and no deadline may be
/// judged before they are dispatched.
const BATCHES_MAX: usize = 32;

/// One thread and all it owns.
#[derive(Debug)]
pub struct EventLoop {
    poll: Poll,
    hub: Hub<Socket>,
    authenticator: Authenticator,
    refusal_log: RateLimit,
    settings: Settings,
    listeners: Listeners,
    tls: Option<Tls>,
    cameras: Vec<Camera>,
    publishers: Vec<Publisher>,
    passwords: Passwords,
    new_process: NewProcess,
    /// Children when orphans were last looked for; none if a child has exited since.
    children_swept: Option<usize>,
    /// Bytes just read from a pipe.
    scratch: Box<[u8]>,
    signals: Signals,
    reloads: Reloads,
    systemd: Systemd,
    stats: LoopStats,
    stats_ticker: StatsTicker,
    /// The server is shutting down, and quits then at the latest.
    ending: Option<Instant>,
}

impl EventLoop {
    /// Takes turns until a signal ends them.
    ///
    /// # Errors
    /// Waiting for events failed, which nothing that a peer or a camera does can cause.
    pub fn run(mut self) -> Result<(), ServeError> {
        restart::announce();
        self.systemd.ready(Instant::now());
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.is_over(Instant::now()) {
            self.turn(&mut events)?;
        }
        self.kill_children();
        Ok(())
    }

    /// One turn.
    fn turn(&mut self, events: &mut Events) -> Result<(), ServeError> {
        // First: all that the kernel has to report is known before any deadline is judged.
        let (tick, count) = self.wait(events)?;
        // Before the hub's turn: a frame that has come is sent in this turn, and a request whose
        // password has been checked is answered in it.
        self.read_children(tick.now);
        // In the middle: it receives, answers and sends all that the steps before have brought.
        self.turn_hub(tick);
        // After the hub's turn: the connections it has closed leave descriptors and room for new
        // ones.
        self.accept(tick.now);
        // After the answers: they decide which cameras are wanted and which passwords are to be
        // checked.
        self.attend_children(tick);
        // Last: the statistics are of a whole turn. The next one sends them.
        self.report(count, tick.now);
        Ok(())
    }

    /// Waits for events, but no longer than to the nearest deadline, and dispatches each to its
    /// owner. Returns the time of the turn and the number of events.
    fn wait(&mut self, events: &mut Events) -> Result<(Tick, usize), ServeError> {
        let asked_at = Instant::now();
        let timeout = match self.next_wake() {
            Wake::Now => Some(Duration::ZERO),
            Wake::At(deadline) => Some(deadline.saturating_duration_since(asked_at)),
            Wake::OnInput => None,
        };
        self.stats.wakeups += u64::from(timeout != Some(Duration::ZERO));
        let mut batches = Batches::new(BATCHES_MAX, timeout);
        let mut now = None;
        let mut count = 0;
        while batches
            .poll(&mut self.poll, events)
            .map_err(ServeError::system("wait for events"))?
        {
            let now = *now.get_or_insert_with(Instant::now);
            count += events.iter().map(|event| self.dispatch(event, now)).count();
        }
        Ok((
            Tick {
                asked_at,
                now: now.unwrap_or(asked_at),
            },
            count,
        ))
    }

    /// When the next turn must be taken: the soonest that any source asks for.
    fn next_wake(&self) -> Wake {
        let at = |deadline: Option<Instant>| deadline.map_or(Wake::OnInput, Wake::At);
        let others = [
            self.hub.next_wake(),
            self.listeners.next_wake(self.hub.connections().len()),
            self.systemd.next_wake(),
            at(self.stats_ticker.next_deadline()),
            at(self.ending),
        ];
        let cameras = self.cameras.iter().map(Camera::next_deadline).map(at);
        self.processes()
            .map(ChildProcess::next_wake)
            .chain(cameras)
            .chain(others)
            .min()
            .unwrap_or(Wake::OnInput)
    }

    /// Hands an event to its owner. For sockets and pipes, that only sets bits.
    fn dispatch(&mut self, event: &Event, now: Instant) {
        match Owner::of(event.token()) {
            Owner::Connection(key) => {
                let gone = event.is_error() || event.is_write_closed();
                let readiness = Readiness {
                    readable: event.is_readable(),
                    writable: event.is_writable(),
                    gone,
                };
                self.hub.ready(key, readiness);
            }
            Owner::Listener(index) => self.listeners.ready(index),
            Owner::Child(child) => self
                .processes_mut()
                .for_each(|process| process.ready(child)),
            Owner::Signals => self.take_signals(now),
            Owner::Addresses => self.reloads.addresses_changed(),
            Owner::Background => {
                self.tls.iter_mut().for_each(Tls::take_renewed);
                self.reloads
                    .take(&mut self.authenticator, &mut self.hub, now);
            }
        }
    }

    /// Reads what child processes have written, publishes the frames, and takes exits.
    fn read_children(&mut self, now: Instant) {
        let Self {
            hub,
            authenticator,
            scratch,
            ..
        } = self;
        self.cameras
            .iter_mut()
            .for_each(|camera| camera.read(hub, scratch, now));
        self.publishers
            .iter_mut()
            .for_each(|publisher| publisher.read(scratch, now));
        self.passwords.read(authenticator, hub, scratch, now);
        self.new_process.read(now);
    }

    /// Takes the hub's turn, in which the site answers the requests.
    fn turn_hub(&mut self, tick: Tick) {
        let Self {
            hub,
            cameras,
            publishers,
            tls,
            settings,
            stats,
            authenticator,
            refusal_log,
            ..
        } = self;
        tls.iter().for_each(Tls::allow_handshakes);
        let turned = hub.turn(tick, Instant::now, |call: &Call, hub| {
            let client = authenticator.client(call);
            let decision = authenticator.authorize(call, tick.now, wall_time());
            let refused = authenticator.counts();
            let parts = Parts {
                hub,
                cameras,
                publishers,
                tls: tls.as_ref(),
                settings,
                stats,
                refused,
                now: tick.now,
            };
            let snapshot = |labels: Option<&[&str]>| parts.snapshot(labels);
            let answer = site::answer(
                call,
                decision,
                authenticator.policy(),
                &parts.view(),
                snapshot,
            );
            log::debug!("#{} {client}: {}", call.key.number, call.request.path);
            if let Answer::Respond(Response {
                still_of: Some(camera),
                ..
            }) = answer
            {
                cameras[camera].linger_on(tick.now);
            }
            if let Decision::Refuse(reason) = decision
                && refusal_log.admit("refused requests", tick.now)
            {
                log::info!("{client}: {} ({reason})", refusals::status(reason).code());
            }
            let permit = if let Decision::Pass(access) = decision {
                access.permit
            } else {
                Permit::default()
            };
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

    /// Accepts connections, as far as there is room for them.
    fn accept(&mut self, now: Instant) {
        let Self {
            hub,
            tls,
            listeners,
            poll,
            stats,
            ..
        } = self;
        stats.accept_failures += listeners.accept(hub, tls.as_ref(), poll.registry(), now);
    }

    /// Starts and stops child processes. Publishers come before cameras, because they are viewers.
    fn attend_children(&mut self, tick: Tick) {
        self.processes_mut()
            .for_each(|process| process.attend(tick.asked_at));
        let Self {
            hub,
            authenticator,
            poll,
            settings,
            ..
        } = self;
        let registry = poll.registry();
        self.passwords
            .attend(authenticator, hub, registry, tick.now);
        self.publishers
            .iter_mut()
            .for_each(|publisher| publisher.attend(hub, registry, tick.now));
        for (index, camera) in self.cameras.iter_mut().enumerate() {
            let is_always_on = settings.always_on || camera.is_always_on();
            let is_wanted = self.ending.is_none()
                && (is_always_on || hub.subscribers(Topic::Frames { camera: index }) > 0);
            camera.attend(is_wanted, hub, registry, tick);
        }
        self.sweep_orphans();
    }

    /// Publishes periodic statistics to `/events` subscribers, feeds the watchdog, and counts the
    /// turn.
    fn report(&mut self, events: usize, began: Instant) {
        let Self {
            hub,
            cameras,
            publishers,
            tls,
            settings,
            stats,
            authenticator,
            stats_ticker,
            ..
        } = self;
        let refused = authenticator.counts();
        let parts = Parts {
            hub,
            cameras,
            publishers,
            tls: tls.as_ref(),
            settings,
            stats,
            refused,
            now: began,
        };
        // Plain numbers and text always serialise; if they did not, an empty event would show it.
        let state = stats_ticker
            .state(parts)
            .map(|snapshot| serde_json::to_vec(&snapshot).unwrap_or_default());
        let turns = stats_ticker
            .turns(parts)
            .map(|event| serde_json::to_vec(&event).unwrap_or_default());
        for (topic, data) in [(Topic::State, state), (Topic::Loop, turns)] {
            data.into_iter()
                .for_each(|data| hub.publish_figures(topic, data.into()));
        }
        self.systemd.attend(began);
        let took = began.elapsed();
        stats.turned(events, began, took);
        stats_ticker.turned(
            hub,
            began.saturating_duration_since(stats.started_at),
            took,
            events,
        );
    }
}

//! All connections and all cameras' channels.
//!
//! Inputs come between two turns, in any number and order: [`Hub::admit`], [`Hub::ready`], [`Hub::publish`] and the
//! like. [`Hub::turn`] does what they have made due, and [`Hub::next_wake`] says when to take the next turn. The hub
//! hands each request it has parsed to its caller's `answer`, so it knows no route.

mod admission;
pub mod answer;
pub mod channel;
pub mod connection;
pub mod feed;
mod figures;
pub mod journal;
pub mod key;
pub mod limits;
mod permits;
pub mod producer;
pub mod queue;
mod readers;
mod steps;
pub mod timers;
mod turn;
pub mod viewer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::mem;
use std::time::Instant;

use bytes::Bytes;
use slab::Slab;

pub use self::answer::{Answer, Awaited, Permit, Reply, Response, Subscription};
pub use self::connection::{Readiness, Transport};
pub use self::journal::{Journal, Topic};
pub use self::key::Key;
pub use self::limits::Limits;
pub use self::producer::{Next, Producer, Production, Purpose};
pub use self::turn::{Tick, Turned, Wake};

use self::connection::{Body, Connection, State};
use self::feed::Feed;
use self::steps::lookup;
use self::timers::Timers;
use crate::logging::RateLimit;
use crate::stream::client_net::ClientNet;
pub use crate::stream::frame::Shot;
use crate::stream::metrics::{CloseReason, Totals};
use crate::stream::peer::Peer;
use crate::stream::pinned::Pinned;
use crate::stream::sabotage::{self, Sabotage};
use crate::wire::http::Request;
use crate::wire::multipart::Division;

/// A request that wants an answer.
#[derive(Debug)]
pub struct Call {
    /// Whose it is.
    pub key: Key,
    /// Who that is.
    pub peer: Peer,
    /// What is asked.
    pub request: Box<Request>,
    /// Whether it has waited as long as it may: it must not be made to wait again.
    pub waited: bool,
    /// When the request had come in whole.
    pub asked_at: Instant,
}

/// All connections, and for each camera the newest frame and those who are shown it.
#[derive(Debug)]
pub struct Hub<T> {
    limits: Limits,
    boundary: String,
    part_fields: String,
    connections: Slab<Connection<T>>,
    feeds: Vec<Feed>,
    journal: Journal,
    /// Requests whose credentials are being checked, by the ticket of the check.
    undecided: BTreeSet<(u64, Key)>,
    /// Open connections of each client network other than this machine.
    connections_per_client: BTreeMap<ClientNet, usize>,
    refusal_log: RateLimit,
    calls: VecDeque<Call>,
    /// Connections with work to do, each once.
    pending: Vec<Key>,
    /// The list of the turn before, kept for its room.
    spare: Vec<Key>,
    closed: Vec<Key>,
    timers: Timers,
    pinned: Pinned,
    totals: Totals,
    flushes: usize,
    shutting_down: bool,
    scratch: Box<[u8]>,
}

impl<T: Transport> Hub<T> {
    /// A hub for `cameras` cameras whose streams are divided in this manner.
    pub fn new<'a>(cameras: usize, division: impl Into<Division<'a>>, limits: Limits) -> Self {
        let division = division.into();
        Self {
            scratch: vec![0; limits.read_budget_bytes].into_boxed_slice(),
            feeds: (0..cameras).map(|_| Feed::new(&limits)).collect(),
            limits,
            boundary: division.boundary.to_owned(),
            part_fields: division.fields.to_owned(),
            connections: Slab::new(),
            journal: Journal::new(cameras),
            undecided: BTreeSet::new(),
            connections_per_client: BTreeMap::new(),
            refusal_log: RateLimit::default(),
            calls: VecDeque::new(),
            pending: Vec::new(),
            spare: Vec::new(),
            closed: Vec::new(),
            timers: Timers::default(),
            pinned: Pinned::default(),
            totals: Totals::default(),
            flushes: 0,
            shutting_down: false,
        }
    }

    /// Adds a connection. `make` is given its key, and returns the transport, which it has registered for events under
    /// that key. A peer whose client network has too many connections is refused.
    ///
    /// # Errors
    /// What `make` returns. Then no connection is added.
    pub fn admit(&mut self, peer: Peer, now: Instant, make: impl FnOnce(Key) -> io::Result<T>) -> io::Result<Key> {
        let slot = self.connections.vacant_entry();
        let number = self.totals.admitted as u32 & Key::NUMBER_MASK;
        let key = Key { slot: slot.key() as u32, number };
        slot.insert(Connection::new(make(key)?, peer, number, &self.limits, now));
        self.totals.admitted += 1;
        log::trace!("#{number} {peer}: admitted");
        self.count_new(key, now);
        self.arm(key);
        Ok(key)
    }

    /// Makes a new connection a viewer that has asked for nothing: it is sent what `subscription` says from now on.
    pub fn subscribe_unasked(&mut self, key: Key, subscription: Subscription, now: Instant) {
        self.subscribe(key, subscription, now);
        self.schedule(key);
        self.arm(key);
    }

    /// Whether a connection is there and not over.
    pub fn contains(&self, key: Key) -> bool {
        let connection = self.connections.get(key.slot as usize);
        connection.is_some_and(|known| known.number == key.number && !matches!(known.state, State::Closed))
    }

    /// Notes an edge of a connection, or that it has none any more. Nothing is read or written before the next turn.
    pub fn ready(&mut self, key: Key, readiness: Readiness) {
        let Some(connection) = lookup(&mut self.connections, key) else {
            self.totals.stale_events += 1;
            return;
        };
        log::trace!("#{}: {readiness}", key.number);
        connection.readable |= readiness.readable || readiness.gone;
        connection.writable |= readiness.writable;
        connection.gone |= readiness.gone;
        if !mem::replace(&mut connection.scheduled, true) {
            self.pending.push(key);
        }
    }

    /// Carries out the answer to a call; an answer for a connection that is closed is dropped.
    fn respond(&mut self, call: Call, answer: Answer, permit: Permit, now: Instant) {
        let key = call.key;
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        let State::Answering { mut exchange, .. } = connection.state else { return };
        exchange.keep_alive &= !self.shutting_down;
        connection.permit = permit;
        match answer {
            Answer::Respond(response) => connection.respond(response, exchange, now),
            Answer::Preformed(bytes) => connection.finish(bytes, now),
            Answer::Subscribe(subscription) => self.subscribe(key, subscription, now),
            Answer::Produce(production) => self.read_along(key, production, exchange, now),
            Answer::Wait(awaited) => {
                let until = now + self.limits.wait_timeout;
                connection.state = State::Waiting { exchange, request: call.request, awaited, until };
                match awaited {
                    Awaited::Frame { camera, .. } => self.feeds[camera].waiting.insert(key),
                    Awaited::CheckResult { ticket } => self.undecided.insert((ticket, key)),
                };
                if self.shutting_down {
                    self.ask_now(key, now);
                }
            }
        }
        self.schedule(key);
        self.arm(key);
    }

    /// Makes a picture the newest frame of `camera`. Its viewers are sent it in the next turn.
    pub fn publish(&mut self, camera: usize, shot: Shot<'_>, now: Instant) {
        let frame = self.encode(camera, shot, now);
        self.feeds[camera].rate.tick(now);
        self.feeds[camera].capture_to_publish.add(now.saturating_duration_since(frame.captured));
        self.journal.record(camera, &frame);
        self.wake(Topic::Frames { camera });
        let outdated = self.feeds[camera].live.replace(frame.clone());
        self.show(camera, frame.clone(), outdated);
        self.keep(camera, &frame, true, now);
        self.bound_pinned(now);
        self.ask_again(camera, now);
    }

    /// Shows the viewers of `camera` a placeholder. Its newest live frame stays what it is, and a request that waits
    /// for a newer one is not answered by this.
    pub fn stand_in(&mut self, camera: usize, shot: Shot<'_>, now: Instant) {
        let frame = self.encode(camera, shot, now);
        self.show(camera, frame.clone(), None);
        self.keep(camera, &frame, false, now);
        self.bound_pinned(now);
    }

    /// No frame of `camera` is to be expected for now: whoever waits for one is answered.
    pub fn give_up(&mut self, camera: usize, now: Instant) {
        for key in self.feeds[camera].waiting.clone() {
            self.ask_now(key, now);
        }
    }

    /// The check that `ticket` stands for is over: whoever waits for its verdict is handed out again.
    pub fn decided(&mut self, ticket: u64, now: Instant) {
        let waiting = self.undecided.range((ticket, Key::MIN)..(ticket + 1, Key::MIN));
        for key in waiting.map(|&(_, key)| key).collect::<Vec<_>>() {
            self.ask(key, false, now);
        }
    }

    /// Forgets the newest frame of `camera`: it is no longer live, and a newcomer is not to be shown it.
    pub fn retract(&mut self, camera: usize) {
        let feed = &mut self.feeds[camera];
        let forgotten = [feed.channel.retract(), feed.live.take()];
        self.retire(camera, forgotten);
    }

    /// Tells everybody who follows `topic` the server's news of itself: one line, which takes the place of the last.
    pub fn announce(&mut self, topic: Topic, data: Bytes) {
        self.journal.announce(topic, data);
        self.wake(topic);
    }

    /// Begins the end: streams end after the frame they are in, replies are finished, a request on its way is awaited
    /// for a moment, everybody else is let go.
    pub fn shut_down(&mut self, now: Instant) {
        self.shutting_down = true;
        let last_call = self.limits.last_call_timeout;
        for key in self.keys() {
            let Some(connection) = lookup(&mut self.connections, key) else { continue };
            let is_asking = connection.is_new() || connection.has_begun_request();
            match &mut connection.state {
                State::Handshaking { until } | State::Receiving { until } if is_asking => {
                    *until = (*until).min(now + last_call)
                }
                State::Handshaking { .. } | State::Receiving { .. } => self.close(key, now, CloseReason::Shutdown),
                State::Waiting { .. } => self.ask_now(key, now),
                State::Sending(Body::Frames(_)) => self.end_stream(key, now),
                State::Sending(Body::Made(reader)) if reader.is_endless => self.end_body(key, now),
                State::Sending(Body::Made(reader)) => reader.keep_alive = false,
                State::Sending(Body::Queued { keep_alive, .. }) => {
                    *keep_alive &= sabotage::is(Sabotage::KeepAliveAtShutdown)
                }
                _ => {}
            }
            self.arm(key);
        }
    }
}

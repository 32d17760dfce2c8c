//! All connections and all cameras' channels: admit, ready, publish, expire, flush, reap.
//!
//! The hub hands out the requests it has parsed ([`Hub::next_request`]) and takes their answers ([`Hub::respond`]), so
//! it knows no route. Whoever drives it goes through the same steps each turn: tell it what became ready, answer its
//! requests, publish what the cameras gave, then [`Hub::expire`], [`Hub::flush`] and [`Hub::reap`].

mod feed;
mod figures;
mod past;
mod readers;
mod steps;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;
use slab::Slab;

use self::feed::Feed;
use self::steps::lookup;
use super::answer::{Answer, Awaited, Subscription};
use super::connection::{Connection, Readiness, State, Transport};
use super::household::Household;
use super::journal::{Journal, Topic};
use super::key::Key;
use super::limits::Limits;
use super::metrics::{CloseReason, Totals};
use super::peer::Peer;
use super::pinned::Pinned;
use super::sabotage::{self, Sabotage};
use super::timers::Timers;
use crate::wire::facts::{Sequence, WallTime};
use crate::wire::http::Request;
use crate::wire::jpeg::Picture;
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
}

/// A picture as a camera gave it, on its way to become a frame.
#[derive(Clone, Copy, Debug)]
pub struct Shot<'a> {
    /// One whole JPEG.
    pub jpeg: &'a [u8],
    /// What is known of it.
    pub picture: Picture,
    /// The wall time of capture.
    pub captured_at: WallTime,
    /// How long ago that was. A clock that was set meanwhile, or a camera's own that is wrong, makes this wrong too;
    /// zero where the time lies ahead.
    pub age: Duration,
    /// The number that the camera states; see [`super::numbering`] for when it is taken.
    pub sequence: Option<Sequence>,
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
    /// Connections of each household other than this machine.
    crowds: BTreeMap<Household, usize>,
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
            crowds: BTreeMap::new(),
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

    /// The key that the next [`Hub::admit`] will give, so that a transport can be registered under it first.
    pub fn next_key(&self) -> Key {
        let number = self.totals.admitted as u32 & Key::NUMBER_MASK;
        Key { slot: self.connections.vacant_key() as u32, number }
    }

    /// Takes in a new connection. One of a household that has too many already is told so, and closed.
    pub fn admit(&mut self, transport: T, peer: Peer, now: Instant) -> Key {
        let key = self.next_key();
        self.connections.insert(Connection::new(transport, peer, key.number, &self.limits, now));
        self.totals.admitted += 1;
        log::trace!("#{} {peer}: admitted", key.number);
        self.join_crowd(key, now);
        self.arm(key);
        key
    }

    /// Takes in a viewer that asks for nothing: it is given what `subscription` says as soon as it is there.
    pub fn admit_subscriber(&mut self, transport: T, peer: Peer, subscription: Subscription, now: Instant) -> Key {
        let key = self.admit(transport, peer, now);
        self.subscribe(key, subscription, now);
        self.schedule(key);
        self.arm(key);
        key
    }

    /// Whether a connection is there and not over.
    pub fn contains(&self, key: Key) -> bool {
        let connection = self.connections.get(key.slot as usize);
        connection.is_some_and(|known| known.number == key.number && !matches!(known.state, State::Closed))
    }

    /// An edge has come for a connection: what has come in is read at once, what is to go out goes with the flush.
    pub fn ready(&mut self, key: Key, readiness: Readiness, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else {
            self.totals.stale_events += 1;
            return;
        };
        log::trace!("#{}: {readiness}", key.number);
        // Whose last reply is on its way is read to the end even so: closing on unread input would lose the reply.
        let is_closing = matches!(connection.state, State::Closing { .. });
        connection.readable |= readiness.readable || readiness.gone;
        connection.writable |= readiness.writable;
        if readiness.gone && !is_closing {
            self.close(key, CloseReason::Left);
            return;
        }
        self.receive(key, now);
        self.schedule(key);
        // The first byte of a request may bring the deadline nearer.
        self.arm(key);
    }

    /// The next request that wants an answer. Each must be given to [`Hub::respond`] within the turn.
    pub fn next_request(&mut self) -> Option<Call> {
        self.calls.pop_front()
    }

    /// Takes the answer to a call; an answer for a connection that has gone is dropped.
    pub fn respond(&mut self, call: Call, answer: Answer, now: Instant) {
        let key = call.key;
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        let State::Answering { mut exchange, .. } = connection.state else { return };
        exchange.keep_alive &= !self.shutting_down;
        match answer {
            Answer::Respond(response) | Answer::Show { response, .. } => connection.respond(response, exchange, now),
            Answer::Preformed(bytes) => connection.finish(bytes, now),
            Answer::Subscribe(subscription) => self.subscribe(key, subscription, now),
            Answer::Produce(production) => self.read_along(key, production, exchange, now),
            Answer::Wait(awaited) => {
                let until = now + self.limits.wait_timeout;
                connection.state = State::Waiting { exchange, request: call.request, awaited, until };
                match awaited {
                    Awaited::Frame { camera, .. } => self.feeds[camera].waiting.insert(key),
                    Awaited::Verdict { ticket } => self.undecided.insert((ticket, key)),
                };
                if self.shutting_down {
                    self.ask_now(key, now);
                }
            }
        }
        self.schedule(key);
        self.arm(key);
    }

    /// Makes a picture the newest frame of `camera`, and offers it to everybody who watches.
    pub fn publish(&mut self, camera: usize, shot: Shot<'_>, now: Instant) {
        let frame = self.encode(camera, shot, now);
        self.feeds[camera].rate.tick(now);
        self.feeds[camera].capture_to_publish.add(now.saturating_duration_since(frame.captured_on));
        self.journal.record(camera, &frame);
        self.wake(Topic::Frames { camera });
        let outdated = self.feeds[camera].live.replace(frame.clone());
        self.show(camera, frame.clone(), outdated, now);
        self.keep(camera, &frame, true, now);
        self.ask_again(camera, now);
    }

    /// Shows everybody who watches `camera` a picture that stands in for a live one. Its newest live frame stays what
    /// it is, and who waits for a newer one is not served by this.
    pub fn stand_in(&mut self, camera: usize, shot: Shot<'_>, now: Instant) {
        let frame = self.encode(camera, shot, now);
        self.show(camera, frame.clone(), None, now);
        self.keep(camera, &frame, false, now);
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
        self.let_go(camera, forgotten);
    }

    /// Tells everybody who follows `topic` the server's news of itself: one line, which takes the place of the last.
    pub fn announce(&mut self, topic: Topic, data: Bytes) {
        self.journal.announce(topic, data);
        self.wake(topic);
    }

    /// Does what is due by `now`: closes who has run out of time, gives frames held back or repeated.
    pub fn expire(&mut self, now: Instant) {
        self.replay(now);
        while let Some((at, key)) = self.timers.pop(now) {
            let Some(connection) = lookup(&mut self.connections, key) else { continue };
            if connection.armed != Some(at) {
                continue;
            }
            connection.armed = None;
            if connection.deadline(&self.limits) <= now && !sabotage::is(Sabotage::TimersFirst) {
                // Room that was told of in this turn counts before the verdict: the delay may have been ours.
                self.write(key, now, || now);
            }
            self.overdue(key, now);
            if !sabotage::is(Sabotage::ForgetRearm) {
                self.arm(key);
            }
        }
    }

    /// Writes what is queued, and goes on reading where a budget ran out: each connection with work to do has its go,
    /// from a start that moves, so that nobody is always last.
    ///
    /// With many viewers this takes milliseconds, so when the last byte of a frame has left, it is `clock` that is
    /// asked for the time. Nothing but a histogram depends on what it says.
    pub fn flush(&mut self, now: Instant, clock: impl Fn() -> Instant) {
        let mut batch = mem::replace(&mut self.pending, mem::take(&mut self.spare));
        if !batch.is_empty() {
            self.flushes = self.flushes.wrapping_add(1);
            let start = self.flushes % batch.len();
            batch.rotate_left(start);
        }
        let mut made = 0;
        for &key in &batch {
            if let Some(connection) = lookup(&mut self.connections, key) {
                connection.scheduled = false;
                // Most of them are viewers that have said nothing and read no body: nothing is looked for there.
                let is_reading = matches!(connection.state, State::Reading(_));
                if connection.wants_read() || matches!(connection.state, State::Receiving { .. }) {
                    self.receive(key, now);
                }
                let may_make = made < self.limits.produce_budget_bytes || sabotage::is(Sabotage::ForgetMakingBudget);
                if is_reading && may_make {
                    made += self.pull(key, now);
                }
                self.write(key, now, &clock);
                if !sabotage::is(Sabotage::ForgetReschedule) {
                    self.schedule(key);
                }
                self.arm(key);
            }
        }
        batch.clear();
        self.spare = batch;
    }

    /// Frees the slots of the connections that were closed since the last time, and hands back their transports. Only
    /// between two batches of events is that safe.
    pub fn reap(&mut self) -> impl Iterator<Item = T> + '_ {
        let connections = &mut self.connections;
        self.closed.drain(..).map(|key| connections.remove(key.slot as usize).into_transport())
    }

    /// When [`Hub::expire`] must be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.timers.next(), self.past_deadline()].into_iter().flatten().min()
    }

    /// Whether there is work that waits for no event: the caller must come back without delay.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty() || !self.calls.is_empty() || !self.closed.is_empty()
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
                State::Handshaking { .. } | State::Receiving { .. } => self.close(key, CloseReason::Shutdown),
                State::Waiting { .. } => self.ask_now(key, now),
                State::Subscribed(_) => self.end_stream(key, now),
                State::Reading(reader) if reader.is_endless => self.end_body(key, now),
                State::Reading(reader) => reader.keep_alive = false,
                State::Responding { keep_alive, .. } => *keep_alive &= sabotage::is(Sabotage::KeepAliveAtShutdown),
                _ => {}
            }
            self.arm(key);
        }
    }

    /// Closes every connection that is left, wherever it stands.
    pub fn close_all(&mut self) {
        for key in self.keys() {
            self.close(key, CloseReason::Shutdown);
        }
    }
}

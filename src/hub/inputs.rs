//! The hub, and its inputs between two turns.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::Instant;

use bytes::Bytes;

use super::connection::{Connection, State};
use super::connections::Connections;
use crate::stream::answer::{Awaited, Call, Permit};
use crate::stream::{Captured, CloseReason, Key, Limits, Live, Peer, Readiness, Topic, Transport};
use crate::wire::multipart::PartFormat;

/// All connections, and what they share.
#[derive(Debug)]
pub struct Hub<T> {
    pub(super) connections: Connections<T>,
    pub(super) live: Live,
    /// The connections to wake when a topic changes. Ordered, so that a run can be repeated to the
    /// byte.
    pub(super) subscribers: BTreeMap<Topic, BTreeSet<Key>>,
    /// The requests to answer in this turn or the next.
    pub(super) calls: VecDeque<Call>,
    /// The buffer of every read.
    pub(super) scratch: Box<[u8]>,
}

impl<T: Transport> Hub<T> {
    /// Creates a hub for this number of cameras. `part_format` separates the parts of streams.
    pub fn new<'a>(cameras: usize, part_format: impl Into<PartFormat<'a>>, limits: Limits) -> Self {
        Self {
            connections: Connections::new(),
            subscribers: BTreeMap::new(),
            calls: VecDeque::new(),
            scratch: vec![0; limits.read_budget_bytes].into_boxed_slice(),
            live: Live::new(cameras, part_format.into(), limits),
        }
    }

    /// Adds a connection. `make` returns the transport, registered for events under the key.
    ///
    /// # Errors
    /// Those of `make`. Then no connection is added.
    pub fn admit(
        &mut self,
        peer: Peer,
        now: Instant,
        make: impl FnOnce(Key) -> io::Result<T>,
    ) -> io::Result<Key> {
        let Live { limits, totals, .. } = &mut self.live;
        let number = totals.accepted as u32 & Key::NUMBER_MASK;
        let key = self.connections.next_key(number);
        let connection = Connection::new(make(key)?, peer, key, limits, now);
        self.connections.insert(connection);
        totals.accepted += 1;
        log::trace!("#{number} {peer}: admitted");
        // A trusted proxy's connection is counted at its first request, which forwards an address.
        if !limits.trusted_proxies.contains(peer) {
            self.count(key, peer, now);
        }
        Ok(key)
    }

    /// Sets the bits of an edge. Reading waits for the turn: by then all edges are known, and one
    /// peer cannot delay the events of another.
    pub fn ready(&mut self, key: Key, readiness: Readiness) {
        let Some(connection) = self.connections.touch(key) else {
            self.live.totals.stale_events += 1;
            return;
        };
        log::trace!("#{}: {readiness}", key.number);
        connection.readable |= readiness.readable || readiness.gone;
        connection.writable |= readiness.writable;
        connection.gone |= readiness.gone;
    }

    /// Makes a picture the newest frame of `camera`. The next turns send it.
    pub fn publish(&mut self, camera: usize, captured: Captured<'_>, now: Instant) {
        self.show(camera, &captured, true, now);
    }

    /// Sends the viewers of `camera` a placeholder. Requests that wait for a frame go on waiting.
    pub fn publish_placeholder(&mut self, camera: usize, captured: Captured<'_>, now: Instant) {
        self.show(camera, &captured, false, now);
    }

    fn show(&mut self, camera: usize, captured: &Captured<'_>, is_live: bool, now: Instant) {
        self.live.publish(camera, captured, is_live, now);
        let sequence = self.live.channels[camera].live_sequence();
        for key in self.wake(Topic::Frames { camera }, sequence) {
            self.ask(key, false, now);
        }
        self.bound_retained(now);
    }

    /// Ends the waits for a frame of `camera`: none is expected for now.
    pub fn fail_waiters(&mut self, camera: usize, now: Instant) {
        let is_event =
            |on: &Awaited| matches!(on, Awaited::Frame { camera: of, .. } if *of == camera);
        self.ask_waiting(is_event, true, now);
    }

    /// Ends the waits for the check `ticket`.
    pub fn check_finished(&mut self, ticket: u64, now: Instant) {
        self.ask_waiting(|on| *on == Awaited::CheckResult { ticket }, false, now);
    }

    fn ask_waiting(&mut self, is_event: impl Fn(&Awaited) -> bool, waited: bool, now: Instant) {
        let waits = |state: &State| matches!(state, State::Waiting(_, _, on) if is_event(on));
        for key in self
            .connections
            .keys_where(|connection| waits(&connection.state))
        {
            self.ask(key, waited, now);
        }
    }

    /// Removes the newest frame of `camera`: it is out of date, and new viewers must not get it.
    pub fn clear(&mut self, camera: usize) {
        self.live.channels[camera].clear(&mut self.live.retained);
    }

    /// Replaces the figures of a topic and sends them, one line, to its subscribers.
    pub fn publish_figures(&mut self, topic: Topic, line: Bytes) {
        self.live.event_log.publish(topic, line);
        self.wake(topic, 0);
    }

    /// Ends what invalid permits have opened.
    pub fn revoke(&mut self, is_valid: impl Fn(&Permit) -> bool, now: Instant) {
        for key in self
            .connections
            .keys_where(|connection| !is_valid(&connection.permit))
        {
            self.permit_ended(key, now);
        }
    }

    /// Begins a graceful shutdown: streams end after the frame in flight, other replies are
    /// completed, first and begun requests get [`Limits::last_call_timeout`], and connections that
    /// are idle after a reply are closed.
    pub fn shut_down(&mut self, now: Instant) {
        self.live.is_shutting_down = true;
        for key in self.connections.keys_where(|_| true) {
            let Some(connection) = self.connections.touch(key) else {
                continue;
            };
            let is_requesting = connection.requests.count() == 0 || connection.requests.has_begun();
            match &mut connection.state {
                State::Handshaking | State::Receiving if is_requesting => {
                    let until = now + self.live.limits.last_call_timeout;
                    connection.until = connection.until.min(until);
                }
                State::Handshaking | State::Receiving => {
                    self.close(key, now, CloseReason::Shutdown);
                }
                State::Sending(sending) => {
                    sending.keep_alive = false;
                    self.end(key, now);
                }
                _ => self.end(key, now),
            }
        }
    }

    /// The cameras' channels, the event log, the limits and the totals.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The connections.
    pub fn connections(&self) -> &Connections<T> {
        &self.connections
    }

    /// The number of connections that a topic wakes: viewers, waiting requests, endless bodies.
    pub fn subscribers(&self, topic: Topic) -> usize {
        self.subscribers.get(&topic).map_or(0, BTreeSet::len)
    }
}

//! The hub, and what comes into it between two turns.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::Instant;

use bytes::Bytes;

use super::connection::{Connection, State};
use super::connections::Connections;
use crate::stream::answer::{Awaited, Call, Permit};
use crate::stream::{Captured, CloseReason, Key, Limits, Live, Peer, Readiness, Topic, Transport};
use crate::wire::multipart::PartFormat;

/// All connections, and what they are sent.
#[derive(Debug)]
pub struct Hub<T> {
    pub(super) connections: Connections<T>,
    pub(super) live: Live,
    /// Connections to wake when there is something new in a topic. Ordered, so that a run can be
    /// repeated to the byte.
    pub(super) subscribers: BTreeMap<Topic, BTreeSet<Key>>,
    /// Requests to be answered in this turn.
    pub(super) calls: VecDeque<Call>,
    pub(super) is_shutting_down: bool,
    /// What a transport is read into.
    pub(super) scratch: Box<[u8]>,
}

impl<T: Transport> Hub<T> {
    /// A hub for `cameras` cameras, whose streams are divided in this way.
    pub fn new<'a>(cameras: usize, division: impl Into<PartFormat<'a>>, limits: Limits) -> Self {
        Self {
            connections: Connections::new(),
            subscribers: BTreeMap::new(),
            calls: VecDeque::new(),
            is_shutting_down: false,
            scratch: vec![0; limits.read_budget_bytes].into_boxed_slice(),
            live: Live::new(cameras, division.into(), limits),
        }
    }

    /// Adds a connection. `make` returns the transport, which it has registered for events under
    /// the key.
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
        self.connections
            .insert(key, Connection::new(make(key)?, peer, number, limits, now));
        totals.accepted += 1;
        log::trace!("#{number} {peer}: admitted");
        // The connections of a trusted proxy are counted once they name a client.
        if !limits.trusted_proxies.contains(peer) {
            self.count(key, peer, now);
        }
        Ok(key)
    }

    /// Notes an edge of a connection. Nothing is read or written before the next turn.
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

    /// Makes a picture the newest frame of `camera`. Its viewers are sent it in the next turn.
    pub fn publish(&mut self, camera: usize, captured: Captured<'_>, now: Instant) {
        self.show(camera, &captured, true, now);
    }

    /// Shows the viewers of `camera` a placeholder. A request that waits for a frame goes on
    /// waiting.
    pub fn publish_placeholder(&mut self, camera: usize, captured: Captured<'_>, now: Instant) {
        self.show(camera, &captured, false, now);
    }

    fn show(&mut self, camera: usize, captured: &Captured<'_>, is_live: bool, now: Instant) {
        self.live.publish(camera, captured, is_live, now);
        for key in self.wake(
            Topic::Frames { camera },
            self.live.channels[camera].live_sequence(),
        ) {
            self.ask(key, false, now);
        }
        self.bound_retained(now);
    }

    /// Answers the requests that wait for a frame of `camera`: none is to be expected for now.
    pub fn fail_waiters(&mut self, camera: usize, now: Instant) {
        self.ask_waiting(
            |awaited| matches!(awaited, Awaited::Frame { camera: of, .. } if *of == camera),
            true,
            now,
        );
    }

    /// Hands out again the requests that wait for the check `ticket`.
    pub fn check_finished(&mut self, ticket: u64, now: Instant) {
        self.ask_waiting(
            |awaited| *awaited == Awaited::CheckResult { ticket },
            false,
            now,
        );
    }

    /// Forgets the newest frame of `camera`: it is no longer live, and a newcomer must not be shown
    /// it.
    pub fn clear(&mut self, camera: usize) {
        self.live.channels[camera].clear(&mut self.live.retained);
    }

    /// Replaces the server's figures of a topic: one line, sent to its subscribers.
    pub fn publish_figures(&mut self, topic: Topic, line: Bytes) {
        self.live.event_log.publish(topic, line);
        self.wake(topic, 0);
    }

    /// Ends what was opened with permits that are no longer valid.
    pub fn revoke(&mut self, is_valid: impl Fn(&Permit) -> bool, now: Instant) {
        let ended = self
            .connections
            .keys_where(|connection| !is_valid(&connection.permit));
        ended
            .into_iter()
            .for_each(|key| self.permit_ended(key, now));
    }

    /// Begins the end: streams end after the frame they are in, replies are finished, a first
    /// request on its way is awaited for a moment, every other connection is closed.
    pub fn shut_down(&mut self, now: Instant) {
        self.is_shutting_down = true;
        for key in self.connections.keys_where(|_| true) {
            let Some(connection) = self.connections.touch(key) else {
                continue;
            };
            let is_requesting = connection.requests.count() == 0 || connection.requests.has_begun();
            match &mut connection.state {
                State::Handshaking | State::Receiving if is_requesting => {
                    connection.until = connection
                        .until
                        .min(now + self.live.limits.last_call_timeout);
                }
                State::Handshaking | State::Receiving => {
                    self.close(key, now, CloseReason::Shutdown)
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

    /// How many connections are woken for a topic: viewers and waiting requests of a camera, and
    /// its endless bodies.
    pub fn subscribers(&self, topic: Topic) -> usize {
        self.subscribers.get(&topic).map_or(0, BTreeSet::len)
    }
}

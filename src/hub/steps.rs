//! The steps of a turn for one connection: receive, answer, send, expire, close.

use std::io;
use std::mem;
use std::time::Instant;

use super::connection::State;
use super::inputs::Hub;
use crate::stream::answer::{Call, Reply, Subscription};
use crate::stream::body::Shown;
use crate::stream::client_net::TOO_MANY;
use crate::stream::limits::TOO_SLOW;
use crate::stream::queue::{Pause, Progress};
use crate::stream::{CloseReason, Key, Peer, Topic, Transport, Viewer};
use crate::wire::http::Refusal;

/// Rounds of [`Hub::send`]: the rest of a chunk in flight, the newest frame, and what follows it.
const ROUNDS_MAX: usize = 3;

impl<T: Transport> Hub<T> {
    /// Counts a connection for the network of `client`, at its admission or when a trusted proxy
    /// forwards an address. Refuses it if the network has too many. Returns whether it is accepted.
    pub(super) fn count(&mut self, key: Key, client: Peer, now: Instant) -> bool {
        let Some(connection) = self.connections.touch(key) else {
            return false;
        };
        if connection.client == client && connection.requests.count() > 0 {
            return true;
        }
        connection.client = client;
        let (nets, limits) = (&mut self.live.client_nets, &self.live.limits);
        nets.release(connection.counted.take());
        let (counted, has_room) = nets.admit(client, limits.connections_per_client_max, now);
        connection.counted = counted;
        if !has_room {
            self.refuse(key, &TOO_MANY, now);
        }
        has_room
    }

    /// Reads from a connection, and takes a request that is complete.
    pub(super) fn receive(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        if connection.has_gone() {
            return self.close(key, now, CloseReason::PeerClosed);
        }
        match connection.receive(&mut self.scratch, &mut self.live, now) {
            Ok(has_ended) => {
                self.take_request(key, now);
                if has_ended {
                    self.peer_ended(key, now);
                }
            }
            Err(error) => self.fail(key, &error, now),
        }
    }

    /// Moves a complete request to the list of calls.
    fn take_request(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        match connection.next_request(&self.live.limits, now) {
            Ok(Some(request)) => {
                self.live.totals.requests += 1;
                self.calls.push_back(Call {
                    key,
                    peer: connection.peer,
                    request: Box::new(request),
                    waited: false,
                    asked_at: now,
                });
            }
            Ok(None) => {}
            Err(refusal) => self.refuse(key, &refusal, now),
        }
    }

    /// Handles the end of the input. A reply in progress goes on: the peer may have shut down its
    /// write side alone (shutdown(2)), as `nc -N` does. If it has closed both, a later write fails.
    fn peer_ended(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        match &connection.state {
            State::Closing(_) => self.close(key, now, CloseReason::Finished),
            State::Handshaking | State::Receiving => self.close(key, now, CloseReason::PeerClosed),
            State::Sending(sending) if sending.body.is_some() && connection.has_left() => {
                self.close(key, now, CloseReason::PeerClosed);
            }
            _ => {}
        }
    }

    /// Begins the reply to a call. The connection may be closed by now.
    pub(super) fn respond(&mut self, call: Call, reply: Reply, now: Instant) {
        let key = call.key;
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        connection.permit = reply.permit;
        connection.respond(call, reply.answer, &mut self.live, now);
        self.entered(key, now);
    }

    /// Makes a connection a viewer, in reply to its request or without one.
    pub fn subscribe(&mut self, key: Key, subscription: Subscription, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        connection.subscribe(subscription, &mut self.live, now);
        self.entered(key, now);
    }

    /// Subscribes a connection to the topics of its new state.
    fn entered(&mut self, key: Key, now: Instant) {
        let connection = self.connections.get(key);
        let topics = connection.map(|connection| connection.state.topics());
        for topic in topics.unwrap_or_default() {
            self.subscribers.entry(topic).or_default().insert(key);
        }
        if self.live.is_shutting_down {
            self.end(key, now);
        }
    }

    /// Unsubscribes a connection from the topics of the state that it leaves, and closes its body.
    fn left(&mut self, key: Key, state: &mut State, in_flight: Option<Shown>, now: Instant) {
        for topic in state.topics() {
            let keys = self.subscribers.entry(topic).or_default();
            keys.remove(&key);
            if keys.is_empty() {
                // Without a subscriber, figures grow old: the next subscriber must not get them.
                self.subscribers.remove(&topic);
                self.live.event_log.clear(topic);
            }
        }
        if let State::Sending(sending) = state
            && let Some(body) = &mut sending.body
        {
            body.close(&mut self.live, in_flight, now);
        }
    }

    /// Marks the bodies of a topic ready. Each frame of any camera moves the start by one: with one
    /// camera, no viewer is always last. Returns the requests that this sequence answers.
    pub(super) fn wake(&mut self, topic: Topic, sequence: u64) -> Vec<Key> {
        let Some(keys) = self.subscribers.get(&topic) else {
            return Vec::new();
        };
        let start = self.live.totals.published as usize % keys.len().max(1);
        let keys = keys.iter().skip(start).chain(keys.iter().take(start));
        keys.copied()
            .filter(|&key| self.connections.wake(key, sequence))
            .collect()
    }

    /// Moves a waiting request back to the list of calls; `waited`: it must not wait once more.
    pub(super) fn ask(&mut self, key: Key, waited: bool, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        let peer = connection.peer;
        let Some(mut state) = connection.stop_waiting(&self.live.limits, now) else {
            return;
        };
        self.left(key, &mut state, None, now);
        if let State::Waiting(exchange, request, _) = state {
            self.calls.push_back(Call {
                key,
                peer,
                request,
                waited,
                asked_at: exchange.asked_at,
            });
        }
    }

    /// Pulls and writes up to [`ROUNDS_MAX`] times, each in the write budget, one made chunk at
    /// most. Returns the bytes that were made; `None` if a chunk is due and `make` forbids to make
    /// it.
    pub(super) fn send(
        &mut self,
        key: Key,
        make: bool,
        now: Instant,
        clock: impl Fn() -> Instant,
    ) -> Option<usize> {
        let mut made = 0;
        for _ in 0..ROUNDS_MAX {
            let Some(connection) = self.connections.touch(key) else {
                break;
            };
            let wants_write = connection.wants_write();
            match (connection.wants_chunk(), &mut connection.state) {
                (true, State::Sending(sending)) if !sending.is_made() || (make && made == 0) => {
                    match sending.pull(&mut connection.queue, &mut self.live, now) {
                        Some(bytes) => made += bytes,
                        None => self.body_ended(key, now),
                    }
                }
                (true, _) if !make => return None,
                _ if !wants_write => break,
                _ => {}
            }
            if !matches!(self.write(key, now, &clock), None | Some(Pause::Drained)) {
                break;
            }
        }
        Some(made)
    }

    /// Writes what is queued or buffered. Returns why it stopped; `None` if it cannot, or fails.
    pub(super) fn write(
        &mut self,
        key: Key,
        now: Instant,
        clock: impl Fn() -> Instant,
    ) -> Option<Pause> {
        let connection = self.connections.touch(key)?;
        if !connection.wants_write() {
            return None;
        }
        let progress = match connection.write(&mut self.live, now) {
            Ok(progress) => progress,
            Err(error) => {
                self.fail(key, &error, now);
                return None;
            }
        };
        let Progress { bytes, pause, .. } = progress;
        log::trace!("#{}: wrote {bytes} bytes, {pause:?}", key.number);
        if let Some(captured) = progress.delivered.and_then(|frame| frame.captured)
            && let Some(viewer) = connection.viewer()
        {
            let channel = &mut self.live.channels[viewer.camera];
            let latency = clock().saturating_duration_since(captured);
            channel.capture_to_last_byte.add(latency);
        }
        Some(pause)
    }

    /// Queues what follows an ended body. Once the queue is empty, completes the reply.
    fn body_ended(&mut self, key: Key, now: Instant) {
        let connection = self.connections.touch(key);
        if let Some(mut state) = connection.and_then(|connection| connection.end_body(now)) {
            self.left(key, &mut state, None, now);
        }
        let connection = self.connections.touch(key);
        let Some(connection) = connection.filter(|connection| connection.queue.is_empty()) else {
            return;
        };
        match connection.replied(&self.live.limits, now) {
            // The next request may have arrived with the last one, so no edge will announce it.
            Ok(false) => self.take_request(key, now),
            Ok(true) => self.close(key, now, CloseReason::Finished),
            Err(error) => self.fail(key, &error, now),
        }
    }

    /// Responds to input that is no acceptable request, and ends the connection.
    fn refuse(&mut self, key: Key, refusal: &Refusal, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        log::debug!("#{} {}: {refusal}", key.number, connection.client);
        connection.finish(refusal.response(), None, now);
        self.live.totals.invalid_requests += 1;
    }

    /// Handles the expired deadline of a connection.
    pub(super) fn overdue(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        let limits = &self.live.limits;
        if connection.permitted_until().is_some_and(|at| at <= now) {
            return self.permit_ended(key, now);
        }
        let is_idle = connection.is_idle();
        match &mut connection.state {
            // The delay is ours: input is not read yet, or the call is not answered yet.
            State::Handshaking if connection.readable => {
                connection.until = now + limits.handshake_timeout;
            }
            State::Answering(_) => connection.until = now + limits.request_timeout,
            State::Receiving if connection.requests.has_begun() => self.refuse(key, &TOO_SLOW, now),
            State::Handshaking | State::Receiving => {
                self.close(key, now, CloseReason::RequestTimeout)
            }
            State::Waiting(..) => self.ask(key, true, now),
            State::Sending(sending) => {
                // With nothing to write, no write can fail: this peer may be gone.
                let is_useless = |viewer: &Viewer| viewer.has_waited_in_vain(&self.live, now);
                match sending.overdue(is_idle, limits, now) {
                    Some(reason) => self.close(key, now, reason),
                    None if connection.has_ended && sending.viewer().is_some_and(is_useless) => {
                        self.close(key, now, CloseReason::PeerClosed);
                    }
                    None => sending.idle(&mut connection.queue, now),
                }
            }
            State::Closing(_) | State::Closed => self.close(key, now, CloseReason::Finished),
        }
    }

    /// Ends a stream on a boundary of its parts, and a wait with an answer.
    pub(super) fn end(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        let has_ended = match &mut connection.state {
            State::Waiting(..) => return self.ask(key, true, now),
            State::Sending(sending) => sending.is_endless && !sending.end(&self.live, now),
            _ => false,
        };
        if has_ended {
            self.body_ended(key, now);
        }
    }

    /// Ends what a permit opened. A waiting request goes back to the list of calls, and fails
    /// authorization there. A body with an end of its own is cut, since it must not look complete.
    pub(super) fn permit_ended(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        let client = connection.client;
        match &connection.state {
            State::Waiting(..) => return self.ask(key, true, now),
            State::Sending(sending) if sending.is_endless => self.end(key, now),
            State::Sending(sending) if sending.body.is_some() => {
                self.close(key, now, CloseReason::CredentialExpired);
            }
            _ => return,
        }
        log::debug!("#{} {client}: credential expired or revoked", key.number);
        self.live.totals.credential_expired += 1;
    }

    /// Closes the viewers that hold the oldest frames, until the retained bytes fit their limit.
    pub(super) fn bound_retained(&mut self, now: Instant) {
        while self.live.retained.release() > self.live.limits.retained_bytes_max {
            let Some(oldest) = self.live.retained.oldest().cloned() else {
                return;
            };
            let holders = self.connections.keys_where(|holder| holder.holds(&oldest));
            if holders.is_empty() {
                return;
            }
            // `release` counts references: this one must not be among them.
            drop(oldest);
            for key in holders {
                self.close(key, now, CloseReason::RetainedLimit);
            }
        }
    }

    fn fail(&mut self, key: Key, error: &io::Error, now: Instant) {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        if let Some(refusal) = inner {
            return self.refuse(key, refusal, now);
        }
        log::debug!("#{}: {error}", key.number);
        self.close(key, now, CloseReason::from_error(error));
    }

    /// Closes a connection. The turn frees its slot at its end.
    pub(super) fn close(&mut self, key: Key, now: Instant, reason: CloseReason) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        log::debug!("#{} {}: closed ({reason:?})", key.number, connection.client);
        // Drop the queue now, not with the slot: it may keep a frame in memory.
        let queue = mem::take(&mut connection.queue);
        let in_flight = queue.in_flight().map(|(frame, _)| frame);
        self.live.client_nets.release(connection.counted.take());
        self.live.totals.closed.count(reason);
        if let Some(mut state) = self.connections.close(key) {
            self.left(key, &mut state, in_flight, now);
        }
    }
}

//! The steps inside a turn: what happens to one connection when it became ready, when its time is
//! up, when it ends.

use std::io;
use std::mem;
use std::time::Instant;

use super::connection::State;
use super::inputs::Hub;
use super::sending::Sending;
use crate::stream::answer::{Answer, Awaited, Call, Permit, Subscription};
use crate::stream::body::Shown;
use crate::stream::client_net::TOO_MANY;
use crate::stream::limits::TOO_SLOW;
use crate::stream::queue::Pause;
use crate::stream::{CloseReason, Key, Peer, Topic, Transport, Viewer};
use crate::wire::http::Refusal;

/// Rounds of asking and writing for one connection in a turn: what had begun, the newest frame, and
/// one more look.
const ROUNDS_MAX: usize = 3;

impl<T: Transport> Hub<T> {
    /// Counts a connection for `client`, which has sent a request through it, perhaps by way of a
    /// trusted proxy. Returns whether the request is to be answered: one connection too many of a
    /// client network is refused.
    pub(super) fn count(&mut self, key: Key, client: Peer, now: Instant) -> bool {
        let Some(connection) = self.connections.touch(key) else {
            return false;
        };
        if connection.client == client && connection.requests.count() > 0 {
            return true;
        }
        connection.client = client;
        self.live.client_nets.release(connection.counted.take());
        let (counted, has_room) =
            self.live
                .client_nets
                .admit(client, self.live.limits.connections_per_client_max, now);
        connection.counted = counted;
        if !has_room {
            self.refuse(key, &TOO_MANY, now);
        }
        has_room
    }

    /// Reads what there is, and hands out the request that it completes.
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

    /// Hands out the request that has arrived, if one is awaited.
    fn take_request(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        match connection.next_request(&self.live.limits, now) {
            Ok(Some(request)) => {
                self.live.totals.requests += 1;
                let peer = connection.peer;
                self.calls.push_back(Call {
                    key,
                    peer,
                    request: Box::new(request),
                    waited: false,
                    asked_at: now,
                });
            }
            Ok(None) => {}
            Err(refusal) => self.refuse(key, &refusal, now),
        }
    }

    /// Handles the end of what the peer sends. A reply or stream under way goes on: the peer may
    /// have shut down its write side alone (shutdown(2)), as `nc -N` does. If it has closed both,
    /// the kernel answers the next write with a reset. Without a request there is nothing to go on
    /// with.
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

    /// Carries out the answer to a call; an answer for a connection that is closed is dropped.
    pub(super) fn respond(&mut self, call: Call, answer: Answer, permit: Permit, now: Instant) {
        let Some(connection) = self.connections.touch(call.key) else {
            return;
        };
        let State::Answering(mut exchange) = connection.state else {
            return;
        };
        exchange.keep_alive &= !self.is_shutting_down;
        connection.permit = permit;
        let until = now + self.live.limits.wait_timeout;
        match answer {
            Answer::Respond(response) => connection.respond(response, exchange, now),
            Answer::Preformed(bytes) => connection.finish(bytes, None, now),
            Answer::Stream(head, body) => connection.stream(head, body, exchange, now),
            Answer::Subscribe(subscription) => return self.subscribe(call.key, subscription, now),
            Answer::Wait(awaited) => connection.wait(exchange, call.request, awaited, until),
        }
        self.entered(call.key, now);
    }

    /// Makes a connection a viewer: one that has asked for it, or one that has sent no request.
    pub fn subscribe(&mut self, key: Key, subscription: Subscription, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        let viewer = Viewer::new(
            &subscription,
            &mut self.live.channels[subscription.camera],
            now,
        );
        connection.finish(subscription.head, Some(Box::new(viewer)), now);
        self.entered(key, now);
    }

    /// Subscribes a connection to the topics of its new state.
    fn entered(&mut self, key: Key, now: Instant) {
        for topic in self
            .connections
            .get(key)
            .map(|connection| connection.state.topics())
            .unwrap_or_default()
        {
            self.subscribers.entry(topic).or_default().insert(key);
        }
        if self.is_shutting_down {
            self.end(key, now);
        }
    }

    /// Unsubscribes a connection from the topics of the state that it has left, and closes its
    /// body.
    fn left(&mut self, key: Key, state: &mut State, in_flight: Option<Shown>, now: Instant) {
        for topic in state.topics() {
            let keys = self.subscribers.entry(topic).or_default();
            keys.remove(&key);
            if keys.is_empty() {
                // Figures are not kept up to date without a subscriber, and the next one must not
                // get old ones.
                self.subscribers.remove(&topic);
                self.live.event_log.clear(topic);
            }
        }
        if let State::Sending(Sending {
            body: Some(body), ..
        }) = state
        {
            body.close(&mut self.live, in_flight, now);
        }
    }

    /// Marks ready the bodies of a topic, from a start that moves with each frame, so that no
    /// viewer is always last. Returns the requests that wait for a frame of this sequence.
    pub(super) fn wake(&mut self, topic: Topic, sequence: u64) -> Vec<Key> {
        let Some(keys) = self.subscribers.get(&topic) else {
            return Vec::new();
        };
        let start = self.live.totals.published as usize % keys.len().max(1);
        let keys = keys
            .iter()
            .skip(start)
            .chain(keys.iter().take(start))
            .copied();
        keys.filter(|&key| self.connections.wake(key, sequence))
            .collect()
    }

    /// Hands out again the requests that wait for it; for the last time, if they have `waited`.
    pub(super) fn ask_waiting(
        &mut self,
        is_it: impl Fn(&Awaited) -> bool,
        waited: bool,
        now: Instant,
    ) {
        let waits =
            |state: &State| matches!(state, State::Waiting(_, _, awaited) if is_it(awaited));
        let waiting = self
            .connections
            .keys_where(|connection| waits(&connection.state));
        waiting
            .into_iter()
            .for_each(|key| self.ask(key, waited, now));
    }

    pub(super) fn ask(&mut self, key: Key, waited: bool, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        let peer = connection.peer;
        let Some(mut state) = connection.wait_no_more(&self.live.limits, now) else {
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

    /// Asks the body for its next chunk and writes it, until the body has none or the transport
    /// takes no more. Returns the bytes that were made for it; `None` if a chunk was due and `make`
    /// forbids to make it.
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
            if self
                .write(key, now, &clock)
                .is_some_and(|pause| pause != Pause::Drained)
            {
                break;
            }
        }
        Some(made)
    }

    /// Writes what is queued. Returns why writing stopped, if there was anything to write.
    pub(super) fn write(
        &mut self,
        key: Key,
        now: Instant,
        clock: impl Fn() -> Instant,
    ) -> Option<Pause> {
        let connection = self
            .connections
            .touch(key)
            .filter(|connection| connection.wants_write())?;
        let progress = match connection.write(&mut self.live, now) {
            Ok(progress) => progress,
            Err(error) => {
                self.fail(key, &error, now);
                return None;
            }
        };
        log::trace!(
            "#{}: wrote {} bytes, {:?}",
            key.number,
            progress.bytes,
            progress.pause
        );
        if let Some(captured) = progress.delivered.and_then(|frame| frame.captured)
            && let Some(viewer) = connection.viewer()
        {
            let latency = clock().saturating_duration_since(captured);
            self.live.channels[viewer.camera]
                .capture_to_last_byte
                .add(latency);
        }
        Some(progress.pause)
    }

    /// Called when a body has ended: queues the delimiter that follows it. When that has left, too,
    /// the reply is over.
    fn body_ended(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        if let Some(mut state) = connection.end_body(now) {
            self.left(key, &mut state, None, now);
        }
        let Some(connection) = self
            .connections
            .touch(key)
            .filter(|known| known.queue.is_empty())
        else {
            return;
        };
        match connection.replied(&self.live.limits, now) {
            // The next request may have arrived together with the last.
            Ok(false) => self.take_request(key, now),
            Ok(true) => self.close(key, now, CloseReason::Finished),
            Err(error) => self.fail(key, &error, now),
        }
    }

    /// Answers what can never become a request that is served, and ends the connection.
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
        if connection
            .permitted_until()
            .is_some_and(|until| until <= now)
        {
            return self.permit_ended(key, now);
        }
        let is_idle = connection.is_idle();
        let has_begun_request = connection.requests.has_begun();
        let has_ended = connection.has_ended;
        match &mut connection.state {
            // What the peer has sent was not read yet, or the call not handed out: the delay is
            // ours.
            State::Handshaking if connection.readable => {
                connection.until = now + limits.handshake_timeout
            }
            State::Answering(_) => connection.until = now + limits.request_timeout,
            State::Receiving if has_begun_request => self.refuse(key, &TOO_SLOW, now),
            State::Handshaking | State::Receiving => {
                self.close(key, now, CloseReason::RequestTimeout)
            }
            State::Waiting(..) => self.ask(key, true, now),
            State::Sending(sending) => {
                // Only a write shows whether a peer that sends no more still reads, and there is
                // nothing to write.
                let is_useless =
                    |viewer: &Viewer| has_ended && viewer.has_waited_in_vain(&self.live, now);
                match sending.overdue(is_idle, limits, now) {
                    Some(reason) => self.close(key, now, reason),
                    None if sending.viewer().is_some_and(is_useless) => {
                        self.close(key, now, CloseReason::PeerClosed)
                    }
                    None => sending.idle(&mut connection.queue, now),
                }
            }
            State::Closing(_) | State::Closed => self.close(key, now, CloseReason::Finished),
        }
    }

    /// Ends what is sent without end, on a boundary of its parts, and what waits.
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

    /// Ends what a permit opened: a body with an end of its own at once, since it must not seem
    /// complete. A request that waits is handed out again, to be authorized again; what has begun
    /// to be answered is short.
    pub(super) fn permit_ended(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        let client = connection.client;
        match &connection.state {
            State::Waiting(..) => return self.ask(key, true, now),
            State::Sending(sending) if sending.is_endless => self.end(key, now),
            State::Sending(sending) if sending.body.is_some() => {
                self.close(key, now, CloseReason::CredentialExpired)
            }
            _ => return,
        }
        log::debug!("#{} {client}: credential expired or revoked", key.number);
        self.live.totals.credential_expired += 1;
    }

    /// Closes the holders of the oldest frames, until those that are held fit their limit.
    pub(super) fn bound_retained(&mut self, now: Instant) {
        while self.live.retained.release() > self.live.limits.retained_bytes_max {
            let Some(oldest) = self.live.retained.oldest().cloned() else {
                return;
            };
            let holders = self
                .connections
                .keys_where(|connection| connection.holds(&oldest));
            if holders.is_empty() {
                return;
            }
            drop(oldest);
            holders
                .into_iter()
                .for_each(|key| self.close(key, now, CloseReason::RetainedLimit));
        }
    }

    fn fail(&mut self, key: Key, error: &io::Error, now: Instant) {
        if let Some(refusal) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Refusal>())
        {
            return self.refuse(key, refusal, now);
        }
        log::debug!("#{}: {error}", key.number);
        self.close(key, now, CloseReason::of(error));
    }

    /// Closes a connection; its slot is freed at the end of the turn.
    pub(super) fn close(&mut self, key: Key, now: Instant, reason: CloseReason) {
        let Some(connection) = self.connections.touch(key) else {
            return;
        };
        log::debug!("#{} {}: closed ({reason:?})", key.number, connection.client);
        // What is queued is dropped now, not with the slot: it may hold a frame that counts against
        // the others.
        let queue = mem::take(&mut connection.queue);
        self.live.client_nets.release(connection.counted.take());
        self.live.totals.closed.count(reason);
        if let Some(mut state) = self.connections.close(key) {
            self.left(
                key,
                &mut state,
                queue.in_flight().map(|(frame, _)| frame),
                now,
            );
        }
    }
}

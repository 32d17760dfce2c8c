//! The steps inside a turn: what happens to one connection when it became ready, when its time is up, when it is over.

use std::io;
use std::mem;
use std::time::Instant;

use slab::Slab;

use super::feed::Feed;
use super::{Call, Hub, Shot};
use crate::hub::answer::{Awaited, Subscription};
use crate::hub::connection::{Body, Connection, Received, State, Transport};
use crate::hub::key::Key;
use crate::hub::limits::Limits;
use crate::hub::producer::Next;
use crate::hub::queue::{Pause, Shown, WriteQueue};
use crate::hub::timers::Timers;
use crate::hub::viewer::Viewer;
use crate::stream::frame::Frame;
use crate::stream::metrics::CloseReason;
use crate::stream::sabotage::{self, Sabotage};
use crate::wire::http::{Refusal, Status};
use crate::wire::multipart::{self, Division};

/// Rounds of asking and writing for one connection in a turn: what had begun, the newest frame, and one more look.
const ROUNDS_MAX: usize = 3;

/// What is said to a peer whose request head is not whole in time.
const TOO_SLOW: Refusal = Refusal { status: Status::RequestTimeout, reason: "The request did not arrive in time." };

impl<T: Transport> Hub<T> {
    pub(super) fn subscribe(&mut self, key: Key, subscription: Subscription, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        let feed = &mut self.feeds[subscription.camera];
        let newest = feed.newest_number(subscription.delay, now);
        let is_shown = feed.newest(subscription.delay, now).0.is_some();
        feed.channel.subscribe(key);
        connection.subscribe(Viewer::new(&subscription, newest, is_shown, now), subscription.head);
        if self.shutting_down {
            self.end_stream(key, now);
        }
    }

    /// Makes a picture the next frame of `camera`.
    pub(super) fn encode(&mut self, camera: usize, shot: Shot<'_>, now: Instant) -> Frame {
        let feed = &mut self.feeds[camera];
        feed.published += 1;
        let (number, sequence) = (feed.published, feed.numbering.next(shot.sequence));
        let division = Division { boundary: &self.boundary, fields: &self.part_fields };
        Frame::encode(division, number, sequence, &shot, now)
    }

    /// Shows a frame to every viewer of `camera`, in the place of the one shown before and of `outdated`. They ask for
    /// it when their turn comes.
    pub(super) fn show(&mut self, camera: usize, frame: Frame, outdated: Option<Frame>) {
        self.totals.published += 1;
        let feed = &mut self.feeds[camera];
        let replaced = feed.channel.publish(frame);
        for key in feed.channel.subscribers() {
            let Some(connection) = lookup(&mut self.connections, key) else { continue };
            if let State::Sending(Body::Frames(viewer)) = &mut connection.state {
                viewer.is_ready |= !sabotage::is(Sabotage::ForgetViewer);
                if connection.wants_chunk() && !mem::replace(&mut connection.scheduled, true) {
                    self.pending.push(key);
                }
            }
        }
        self.retire(camera, [replaced, outdated]);
    }

    /// Keeps a frame of `camera` in its history, and drops what has no room beside it.
    pub(super) fn keep(&mut self, camera: usize, frame: &Frame, is_live: bool, now: Instant) {
        self.feeds[camera].history.push(frame, is_live);
        self.outdate_history(camera, now);
    }

    /// Drops the frames that are older than the histories reach.
    pub(super) fn outdate(&mut self, now: Instant) {
        let is_outdated = |feed: &Feed| feed.history.ends_at().is_some_and(|end| end <= now);
        for camera in 0..self.feeds.len() {
            if is_outdated(&self.feeds[camera]) {
                self.outdate_history(camera, now);
                self.bound_pinned(now);
            }
        }
    }

    fn outdate_history(&mut self, camera: usize, now: Instant) {
        while let Some(frame) = self.feeds[camera].history.pop_outdated(now) {
            self.retire(camera, [Some(frame), None]);
        }
    }

    /// Called when frames of `camera` were replaced: from here on only slow viewers hold them. The newest live one is
    /// kept while a placeholder is shown, and those of the history are.
    pub(super) fn retire(&mut self, camera: usize, replaced: [Option<Frame>; 2]) {
        let mut replaced: Vec<Frame> = replaced.into_iter().flatten().collect();
        replaced.dedup_by_key(|frame| frame.number);
        replaced.retain(|frame| !self.feeds[camera].is_kept(frame.number));
        for frame in replaced {
            self.pinned.remember(frame.allocation().clone());
        }
    }

    /// Reads what there is, and hands out the request it completes.
    pub(super) fn receive(&mut self, key: Key, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        let mut received = Received::WouldBlock;
        if connection.wants_read() {
            let bytes;
            (received, bytes) = match connection.receive(&mut self.scratch, &self.limits, now) {
                Ok(received) => received,
                Err(error) => return self.fail(key, &error, now),
            };
            self.totals.bytes_read += bytes as u64;
            self.totals.would_blocks += u64::from(received == Received::WouldBlock);
            self.totals.budgets_spent += u64::from(received == Received::Budget);
        }
        self.take_request(key, now);
        match received {
            Received::End => self.peer_ended(key, now),
            Received::WouldBlock | Received::Budget => self.bound_drained(key, now),
        }
    }

    /// Hands out the request that has come in whole, if one is awaited.
    fn take_request(&mut self, key: Key, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        match connection.next_request(&self.limits, now) {
            Ok(Some(request)) => {
                self.totals.requests += 1;
                let peer = connection.peer;
                self.calls.push_back(Call { key, peer, request: Box::new(request), waited: false, asked_at: now });
            }
            Ok(None) => {}
            Err(refusal) => self.refuse(key, &refusal, now),
        }
    }

    /// Handles the end of what the peer sends. A reply or stream under way goes on: the peer may have shut down its
    /// write side alone (shutdown(2)), as `nc -N` does. If it has closed both, the kernel answers the next write with a
    /// reset. Without a request there is nothing to go on with.
    fn peer_ended(&mut self, key: Key, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        match connection.state {
            _ if sabotage::is(Sabotage::ForgetEnd) => {}
            State::Closing { .. } => self.close(key, now, CloseReason::Finished),
            State::Handshaking { .. } | State::Receiving { .. } => self.close(key, now, CloseReason::Left),
            State::Sending(Body::Frames(_) | Body::Made(_)) if connection.ends_with_its_peer() => {
                self.close(key, now, CloseReason::Left)
            }
            _ => {}
        }
    }

    fn bound_drained(&mut self, key: Key, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        if matches!(connection.state, State::Closing { drained, .. } if drained > self.limits.linger_bytes_max) {
            self.close(key, now, CloseReason::Finished);
        }
    }

    /// Asks the body for its next chunk and writes it, until the body has none or the transport takes no more. Returns
    /// the bytes that were made for it.
    pub(super) fn send(&mut self, key: Key, may_make: bool, now: Instant, clock: impl Fn() -> Instant) -> usize {
        let mut made = 0;
        for _ in 0..ROUNDS_MAX {
            let Some(connection) = lookup(&mut self.connections, key) else { break };
            let wants_chunk = connection.wants_chunk();
            if !wants_chunk && !connection.wants_write() {
                break;
            }
            let is_made = matches!(connection.state, State::Sending(Body::Made(_)));
            if wants_chunk && (!is_made || (may_make && made == 0)) {
                made += self.pull(key, now);
            }
            if self.write(key, now, &clock).is_some_and(|pause| pause != Pause::Drained) {
                break;
            }
        }
        made
    }

    /// Asks the body for its next chunk, and queues it. Returns the bytes that were made for it.
    fn pull(&mut self, key: Key, now: Instant) -> usize {
        let Some(connection) = lookup(&mut self.connections, key) else { return 0 };
        let next = match &mut connection.state {
            State::Sending(Body::Queued { keep_alive, .. }) => {
                let keep_alive = *keep_alive;
                self.replied(key, keep_alive, now);
                return 0;
            }
            State::Sending(Body::Made(_)) => return self.make(key, now),
            State::Sending(Body::Frames(viewer)) => {
                let feed = &self.feeds[viewer.camera];
                let (newest, next_at) = feed.newest(viewer.delay, now);
                viewer.next(newest, next_at, &self.limits, now)
            }
            _ => return 0,
        };
        match next {
            Next::Chunk(chunk) => connection.queue.push(chunk),
            Next::NotYet => {}
            Next::End => self.stream_ended(key, now),
        }
        0
    }

    /// Writes what is queued, and counts it. Returns why writing stopped, if there was anything to write.
    pub(super) fn write(&mut self, key: Key, now: Instant, clock: impl Fn() -> Instant) -> Option<Pause> {
        let connection = lookup(&mut self.connections, key)?;
        if !connection.wants_write() {
            return None;
        }
        let progress = match connection.write(self.limits.write_budget_bytes, now) {
            Ok(progress) => progress,
            Err(error) => {
                self.fail(key, &error, now);
                return None;
            }
        };
        log::trace!("#{}: wrote {} bytes, {}", key.number, progress.bytes, progress.pause);
        self.totals.bytes_written += progress.bytes as u64;
        self.totals.partial_writes += progress.partial_writes;
        self.totals.would_blocks += u64::from(progress.pause == Pause::WouldBlock);
        self.totals.budgets_spent += u64::from(progress.pause == Pause::Budget);
        if let Some(captured) = progress.delivered.and_then(|frame| frame.captured)
            && let Some(viewer) = connection.viewer()
        {
            let latency = clock().saturating_duration_since(captured);
            self.feeds[viewer.camera].capture_to_last_byte.add(latency);
        }
        Some(progress.pause)
    }

    /// Called when a reply has been fully written.
    fn replied(&mut self, key: Key, keep_alive: bool, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        match connection.replied(keep_alive, &self.limits, now) {
            // The next request may have come in together with the last.
            Ok(false) => self.take_request(key, now),
            Ok(true) => self.close(key, now, CloseReason::Finished),
            Err(error) => self.fail(key, &error, now),
        }
    }

    /// Called when the closing delimiter of a stream has been fully written.
    fn stream_ended(&mut self, key: Key, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        let over = State::Sending(Body::Queued { keep_alive: false, progress_at: now });
        if let State::Sending(Body::Frames(viewer)) = mem::replace(&mut connection.state, over) {
            self.settle(key, viewer, None, now);
        }
        self.replied(key, false, now);
    }

    /// Answers what can never become a request that is served, and ends the connection.
    pub(super) fn refuse(&mut self, key: Key, refusal: &Refusal, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        log::debug!("#{} {}: {refusal}", key.number, connection.client);
        connection.finish(refusal.response(), now);
        self.totals.refused += 1;
        self.schedule(key);
    }

    /// Does what is to be done for a connection whose deadline has come.
    pub(super) fn overdue(&mut self, key: Key, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        if connection.deadline(&self.limits) > now {
            return;
        }
        if connection.permitted_until().is_some_and(|until| until <= now) {
            return self.end_permitted(key, now);
        }
        let is_idle = connection.is_idle();
        let is_drained = connection.queue.is_empty();
        let has_begun_request = connection.has_begun_request();
        let is_owed_read = connection.readable;
        let has_ended = connection.has_ended();
        match &mut connection.state {
            // What the peer has sent was not looked at yet: the delay is ours.
            State::Handshaking { until } if is_owed_read => *until = now + self.limits.handshake_timeout,
            State::Receiving { .. } if has_begun_request => self.refuse(key, &TOO_SLOW, now),
            State::Handshaking { .. } | State::Receiving { .. } => self.close(key, now, CloseReason::Silent),
            // The delay is ours: the process was stopped, say, and the call still waits to be handed out.
            State::Answering { until, .. } => *until = now + self.limits.request_timeout,
            State::Waiting { .. } => self.ask_now(key, now),
            State::Sending(Body::Made(_)) if is_drained => {
                connection.sign_of_life(now);
                self.schedule(key);
            }
            State::Sending(Body::Queued { .. } | Body::Made(_)) => self.close(key, now, CloseReason::Stalled),
            State::Sending(Body::Frames(viewer)) => match viewer.overdue(is_idle, &self.limits, now) {
                Some(reason) => self.close(key, now, reason),
                // Only a write shows whether a peer that sends no more still reads, and there is nothing to write.
                None if has_ended
                    && now >= viewer.since + self.limits.wait_timeout
                    && self.feeds[viewer.camera].newest(viewer.delay, now).0.is_none() =>
                {
                    self.close(key, now, CloseReason::Left);
                }
                None => {
                    viewer.wake(&self.limits, now);
                    self.schedule(key);
                }
            },
            State::Closing { .. } => self.close(key, now, CloseReason::Finished),
            State::Closed => {}
        }
    }

    /// Hands out again the requests that have waited for the frame `camera` now has.
    pub(super) fn ask_again(&mut self, camera: usize, now: Instant) {
        let sequence = self.feeds[camera].numbering.last();
        let waiting = self.feeds[camera].waiting.iter().copied();
        let served: Vec<Key> = waiting
            .filter(|key| match self.connections.get(key.slot as usize).map(|connection| &connection.state) {
                Some(State::Waiting { awaited: Awaited::Frame { after, .. }, .. }) => sequence > *after,
                _ => true,
            })
            .collect();
        for key in served {
            self.ask(key, false, now);
        }
    }

    /// Hands out a waiting request for the last time, frame or no frame.
    pub(super) fn ask_now(&mut self, key: Key, now: Instant) {
        self.ask(key, true, now);
    }

    pub(super) fn ask(&mut self, key: Key, waited: bool, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        let answering_until = now + self.limits.request_timeout;
        match mem::replace(&mut connection.state, State::Closed) {
            State::Waiting { exchange, request, awaited, .. } => {
                connection.state = State::Answering { exchange, until: answering_until };
                let asked_at = exchange.asked_at;
                self.calls.push_back(Call { key, peer: connection.peer, request, waited, asked_at });
                self.wait_no_more(key, awaited);
            }
            other => connection.state = other,
        }
    }

    fn wait_no_more(&mut self, key: Key, awaited: Awaited) {
        match awaited {
            Awaited::Frame { camera, .. } => self.feeds[camera].waiting.remove(&key),
            Awaited::CheckResult { ticket } => self.undecided.remove(&(ticket, key)),
        };
    }

    /// Ends a stream on a part boundary: what has begun goes out whole, then the closing delimiter.
    pub(super) fn end_stream(&mut self, key: Key, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        if sabotage::is(Sabotage::CloseInsidePart) {
            connection.queue = WriteQueue::default();
        }
        if let State::Sending(Body::Frames(viewer)) = &mut connection.state {
            let newest = self.feeds[viewer.camera].newest_number(viewer.delay, now);
            viewer.end(multipart::closing(&self.boundary), newest, now);
        }
        self.schedule(key);
        self.arm(key);
    }

    /// Final accounting of a viewer that is no longer one.
    fn settle(&mut self, key: Key, mut viewer: Viewer, in_flight: Option<Shown>, now: Instant) {
        let feed = &mut self.feeds[viewer.camera];
        if !sabotage::is(Sabotage::ForgetUnsubscribe) {
            feed.channel.unsubscribe(key);
        }
        let newest = feed.newest_number(viewer.delay, now);
        feed.departed.add(&viewer.settle(in_flight, newest));
    }

    /// Closes the holders of the oldest frames, until those that are held fit their bound.
    pub(super) fn bound_pinned(&mut self, now: Instant) {
        while self.pinned.release() > self.limits.frames_pinned_bytes_max {
            let Some(oldest) = self.pinned.oldest().cloned() else { return };
            let holders: Vec<Key> = self.keys_where(|connection| connection.holds(&oldest));
            if holders.is_empty() {
                return;
            }
            drop(oldest);
            for key in holders {
                self.close(key, now, CloseReason::Pinned);
            }
        }
    }

    fn fail(&mut self, key: Key, error: &io::Error, now: Instant) {
        if let Some(refusal) = error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>()) {
            return self.refuse(key, refusal, now);
        }
        use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
        log::debug!("#{}: {error}", key.number);
        let left = matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected);
        self.close(key, now, if left { CloseReason::Left } else { CloseReason::Failed });
    }

    /// Marks a connection closed and settles its accounts; its slot is freed at the end of the turn.
    pub(super) fn close(&mut self, key: Key, now: Instant, reason: CloseReason) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        log::debug!("#{} {}: closed ({reason:?})", key.number, connection.client);
        // What is queued goes now, not with the slot: it may hold a frame that counts against the others.
        let queue = mem::take(&mut connection.queue);
        let counted = connection.counted.take();
        match mem::replace(&mut connection.state, State::Closed) {
            State::Sending(Body::Frames(viewer)) => {
                self.settle(key, viewer, queue.in_flight().map(|(frame, _)| frame), now)
            }
            State::Sending(Body::Made(reader)) => self.unfollow(key, &reader),
            State::Waiting { awaited, .. } => self.wait_no_more(key, awaited),
            _ => {}
        }
        self.release(counted);
        self.totals.closed.count(reason);
        if sabotage::is(Sabotage::FreeInBatch) {
            self.connections.remove(key.slot as usize);
            return;
        }
        self.closed.push(key);
    }

    /// Puts a connection on the list of those with work to do, if it has any.
    #[inline]
    pub(super) fn schedule(&mut self, key: Key) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        if !connection.scheduled && connection.has_work() {
            connection.scheduled = true;
            self.pending.push(key);
        }
    }

    /// Sees to it that a timer comes up no later than the connection's deadline.
    pub(super) fn arm(&mut self, key: Key) {
        if let Some(connection) = lookup(&mut self.connections, key) {
            arm(connection, key, &mut self.timers, &self.limits);
        }
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.keys_where(|_| true)
    }

    pub(super) fn keys_where(&self, wanted: impl Fn(&Connection<T>) -> bool) -> Vec<Key> {
        let chosen = self.connections.iter().filter(|(_, connection)| wanted(connection));
        chosen.map(|(slot, connection)| Key { slot: slot as u32, number: connection.number }).collect()
    }
}

/// The connection a key means, if it is still there and not over.
pub(super) fn lookup<T>(connections: &mut Slab<Connection<T>>, key: Key) -> Option<&mut Connection<T>> {
    let connection = connections.get_mut(key.slot as usize)?;
    let is_meant = connection.number == key.number || sabotage::is(Sabotage::DropGeneration);
    (is_meant && !matches!(connection.state, State::Closed)).then_some(connection)
}

/// Sees to it that a timer comes up no later than the connection's deadline.
pub(super) fn arm<T: Transport>(connection: &mut Connection<T>, key: Key, timers: &mut Timers, limits: &Limits) {
    let deadline = connection.deadline(limits);
    if connection.armed.is_none_or(|armed| deadline < armed) {
        connection.armed = Some(deadline);
        timers.arm(deadline, key);
    }
}

//! The steps inside a turn: what happens to one connection when it became ready, when its time is up, when it is over.

use std::io;
use std::mem;
use std::time::Instant;

use bytes::Bytes;
use slab::Slab;

use super::{Call, Hub, Shot};
use crate::stream::answer::{Awaited, Subscription};
use crate::stream::connection::{Connection, Received, State, Transport};
use crate::stream::frame::Frame;
use crate::stream::key::Key;
use crate::stream::limits::Limits;
use crate::stream::metrics::CloseReason;
use crate::stream::queue::{Offer, Pause, Progress, WriteQueue};
use crate::stream::sabotage::{self, Sabotage};
use crate::stream::timers::Timers;
use crate::stream::viewer::{Overdue, Viewer};
use crate::wire::http::{Refusal, Status};
use crate::wire::multipart::{self, Division, Framing};

/// What is said to a peer whose request head is not whole in time.
const TOO_SLOW: Refusal = Refusal { status: Status::RequestTimeout, reason: "The request did not arrive in time." };

impl<T: Transport> Hub<T> {
    pub(super) fn subscribe(&mut self, key: Key, subscription: Subscription, now: Instant) {
        let place = self.feed_for(subscription.camera, subscription.delay, now);
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        let feed = &mut self.feeds[place];
        feed.channel.subscribe(key);
        connection.subscribe(subscription, now);
        let State::Subscribed(viewer) = &mut connection.state else { return };
        viewer.feed = place;
        if let Some(frame) = feed.channel.latest() {
            viewer.take(&connection.queue, now);
            offer(connection, &Parts::of(frame), Cause::Owed, now);
        }
        if self.shutting_down {
            self.end_stream(key, now);
        }
    }

    /// Makes a picture the next frame of `camera`.
    pub(super) fn encode(&mut self, camera: usize, shot: Shot<'_>, now: Instant) -> Frame {
        let sequence = self.feeds[camera].numbering.next(shot.sequence);
        let division = Division { boundary: &self.boundary, fields: &self.part_fields };
        Frame::encode(division, sequence, shot.captured_at, shot.age, now, shot.picture, shot.jpeg)
    }

    /// Shows a frame to everybody who watches, in the place of the one shown before and of `outdated`.
    pub(super) fn show(&mut self, camera: usize, frame: Frame, outdated: Option<Frame>, now: Instant) {
        self.totals.published += 1;
        let replaced = self.fan_out(camera, frame, Cause::Published, now);
        self.let_go(camera, [replaced, outdated]);
    }

    /// Offers a frame to everybody who is at a feed. Returns the one shown there before.
    pub(super) fn fan_out(&mut self, feed: usize, frame: Frame, cause: Cause, now: Instant) -> Option<Frame> {
        let feed = &mut self.feeds[feed];
        let older = feed.channel.latest().filter(|_| sabotage::is(Sabotage::ShowOlder));
        let parts = Parts::of(older.unwrap_or(&frame));
        let replaced = feed.channel.publish(frame);
        feed.published += 1;
        for key in feed.channel.subscribers() {
            let Some(connection) = lookup(&mut self.connections, key) else { continue };
            let State::Subscribed(viewer) = &mut connection.state else { continue };
            if viewer.take(&connection.queue, now) {
                offer(connection, &parts, cause, now);
                if !mem::replace(&mut connection.scheduled, true) {
                    self.pending.push(key);
                }
            }
            arm(connection, key, &mut self.timers, &self.limits);
        }
        replaced
    }

    /// Frames of `camera` were replaced: from here on only slow viewers hold them. The newest live one is not let go
    /// of while a picture stands in for it, nor one that is in the history or on show in a replay.
    pub(super) fn let_go(&mut self, camera: usize, replaced: [Option<Frame>; 2]) {
        let mut replaced: Vec<Frame> = replaced.into_iter().flatten().collect();
        replaced.dedup_by_key(|frame| frame.sequence);
        replaced.retain(|frame| !self.is_kept(camera, frame.sequence));
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
            Received::End => self.peer_ended(key),
            Received::WouldBlock | Received::Budget => self.bound_drained(key),
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
    fn peer_ended(&mut self, key: Key) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        match connection.state {
            _ if sabotage::is(Sabotage::ForgetEnd) => {}
            State::Closing { .. } => self.close(key, CloseReason::Finished),
            State::Handshaking { .. } | State::Receiving { .. } => self.close(key, CloseReason::Left),
            _ => {}
        }
    }

    fn bound_drained(&mut self, key: Key) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        if matches!(connection.state, State::Closing { drained, .. } if drained > self.limits.linger_bytes_max) {
            self.close(key, CloseReason::Finished);
        }
    }

    /// Writes what is queued, counts it, and goes on where a reply is through.
    pub(super) fn write(&mut self, key: Key, now: Instant, clock: impl Fn() -> Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        if connection.wants_write() {
            let progress = match connection.write(self.limits.write_budget_bytes, now) {
                Ok(progress) => progress,
                Err(error) => return self.fail(key, &error, now),
            };
            if log::log_enabled!(log::Level::Trace) {
                tell_write(key.number, &progress);
            }
            self.totals.bytes_written += progress.bytes as u64;
            self.totals.partial_writes += progress.partial_writes;
            self.totals.would_blocks += u64::from(progress.pause == Pause::WouldBlock);
            self.totals.budgets_spent += u64::from(progress.pause == Pause::Budget);
            if let Some(camera) = connection.watches().filter(|_| progress.delivered > 0) {
                let at = clock();
                for captured_on in progress.captured_on.into_iter().flatten() {
                    self.feeds[camera].capture_to_last_byte.add(at.saturating_duration_since(captured_on));
                }
            }
        }
        if connection.queue.is_empty() {
            if let Some(viewer) = connection.stream_ended(now) {
                self.settle(key, viewer, &WriteQueue::default());
            }
            let Some(connection) = lookup(&mut self.connections, key) else { return };
            match connection.responded(&self.limits, now) {
                // The next request may have come in together with the last.
                Ok(false) => self.take_request(key, now),
                Ok(true) => self.close(key, CloseReason::Finished),
                Err(error) => self.fail(key, &error, now),
            }
        }
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
        let idle = connection.queue.is_empty();
        let has_begun_request = connection.has_begun_request();
        let is_owed_read = connection.readable;
        match &mut connection.state {
            // What the peer has said was not looked at yet: the delay is ours.
            State::Handshaking { until } if is_owed_read => *until = now + self.limits.handshake_timeout,
            State::Receiving { .. } if has_begun_request => self.refuse(key, &TOO_SLOW, now),
            State::Handshaking { .. } | State::Receiving { .. } => self.close(key, CloseReason::Silent),
            // The delay is ours: the process was stopped, say, and the call still waits to be handed out.
            State::Answering { until, .. } => *until = now + self.limits.request_timeout,
            State::Waiting { .. } => self.ask_now(key, now),
            State::Reading(_) if idle => {
                connection.sign_of_life(now);
                self.schedule(key);
            }
            State::Responding { .. } | State::Ending(_) | State::Reading(_) => self.close(key, CloseReason::Stalled),
            State::Closing { .. } => self.close(key, CloseReason::Finished),
            State::Closed => {}
            State::Subscribed(viewer) => match viewer.overdue(idle, &self.limits, now) {
                Overdue::Close(reason) => self.close(key, reason),
                Overdue::Held => self.offer_latest(key, Cause::Owed, now),
                Overdue::Repeat => self.offer_latest(key, Cause::Repeat, now),
            },
        }
    }

    /// Gives one viewer the newest frame.
    fn offer_latest(&mut self, key: Key, cause: Cause, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        let State::Subscribed(viewer) = &mut connection.state else { return };
        let forgotten = sabotage::is(if cause == Cause::Repeat { Sabotage::ForgetRepeat } else { Sabotage::LoseHeld });
        match self.feeds[viewer.feed].channel.latest().filter(|_| !forgotten) {
            Some(frame) => offer(connection, &Parts::of(frame), cause, now),
            None => {
                viewer.nothing_to_offer(now);
                // Only a write shows whether a peer that sends no more still reads.
                let waiting = now.saturating_duration_since(viewer.since);
                if connection.has_ended() && waiting >= self.limits.wait_timeout {
                    return self.close(key, CloseReason::Left);
                }
            }
        }
        self.schedule(key);
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
        connection.end_stream(multipart::closing(&self.boundary), now);
        self.schedule(key);
        self.arm(key);
    }

    /// Closes the books of a viewer that is no longer one.
    fn settle(&mut self, key: Key, mut viewer: Viewer, queue: &WriteQueue) {
        if !sabotage::is(Sabotage::ForgetUnsubscribe) {
            self.feeds[viewer.feed].channel.unsubscribe(key);
        }
        self.feeds[viewer.camera].departed.add(&viewer.settle(queue));
    }

    /// Lets go of whoever holds the oldest frames, until those held fit their bound.
    pub(super) fn bound_pinned(&mut self) {
        while self.pinned.release() > self.limits.frames_pinned_bytes_max {
            let Some(oldest) = self.pinned.oldest().cloned() else { return };
            let holders: Vec<Key> = self.keys_where(|connection| connection.holds(&oldest));
            if holders.is_empty() {
                return;
            }
            drop(oldest);
            for key in holders {
                self.close(key, CloseReason::Pinned);
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
        self.close(key, if left { CloseReason::Left } else { CloseReason::Failed });
    }

    /// Marks a connection closed and settles its accounts; its slot is freed at the end of the turn.
    pub(super) fn close(&mut self, key: Key, reason: CloseReason) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        log::debug!("#{} {}: closed ({reason:?})", key.number, connection.client);
        // What is queued goes now, not with the slot: it may hold a frame that counts against the others.
        let queue = mem::take(&mut connection.queue);
        let counted = connection.counted.take();
        match mem::replace(&mut connection.state, State::Closed) {
            State::Subscribed(viewer) | State::Ending(viewer) => self.settle(key, viewer, &queue),
            State::Reading(reader) => self.unfollow(key, &reader),
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

/// Why a viewer is given a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It has just been published: its way to the viewer is timed.
    Published,
    /// It was there before: a newcomer's first, or one that was held back.
    Owed,
    /// Nothing newer has come.
    Repeat,
}

/// A frame's part in either framing, cut once for all viewers.
pub(super) struct Parts {
    sequence: u64,
    length: Bytes,
    advance: Bytes,
    captured_on: Instant,
}

impl Parts {
    pub(super) fn of(frame: &Frame) -> Self {
        let (length, advance) = (frame.part(Framing::Length), frame.part(Framing::Advance));
        Self { sequence: frame.sequence, length, advance, captured_on: frame.captured_on }
    }

    fn framed(&self, framing: Framing) -> &Bytes {
        match framing {
            Framing::Length => &self.length,
            Framing::Advance => &self.advance,
        }
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

/// Puts a frame in the place of the one that waits for a viewer, and counts that one as skipped.
#[inline]
pub(super) fn offer<T>(connection: &mut Connection<T>, parts: &Parts, cause: Cause, now: Instant) {
    let State::Subscribed(viewer) = &mut connection.state else { return };
    let part = parts.framed(viewer.framing);
    viewer.offered(part.len(), &connection.queue, now);
    let skipped = connection.queue.offer(Offer {
        bytes: part.clone(),
        sequence: parts.sequence,
        repeat: cause == Cause::Repeat,
        captured_on: (cause == Cause::Published).then_some(parts.captured_on),
    });
    viewer.counts.skipped_slow += u64::from(skipped) * (1 + u64::from(sabotage::is(Sabotage::SkipTwice)));
    if log::log_enabled!(log::Level::Trace) {
        tell_offer(connection.number, parts.sequence, part.len(), skipped);
    }
}

#[cold]
fn tell_write(number: u32, progress: &Progress) {
    log::trace!("#{number}: wrote {} bytes, {}", progress.bytes, progress.pause);
}

/// Kept out of the way of those who do not listen: this is the one step that is taken for every viewer and frame.
#[cold]
fn tell_offer(number: u32, sequence: u64, bytes: usize, skipped: bool) {
    if skipped {
        log::trace!("#{number}: skipped the frame that waited");
    }
    log::trace!("#{number}: offered frame {sequence} of {bytes} bytes");
}

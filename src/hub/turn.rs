//! The turn: the one order in which all that is due is done.
//!
//! Between two turns, inputs only leave marks: [`Hub::ready`] sets bits, [`Hub::publish`] queues frames,
//! [`Hub::admit`] adds a connection. [`Hub::turn`] then takes every connection through the same steps. The event loop,
//! the simulation, the tests and the benches all call it, so that what is simulated is what runs.

use std::mem;
use std::time::Instant;

use super::steps::lookup;
use super::{Call, Hub};
use crate::hub::answer::Reply;
use crate::hub::connection::{State, Transport};
use crate::stream::metrics::CloseReason;
use crate::stream::sabotage::{self, Sabotage};

/// The time of a turn, on the one monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// When the kernel was asked for events. All that had happened by then has been reported, so deadlines are judged
    /// by this time: a process that was stopped in its wait hears its peers before it finds them late.
    pub asked_at: Instant,
    /// When the wait ended. What happens in the turn happens at this time.
    pub now: Instant,
}

impl Tick {
    /// A turn that did not wait.
    pub fn at(now: Instant) -> Self {
        Self { asked_at: now, now }
    }
}

/// What a turn leaves to its caller.
#[derive(Debug)]
pub struct Turned<T> {
    /// The transports of the connections that were closed since the last turn. Dropping one closes its descriptor.
    pub closed: Vec<T>,
}

/// When the next turn must be taken, if no input comes before. The soonest of several is their minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// At once: a budget ended some work early, and no event will report what is left of it.
    Now,
    /// Then, at the nearest deadline.
    At(Instant),
    /// Not at all: there is nothing to wait for but inputs.
    OnInput,
}

impl Wake {
    /// Whether a turn is due at `now`.
    pub fn is_due(self, now: Instant) -> bool {
        match self {
            Wake::Now => true,
            Wake::At(at) => at <= now,
            Wake::OnInput => false,
        }
    }
}

impl<T: Transport> Hub<T> {
    /// Takes one turn. `answer` returns the answer to a request; it sees the hub as the requests before have left it.
    /// `clock` is read once for each delivered frame, for a histogram and for nothing else: with many viewers, sending
    /// takes milliseconds, and `tick.now` would make the last viewer's frame look as early as the first one's.
    pub fn turn(
        &mut self,
        tick: Tick,
        clock: impl Fn() -> Instant,
        answer: impl FnMut(&Call, &Self) -> Reply,
    ) -> Turned<T> {
        // First: what has arrived counts before any peer is found late.
        self.receive_pending(tick.now);
        // Before the answers: a request that has waited long enough is answered in this turn, not in the next.
        self.expire(tick.asked_at);
        // Before sending: an answer leaves in the turn that made it.
        self.answer_calls(tick.now, answer);
        // After everything that can give a connection something to send: one write for all of it.
        self.send_pending(tick.now, clock);
        // After sending: a frame that is due to the most delayed viewer leaves the history at the same moment.
        self.outdate(tick.asked_at);
        // Last: until here, a late event or a list of keys may still name a closed connection.
        Turned { closed: self.reap() }
    }

    /// When [`Hub::turn`] must be called next.
    pub fn next_wake(&self) -> Wake {
        if !self.pending.is_empty() || !self.calls.is_empty() || !self.closed.is_empty() {
            return Wake::Now;
        }
        let history_ends = self.feeds.iter().filter_map(|feed| feed.history.ends_at()).min();
        match [self.timers.next(), history_ends].into_iter().flatten().min() {
            Some(at) => Wake::At(at),
            None => Wake::OnInput,
        }
    }

    /// Reads from every connection that may have bytes, and collects the requests they complete.
    fn receive_pending(&mut self, now: Instant) {
        for index in 0..self.pending.len() {
            let key = self.pending[index];
            let Some(connection) = lookup(&mut self.connections, key) else { continue };
            // A reply on its way is drained to the end even so: closing on unread input would lose the reply.
            if connection.gone && !matches!(connection.state, State::Closing { .. }) {
                self.close(key, now, CloseReason::Left);
            } else if connection.wants_read() || matches!(connection.state, State::Receiving { .. }) {
                self.receive(key, now);
                // The first byte of a request may bring the deadline nearer.
                self.arm(key);
            }
        }
    }

    /// Handles expired deadlines: closes late peers, and has viewers asked again that are due a frame.
    fn expire(&mut self, now: Instant) {
        while let Some((at, key)) = self.timers.pop(now) {
            let Some(connection) = lookup(&mut self.connections, key) else { continue };
            if connection.armed != Some(at) {
                continue;
            }
            connection.armed = None;
            if connection.deadline(&self.limits) <= now && !sabotage::is(Sabotage::TimersFirst) {
                // Room that was reported in this turn counts before the verdict: the delay may have been ours. Only
                // what has begun is written; no body is asked for more.
                self.write(key, now, || now);
            }
            self.overdue(key, now);
            if !sabotage::is(Sabotage::ForgetRearm) {
                self.arm(key);
            }
        }
    }

    /// Answers the requests that have come in whole.
    fn answer_calls(&mut self, now: Instant, mut answer: impl FnMut(&Call, &Self) -> Reply) {
        while let Some(call) = self.calls.pop_front() {
            let Reply { answer, client, permit } = answer(&call, self);
            if self.attribute(call.key, client, now) {
                self.respond(call, answer, permit, now);
            }
        }
    }

    /// Asks each body for what is next and writes it, on every connection with work to do, from a start that moves, so
    /// that no connection is always last.
    fn send_pending(&mut self, now: Instant, clock: impl Fn() -> Instant) {
        let mut batch = mem::replace(&mut self.pending, mem::take(&mut self.spare));
        if !batch.is_empty() {
            self.flushes = self.flushes.wrapping_add(1);
            let start = self.flushes % batch.len();
            batch.rotate_left(start);
        }
        let mut made = 0;
        for &key in &batch {
            let Some(connection) = lookup(&mut self.connections, key) else { continue };
            connection.scheduled = false;
            let may_make = made < self.limits.produce_budget_bytes || sabotage::is(Sabotage::ForgetMakingBudget);
            made += self.send(key, may_make, now, &clock);
            if !sabotage::is(Sabotage::ForgetReschedule) {
                self.schedule(key);
            }
            self.arm(key);
        }
        batch.clear();
        self.spare = batch;
    }

    /// Frees the slots of the closed connections, and returns their transports.
    fn reap(&mut self) -> Vec<T> {
        let connections = &mut self.connections;
        self.closed.drain(..).map(|key| connections.remove(key.slot as usize).into_transport()).collect()
    }
}

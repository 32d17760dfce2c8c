//! The turn: the one order in which everything that is due is done.
//!
//! Between two turns, inputs only leave marks: [`Hub::ready`] sets bits, [`Hub::publish`] replaces
//! a frame, [`Hub::admit`] adds a connection. [`Hub::turn`] then takes every connection through the
//! same steps. The event loop, the simulation, the tests and the benches all call it, so that what
//! is simulated is what runs.

use std::time::Instant;

use super::inputs::Hub;
use crate::stream::answer::{Call, Reply};
use crate::stream::{Key, Tick, Transport, Turned, Wake};

impl<T: Transport> Hub<T> {
    /// Takes one turn. `answer` returns the answer to a request; it sees the hub as the requests
    /// before have left it. `clock` is read once for each delivered frame, for a histogram and for
    /// nothing else: with many viewers, sending takes milliseconds, and `tick.now` would make the
    /// last viewer's frame look as early as the first one's.
    pub fn turn(
        &mut self,
        tick: Tick,
        clock: impl Fn() -> Instant,
        answer: impl FnMut(&Call, &Self) -> Reply,
    ) -> Turned<T> {
        // First, for what was changed between two turns.
        self.connections.settle(&self.live.limits);
        // What has arrived counts before any peer is found late.
        self.receive_unread(tick.now);
        // Before the answers: a request that has waited long enough is answered in this turn, not
        // in the next.
        self.expire(tick.asked_at);
        // Before sending: an answer leaves in the turn that made it.
        self.answer_calls(tick.now, answer);
        self.connections.settle(&self.live.limits);
        // After everything that can give a connection something to send: one write for all of it.
        self.send_pending(tick.now, clock);
        // After sending: a frame that is due to the most delayed viewer leaves the history at the
        // same moment.
        if self.live.outdate(tick.asked_at) {
            self.bound_retained(tick.now);
        }
        self.connections.settle(&self.live.limits);
        // Last: until here, a late event or a list of keys may still name a closed connection.
        Turned {
            closed: self.connections.reap(),
        }
    }

    /// When [`Hub::turn`] must be called next.
    pub fn next_wake(&self) -> Wake {
        if self.connections.has_work() || !self.calls.is_empty() {
            return Wake::Now;
        }
        match self
            .connections
            .next_timer()
            .into_iter()
            .chain(self.live.next_outdated())
            .min()
        {
            Some(at) => Wake::At(at),
            None => Wake::OnInput,
        }
    }

    /// Reads from every connection that may have bytes, and collects the requests that they
    /// complete.
    fn receive_unread(&mut self, now: Instant) {
        while let Some(key) = self.connections.pop_unread() {
            self.receive(key, now);
        }
    }

    /// Handles expired deadlines: closes late peers, and has idle bodies asked again.
    fn expire(&mut self, now: Instant) {
        while let Some(key) = self.connections.pop_due(now) {
            if self.is_overdue(key, now) {
                // Room that was reported in this turn counts before the verdict: the delay may have
                // been ours. Only what has begun is written; no body is asked for more.
                self.write(key, now, || now);
            }
            if self.is_overdue(key, now) {
                self.overdue(key, now);
            }
        }
    }

    fn is_overdue(&self, key: Key, now: Instant) -> bool {
        self.connections
            .get(key)
            .is_some_and(|connection| connection.deadline(&self.live.limits) <= now)
    }

    /// Answers the requests that have arrived.
    fn answer_calls(&mut self, now: Instant, mut answer: impl FnMut(&Call, &Self) -> Reply) {
        while let Some(call) = self.calls.pop_front() {
            let Reply {
                answer,
                client,
                permit,
            } = answer(&call, self);
            if self.count(call.key, client, now) {
                self.respond(call, answer, permit, now);
            }
        }
    }

    /// Asks each body for what is next and writes it, on every connection with work to do.
    fn send_pending(&mut self, now: Instant, clock: impl Fn() -> Instant) {
        let round = self
            .connections
            .pending()
            .min(self.live.limits.sends_per_turn_max);
        let mut made = 0;
        for index in 0..round {
            let key = self.connections.send_to(index);
            match self.send(key, made < self.live.limits.make_budget_bytes, now, &clock) {
                Some(bytes) => made += bytes,
                None => self.connections.defer(key),
            }
        }
        self.connections.end_round(round);
    }
}

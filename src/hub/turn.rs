//! The turn: receive, expire, answer, send, reap, for all connections and in this order.
//!
//! Inputs come between two turns: [`Hub::ready`] sets bits, [`Hub::publish`] replaces a frame,
//! [`Hub::admit`] adds a connection. Some queue a reply or close a connection. [`Hub::turn`] reads
//! and writes. The event loop, the simulation, the tests and the benches call the same function.

use std::time::Instant;

use super::inputs::Hub;
use crate::stream::answer::{Call, Reply};
use crate::stream::{Key, Tick, Transport, Turned, Wake};

impl<T: Transport> Hub<T> {
    /// Takes one turn. `answer` returns the reply to one request. `clock` is read for
    /// delivered frames, for a latency histogram alone: sending to many viewers takes milliseconds,
    /// which `tick.now` would not show.
    pub fn turn(
        &mut self,
        tick: Tick,
        clock: impl Fn() -> Instant,
        answer: impl FnMut(&Call, &Self) -> Reply,
    ) -> Turned<T> {
        // First: list the connections that changed between two turns.
        self.connections.settle(&self.live.limits);
        // Before deadlines: a peer whose bytes have arrived is not late.
        self.receive_unread(tick.now);
        // Before answers: a request whose wait has expired is answered in this turn.
        self.expire(tick.asked_at);
        // Before sending: a reply can leave in the turn that made it.
        self.answer_calls(tick.now, answer);
        self.connections.settle(&self.live.limits);
        // After all that adds bytes: one write sends them.
        self.send_pending(tick.now, clock);
        // After sending: the longest delay of a viewer ends when the history drops the frame.
        if self.live.outdate(tick.asked_at) {
            self.bound_retained(tick.now);
        }
        // Again: a connection whose bits are still set is listed, so no edge is lost.
        self.connections.settle(&self.live.limits);
        // Last: a free slot can be reused. The number in a key then excludes old events and lists.
        let closed = self.connections.reap();
        Turned { closed }
    }

    /// Returns when to call [`Hub::turn`] next.
    pub fn next_wake(&self) -> Wake {
        if self.connections.has_work() || !self.calls.is_empty() {
            return Wake::Now;
        }
        let timer = self.connections.next_timer().into_iter();
        let next = timer.chain(self.live.next_outdated()).min();
        next.map_or(Wake::OnInput, Wake::At)
    }

    /// Reads from the listed connections, and collects their requests.
    fn receive_unread(&mut self, now: Instant) {
        while let Some(key) = self.connections.pop_unread() {
            self.receive(key, now);
        }
    }

    /// Handles expired deadlines: closes late peers, and asks idle bodies.
    fn expire(&mut self, asked_at: Instant) {
        while let Some(key) = self.connections.pop_due(asked_at) {
            if self.is_overdue(key, asked_at) {
                // The transport may have room: then the delay was ours, and a write shows it.
                self.write(key, asked_at, || asked_at);
            }
            if self.is_overdue(key, asked_at) {
                self.overdue(key, asked_at);
            }
        }
    }

    fn is_overdue(&self, key: Key, now: Instant) -> bool {
        let connection = self.connections.get(key);
        connection.is_some_and(|connection| connection.deadline(&self.live.limits) <= now)
    }

    fn answer_calls(&mut self, now: Instant, mut answer: impl FnMut(&Call, &Self) -> Reply) {
        while let Some(call) = self.calls.pop_front() {
            let reply = answer(&call, self);
            if self.count(call.key, reply.client, now) {
                self.respond(call, reply, now);
            }
        }
    }

    /// Pulls and writes the next chunks of the listed connections, within the turn's budgets.
    fn send_pending(&mut self, now: Instant, clock: impl Fn() -> Instant) {
        let (mut made, mut deferred) = (0, Vec::new());
        for _ in 0..self.live.limits.sends_per_turn_max {
            let Some(key) = self.connections.pop_pending() else {
                break;
            };
            match self.send(key, made < self.live.limits.make_budget_bytes, now, &clock) {
                Some(bytes) => made += bytes,
                None => deferred.push(key),
            }
        }
        self.connections.defer(deferred);
    }
}

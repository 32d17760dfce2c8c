//! The steps of those who are sent a body while it is made.

use std::mem;
use std::time::Instant;

use super::Hub;
use super::steps::lookup;
use crate::stream::connection::{Exchange, State, Transport};
use crate::stream::journal::Topic;
use crate::stream::key::Key;
use crate::stream::producer::{Production, Reader};
use crate::stream::queue::WriteQueue;
use crate::stream::sabotage::{self, Sabotage};

impl<T: Transport> Hub<T> {
    /// Makes a connection the reader of a body that is made as it is sent.
    pub(super) fn read_along(&mut self, key: Key, production: Production, exchange: Exchange, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        if !exchange.head_only {
            production.follows.iter().for_each(|&topic| self.journal.follow(topic, key));
        }
        let is_endless = production.is_endless;
        connection.read_along(production, exchange, now);
        if self.shutting_down && is_endless {
            self.end_body(key, now);
        }
    }

    /// There is something new in `topic`: whoever follows it may have something to be sent.
    pub(super) fn wake(&mut self, topic: Topic) {
        for key in self.journal.followers(topic) {
            let Some(connection) = lookup(&mut self.connections, key) else { continue };
            let State::Reading(reader) = &mut connection.state else { continue };
            reader.is_ready |= !sabotage::is(Sabotage::ForgetReader);
            if sabotage::is(Sabotage::TearEvent) {
                connection.queue = WriteQueue::default();
            }
            if connection.wants_chunk() && !mem::replace(&mut connection.scheduled, true) {
                self.pending.push(key);
            }
        }
    }

    /// Has the next chunk of a body made, if it is time for it. Returns its size in bytes.
    pub(super) fn pull(&mut self, key: Key, now: Instant) -> usize {
        let Some(connection) = lookup(&mut self.connections, key) else { return 0 };
        if !connection.wants_chunk() {
            return 0;
        }
        let pulled = connection.pull(&self.journal, now);
        log::trace!("#{}: made {} bytes", key.number, pulled.bytes);
        self.totals.untold += pulled.untold;
        if let Some(reader) = pulled.ended {
            self.unfollow(key, &reader);
        }
        pulled.bytes
    }

    /// Ends a body that has no end of its own.
    pub(super) fn end_body(&mut self, key: Key, now: Instant) {
        let Some(connection) = lookup(&mut self.connections, key) else { return };
        if let Some(reader) = connection.body_ended(now) {
            self.unfollow(key, &reader);
        }
        self.schedule(key);
        self.arm(key);
    }

    /// Has somebody who reads no more told of nothing more.
    pub(super) fn unfollow(&mut self, key: Key, reader: &Reader) {
        reader.follows.iter().for_each(|&topic| self.journal.unfollow(topic, key));
    }
}

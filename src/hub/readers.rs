//! The steps of bodies that are made as they are sent.

use std::mem;
use std::time::Instant;

use super::Hub;
use super::steps::lookup;
use crate::hub::connection::{Body, Exchange, State, Transport};
use crate::hub::journal::Topic;
use crate::hub::key::Key;
use crate::hub::producer::{Next, Production, Reader};
use crate::hub::queue::WriteQueue;
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
            let State::Sending(Body::Made(reader)) = &mut connection.state else { continue };
            reader.is_ready |= !sabotage::is(Sabotage::ForgetReader);
            if sabotage::is(Sabotage::TearEvent) {
                connection.queue = WriteQueue::default();
            }
            if connection.wants_chunk() && !mem::replace(&mut connection.scheduled, true) {
                self.pending.push(key);
            }
        }
    }

    /// Asks a body that is made for its next chunk. Returns the bytes that were made.
    pub(super) fn make(&mut self, key: Key, now: Instant) -> usize {
        let Some(connection) = lookup(&mut self.connections, key) else { return 0 };
        let (next, untold) = connection.make(&self.journal, now);
        self.totals.untold += untold;
        match next {
            Next::Chunk(chunk) => {
                log::trace!("#{}: made {} bytes", key.number, chunk.bytes.len());
                chunk.bytes.len()
            }
            Next::NotYet => 0,
            Next::End => {
                if let Some(reader) = connection.body_ended(now) {
                    self.unfollow(key, &reader);
                }
                0
            }
        }
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

    /// Unsubscribes a finished reader from its topics.
    pub(super) fn unfollow(&mut self, key: Key, reader: &Reader) {
        reader.follows.iter().for_each(|&topic| self.journal.unfollow(topic, key));
    }
}

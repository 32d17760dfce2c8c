//! A connection whose peer is sent a body while it is made.

use std::mem;
use std::time::Instant;

use bytes::Bytes;

use super::{Connection, Exchange, State, Transport};
use crate::stream::journal::Journal;
use crate::stream::producer::{Produced, Production, Reader};
use crate::stream::sabotage::{self, Sabotage};
use crate::wire::http;

/// What came of asking for a chunk.
#[derive(Debug, Default)]
pub(in crate::stream) struct Pulled {
    /// Its size.
    pub bytes: usize,
    /// Frames that the peer will not be told of.
    pub untold: u64,
    /// The reader, once its body is complete.
    pub ended: Option<Box<Reader>>,
}

impl<T: Transport> Connection<T> {
    /// Whether the next chunk of a body is to be made: all before it has left, and there may be one.
    pub(in crate::stream) fn wants_chunk(&self) -> bool {
        let State::Reading(reader) = &self.state else { return false };
        let is_drained = self.queue.is_empty() || sabotage::is(Sabotage::PullEarly);
        reader.is_ready && is_drained && self.writable
    }

    /// Makes the peer the reader of a body that is made as it is sent; or shows it the head of one.
    pub(in crate::stream) fn read_along(&mut self, production: Production, exchange: Exchange, now: Instant) {
        let length = production.producer.length();
        let is_chunked = exchange.is_chunked && length.is_none();
        let is_delimited = is_chunked || length.is_some();
        let keep_alive = exchange.keep_alive && is_delimited && !production.is_endless && !self.ended;
        let head = production.head.clone();
        self.queue.push(match length {
            Some(length) => head.encode_finite(Some(length as usize), keep_alive),
            None => head.encode_streamed(is_chunked, keep_alive),
        });
        self.state = match exchange.head_only {
            true => State::Responding { keep_alive, progress_at: now },
            false => State::Reading(Box::new(Reader::new(production, keep_alive, is_chunked, now))),
        };
    }

    /// Whether a frame, of which this is the allocation, is queued for the peer or to become part of its body.
    pub(in crate::stream) fn holds(&self, allocation: &Bytes) -> bool {
        let is_to_be_made = match &self.state {
            State::Reading(reader) => reader.producer.holds(allocation),
            _ => false,
        };
        is_to_be_made || self.queue.holds(allocation)
    }

    /// Has the next chunk of a body made.
    pub(in crate::stream) fn pull(&mut self, journal: &Journal, now: Instant) -> Pulled {
        let mut pulled = Pulled::default();
        let State::Reading(reader) = &mut self.state else { return pulled };
        let produced = reader.producer.produce(journal);
        pulled.untold = reader.producer.take_untold();
        match produced {
            Produced::Chunk(bytes) if !bytes.is_empty() => {
                pulled.bytes = bytes.len();
                self.say(bytes, now);
            }
            Produced::Chunk(_) | Produced::NotYet => reader.is_ready = false,
            Produced::End => pulled.ended = self.body_ended(now),
        }
        pulled
    }

    /// Queues a piece of the body.
    fn say(&mut self, bytes: Bytes, now: Instant) {
        let State::Reading(reader) = &mut self.state else { return };
        reader.progressed(now);
        if !reader.is_chunked {
            return self.queue.push(bytes);
        }
        self.queue.push(http::chunk_start(bytes.len()));
        self.queue.push(bytes);
        self.queue.push(http::CHUNK_END);
    }

    /// Says something to a reader that has been told nothing for a while.
    pub(in crate::stream) fn sign_of_life(&mut self, now: Instant) {
        let State::Reading(reader) = &mut self.state else { return };
        if sabotage::is(Sabotage::StaySilent) {
            return reader.progressed(now);
        }
        match reader.producer.length() {
            Some(_) => reader.progressed(now),
            None => {
                let bytes = reader.producer.sign_of_life();
                self.say(bytes, now);
            }
        }
    }

    /// Ends a body behind what is queued of it. Returns the reader that was.
    pub(in crate::stream) fn body_ended(&mut self, now: Instant) -> Option<Box<Reader>> {
        let State::Reading(reader) = &self.state else { return None };
        let is_chunked = reader.is_chunked;
        let reply = State::Responding { keep_alive: reader.keep_alive && !self.ended, progress_at: now };
        if is_chunked {
            self.queue.push(http::BODY_END);
        }
        match mem::replace(&mut self.state, reply) {
            State::Reading(reader) => Some(reader),
            _ => None,
        }
    }
}

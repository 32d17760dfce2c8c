//! A connection whose peer is sent a body while it is made.

use bytes::Bytes;
use std::time::Instant;

use super::{Body, Connection, Exchange, State, Transport};
use crate::hub::journal::Journal;
use crate::hub::producer::{Next, Production, Reader};
use crate::stream::sabotage::{self, Sabotage};
use crate::wire::http;

impl<T: Transport> Connection<T> {
    /// Makes the peer the reader of a body that is made as it is sent; or sends it the head of one.
    pub(in crate::hub) fn read_along(&mut self, production: Production, exchange: Exchange, now: Instant) {
        let length = production.producer.length();
        let is_chunked = exchange.is_chunked && length.is_none();
        let is_delimited = is_chunked || length.is_some();
        let keep_alive = exchange.keep_alive && is_delimited && !production.is_endless && !self.ended;
        let head = production.head.clone();
        self.queue.push(match length {
            Some(length) => head.encode_finite(Some(length as usize), keep_alive),
            None => head.encode_streamed(is_chunked, keep_alive),
        });
        self.state = State::Sending(match exchange.head_only {
            true => Body::Queued { keep_alive, progress_at: now },
            false => Body::Made(Box::new(Reader::new(production, keep_alive, is_chunked, now))),
        });
    }

    /// Whether a frame, of which this is the allocation, is queued for the peer or to become part of its body.
    pub(in crate::hub) fn holds(&self, allocation: &Bytes) -> bool {
        let is_to_be_made = match &self.state {
            State::Sending(Body::Made(reader)) => reader.producer.holds(allocation),
            _ => false,
        };
        is_to_be_made || self.queue.holds(allocation)
    }

    /// Asks a body that is made for its next chunk, and queues it. Returns what came of it, and how many frames the
    /// peer will not be sent anything about.
    pub(in crate::hub) fn make(&mut self, journal: &Journal, now: Instant) -> (Next, u64) {
        let State::Sending(Body::Made(reader)) = &mut self.state else { return (Next::NotYet, 0) };
        let next = reader.producer.next(journal);
        let untold = reader.producer.take_untold();
        match &next {
            Next::Chunk(chunk) => {
                let bytes = chunk.bytes.clone();
                self.say(bytes, now);
            }
            Next::NotYet => reader.is_ready = false,
            Next::End => {}
        }
        (next, untold)
    }

    /// Queues a piece of the body.
    fn say(&mut self, bytes: Bytes, now: Instant) {
        let State::Sending(Body::Made(reader)) = &mut self.state else { return };
        reader.progressed(now);
        if !reader.is_chunked {
            return self.queue.push(bytes);
        }
        self.queue.push(http::chunk_start(bytes.len()));
        self.queue.push(bytes);
        self.queue.push(http::CHUNK_END);
    }

    /// Sends bytes without meaning to a reader that has been sent nothing for a while.
    pub(in crate::hub) fn sign_of_life(&mut self, now: Instant) {
        let State::Sending(Body::Made(reader)) = &mut self.state else { return };
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

    /// Ends a body that is made, behind what is queued of it. Returns the reader that was.
    pub(in crate::hub) fn body_ended(&mut self, now: Instant) -> Option<Box<Reader>> {
        let State::Sending(body @ Body::Made(_)) = &mut self.state else { return None };
        let Body::Made(reader) = std::mem::replace(body, Body::Queued { keep_alive: false, progress_at: now }) else {
            return None;
        };
        *body = Body::Queued { keep_alive: reader.keep_alive && !self.ended, progress_at: now };
        if reader.is_chunked {
            self.queue.push(http::BODY_END);
        }
        Some(reader)
    }
}

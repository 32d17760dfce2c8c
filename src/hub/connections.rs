//! All connections: which is which, which have work to do, and when to look at which again.

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use slab::Slab;

use super::connection::{Connection, State};
use crate::stream::timers::Timers;
use crate::stream::{Key, Limits, Transport};

/// The table of connections, the lists of those with work to do, and their timers.
///
/// A caller changes a connection only through [`Connections::touch`]. The turn settles what was
/// touched: it lists the connection and arms its timer, so no caller can forget to.
#[derive(Debug)]
pub struct Connections<T> {
    slab: Slab<Connection<T>>,
    /// Connections that were changed, each once.
    touched: Vec<Key>,
    /// Connections that may have bytes to read.
    unread: VecDeque<Key>,
    /// Connections to send to, each once, those that have waited longest first.
    pending: Vec<Key>,
    /// Those that are to be first in the next turn.
    deferred: Vec<Key>,
    closed: Vec<Key>,
    timers: Timers,
}

impl<T: Transport> Connections<T> {
    pub(super) fn new() -> Self {
        let (touched, unread, pending, deferred, closed, timers) = Default::default();
        Self {
            slab: Slab::new(),
            touched,
            unread,
            pending,
            deferred,
            closed,
            timers,
        }
    }

    /// The key of the next connection that is inserted.
    pub(super) fn next_key(&self, number: u32) -> Key {
        Key {
            slot: self.slab.vacant_key() as u32,
            number,
        }
    }

    pub(super) fn insert(&mut self, key: Key, connection: Connection<T>) {
        self.slab.insert(connection);
        self.touch(key);
    }

    /// The connection of `key`, if it is not closed.
    pub fn get(&self, key: Key) -> Option<&Connection<T>> {
        let connection = self.slab.get(key.slot as usize)?;
        (connection.number == key.number && !matches!(connection.state, State::Closed))
            .then_some(connection)
    }

    /// The connection of `key`, if it is not closed, to be changed.
    pub(super) fn touch(&mut self, key: Key) -> Option<&mut Connection<T>> {
        let connection = lookup(&mut self.slab, key)?;
        if !mem::replace(&mut connection.is_touched, true) {
            self.touched.push(key);
        }
        Some(connection)
    }

    /// Wakes a connection for something new: see [`Connection::wake`].
    pub(super) fn wake(&mut self, key: Key, sequence: u64) -> bool {
        let Some(connection) = lookup(&mut self.slab, key) else {
            return false;
        };
        let is_answered = connection.wake(sequence);
        // One whose transport has no room has nothing to do before the next edge.
        if connection.wants_chunk() && !mem::replace(&mut connection.is_pending, true) {
            self.pending.push(key);
        }
        is_answered
    }

    /// Takes a connection that may have bytes to read.
    pub(super) fn pop_unread(&mut self) -> Option<Key> {
        self.unread.pop_front()
    }

    /// How many connections are to be sent to.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The connection at a place of the list of those to send to, which it leaves at the end of the
    /// round.
    pub(super) fn send_to(&mut self, index: usize) -> Key {
        let key = self.pending[index];
        lookup(&mut self.slab, key)
            .into_iter()
            .for_each(|connection| connection.is_pending = false);
        key
    }

    /// Has a connection that was due a chunk be the first of the next round.
    pub(super) fn defer(&mut self, key: Key) {
        lookup(&mut self.slab, key)
            .into_iter()
            .for_each(|connection| connection.is_pending = true);
        self.deferred.push(key);
    }

    /// Ends a round over the first connections to send to.
    pub(super) fn end_round(&mut self, length: usize) {
        self.pending.splice(..length, self.deferred.drain(..));
    }

    /// Lists each connection that was touched for what is left to do, and arms its timer no later
    /// than its deadline.
    pub(super) fn settle(&mut self, limits: &Limits) {
        for key in self.touched.drain(..) {
            let Some(connection) = lookup(&mut self.slab, key) else {
                continue;
            };
            connection.is_touched = false;
            if connection.wants_receive() {
                self.unread.push_back(key);
            }
            if connection.has_work() && !mem::replace(&mut connection.is_pending, true) {
                self.pending.push(key);
            }
            let deadline = connection.deadline(limits);
            if connection.armed.is_none_or(|armed| deadline < armed) {
                connection.armed = Some(deadline);
                self.timers.arm(deadline, key);
            }
        }
    }

    /// Takes a connection whose timer has come up by `now`. Its deadline may have moved since.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Key> {
        while let Some((at, key)) = self.timers.pop(now) {
            if self
                .get(key)
                .is_some_and(|connection| connection.armed == Some(at))
            {
                self.touch(key)?.armed = None;
                return Some(key);
            }
        }
        None
    }

    /// When the next timer comes up.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether a turn has something to do that waits for no input and no timer.
    pub(super) fn has_work(&self) -> bool {
        let lists = [&self.touched, &self.pending, &self.closed];
        !self.unread.is_empty() || lists.iter().any(|list| !list.is_empty())
    }

    /// Closes a connection. Its slot stays taken until [`Connections::reap`], so that an event of
    /// the same batch cannot reach a new connection. Returns the connection as it was.
    pub(super) fn close(&mut self, key: Key) -> Option<State> {
        let connection = lookup(&mut self.slab, key)?;
        self.closed.push(key);
        Some(mem::replace(&mut connection.state, State::Closed))
    }

    /// Frees the slots of the closed connections, and returns their transports.
    pub(super) fn reap(&mut self) -> Vec<T> {
        let slab = &mut self.slab;
        self.closed
            .drain(..)
            .map(|key| slab.remove(key.slot as usize).into_transport())
            .collect()
    }

    /// The keys of the connections for which `wanted` holds, in the order of their slots.
    pub(super) fn keys_where(&self, wanted: impl Fn(&Connection<T>) -> bool) -> Vec<Key> {
        self.iter()
            .filter(|(_, connection)| wanted(connection))
            .map(|(key, _)| key)
            .collect()
    }

    /// Every connection that is not closed, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Connection<T>)> {
        let open = self
            .slab
            .iter()
            .filter(|(_, connection)| !matches!(connection.state, State::Closed));
        open.map(|(slot, connection)| {
            (
                Key {
                    slot: slot as u32,
                    number: connection.number,
                },
                connection,
            )
        })
    }

    /// Connections, those included that are closed and not reaped.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }
}

/// The connection of a key, if it is not closed.
#[inline]
fn lookup<T>(slab: &mut Slab<Connection<T>>, key: Key) -> Option<&mut Connection<T>> {
    let connection = slab.get_mut(key.slot as usize)?;
    (connection.number == key.number && !matches!(connection.state, State::Closed))
        .then_some(connection)
}

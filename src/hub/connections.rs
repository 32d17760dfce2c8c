//! The table of connections, the lists of those with work to do, and their timers.

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use slab::Slab;

use super::connection::{Connection, State};
use crate::stream::timers::Timers;
use crate::stream::{Key, Limits, Transport};

/// The hub's steps borrow a connection mutably only from [`Connections::touch`]. The turn then
/// calls [`Connections::settle`], which lists each touched connection by its bits and arms its
/// timer. So no step of the hub can forget to reschedule a connection.
#[derive(Debug)]
pub struct Connections<T> {
    slab: Slab<Connection<T>>,
    /// Connections changed since the last `settle`, each once.
    touched: Vec<Key>,
    /// Connections to read from.
    unread: VecDeque<Key>,
    /// Connections to send to, each once, longest waiting first.
    pending: VecDeque<Key>,
    /// Closed connections, whose slots are freed at the end of the turn.
    closed: Vec<Key>,
    timers: Timers,
}

impl<T: Transport> Connections<T> {
    pub(super) fn new() -> Self {
        Self {
            slab: Slab::new(),
            touched: Vec::new(),
            unread: VecDeque::new(),
            pending: VecDeque::new(),
            closed: Vec::new(),
            timers: Timers::default(),
        }
    }

    /// Returns the key of the next connection to be inserted.
    pub(super) fn next_key(&self, number: u32) -> Key {
        let slot = self.slab.vacant_key() as u32;
        Key { slot, number }
    }

    pub(super) fn insert(&mut self, connection: Connection<T>) {
        let key = connection.key;
        self.slab.insert(connection);
        self.touch(key);
    }

    /// Returns the open connection of this key.
    pub fn get(&self, key: Key) -> Option<&Connection<T>> {
        let connection = self.slab.get(key.slot as usize)?;
        connection.is_open_as(key).then_some(connection)
    }

    /// Returns the open connection of this key for a change; [`Connections::settle`] follows.
    pub(super) fn touch(&mut self, key: Key) -> Option<&mut Connection<T>> {
        let connection = lookup(&mut self.slab, key)?;
        if !mem::replace(&mut connection.is_touched, true) {
            self.touched.push(key);
        }
        Some(connection)
    }

    /// Wakes a subscriber: see [`Connection::wake`]. No `touch`: sending does that to a listed one.
    pub(super) fn wake(&mut self, key: Key, sequence: u64) -> bool {
        let Some(connection) = lookup(&mut self.slab, key) else {
            return false;
        };
        let is_answered = connection.wake(sequence);
        // A transport without room has nothing to do until its next edge.
        if connection.wants_chunk() && !mem::replace(&mut connection.is_pending, true) {
            self.pending.push_back(key);
        }
        is_answered
    }

    /// Takes a connection off the list of those to read from.
    pub(super) fn pop_unread(&mut self) -> Option<Key> {
        self.unread.pop_front()
    }

    /// Takes a connection off the list of those to send to.
    pub(super) fn pop_pending(&mut self) -> Option<Key> {
        let key = self.pending.pop_front()?;
        self.set_pending(key, false);
        Some(key)
    }

    /// Puts connections back at the front of the list of those to send to, in this order.
    pub(super) fn defer(&mut self, keys: Vec<Key>) {
        for key in keys.into_iter().rev() {
            self.set_pending(key, true);
            self.pending.push_front(key);
        }
    }

    fn set_pending(&mut self, key: Key, is_pending: bool) {
        if let Some(connection) = lookup(&mut self.slab, key) {
            connection.is_pending = is_pending;
        }
    }

    /// Lists each touched connection for the work that is left, and arms a timer for its deadline,
    /// unless an earlier one is armed.
    pub(super) fn settle(&mut self, limits: &Limits) {
        for key in self.touched.drain(..) {
            let Some(connection) = lookup(&mut self.slab, key) else {
                continue;
            };
            connection.is_touched = false;
            if connection.wants_receive() {
                self.unread.push_back(key);
            }
            let has_work = connection.wants_write() || connection.wants_chunk();
            if has_work && !mem::replace(&mut connection.is_pending, true) {
                self.pending.push_back(key);
            }
            let deadline = connection.deadline(limits);
            if connection.armed.is_none_or(|armed| deadline < armed) {
                connection.armed = Some(deadline);
                self.timers.arm(deadline, key);
            }
        }
    }

    /// Takes a connection whose timer has expired by `now`. Its deadline may have moved since the
    /// timer was armed.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Key> {
        while let Some((at, key)) = self.timers.pop(now) {
            let is_armed = |connection: &Connection<T>| connection.armed == Some(at);
            if self.get(key).is_some_and(is_armed) {
                self.touch(key)?.armed = None;
                return Some(key);
            }
        }
        None
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether the next turn has work that needs no event and no timer.
    pub(super) fn has_work(&self) -> bool {
        let lists = [&self.unread, &self.pending];
        let is_listed = lists.iter().any(|list| !list.is_empty());
        is_listed || !self.touched.is_empty() || !self.closed.is_empty()
    }

    /// Closes a connection and returns its last state. [`Connections::reap`] frees its slot and
    /// returns its transport, so that no descriptor is closed within a turn.
    pub(super) fn close(&mut self, key: Key) -> Option<State> {
        let connection = lookup(&mut self.slab, key)?;
        self.closed.push(key);
        Some(mem::replace(&mut connection.state, State::Closed))
    }

    /// Frees the slots of the closed connections, and returns their transports.
    pub(super) fn reap(&mut self) -> Vec<T> {
        let remove = |key: Key| self.slab.remove(key.slot as usize).transport;
        self.closed.drain(..).map(remove).collect()
    }

    /// Returns the keys of the open connections for which `is_wanted` holds, ordered by slot.
    pub(super) fn keys_where(&self, is_wanted: impl Fn(&Connection<T>) -> bool) -> Vec<Key> {
        let wanted = self.iter().filter(|(_, connection)| is_wanted(connection));
        wanted.map(|(key, _)| key).collect()
    }

    /// Returns the open connections, ordered by slot.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Connection<T>)> {
        let all = self
            .slab
            .iter()
            .map(|(_, connection)| (connection.key, connection));
        all.filter(|(key, connection)| connection.is_open_as(*key))
    }

    /// The number of connections, with those closed in this turn.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }
}

/// Like [`Connections::get`], to change the connection. Borrows the slab alone.
#[inline]
fn lookup<T: Transport>(slab: &mut Slab<Connection<T>>, key: Key) -> Option<&mut Connection<T>> {
    let connection = slab.get_mut(key.slot as usize)?;
    connection.is_open_as(key).then_some(connection)
}

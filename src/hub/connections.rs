//! All connections: which is which, which have work to do, and when to look at which again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::mem;
use std::time::Instant;

use slab::Slab;

use super::connection::{Connection, State};
use crate::stream::{Key, Limits, Transport};

/// The table of connections, the list of those with work to do, and their timers.
///
/// A caller changes a connection only through [`Connections::touch`], which puts it on the list. The turn settles all
/// that are on the list, so no caller can forget to reschedule a connection or to arm its timer.
#[derive(Debug)]
pub(super) struct Connections<T> {
    slab: Slab<Connection<T>>,
    /// The connections to look at in the next turn, each once.
    pending: Vec<Key>,
    closed: Vec<Key>,
    /// Times that are never later than the deadlines they stand for. A viewer's deadline moves with every frame, and
    /// moving its entry as often would cost more than the deadlines are worth: an entry that comes up early is put
    /// back at the deadline of that moment.
    timers: BinaryHeap<Reverse<(Instant, Key)>>,
    /// Where the last round started, as a fraction of 2^32.
    start: u32,
}

impl<T: Transport> Connections<T> {
    pub(super) fn new() -> Self {
        Self { slab: Slab::new(), pending: Vec::new(), closed: Vec::new(), timers: BinaryHeap::new(), start: 0 }
    }

    /// Adds the connection that `make` returns for its key.
    pub(super) fn insert<F>(&mut self, number: u32, limits: &Limits, make: F) -> io::Result<Key>
    where
        F: FnOnce(Key) -> io::Result<Connection<T>>,
    {
        let slot = self.slab.vacant_entry();
        let key = Key { slot: slot.key() as u32, number };
        slot.insert(make(key)?);
        self.settle(key, limits);
        Ok(key)
    }

    /// The connection of `key`, if it is not closed.
    pub(super) fn get(&self, key: Key) -> Option<&Connection<T>> {
        let connection = self.slab.get(key.slot as usize)?;
        (connection.number == key.number && !matches!(connection.state, State::Closed)).then_some(connection)
    }

    /// The connection of `key`, if it is not closed, to be changed: the next turn looks at it, or the rest of this one.
    pub(super) fn touch(&mut self, key: Key) -> Option<&mut Connection<T>> {
        let connection = lookup(&mut self.slab, key)?;
        if !mem::replace(&mut connection.is_pending, true) {
            self.pending.push(key);
        }
        Some(connection)
    }

    /// Wakes a connection for something new: see [`Connection::wake`].
    #[inline]
    pub(super) fn wake(&mut self, key: Key, sequence: u64) -> bool {
        let Some(connection) = lookup(&mut self.slab, key) else { return false };
        let is_answered = connection.wake(sequence);
        // One whose transport has no room has nothing to do before the next edge.
        if connection.wants_chunk() && !mem::replace(&mut connection.is_pending, true) {
            self.pending.push(key);
        }
        is_answered
    }

    /// The connection at a place of the list.
    pub(super) fn pending(&self, index: usize) -> Option<Key> {
        self.pending.get(index).copied()
    }

    /// Starts a round over the list, from another place each time, so that no connection is always last: at multiples
    /// of the golden ratio, since steps of one starve some of a list that is carried over. Returns its length.
    pub(super) fn start_round(&mut self) -> usize {
        self.start = self.start.wrapping_add(0x9e37_79b9);
        let start = (u64::from(self.start) * self.pending.len() as u64) >> 32;
        self.pending.rotate_left(start as usize);
        self.pending.len()
    }

    /// Removes the first `settled` connections from the list.
    pub(super) fn end_round(&mut self, settled: usize) {
        self.pending.drain(..settled);
    }

    /// Arms the timer of a connection no later than its deadline.
    #[inline]
    pub(super) fn arm(&mut self, key: Key, limits: &Limits) {
        let Some(connection) = lookup(&mut self.slab, key) else { return };
        let deadline = connection.deadline(limits);
        if connection.armed.is_none_or(|armed| deadline < armed) {
            connection.armed = Some(deadline);
            self.timers.push(Reverse((deadline, key)));
        }
    }

    /// Keeps a connection on the list if it still has work to do, and arms its timer.
    #[inline]
    pub(super) fn settle(&mut self, key: Key, limits: &Limits) {
        let Some(connection) = lookup(&mut self.slab, key) else { return };
        connection.is_pending = connection.has_work();
        if connection.is_pending {
            self.pending.push(key);
        }
        self.arm(key, limits);
    }

    /// Takes a connection whose timer has come up by `now`. Its deadline may have moved since.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Key> {
        while self.next_timer().is_some_and(|at| at <= now) {
            let Reverse((at, key)) = self.timers.pop()?;
            if self.get(key).is_some_and(|connection| connection.armed == Some(at)) {
                self.touch(key)?.armed = None;
                return Some(key);
            }
        }
        None
    }

    /// When the next timer comes up.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// Whether a turn has something to do that waits for no input and no timer.
    pub(super) fn has_work(&self) -> bool {
        !self.pending.is_empty() || !self.closed.is_empty()
    }

    /// Closes a connection. Its slot stays taken until [`Connections::reap`], so that an event of the same batch cannot
    /// reach a new connection. Returns the connection as it was.
    pub(super) fn close(&mut self, key: Key) -> Option<State> {
        let connection = lookup(&mut self.slab, key)?;
        self.closed.push(key);
        Some(mem::replace(&mut connection.state, State::Closed))
    }

    /// Frees the slots of the closed connections, and returns their transports.
    pub(super) fn reap(&mut self) -> Vec<T> {
        let slab = &mut self.slab;
        self.closed.drain(..).map(|key| slab.remove(key.slot as usize).into_transport()).collect()
    }

    /// The keys of the connections for which `wanted` holds, in the order of their slots.
    pub(super) fn keys_where(&self, wanted: impl Fn(&Connection<T>) -> bool) -> Vec<Key> {
        self.iter().filter(|(_, connection)| wanted(connection)).map(|(key, _)| key).collect()
    }

    /// Every connection that is not closed, in the order of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Connection<T>)> {
        let open = self.slab.iter().filter(|(_, connection)| !matches!(connection.state, State::Closed));
        open.map(|(slot, connection)| (Key { slot: slot as u32, number: connection.number }, connection))
    }

    /// Connections, those included that are closed and not reaped.
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }
}

/// The connection of a key, if it is not closed.
#[inline]
fn lookup<T>(slab: &mut Slab<Connection<T>>, key: Key) -> Option<&mut Connection<T>> {
    let connection = slab.get_mut(key.slot as usize)?;
    (connection.number == key.number && !matches!(connection.state, State::Closed)).then_some(connection)
}

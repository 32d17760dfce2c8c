//! The timers of the connections.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::key::Key;

/// A heap of timers. A timer is never later than the deadline of its connection, but may be
/// earlier: the deadline of a viewer moves with each frame, and its timer stays. When the timer
/// expires, the hub finds the deadline in the future and arms a new timer. So a moved deadline
/// costs nothing.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Key)>>,
}

impl Timers {
    /// Arms a timer.
    pub fn arm(&mut self, at: Instant, key: Key) {
        self.heap.push(Reverse((at, key)));
    }

    /// Returns when the next timer expires.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Removes a timer that has expired by `now`. Returns its time and its connection.
    pub fn pop(&mut self, now: Instant) -> Option<(Instant, Key)> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

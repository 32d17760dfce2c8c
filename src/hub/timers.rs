//! When to look at which connection again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::key::Key;

/// A heap of wake-up times that are never later than the deadline they stand for.
///
/// A viewer's deadline moves with every frame it takes. Moving an entry of the heap as often would cost more than the
/// deadlines are worth, so an entry stays where it is and is put right when it comes up: early, found early, and put
/// back at the deadline of that moment. A timer wheel would make that constant time; at one entry a viewer every two
/// seconds there is nothing to win.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Key)>>,
}

impl Timers {
    /// Asks for `key` to come up at `at`.
    pub fn arm(&mut self, at: Instant, key: Key) {
        self.heap.push(Reverse((at, key)));
    }

    /// The next time at which an entry comes up.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes off one entry that has come up by `now`, with the time it was armed for.
    pub fn pop(&mut self, now: Instant) -> Option<(Instant, Key)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

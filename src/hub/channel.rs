//! A channel: the newest of something, as much of the past as is kept, and its subscribers.

use std::collections::{BTreeSet, VecDeque, btree_set};
use std::iter::Copied;

use super::key::Key;

/// Subscribers of a channel, in the order of their slots.
pub type Subscribers<'a> = Copied<btree_set::Iter<'a, Key>>;

/// The last few `M` and the set of its subscribers. There is no count beside the set that could disagree with it.
///
/// Everything that goes on without end is one of these. Of a camera's frames only the newest is kept, and a subscriber
/// asks for it; of the facts about frames, and of the server's own figures, more is kept, and a subscriber reads on
/// from where it is.
#[derive(Debug)]
pub struct Channel<M> {
    depth: usize,
    recent: VecDeque<M>,
    // Ordered, so that a run can be repeated to the byte, and so that a walk goes through the slots as they lie.
    subscribers: BTreeSet<Key>,
}

impl<M> Channel<M> {
    /// A channel that keeps the last `depth` messages, and at least one.
    pub fn new(depth: usize) -> Self {
        Self { depth: depth.max(1), recent: VecDeque::new(), subscribers: BTreeSet::new() }
    }

    /// Adds a message. Returns the one that is no longer kept for it.
    pub fn publish(&mut self, message: M) -> Option<M> {
        if self.recent.capacity() == 0 {
            self.recent.reserve_exact(self.depth);
        }
        let oldest = if self.recent.len() == self.depth { self.recent.pop_front() } else { None };
        self.recent.push_back(message);
        oldest
    }

    /// Forgets the newest message: nobody is to be shown it any more. Returns it.
    pub fn retract(&mut self) -> Option<M> {
        self.recent.pop_back()
    }

    /// The newest message.
    pub fn latest(&self) -> Option<&M> {
        self.recent.back()
    }

    /// The messages that are kept from the first on that is not `past`, the oldest first. Whatever comes before one
    /// that is `past` must be so too.
    pub fn since(&self, past: impl FnMut(&M) -> bool) -> impl ExactSizeIterator<Item = &M> {
        self.recent.range(self.recent.partition_point(past)..)
    }

    /// Adds a subscriber.
    pub fn subscribe(&mut self, key: Key) {
        self.subscribers.insert(key);
    }

    /// Takes a subscriber off; one that is not there is no error.
    pub fn unsubscribe(&mut self, key: Key) {
        self.subscribers.remove(&key);
    }

    /// Everybody who is to be told of each message, in the order of their slots.
    pub fn subscribers(&self) -> Subscribers<'_> {
        self.subscribers.iter().copied()
    }
}

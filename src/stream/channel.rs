//! A channel: the newest of something, and who wants to be given each.

use std::collections::BTreeSet;

use super::hub::Key;

/// The newest `M` and the set of its subscribers. Who watches is this set and nothing else: there is no count to keep
/// in step with it.
#[derive(Debug)]
pub struct Channel<M> {
    latest: Option<M>,
    // Ordered, so that a run can be repeated to the byte, and so that a walk goes through the slots as they lie.
    subscribers: BTreeSet<Key>,
}

impl<M> Default for Channel<M> {
    fn default() -> Self {
        Self { latest: None, subscribers: BTreeSet::new() }
    }
}

impl<M> Channel<M> {
    /// Replaces the newest message. Returns the one it replaced.
    pub fn publish(&mut self, message: M) -> Option<M> {
        self.latest.replace(message)
    }

    /// Forgets the newest message: nobody is to be shown it any more. Returns it.
    pub fn retract(&mut self) -> Option<M> {
        self.latest.take()
    }

    /// The newest message.
    pub fn latest(&self) -> Option<&M> {
        self.latest.as_ref()
    }

    /// Adds a subscriber.
    pub fn subscribe(&mut self, key: Key) {
        self.subscribers.insert(key);
    }

    /// Takes a subscriber off; one that is not there is no error.
    pub fn unsubscribe(&mut self, key: Key) {
        self.subscribers.remove(&key);
    }

    /// Everybody who is to be given each message, in the order of their slots.
    pub fn subscribers(&self) -> impl ExactSizeIterator<Item = Key> + '_ {
        self.subscribers.iter().copied()
    }
}

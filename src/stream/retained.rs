//! Frames that are no longer the newest, but that slow viewers still hold.

use std::collections::VecDeque;

use bytes::Bytes;

/// Past frames, oldest first, for as long as another owner holds a slice of them: which the
/// reference count of the allocation tells, so that no count can disagree with it.
#[derive(Debug, Default)]
pub struct Retained {
    allocations: VecDeque<Bytes>,
}

impl Retained {
    /// Remembers a frame that has just been replaced by a newer one.
    pub fn add(&mut self, allocation: Bytes) {
        self.allocations.push_back(allocation);
    }

    /// Drops the frames that have no other owner. Returns the bytes of the others.
    pub fn release(&mut self) -> usize {
        self.allocations
            .retain(|allocation| !allocation.is_unique());
        self.bytes()
    }

    /// The bytes of the frames that are remembered: those held at the last [`Retained::release`],
    /// and what came since.
    pub fn bytes(&self) -> usize {
        self.allocations.iter().map(Bytes::len).sum()
    }

    /// The oldest frame that was still held at the last [`Retained::release`].
    pub fn oldest(&self) -> Option<&Bytes> {
        self.allocations.front()
    }
}

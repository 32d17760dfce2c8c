//! Old frames that slow viewers still hold.

use std::collections::VecDeque;

use bytes::Bytes;

/// Old frames, oldest first, as long as a viewer holds a slice of them. The reference counts of the
/// allocations show that, so no count of our own can be wrong.
#[derive(Debug, Default)]
pub struct Retained {
    allocations: VecDeque<Bytes>,
}

impl Retained {
    /// Adds a frame that a newer one has replaced.
    pub fn add(&mut self, allocation: Bytes) {
        self.allocations.push_back(allocation);
    }

    /// Removes the frames that have no other owner. Returns the bytes of the others.
    pub fn release(&mut self) -> usize {
        self.allocations
            .retain(|allocation| !allocation.is_unique());
        self.bytes()
    }

    /// Returns the bytes of the frames: those held at the last [`Retained::release`], and those
    /// added since.
    pub fn bytes(&self) -> usize {
        self.allocations.iter().map(Bytes::len).sum()
    }

    /// Returns the oldest frame that was held at the last [`Retained::release`].
    pub fn oldest(&self) -> Option<&Bytes> {
        self.allocations.front()
    }
}

//! Frames that are no longer the newest, but that slow viewers still hold.

use std::collections::VecDeque;

use bytes::Bytes;

use super::sabotage::{self, Sabotage};

/// Past frames, oldest first, for as long as somebody else holds a slice of them.
///
/// Whether somebody does is read from the reference count of the allocation, so there is no account to keep in step.
#[derive(Debug, Default)]
pub struct Pinned {
    allocations: VecDeque<Bytes>,
}

impl Pinned {
    /// Remembers a frame that has just been replaced by a newer one.
    pub fn remember(&mut self, allocation: Bytes) {
        self.allocations.push_back(allocation);
    }

    /// Lets go of the frames nobody else holds. Returns the bytes of those that are held.
    pub fn release(&mut self) -> usize {
        self.allocations.retain(|allocation| !allocation.is_unique() || sabotage::is(Sabotage::KeepPastFrames));
        self.bytes()
    }

    /// The bytes of the frames that are remembered: those held at the last [`Pinned::release`], and what came since.
    pub fn bytes(&self) -> usize {
        self.allocations.iter().map(Bytes::len).sum()
    }

    /// The oldest frame that was still held at the last [`Pinned::release`].
    pub fn oldest(&self) -> Option<&Bytes> {
        self.allocations.front()
    }
}

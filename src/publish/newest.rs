//! The newest frame, passed from the reading thread to the sending thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// A slot for one frame; a newer frame replaces a waiting one.
#[derive(Debug, Default)]
pub(super) struct Newest {
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Slot {
    frame: Option<Bytes>,
    skipped: u64,
    closed: bool,
}

impl Newest {
    /// Stores a frame; replaces a waiting one.
    pub(super) fn put(&self, frame: Bytes) {
        let mut slot = self.lock();
        let replaced = slot.frame.replace(frame);
        slot.skipped += u64::from(replaced.is_some());
        self.changed.notify_one();
    }

    /// Reports the end of the input: no frame follows.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Waits for a frame and takes it; returns `None` after [`close`](Self::close).
    pub(super) fn take(&self) -> Option<Bytes> {
        let slot = self
            .changed
            .wait_while(self.lock(), |slot| slot.frame.is_none() && !slot.closed);
        slot.unwrap_or_else(PoisonError::into_inner).frame.take()
    }

    /// Whether the input has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The number of frames that a newer one replaced.
    pub(super) fn skipped(&self) -> u64 {
        self.lock().skipped
    }

    /// Locks the slot. A poisoned lock is ignored: every change is a single assignment, so that a
    /// panic leaves no inconsistent state.
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

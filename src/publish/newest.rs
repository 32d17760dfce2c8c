//! Where the newest frame waits for the one who sends.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Room for one frame: a newer one takes its place.
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
    /// Puts a frame in the place of the one that waits, if any.
    pub(super) fn put(&self, frame: Bytes) {
        let mut slot = self.lock();
        let replaced = slot.frame.replace(frame);
        slot.skipped += u64::from(replaced.is_some());
        self.changed.notify_one();
    }

    /// There will be no newer frame.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Waits for a frame and takes it; nothing once there will be none.
    pub(super) fn take(&self) -> Option<Bytes> {
        let slot = self
            .changed
            .wait_while(self.lock(), |slot| slot.frame.is_none() && !slot.closed);
        slot.unwrap_or_else(PoisonError::into_inner).frame.take()
    }

    /// Whether there will be no newer frame.
    pub(super) fn is_over(&self) -> bool {
        self.lock().closed
    }

    /// Frames that a newer one replaced.
    pub(super) fn skipped(&self) -> u64 {
        self.lock().skipped
    }

    /// Each change is made at once, so whoever panicked in between has left nothing half done.
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

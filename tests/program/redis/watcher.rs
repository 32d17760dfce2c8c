//! Viewers that watch during a whole test and record the sequences they receive.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::{Program, Viewer, eventually};

/// A viewer in a thread of its own. It checks that it is never disconnected, and that sequences
/// never decrease.
pub struct Watcher {
    newest: Arc<AtomicU64>,
    gaps: Arc<Mutex<Vec<(u64, u64)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub fn of(program: &Program) -> Self {
        let mut viewer = program.watch("/stream");
        let (newest, gaps, stop) = (
            Arc::<AtomicU64>::default(),
            Arc::<Mutex<Vec<_>>>::default(),
            Arc::default(),
        );
        let (seen, missed, stopped) = (Arc::clone(&newest), Arc::clone(&gaps), Arc::clone(&stop));
        let watch = move || {
            while !AtomicBool::load(&stopped, Ordering::Relaxed) {
                look(&mut viewer, &seen, &missed);
            }
        };
        let watcher = Self {
            newest,
            gaps,
            stop,
            thread: Some(thread::spawn(watch)),
        };
        eventually("the viewer receives a frame", || watcher.newest() > 0);
        watcher
    }

    pub fn crowd(program: &Program, count: usize) -> Vec<Self> {
        (0..count).map(|_| Self::of(program)).collect()
    }

    /// The sequence of the newest frame received.
    pub fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// Waits for a newer frame, and returns the time from `since` to its arrival.
    pub fn next_after(&self, since: Instant) -> Duration {
        let newest = self.newest();
        eventually("a newer frame", || self.newest() > newest);
        since.elapsed()
    }

    /// The gaps in the sequences: pairs of consecutive sequences received.
    pub fn end(mut self) -> Vec<(u64, u64)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .take()
            .unwrap()
            .join()
            .expect("the viewer was never dropped, and its frames were in order");
        std::mem::take(&mut self.gaps.lock().unwrap())
    }
}

fn look(viewer: &mut Viewer, newest: &AtomicU64, gaps: &Mutex<Vec<(u64, u64)>>) {
    let part = viewer.part();
    let last = newest.swap(part.sequence, Ordering::Relaxed);
    // An equal sequence is a repeat.
    assert!(part.sequence >= last, "{} after {last}", part.sequence);
    if last > 0 && part.sequence > last + 1 {
        gaps.lock().unwrap().push((last, part.sequence));
    }
}

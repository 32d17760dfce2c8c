//! Viewers that watch for the whole length of a test and write down what they see.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::{Program, Viewer, eventually};

/// One viewer in a thread of its own. That it is never dropped, and never shown an older frame
/// after a newer one, it looks at by itself.
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
        eventually("a viewer is shown something", || watcher.newest() > 0);
        watcher
    }

    pub fn crowd(program: &Program, count: usize) -> Vec<Self> {
        (0..count).map(|_| Self::of(program)).collect()
    }

    /// The number of the newest frame it was shown.
    pub fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// Waits for a frame that is newer than those so far, and says how long after `since` it came.
    pub fn next_after(&self, since: Instant) -> Duration {
        let newest = self.newest();
        eventually("a newer frame", || self.newest() > newest);
        since.elapsed()
    }

    /// Says which frames it missed: pairs of neighbours with others between them.
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
    // Equal is a repeat.
    assert!(part.sequence >= last, "{} after {last}", part.sequence);
    if last > 0 && part.sequence > last + 1 {
        gaps.lock().unwrap().push((last, part.sequence));
    }
}

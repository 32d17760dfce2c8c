//! Reads a value in a thread, because reading it may block: files on a slow disk or network, tables
//! of the kernel. Each thread reads one value, wakes the loop and ends.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

use mio::Waker;

/// A value that is read again when it may have changed.
pub struct Background<T> {
    name: &'static str,
    waker: Arc<Waker>,
    running: Option<Receiver<T>>,
    /// The value may have changed since the running thread was started.
    is_stale: bool,
}

impl<T: Send + 'static> Background<T> {
    /// Reads nothing yet. `name` is the name of the threads. `waker` wakes the loop when
    /// [`Background::take`] has a result.
    pub fn new(name: &'static str, waker: Arc<Waker>) -> Self {
        Self {
            name,
            waker,
            running: None,
            is_stale: false,
        }
    }

    /// Starts a thread that reads the value. If one is running, marks its result as stale instead.
    pub fn start(&mut self, read: impl FnOnce() -> T + Send + 'static) -> io::Result<()> {
        if self.running.is_some() {
            self.is_stale = true;
            return Ok(());
        }
        let (sender, receiver) = mpsc::channel();
        let waker = Arc::clone(&self.waker);
        let read = move || {
            // Without a receiver, the server is quitting.
            let _ = sender.send(read());
            let _ = waker.wake();
        };
        thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(read)?;
        self.running = Some(receiver);
        Ok(())
    }

    /// Returns the result of a thread that has ended.
    pub fn take(&mut self) -> Option<Taken<T>> {
        let value = match self.running.as_ref()?.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Ok(value) => Some(value),
            Err(TryRecvError::Disconnected) => None,
        };
        self.running = None;
        Some(Taken {
            value,
            is_stale: std::mem::take(&mut self.is_stale),
        })
    }
}

/// The result of a thread.
#[derive(Debug)]
pub struct Taken<T> {
    /// The value; `None` if the thread has panicked.
    pub value: Option<T>,
    /// Whether to read it again: it may have changed in the meantime.
    pub is_stale: bool,
}

impl<T> fmt::Debug for Background<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Background({})", self.name)
    }
}

//! Values that a thread reads while the loop turns: files, since a disk may be slow or a network's
//! gone, and tables of the kernel. Each thread reads one value, wakes the loop and ends.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

use mio::Waker;

/// A value that is read again whenever it may have changed.
pub struct Background<T> {
    name: &'static str,
    waker: Arc<Waker>,
    running: Option<Receiver<T>>,
    /// It may have changed once more since the reading began.
    is_stale: bool,
}

impl<T: Send + 'static> Background<T> {
    /// A value whose threads are called `name`. `waker` wakes the loop when [`Background::take`] is
    /// to be called.
    pub fn new(name: &'static str, waker: Arc<Waker>) -> Self {
        Self {
            name,
            waker,
            running: None,
            is_stale: false,
        }
    }

    /// Has the value read, unless that is under way: then it is read once more afterwards.
    pub fn start(&mut self, read: impl FnOnce() -> T + Send + 'static) -> io::Result<()> {
        if self.running.is_some() {
            self.is_stale = true;
            return Ok(());
        }
        let (sender, receiver) = mpsc::channel();
        let waker = Arc::clone(&self.waker);
        let read = move || {
            // If the receiver is gone, so is the server.
            let _ = sender.send(read());
            let _ = waker.wake();
        };
        thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(read)?;
        self.running = Some(receiver);
        Ok(())
    }

    /// The value, if it has been read.
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

/// What a thread has left.
#[derive(Debug)]
pub struct Taken<T> {
    /// The value; none if the thread has panicked.
    pub value: Option<T>,
    /// Whether it is to be read once more.
    pub is_stale: bool,
}

impl<T> fmt::Debug for Background<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Background({})", self.name)
    }
}

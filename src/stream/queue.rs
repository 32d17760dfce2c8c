//! The bytes that are on their way to one peer.
//!
//! A queue holds what a body has been asked for and the transport has not yet taken: a head, a
//! page, a piece of a table, or one frame. A frame of which no byte has left is taken back, so that
//! the next pull gets the newest; one that has begun goes out whole. So no old frame waits, and no
//! picture is torn.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::{Buf, Bytes};

use super::body::{Chunk, Shown};

/// How many chunks one vectored write gathers at most: a head, a preamble and a frame are three.
const SLICES_MAX: usize = 4;

/// The chunks for one peer, in the order they leave. A frame is always the last one.
#[derive(Debug, Default)]
pub struct WriteQueue {
    chunks: VecDeque<Chunk>,
    /// Whether the transport has taken bytes of the first chunk. With no byte left, the chunk stays
    /// until the transport has flushed what it took.
    has_begun: bool,
}

/// Why writing stopped. There is no fourth reason: this is what keeps an edge-triggered loop from
/// losing an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pause {
    /// The transport took no more; it owes an edge.
    WouldBlock,
    /// Nothing is left.
    #[default]
    Drained,
    /// The caller's budget was reached with bytes left: the caller must come back by itself.
    Budget,
}

/// The result of one [`WriteQueue::write_to`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes the transport took.
    pub bytes: usize,
    /// The frame whose last byte left. A queue holds one frame at most, so no second one can.
    pub delivered: Option<Shown>,
    /// Whether a chunk's last byte left.
    pub is_through: bool,
    /// Whether the transport took some bytes, but had no room for all of them.
    pub is_partial: bool,
    /// Why writing stopped.
    pub pause: Pause,
}

impl Progress {
    /// Whether the transport took bytes, or the last of those it had taken have left.
    pub fn has_moved(&self) -> bool {
        self.bytes > 0 || self.is_through
    }
}

impl WriteQueue {
    /// Queues bytes behind those that are queued.
    pub fn push(&mut self, chunk: impl Into<Chunk>) {
        let chunk = chunk.into();
        if chunk.bytes.is_empty() {
            return;
        }
        if self.chunks.capacity() == 0 {
            self.chunks.reserve_exact(1);
        }
        self.chunks.push_back(chunk);
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether a frame may be queued: no chunk has begun, and no frame waits.
    pub fn has_room(&self) -> bool {
        !self.has_begun && self.frame().is_none()
    }

    fn frame(&self) -> Option<Shown> {
        self.chunks.back().and_then(|chunk| chunk.frame)
    }

    /// The frame of which no byte has left. Only the first chunk can have begun.
    pub fn untouched_frame(&self) -> Option<Shown> {
        self.frame()
            .filter(|_| !(self.has_begun && self.chunks.len() == 1))
    }

    /// Removes the frame of which no byte has left, if there is one. Returns whether there was.
    pub fn take_back(&mut self) -> bool {
        self.untouched_frame().is_some() && self.chunks.pop_back().is_some()
    }

    /// The frame of which some bytes have left, and how many have not.
    pub fn in_flight(&self) -> Option<(Shown, usize)> {
        let chunk = self
            .chunks
            .back()
            .filter(|_| self.untouched_frame().is_none())?;
        chunk.frame.map(|frame| (frame, chunk.bytes.len()))
    }

    /// Bytes queued.
    pub fn bytes_queued(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.len()).sum()
    }

    /// Whether any queued chunk is a slice of `allocation`, and so keeps it in memory.
    pub fn holds(&self, allocation: &Bytes) -> bool {
        let range = allocation.as_ptr_range();
        self.chunks
            .iter()
            .any(|chunk| range.contains(&chunk.bytes.as_ptr()))
    }

    /// Writes until the transport would block, nothing is left, or at least `budget_bytes` have
    /// gone. A chunk is through only when it is flushed: a transport that encrypts takes bytes that
    /// the kernel has yet to take from it.
    ///
    /// # Errors
    /// Those of the transport, other than "would block" and "interrupted"; also if it took no byte
    /// at all.
    pub fn write_to(
        &mut self,
        transport: &mut impl Write,
        budget_bytes: usize,
    ) -> io::Result<Progress> {
        let mut progress = Progress::default();
        loop {
            match self.write_step(transport, budget_bytes, &mut progress) {
                Ok(None) => {}
                Ok(Some(pause)) => return Ok(Progress { pause, ..progress }),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    progress.is_partial = progress.bytes > 0 && !self.is_empty();
                    return Ok(Progress {
                        pause: Pause::WouldBlock,
                        ..progress
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Flushes, then writes once. Returns why writing must stop, or `None` to go on.
    fn write_step(
        &mut self,
        transport: &mut impl Write,
        budget_bytes: usize,
        progress: &mut Progress,
    ) -> io::Result<Option<Pause>> {
        transport.flush()?;
        if self
            .chunks
            .front()
            .is_some_and(|chunk| chunk.bytes.is_empty())
        {
            self.pop(progress);
        }
        if self.is_empty() {
            return Ok(Some(Pause::Drained));
        }
        if progress.bytes >= budget_bytes {
            return Ok(Some(Pause::Budget));
        }
        let written = self.write_once(transport)?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        progress.bytes += written;
        self.advance(written, progress);
        Ok(None)
    }

    /// One system call for all that is there: a plain write for the usual single chunk, else a
    /// vectored one.
    fn write_once(&self, transport: &mut impl Write) -> io::Result<usize> {
        if let ([only], []) = self.chunks.as_slices() {
            return transport.write(&only.bytes);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        for (slot, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slot = IoSlice::new(&chunk.bytes);
        }
        transport.write_vectored(&slices[..self.chunks.len().min(SLICES_MAX)])
    }

    /// Removes `written` bytes from the front. The last chunk they reach into stays there.
    fn advance(&mut self, mut written: usize, progress: &mut Progress) {
        while let Some(first) = self.chunks.front_mut() {
            let taken = written.min(first.bytes.len());
            first.bytes.advance(taken);
            if first.bytes.is_empty() {
                // The allocation that it was a slice of is not needed here any more.
                first.bytes = Bytes::new();
            }
            self.has_begun = true;
            written -= taken;
            if written == 0 {
                return;
            }
            self.pop(progress);
        }
    }

    /// Removes the first chunk, whose last byte has left.
    fn pop(&mut self, progress: &mut Progress) {
        progress.delivered = self
            .chunks
            .pop_front()
            .and_then(|chunk| chunk.frame)
            .or(progress.delivered);
        progress.is_through = true;
        self.has_begun = false;
        if self.chunks.is_empty() && self.chunks.capacity() > 1 {
            // A viewer is sent a head once and then one frame at a time: it need not keep the room
            // for both.
            self.chunks = VecDeque::new();
        }
    }
}

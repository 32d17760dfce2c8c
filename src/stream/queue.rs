//! The bytes that wait for the transport of one peer.
//!
//! A queue holds a head, a page or a chunk, and one frame at most, as its last chunk. A frame of
//! which no byte has left is taken back, and the next pull gets the newest one. A frame that has
//! begun is sent to its end. So no old frame waits, and no part of a stream is torn.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::{Buf, Bytes};

use super::body::{Chunk, Shown};

/// Chunks in one vectored write at most: the start, bytes and end of one, and the end of the body.
const SLICES_MAX: usize = 4;

/// The chunks for one peer, in order. A frame is always the last one.
#[derive(Debug, Default)]
pub struct WriteQueue {
    chunks: VecDeque<Chunk>,
    /// The transport has taken bytes of the first chunk. The chunk stays in the queue until the
    /// transport has flushed its last byte.
    has_begun: bool,
}

/// Why writing stopped without an error: the three-way rule of an edge-triggered loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pause {
    /// The transport returned "would block": an edge will come.
    WouldBlock,
    /// Nothing is left.
    #[default]
    Drained,
    /// The caller's budget was reached with bytes left. No edge will come: the caller must
    /// reschedule.
    Budget,
}

/// The result of one [`WriteQueue::write_to`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that the transport took.
    pub bytes: usize,
    /// The frame whose last byte left. A queue holds at most one frame.
    pub delivered: Option<Shown>,
    /// The last byte of a chunk left.
    pub is_through: bool,
    /// The transport took bytes, then returned "would block" before all had left.
    pub is_partial: bool,
    /// Why writing stopped.
    pub pause: Pause,
}

impl Progress {
    /// Whether the transport took bytes, or flushed the last byte of a chunk.
    pub fn has_moved(&self) -> bool {
        self.bytes > 0 || self.is_through
    }
}

impl WriteQueue {
    /// Appends a chunk; an empty one is ignored.
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

    /// Returns the queued frame.
    fn frame(&self) -> Option<Shown> {
        self.chunks.back().and_then(|chunk| chunk.frame)
    }

    /// Returns the frame of which no byte has left. Only the first chunk can have begun.
    pub fn untouched_frame(&self) -> Option<Shown> {
        self.frame()
            .filter(|_| !(self.has_begun && self.chunks.len() == 1))
    }

    /// Removes the frame of which no byte has left. Returns whether there was one.
    pub fn take_back(&mut self) -> bool {
        self.untouched_frame().is_some() && self.chunks.pop_back().is_some()
    }

    /// Returns the frame of which some bytes have left, and the number of bytes that have not.
    pub fn in_flight(&self) -> Option<(Shown, usize)> {
        let chunk = self
            .chunks
            .back()
            .filter(|_| self.untouched_frame().is_none())?;
        chunk.frame.map(|frame| (frame, chunk.bytes.len()))
    }

    /// Returns the number of queued bytes.
    pub fn bytes_queued(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.len()).sum()
    }

    /// Whether a queued chunk is a slice of `allocation`, and so keeps it in memory.
    pub fn holds(&self, allocation: &Bytes) -> bool {
        let range = allocation.as_ptr_range();
        self.chunks
            .iter()
            .any(|chunk| range.contains(&chunk.bytes.as_ptr()))
    }

    /// Writes until the transport would block, nothing is left, or at least `budget_bytes` are
    /// written. A chunk has left only when it is flushed: TLS buffers bytes that the kernel has not
    /// taken yet.
    ///
    /// # Errors
    /// Those of the transport, except `WouldBlock` and `Interrupted`; `WriteZero` if a write takes
    /// no byte.
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

    /// Calls the transport once: a plain write for the usual single chunk, else a vectored one of
    /// up to [`SLICES_MAX`].
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

    /// Removes `written` bytes from the front. The chunk of the last byte stays until it is
    /// flushed.
    fn advance(&mut self, mut written: usize, progress: &mut Progress) {
        while let Some(first) = self.chunks.front_mut() {
            let taken = written.min(first.bytes.len());
            first.bytes.advance(taken);
            if first.bytes.is_empty() {
                // Release the allocation that it was a slice of.
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
            // A viewer needs room for one frame, not for the head before its first one.
            self.chunks = VecDeque::new();
        }
    }
}

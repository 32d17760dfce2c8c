//! What waits to be written to one peer.
//!
//! There are two ways in. [`WriteQueue::push`] is for bytes that must arrive: heads, pages, the end of a stream.
//! [`WriteQueue::offer`] is for live ones: an offer that has not begun to leave is replaced by a newer one, and the
//! one replaced is a skip. What has begun goes out whole, whichever way it came in: a viewer that cannot keep up
//! finishes the frame it began and then gets the newest, so it is late by about one frame and never sees a torn one.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::time::Instant;

use bytes::{Buf, Bytes};

use super::sabotage::{self, Sabotage};

/// How many chunks one vectored write gathers at most: a head, a preamble and a frame are three.
const SLICES_MAX: usize = 4;

/// Bytes that may be replaced as long as none of them has left.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The whole chunk.
    pub bytes: Bytes,
    /// The frame's sequence, for whoever looks on.
    pub sequence: u64,
    /// Whether the peer has been given this chunk before: a repeat is delivered, but is no new frame.
    pub repeat: bool,
    /// When it was captured, if its way to the peer is to be timed.
    pub captured_on: Option<Instant>,
}

/// How many offers may be through with one [`WriteQueue::write_to`]: the one that had begun, and the one that waited.
const THROUGH_MAX: usize = 2;

/// What is queued for one peer, in the order it leaves: what has begun, what must follow, and the newest offer.
#[derive(Debug, Default)]
pub struct WriteQueue {
    sending: Option<Sending>,
    pushed: VecDeque<Bytes>,
    waiting: Option<Offer>,
}

/// A chunk that the transport has begun to take: what is still to go, and what it counts as once it is through. With
/// nothing left to go it stays until the transport has flushed what it took.
#[derive(Debug)]
struct Sending {
    left: Bytes,
    kind: Kind,
    sequence: u64,
    length: usize,
    captured_on: Option<Instant>,
}

/// A frame of which some bytes have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Its sequence.
    pub sequence: u64,
    /// The bytes of its part.
    pub bytes: usize,
    /// Those that have not left.
    pub bytes_left: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pushed,
    Fresh,
    Repeat,
}

/// Why a write came to its end. There is no fourth way: this is what keeps an edge-triggered loop from losing an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The kernel took no more; it owes an edge.
    WouldBlock,
    /// Nothing is left.
    Drained,
    /// The caller's budget was reached with bytes left: the caller must come back by itself.
    Budget,
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pause::WouldBlock => "would block",
            Pause::Drained => "drained",
            Pause::Budget => "budget spent",
        })
    }
}

/// What one [`WriteQueue::write_to`] achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes the transport took.
    pub bytes: usize,
    /// Fresh offers whose last byte left.
    pub delivered: u64,
    /// When those of them were captured that are to be timed.
    pub captured_on: [Option<Instant>; THROUGH_MAX],
    /// Repeats whose last byte left.
    pub repeated: u64,
    /// 1 if the kernel took some bytes, but had no room for all of them; otherwise 0.
    pub partial_writes: u64,
    /// Why it stopped.
    pub pause: Pause,
}

impl Progress {
    /// Whether the transport took bytes, or the last of those it had taken have left.
    pub fn has_moved(&self) -> bool {
        self.bytes > 0 || self.delivered + self.repeated > 0
    }

    /// Counts a chunk that is through.
    fn count(&mut self, through: &Sending) {
        match through.kind {
            Kind::Pushed => {}
            Kind::Fresh => {
                self.captured_on[self.delivered as usize % THROUGH_MAX] = through.captured_on;
                self.delivered += 1;
            }
            Kind::Repeat => self.repeated += 1,
        }
    }
}

impl WriteQueue {
    /// Queues bytes that must arrive, behind what was pushed before and ahead of any offer that has not begun.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.pushed.push_back(bytes);
        }
    }

    /// Queues a live chunk in the place of the one that waits, if any. Returns whether a fresh chunk was skipped.
    pub fn offer(&mut self, offer: Offer) -> bool {
        if sabotage::is(Sabotage::ReplaceBegun) {
            self.sending = None;
        }
        if let Some(sending) = self.sending.as_mut().filter(|_| sabotage::is(Sabotage::SwapInsidePart)) {
            sending.left = offer.bytes.slice(offer.bytes.len().saturating_sub(sending.left.len())..);
        }
        self.waiting.replace(offer).is_some_and(|skipped| !skipped.repeat)
    }

    /// Takes back the offer that has not begun, if any. Returns whether a fresh chunk was skipped.
    pub fn withdraw(&mut self) -> bool {
        self.waiting.take().is_some_and(|skipped| !skipped.repeat)
    }

    /// Whether nothing at all is queued.
    pub fn is_empty(&self) -> bool {
        self.sending.is_none() && self.pushed.is_empty() && self.waiting.is_none()
    }

    /// Whether an offer, fresh or not, has begun to leave and is not through.
    pub fn is_mid_offer(&self) -> bool {
        self.sending.as_ref().is_some_and(|sending| sending.kind != Kind::Pushed)
    }

    /// Whether a fresh frame has begun to leave and is not through: closing now would cut it.
    pub fn is_mid_frame(&self) -> bool {
        self.sending.as_ref().is_some_and(|sending| sending.kind == Kind::Fresh)
    }

    /// Whether an offer, fresh or not, waits for its turn.
    pub fn has_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether a fresh frame waits for its turn: closing now would skip it.
    pub fn has_fresh_waiting(&self) -> bool {
        self.waiting.as_ref().is_some_and(|offer| !offer.repeat)
    }

    /// The frame that has begun to leave and is not through.
    pub fn in_flight(&self) -> Option<InFlight> {
        let sending = self.sending.as_ref().filter(|sending| sending.kind != Kind::Pushed)?;
        Some(InFlight { sequence: sending.sequence, bytes: sending.length, bytes_left: sending.left.len() })
    }

    /// The sequence of the frame that waits for its turn.
    pub fn waiting_sequence(&self) -> Option<u64> {
        self.waiting.as_ref().map(|offer| offer.sequence)
    }

    /// Bytes queued, the newest offer included.
    pub fn bytes_queued(&self) -> usize {
        let sending = self.sending.as_ref().map_or(0, |sending| sending.left.len());
        let waiting = self.waiting.as_ref().map_or(0, |offer| offer.bytes.len());
        sending + self.pushed.iter().map(Bytes::len).sum::<usize>() + waiting
    }

    /// Whether any queued chunk is a slice of `allocation`, and so keeps it in memory.
    pub fn holds(&self, allocation: &Bytes) -> bool {
        let range = allocation.as_ptr_range();
        let sending = self.sending.iter().map(|sending| &sending.left);
        let waiting = self.waiting.iter().map(|offer| &offer.bytes);
        sending.chain(&self.pushed).chain(waiting).any(|bytes| range.contains(&bytes.as_ptr()))
    }

    /// Writes until the transport would block, nothing is left, or at least `budget_bytes` have gone. A chunk is
    /// through only when it is flushed: a transport that encrypts takes bytes that the kernel has yet to take from it.
    ///
    /// # Errors
    /// What the transport said, other than "would block" and "interrupted"; also when it took no byte at all.
    pub fn write_to(&mut self, transport: &mut impl Write, budget_bytes: usize) -> io::Result<Progress> {
        let mut progress = Progress {
            bytes: 0,
            delivered: 0,
            captured_on: [None; THROUGH_MAX],
            repeated: 0,
            partial_writes: 0,
            pause: Pause::Drained,
        };
        loop {
            match self.write_step(transport, budget_bytes, &mut progress) {
                Ok(None) => {}
                Ok(Some(pause)) => return Ok(Progress { pause, ..progress }),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    progress.partial_writes = u64::from(progress.bytes > 0 && !self.is_empty());
                    return Ok(Progress { pause: Pause::WouldBlock, ..progress });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sees off what was taken before, then has the transport take more. Says why there is no next step, if so it is.
    fn write_step(
        &mut self,
        transport: &mut impl Write,
        budget_bytes: usize,
        progress: &mut Progress,
    ) -> io::Result<Option<Pause>> {
        transport.flush()?;
        if let Some(through) = self.sending.take_if(|sending| sending.left.is_empty()) {
            progress.count(&through);
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

    /// One system call for all that is there: a plain write for the usual single chunk, else a vectored one.
    fn write_once(&self, transport: &mut impl Write) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        let sending = self.sending.iter().map(|sending| &sending.left);
        let waiting = self.waiting.iter().map(|offer| &offer.bytes);
        for (slot, bytes) in slices.iter_mut().zip(sending.chain(&self.pushed).chain(waiting)) {
            *slot = IoSlice::new(bytes);
            count += 1;
        }
        match &slices[..count] {
            [one] => transport.write(one),
            several => transport.write_vectored(several),
        }
    }

    /// Strikes `written` bytes off the head of the queue. The last chunk they reach into stays at the head.
    fn advance(&mut self, mut written: usize, progress: &mut Progress) {
        while written > 0 {
            let Some(mut head) = self.take_head() else { return };
            let mut taken = written.min(head.left.len());
            if sabotage::is(Sabotage::TrustShortWrite) {
                (taken, written) = (head.left.len(), head.left.len().max(written));
            }
            head.left.advance(taken);
            written -= taken;
            if head.left.is_empty() {
                // Whatever memory it was a slice of is needed here no more.
                head.left = Bytes::new();
            }
            match written {
                0 => self.sending = Some(head),
                _ => progress.count(&head),
            }
        }
        if self.pushed.is_empty() {
            // A viewer pushes a head once and then only offers: it need not keep the room for it.
            self.pushed = VecDeque::new();
        }
    }

    fn take_head(&mut self) -> Option<Sending> {
        if let Some(sending) = self.sending.take() {
            return Some(sending);
        }
        if let Some(left) = self.pushed.pop_front() {
            return Some(Sending { length: left.len(), left, kind: Kind::Pushed, sequence: 0, captured_on: None });
        }
        let Offer { bytes, sequence, repeat, captured_on } = self.waiting.take()?;
        let kind = if repeat { Kind::Repeat } else { Kind::Fresh };
        Some(Sending { length: bytes.len(), left: bytes, kind, sequence, captured_on })
    }
}

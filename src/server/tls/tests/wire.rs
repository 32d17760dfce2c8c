//! A connection in memory, between the hub's transport and a TLS client. It reports as few edges as
//! epoll may: one after each "would block".

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use crate::hub::{Readiness, Transport};

/// Reproducible random numbers (xorshift64*).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// The faults of a connection.
#[derive(Clone, Copy, Debug)]
pub struct FaultProfile {
    /// The maximum of one read or write.
    pub chunk_bytes: usize,
    /// The capacity of the kernel's send buffer.
    pub send_buffer: usize,
    /// One call in this number returns "would block" without a reason; 0 for none.
    pub spurious_blocks: usize,
}

impl FaultProfile {
    pub const NONE: Self = Self {
        chunk_bytes: usize::MAX,
        send_buffer: usize::MAX,
        spurious_blocks: 0,
    };
}

#[derive(Debug)]
pub struct Pipes {
    pub to_server: VecDeque<u8>,
    pub to_client: VecDeque<u8>,
    pub client_ended: bool,
    pub shut: bool,
    pub profile: FaultProfile,
    /// Whether the hub may try each direction: not between "would block" and the next edge.
    may_read: bool,
    may_write: bool,
    /// Whether an edge is owed: at the start, and after "would block".
    owes_read: bool,
    owes_write: bool,
    random: Random,
}

/// The hub's end of the connection. A clone is the same end.
#[derive(Clone, Debug)]
pub struct End(pub Rc<RefCell<Pipes>>);

impl End {
    pub fn new(profile: FaultProfile, random: Random) -> Self {
        Self(Rc::new(RefCell::new(Pipes {
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            client_ended: false,
            shut: false,
            profile,
            may_read: true,
            may_write: true,
            owes_read: true,
            owes_write: true,
            random,
        })))
    }

    /// Returns the edge since the last "would block", once.
    pub fn edge(&self) -> Option<Readiness> {
        let pipes = &mut *self.0.borrow_mut();
        let edge = pipes.ready();
        pipes.may_read |= edge.readable;
        pipes.may_write |= edge.writable;
        pipes.owes_read &= !edge.readable;
        pipes.owes_write &= !edge.writable;
        (edge != Readiness::default()).then_some(edge)
    }

    /// Whether bytes or edges are on their way.
    pub fn is_moving(&self) -> bool {
        let pipes = self.0.borrow();
        !pipes.to_client.is_empty()
            || !pipes.to_server.is_empty()
            || pipes.ready() != Readiness::default()
    }
}

impl Pipes {
    /// The owed edges that are due.
    fn ready(&self) -> Readiness {
        Readiness {
            readable: self.owes_read && (!self.to_server.is_empty() || self.client_ended),
            writable: self.owes_write && self.to_client.len() < self.profile.send_buffer,
            gone: false,
        }
    }

    fn is_spurious_block(&mut self) -> bool {
        self.profile.spurious_blocks > 0 && self.random.one_in(self.profile.spurious_blocks)
    }

    fn chunk(&mut self) -> usize {
        match self.profile.chunk_bytes {
            usize::MAX => usize::MAX,
            bytes => 1 + self.random.below(bytes),
        }
    }
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let pipes = &mut *self.0.borrow_mut();
        assert!(pipes.may_read, "read before the owed edge");
        if pipes.to_server.is_empty() && pipes.client_ended {
            return Ok(0);
        }
        if pipes.to_server.is_empty() || pipes.is_spurious_block() {
            (pipes.may_read, pipes.owes_read) = (false, true);
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = pipes.chunk().min(buffer.len());
        pipes.to_server.read(&mut buffer[..count])
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let pipes = &mut *self.0.borrow_mut();
        assert!(pipes.may_write, "written before the owed edge");
        assert!(!pipes.shut, "written after shutdown");
        let room = pipes
            .profile
            .send_buffer
            .saturating_sub(pipes.to_client.len());
        if room == 0 || pipes.is_spurious_block() {
            (pipes.may_write, pipes.owes_write) = (false, true);
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = pipes.chunk().min(room).min(bytes.len());
        pipes.to_client.extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for End {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().shut = true;
        Ok(())
    }
}

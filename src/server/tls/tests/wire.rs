//! A connection in memory: at one end the hub's transport, with edges as strict as the contract
//! allows, at the other a client that speaks TLS.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use crate::hub::{Readiness, Transport};

/// Numbers that look drawn by lot and are the same for the same seed (xorshift64*).
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

/// What may go wrong on the way.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Bytes one call moves at most.
    pub chunk_bytes: usize,
    /// Bytes that fit in the kernel on the way to the client.
    pub send_buffer: usize,
    /// One call in so many would block for no reason; 0 for none.
    pub hiccups: usize,
}

impl Weather {
    pub const CALM: Self = Self {
        chunk_bytes: usize::MAX,
        send_buffer: usize::MAX,
        hiccups: 0,
    };
}

#[derive(Debug)]
pub struct Pipes {
    pub to_server: VecDeque<u8>,
    pub to_client: VecDeque<u8>,
    pub client_ended: bool,
    pub shut: bool,
    pub weather: Weather,
    /// Whether the hub may try each direction: not between "would block" and the edge that follows.
    may_read: bool,
    may_write: bool,
    /// Whether an edge is owed: from the beginning, and after "would block".
    owes_read: bool,
    owes_write: bool,
    random: Random,
}

/// The end that the hub has; a clone is the same.
#[derive(Clone, Debug)]
pub struct End(pub Rc<RefCell<Pipes>>);

impl End {
    pub fn new(weather: Weather, random: Random) -> Self {
        Self(Rc::new(RefCell::new(Pipes {
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            client_ended: false,
            shut: false,
            weather,
            may_read: true,
            may_write: true,
            owes_read: true,
            owes_write: true,
            random,
        })))
    }

    /// The edge that has come since the last "would block", and never a second one.
    pub fn edge(&self) -> Option<Readiness> {
        let pipes = &mut *self.0.borrow_mut();
        let edge = pipes.ready();
        pipes.may_read |= edge.readable;
        pipes.may_write |= edge.writable;
        pipes.owes_read &= !edge.readable;
        pipes.owes_write &= !edge.writable;
        (edge != Readiness::default()).then_some(edge)
    }

    /// Whether anything is on its way, be it an edge.
    pub fn is_moving(&self) -> bool {
        let pipes = self.0.borrow();
        !pipes.to_client.is_empty()
            || !pipes.to_server.is_empty()
            || pipes.ready() != Readiness::default()
    }
}

impl Pipes {
    /// The edges that are owed and due.
    fn ready(&self) -> Readiness {
        Readiness {
            readable: self.owes_read && (!self.to_server.is_empty() || self.client_ended),
            writable: self.owes_write && self.to_client.len() < self.weather.send_buffer,
            gone: false,
        }
    }

    fn hiccup(&mut self) -> bool {
        self.weather.hiccups > 0 && self.random.one_in(self.weather.hiccups)
    }

    fn chunk(&mut self) -> usize {
        match self.weather.chunk_bytes {
            usize::MAX => usize::MAX,
            bytes => 1 + self.random.below(bytes),
        }
    }
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let pipes = &mut *self.0.borrow_mut();
        assert!(pipes.may_read, "it is read before the edge that is owed");
        if pipes.to_server.is_empty() && pipes.client_ended {
            return Ok(0);
        }
        if pipes.to_server.is_empty() || pipes.hiccup() {
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
        assert!(
            pipes.may_write,
            "it is written to before the edge that is owed"
        );
        assert!(!pipes.shut, "it is written to after its end");
        let room = pipes
            .weather
            .send_buffer
            .saturating_sub(pipes.to_client.len());
        if room == 0 || pipes.hiccup() {
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

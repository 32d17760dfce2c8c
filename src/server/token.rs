//! Whose event is it: the 64 bits that the kernel hands back with each event.

use mio::Token;

use crate::hub::Key;

/// Who asked for an event. A connection and a camera's pipe are named with a number that is never used again, so that
/// an event that was on its way when its owner went means nobody, and not whoever has the slot now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A viewer, or whoever else is connected.
    Connection(Key),
    /// A listening socket.
    Listener(usize),
    /// A driver's standard output: frames.
    CameraOutput(Pipe),
    /// A driver's standard error: words.
    CameraErrors(Pipe),
    /// A publisher's standard error: words.
    PublisherErrors {
        /// Which publisher, from 0.
        index: u32,
        /// Counts its child processes, within [`Key::NUMBER_MASK`].
        run: u32,
    },
    /// The pipe that signal handlers write to.
    Signals,
    /// A thread that has read something in the background.
    Background,
    /// The kernel's reports of changed addresses.
    Addresses,
}

/// Which pipe of which camera, and of which of the drivers it has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pipe {
    /// Which camera, from 0.
    pub camera: u32,
    /// Counts the camera's drivers, within [`Key::NUMBER_MASK`].
    pub run: u32,
}

/// The layout: two bits of kind, thirty of number, thirty-two of slot.
const KIND_SHIFT: u32 = 62;
const NUMBER_SHIFT: u32 = 32;
const CONNECTION: usize = 0;
const CAMERA_OUTPUT: usize = 1;
const CAMERA_ERRORS: usize = 2;
const OTHER: usize = 3;
const SIGNALS: usize = u32::MAX as usize;
const BACKGROUND: usize = SIGNALS - 1;
const ADDRESSES: usize = SIGNALS - 2;
/// Of the other kind, the upper half of the slots is the publishers'.
const PUBLISHERS: u32 = 1 << 31;

impl Owner {
    /// The token to register this owner's source under.
    pub fn token(self) -> Token {
        let (kind, number, slot) = match self {
            Owner::Connection(key) => (CONNECTION, key.number, key.slot as usize),
            Owner::CameraOutput(pipe) => (CAMERA_OUTPUT, pipe.run, pipe.camera as usize),
            Owner::CameraErrors(pipe) => (CAMERA_ERRORS, pipe.run, pipe.camera as usize),
            Owner::Listener(index) => (OTHER, 0, index),
            Owner::PublisherErrors { index, run } => (OTHER, run, (PUBLISHERS | index) as usize),
            Owner::Signals => (OTHER, 0, SIGNALS),
            Owner::Background => (OTHER, 0, BACKGROUND),
            Owner::Addresses => (OTHER, 0, ADDRESSES),
        };
        Token(kind << KIND_SHIFT | ((number & Key::NUMBER_MASK) as usize) << NUMBER_SHIFT | slot)
    }

    /// The owner a token was made for.
    pub fn of(Token(bits): Token) -> Self {
        let number = (bits >> NUMBER_SHIFT) as u32 & Key::NUMBER_MASK;
        let slot = bits as u32;
        match bits >> KIND_SHIFT {
            CONNECTION => Owner::Connection(Key { slot, number }),
            CAMERA_OUTPUT => Owner::CameraOutput(Pipe { camera: slot, run: number }),
            CAMERA_ERRORS => Owner::CameraErrors(Pipe { camera: slot, run: number }),
            _ => match slot as usize {
                SIGNALS => Owner::Signals,
                BACKGROUND => Owner::Background,
                ADDRESSES => Owner::Addresses,
                _ if slot & PUBLISHERS != 0 => Owner::PublisherErrors { index: slot & !PUBLISHERS, run: number },
                index => Owner::Listener(index),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_owner_and_nobody_else() {
        let owners = [
            Owner::Connection(Key { slot: 0, number: 0 }),
            Owner::Connection(Key { slot: u32::MAX, number: Key::NUMBER_MASK }),
            Owner::Listener(0),
            Owner::Listener(7),
            Owner::CameraOutput(Pipe { camera: 0, run: 0 }),
            Owner::CameraErrors(Pipe { camera: 3, run: Key::NUMBER_MASK }),
            Owner::PublisherErrors { index: 0, run: 0 },
            Owner::PublisherErrors { index: 7, run: Key::NUMBER_MASK },
            Owner::Signals,
            Owner::Background,
            Owner::Addresses,
        ];
        for owner in owners {
            assert_eq!(Owner::of(owner.token()), owner);
        }
    }
}

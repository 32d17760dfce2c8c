//! The owner of an event, encoded in the 64 bits that the kernel returns with each event.

use std::fmt;

use mio::Token;

use crate::hub::Key;

/// The owner of an event. Slots of connections and child processes are reused; the number beside the
/// slot is not, for the next 2^30 uses. So a late event is ignored, and cannot reach the new owner of
/// the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A connection.
    Connection(Key),
    /// A pipe of a child process.
    Child(ChildId),
    /// A listening socket.
    Listener(usize),
    /// The socket that the signal handler writes to.
    Signals,
    /// A background thread that has finished.
    Background,
    /// The netlink socket that reports changed network addresses.
    Addresses,
}

/// A child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildId {
    /// The purpose of the process.
    pub kind: ChildKind,
    /// The index among those of its kind, such as that of the camera. Below 2^29.
    pub index: u32,
    /// The number of the start, within [`Key::NUMBER_MASK`].
    pub generation: u32,
}

/// The purpose of a child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildKind {
    /// Writes the frames of a camera.
    Driver,
    /// Draws the placeholder of a camera.
    Renderer,
    /// Publishes the frames of a camera.
    Publisher,
    /// Checks a password.
    PasswordCheck,
    /// Replaces this process in a restart.
    NewProcess,
}

impl ChildKind {
    const ALL: [Self; 5] = [
        Self::Driver,
        Self::Renderer,
        Self::Publisher,
        Self::PasswordCheck,
        Self::NewProcess,
    ];
}

impl fmt::Display for ChildKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Driver => "driver",
            Self::Renderer => "renderer",
            Self::Publisher => "publisher",
            Self::PasswordCheck => "password check",
            Self::NewProcess => "new process",
        })
    }
}

/// The layout: 2 bits of owner, 30 bits of number, 32 bits of slot. The slot of a child is 3 bits of
/// kind and 29 bits of index.
const OWNER_SHIFT: u32 = 62;
const NUMBER_SHIFT: u32 = 32;
const CHILD_KIND_SHIFT: u32 = 29;
const CONNECTION: usize = 0;
const CHILD: usize = 1;
const LISTENER: usize = 2;
const OTHER: usize = 3;
const SIGNALS: usize = 0;
const BACKGROUND: usize = 1;
const ADDRESSES: usize = 2;

impl Owner {
    /// Returns the token to register this owner's socket or pipe under.
    pub fn token(self) -> Token {
        let (owner, number, slot) = match self {
            Owner::Connection(key) => (CONNECTION, key.number, key.slot),
            Owner::Child(id) => (
                CHILD,
                id.generation,
                (id.kind as u32) << CHILD_KIND_SHIFT | id.index,
            ),
            Owner::Listener(index) => (LISTENER, 0, index as u32),
            Owner::Signals => (OTHER, 0, SIGNALS as u32),
            Owner::Background => (OTHER, 0, BACKGROUND as u32),
            Owner::Addresses => (OTHER, 0, ADDRESSES as u32),
        };
        Token(
            owner << OWNER_SHIFT
                | ((number & Key::NUMBER_MASK) as usize) << NUMBER_SHIFT
                | slot as usize,
        )
    }

    /// Returns the owner that a token was made for.
    pub fn from_token(Token(bits): Token) -> Self {
        let number = (bits >> NUMBER_SHIFT) as u32 & Key::NUMBER_MASK;
        let slot = bits as u32;
        match (bits >> OWNER_SHIFT, slot as usize) {
            (CONNECTION, _) => Owner::Connection(Key { slot, number }),
            (CHILD, _) => {
                let kind = ChildKind::ALL[(slot >> CHILD_KIND_SHIFT) as usize];
                Owner::Child(ChildId {
                    kind,
                    index: slot & ((1 << CHILD_KIND_SHIFT) - 1),
                    generation: number,
                })
            }
            (LISTENER, index) => Owner::Listener(index),
            (_, SIGNALS) => Owner::Signals,
            (_, BACKGROUND) => Owner::Background,
            _ => Owner::Addresses,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_of_every_owner_decodes_to_that_owner() {
        let children = ChildKind::ALL.into_iter().flat_map(|kind| {
            [(0, 0), (7, Key::NUMBER_MASK)].map(|(index, generation)| {
                Owner::Child(ChildId {
                    kind,
                    index,
                    generation,
                })
            })
        });
        let others = [
            Owner::Connection(Key { slot: 0, number: 0 }),
            Owner::Connection(Key {
                slot: u32::MAX,
                number: Key::NUMBER_MASK,
            }),
            Owner::Listener(0),
            Owner::Listener(7),
            Owner::Signals,
            Owner::Background,
            Owner::Addresses,
        ];
        for owner in children.chain(others) {
            assert_eq!(Owner::from_token(owner.token()), owner);
        }
    }
}

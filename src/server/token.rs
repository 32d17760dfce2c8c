//! The owner of an event: the 64 bits that the kernel hands back with each event.

use std::fmt;

use mio::Token;

use crate::hub::Key;

/// The owner of an event. Connections and child processes carry a number that is not used again, so
/// that a late event names nothing rather than the new owner of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A connection.
    Connection(Key),
    /// A child process: one of its pipes.
    Child(ChildId),
    /// A listening socket.
    Listener(usize),
    /// The pipe that signal handlers write to.
    Signals,
    /// A thread that has read something in the background.
    Background,
    /// The kernel's reports of changed addresses.
    Addresses,
}

/// A child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildId {
    /// What it is for.
    pub kind: ChildKind,
    /// Which one of that kind, from 0: the camera of a driver or a renderer. Below 2^29.
    pub index: u32,
    /// Counts its processes, within [`Key::NUMBER_MASK`].
    pub generation: u32,
}

/// What a child process is for.
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
    /// Takes the place of this process.
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

/// The layout: two bits of owner, thirty of number, thirty-two of slot. The slot of a child is
/// three bits of kind and its index.
const OWNER_SHIFT: u32 = 62;
const NUMBER_SHIFT: u32 = 32;
const CHILD_KIND_SHIFT: u32 = 29;
const CONNECTION: usize = 0;
const CHILD: usize = 1;
const LISTENER: usize = 2;
const OTHER: usize = 3;
const SIGNALS: usize = 0;
const BACKGROUND: usize = 1;

impl Owner {
    /// The token to register this owner's source under.
    pub fn token(self) -> Token {
        let (owner, number, slot) = match self {
            Owner::Connection(key) => (CONNECTION, key.number, key.slot),
            Owner::Child(id) => (
                CHILD,
                id.generation,
                (id.kind as u32) << CHILD_KIND_SHIFT | id.index,
            ),
            Owner::Listener(index) => (LISTENER, 0, index as u32),
            Owner::Signals => (OTHER, 0, 0),
            Owner::Background => (OTHER, 0, 1),
            Owner::Addresses => (OTHER, 0, 2),
        };
        Token(
            owner << OWNER_SHIFT
                | ((number & Key::NUMBER_MASK) as usize) << NUMBER_SHIFT
                | slot as usize,
        )
    }

    /// The owner a token was made for.
    pub fn of(Token(bits): Token) -> Self {
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
    fn a_token_names_its_owner_and_no_other() {
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
            assert_eq!(Owner::of(owner.token()), owner);
        }
    }
}

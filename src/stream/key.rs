//! The name of a connection.

/// The name of a connection: its slot in the table, and its number. A later connection may reuse
/// the slot; the number only after 2^30 connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The index in the table.
    pub slot: u32,
    /// Counts all connections from 0; wraps around within [`Key::NUMBER_MASK`].
    pub number: u32,
}

impl Key {
    /// The bits of a number: a key fits into a 64-bit token, with room for the kind of the event
    /// source.
    pub const NUMBER_MASK: u32 = 0x3fff_ffff;
}

//! The name of a connection.

/// A connection: its slot in the table, and the number of the connection that occupies the slot.
/// The slot of a closed connection is used again; the number tells the two connections apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The place in the table.
    pub slot: u32,
    /// Counts up from 0 over all connections; wraps around within [`Key::NUMBER_MASK`].
    pub number: u32,
}

impl Key {
    /// The bits of a number that are used: a key fits a 64-bit token, with room for the kind of an
    /// event's source.
    pub const NUMBER_MASK: u32 = 0x3fff_ffff;
}

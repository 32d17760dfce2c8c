//! The name of a connection.

/// A connection: its slot in the hub's table, and the number of the connection that occupies the slot. The slot of a
/// closed connection is used again; the number tells the two connections apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The place in the hub's table.
    pub slot: u32,
    /// Counted up from 0 over all connections; wraps around within [`Key::NUMBER_MASK`].
    pub number: u32,
}

impl Key {
    /// The bits of a number that are used, so that a key fits a 64-bit token with room for the kind of its source.
    pub const NUMBER_MASK: u32 = 0x3fff_ffff;

    /// The least key in their order.
    pub(super) const MIN: Self = Self { slot: 0, number: 0 };
}

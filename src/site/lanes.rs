//! The loop at work: the data of a `loop` event, which `/loop` draws.

use serde::Serialize;

/// Connections shown; of more, the first in the order of their slots.
pub const LANES_MAX: usize = 64;

/// What the loop did since the last such event, and where each connection stands.
#[derive(Debug, Serialize)]
pub struct Lanes {
    /// The turns: see [`Turn`] for the order of the numbers. JSON would name them again and again.
    pub turns: Vec<Turn>,
    /// Turns that are not among them, because there were too many.
    pub turns_left_out: u64,
    /// Connections there are.
    pub open: usize,
    /// Those that are shown.
    pub lanes: Vec<Lane>,
}

/// One turn: when it began (µs since the loop did), how long it took (µs), events handled, bytes read and written,
/// frames published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Turn(pub u64, pub u64, pub u64, pub u64, pub u64, pub u64);

/// One connection.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the names are the documentation, in the reader's JSON as here")]
pub struct Lane {
    pub number: u32,
    pub peer: String,
    /// The word it gave as `key=`, if it is a viewer that gave one.
    pub key: String,
    pub kind: Kind,
    /// There may be bytes to read, and room for bytes to write: no "would block" has said otherwise.
    pub readable: bool,
    pub writable: bool,
    pub queued_bytes: usize,
    pub in_flight: Option<InFlight>,
    pub waiting: Option<u64>,
    pub would_blocks: u64,
    pub delivered: u64,
    pub skipped_slow: u64,
    pub skipped_rate: u64,
    pub bytes_sent: u64,
}

/// What a connection is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is shown frames.
    Viewer,
    /// It is told of events.
    Events,
    /// It reads a table.
    Table,
    /// It asks and is answered.
    Request,
}

/// A frame of which some bytes have left.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs, reason = "see Lane")]
pub struct InFlight {
    pub sequence: u64,
    pub bytes: usize,
    pub bytes_left: usize,
}

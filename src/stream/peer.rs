//! The other end of a connection.

use std::fmt;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address on a network.
    Inet(core::net::SocketAddr),
    /// A process on this machine, through a Unix socket.
    Local,
    /// A process of our own that passes frames on.
    Publisher,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Inet(address) => address.fmt(f),
            Peer::Local => f.write_str("local"),
            Peer::Publisher => f.write_str("publisher"),
        }
    }
}

//! The other end of a connection.

use std::fmt;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address on a network.
    Inet(std::net::SocketAddr),
    /// A process on this machine, through a Unix socket.
    Local,
    /// A process of our own that passes frames on.
    Publisher,
    /// An address that a trusted reverse proxy names as its client's.
    Forwarded(std::net::IpAddr),
}

impl Peer {
    /// Its address, if it has one. An IPv4 address that is written as an IPv6 one is an IPv4
    /// address.
    pub fn ip(self) -> Option<std::net::IpAddr> {
        match self {
            Peer::Inet(address) => Some(address.ip().to_canonical()),
            Peer::Forwarded(address) => Some(address.to_canonical()),
            Peer::Local | Peer::Publisher => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Inet(address) => address.fmt(f),
            Peer::Local => f.write_str("local"),
            Peer::Publisher => f.write_str("publisher"),
            Peer::Forwarded(address) => address.fmt(f),
        }
    }
}

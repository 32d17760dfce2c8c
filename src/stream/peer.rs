//! The other end of a connection.

use std::fmt;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An address on a network.
    Inet(std::net::SocketAddr),
    /// A process on this machine, through a Unix socket.
    Local,
    /// A child process of ours that publishes frames to Redis.
    Publisher,
    /// A client address that a trusted reverse proxy forwards.
    Forwarded(std::net::IpAddr),
}

impl Peer {
    /// Returns its address, if it has one. An IPv4-mapped IPv6 address is returned as IPv4.
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

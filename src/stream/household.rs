//! Whom connections and mistakes are counted against.

// `core::net` holds addresses and their notation alone; nothing in it can open a socket.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::peer::Peer;

/// What is counted as one peer: an IPv4 address, or the 64 bits of an IPv6 network, in which whoever has one address
/// has all of them (RFC 4291, section 2.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Household {
    /// One IPv4 address, however it was written.
    V4(Ipv4Addr),
    /// The upper half of an IPv6 address.
    V6(u64),
    /// Every process that comes through a Unix socket, and our own.
    Local,
}

impl Household {
    /// The household of a peer.
    pub fn of(peer: Peer) -> Self {
        match peer {
            Peer::Local | Peer::Publisher => Household::Local,
            Peer::Inet(address) => match address.ip().to_canonical() {
                IpAddr::V4(address) => Household::V4(address),
                IpAddr::V6(address) => Household::V6((address.to_bits() >> 64) as u64),
            },
        }
    }

    /// Whether it is this machine itself.
    pub fn is_here(self) -> bool {
        match self {
            Household::V4(address) => address.is_loopback(),
            Household::V6(network) => network == (Ipv6Addr::LOCALHOST.to_bits() >> 64) as u64,
            Household::Local => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Household {
        Household::of(Peer::Inet(address.parse().unwrap()))
    }

    #[test]
    fn a_household_is_an_ipv4_address_or_an_ipv6_network() {
        assert_eq!(of("203.0.113.7:1"), of("[::ffff:203.0.113.7]:2"));
        assert_ne!(of("203.0.113.7:1"), of("203.0.113.8:1"));
        assert_eq!(of("[2001:db8:1:2::1]:1"), of("[2001:db8:1:2:ffff::9]:1"));
        assert_ne!(of("[2001:db8:1:2::1]:1"), of("[2001:db8:1:3::1]:1"));
        assert!(of("127.3.2.1:1").is_here() && of("[::1]:1").is_here() && Household::of(Peer::Local).is_here());
        assert!(!of("192.168.1.2:1").is_here() && !of("[fe80::1]:1").is_here());
    }
}

//! Client networks, for which connections and failed logins are counted, and address ranges in CIDR
//! notation.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Instant;

use super::log_limit::LogLimit;
use super::peer::Peer;
use crate::wire::http::{Refusal, Status};

/// The unit that counts as one client: an IPv4 address, or an IPv6 /64 network, since a host may
/// use every address of its /64 (RFC 4291, section 2.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientNet {
    /// An IPv4 address, also if it was given as an IPv4-mapped IPv6 address.
    V4(Ipv4Addr),
    /// The upper half of an IPv6 address.
    V6(u64),
    /// Processes that connect through a Unix socket, and our own.
    Local,
}

impl ClientNet {
    /// Returns the client network of a peer.
    pub fn of(peer: Peer) -> Self {
        match peer.ip() {
            None => ClientNet::Local,
            Some(IpAddr::V4(address)) => ClientNet::V4(address),
            Some(IpAddr::V6(address)) => ClientNet::V6((address.to_bits() >> 64) as u64),
        }
    }

    /// Whether it is this machine.
    pub fn is_here(self) -> bool {
        match self {
            ClientNet::V4(address) => address.is_loopback(),
            ClientNet::V6(network) => network == (Ipv6Addr::LOCALHOST.to_bits() >> 64) as u64,
            ClientNet::Local => true,
        }
    }
}

/// The response to a client network with too many connections.
pub const TOO_MANY: Refusal = Refusal {
    status: Status::TooManyRequests,
    reason: "Too many connections from your address; close some, or raise --connections-per-address.",
};

/// The open connections of each client network. This machine is not limited: a proxy may run here.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    counts: BTreeMap<ClientNet, usize>,
    log: LogLimit,
}

impl ConnectionCounts {
    /// Adds a connection of `client`. Returns the network that counts it, and whether that network
    /// has at most `max` connections now.
    pub fn admit(&mut self, client: Peer, max: usize, now: Instant) -> (Option<ClientNet>, bool) {
        let client_net = ClientNet::of(client);
        if client_net.is_here() {
            return (None, true);
        }
        let count = self.counts.entry(client_net).or_default();
        *count += 1;
        let has_room = *count <= max;
        if !has_room && self.log.admit("refused connections", now) {
            log::info!(
                "{client}: {} (too many connections from its network)",
                TOO_MANY.status.code()
            );
        }
        (Some(client_net), has_room)
    }

    /// Removes a connection from the count of its network.
    pub fn release(&mut self, counted: Option<ClientNet>) {
        let Some(client_net) = counted else { return };
        if let Entry::Occupied(mut count) = self.counts.entry(client_net) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// A range of addresses: all that begin with the same bits (CIDR, RFC 4632 and RFC 4291).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// The reverse proxies whose forwarded client addresses are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Their networks.
    pub networks: Vec<Network>,
    /// Processes that connect through a Unix socket are among them.
    pub local: bool,
}

impl TrustedProxies {
    /// Whether `peer` is a trusted proxy.
    pub fn contains(&self, peer: Peer) -> bool {
        match peer {
            Peer::Local => self.local,
            Peer::Publisher => false,
            Peer::Inet(_) | Peer::Forwarded(_) => peer.ip().is_some_and(|address| {
                self.networks
                    .iter()
                    .any(|network| network.contains(address))
            }),
        }
    }
}

/// The text is not an address or a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an address or a range in CIDR notation, such as 172.18.0.0/16, fd00::/8 or 192.168.1.2"
)]
pub struct NetworkError;

impl Network {
    /// Returns the range of the addresses that share the first `prefix_bits` bits with `address`;
    /// `None` if it has fewer bits.
    pub fn new(address: IpAddr, prefix_bits: u8) -> Option<Self> {
        let mapped = matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
        // ::ffff:0:0/96 maps the IPv4 addresses (RFC 4291, section 2.5.5.2): compare them as IPv4.
        let (address, prefix_bits) = match (mapped, prefix_bits) {
            (true, 96..=128) => (address.to_canonical(), prefix_bits - 96),
            _ => (address, prefix_bits),
        };
        (prefix_bits <= width(address)).then_some(Self {
            address,
            prefix_bits,
        })
    }

    /// Whether `address` is in the range. Accepts IPv4-mapped IPv6 addresses.
    pub fn contains(&self, address: IpAddr) -> bool {
        let ignored_bits = |address| u32::from(width(address) - self.prefix_bits);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing
                    .checked_shr(ignored_bits(self.address))
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing
                    .checked_shr(ignored_bits(self.address))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }

    /// The address of the range as it was given: bits after the prefix need not be zero.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

/// Returns the number of bits of such an address.
fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix_bits) = text
            .split_once('/')
            .map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(address);
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let is_number =
            |bits: &str| !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let prefix_bits = match prefix_bits {
            None => width(address),
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|_| is_number(bits))
                .ok_or(NetworkError)?,
        };
        Self::new(address, prefix_bits).ok_or(NetworkError)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix_bits == width(self.address) {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix_bits)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> ClientNet {
        ClientNet::of(Peer::Inet(address.parse().unwrap()))
    }

    #[test]
    fn client_net_is_an_ipv4_address_or_an_ipv6_network() {
        assert_eq!(of("203.0.113.7:1"), of("[::ffff:203.0.113.7]:2"));
        assert_ne!(of("203.0.113.7:1"), of("203.0.113.8:1"));
        assert_eq!(of("[2001:db8:1:2::1]:1"), of("[2001:db8:1:2:ffff::9]:1"));
        assert_ne!(of("[2001:db8:1:2::1]:1"), of("[2001:db8:1:3::1]:1"));
        assert_eq!(
            of("203.0.113.7:1"),
            ClientNet::of(Peer::Forwarded("::ffff:203.0.113.7".parse().unwrap()))
        );
        assert!(
            of("127.3.2.1:1").is_here()
                && of("[::1]:1").is_here()
                && ClientNet::of(Peer::Local).is_here()
        );
        assert!(!of("192.168.1.2:1").is_here() && !of("[fe80::1]:1").is_here());
    }

    #[test]
    fn network_contains_the_addresses_of_its_prefix() {
        for (network, inside, outside) in [
            (
                "172.18.0.0/16",
                "172.18.255.1 ::ffff:172.18.0.9",
                "172.19.0.1 ac12::",
            ),
            ("192.168.1.77/24", "192.168.1.1", "192.168.2.1"),
            ("192.168.1.2", "192.168.1.2", "192.168.1.3"),
            ("0.0.0.0/0", "203.0.113.9 ::ffff:10.0.0.1", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.9"),
            (
                "2001:db8:1:2::5/64",
                "2001:db8:1:2:ffff::1",
                "2001:db8:1:3::1",
            ),
            ("[fd00::]/8", "fdff::1", "fc00::1"),
            ("::1", "::1", "::2 127.0.0.1"),
            (
                "::ffff:10.1.0.0/112",
                "10.1.2.3 ::ffff:10.1.9.9",
                "10.2.0.1",
            ),
        ] {
            let range: Network = network.parse().unwrap();
            let all = |text: &str| {
                text.split(' ')
                    .map(|address| range.contains(address.parse().unwrap()))
                    .collect()
            };
            let (inside, outside): (Vec<bool>, Vec<bool>) = (all(inside), all(outside));
            assert!(
                inside.iter().all(|inside| *inside) && !outside.iter().any(|inside| *inside),
                "{network}"
            );
        }
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0/8",
            "proxy",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }
}

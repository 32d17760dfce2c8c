//! The networks that this machine's interfaces are in: their addresses are private, whatever they
//! look like. They are read at the start, and again when the kernel reports that an address has
//! come or gone (rtnetlink(7)).

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use super::interfaces::{self, InterfaceAddress};
use crate::stream::Network;

/// The groups of messages of new and deleted addresses (linux/rtnetlink.h).
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;

/// Messages read in one turn. Their content does not matter.
const MESSAGES_MAX: usize = 64;

/// A longer range of IPv6 addresses than a link has (RFC 4291, section 2.5.1) is narrowed to the
/// one around our own address. The same of IPv4, where no link is larger.
const PREFIX_BITS_MIN_V6: u8 = 64;
const PREFIX_BITS_MIN_V4: u8 = 16;

/// What an internet provider shares among its customers (RFC 6598), and overlay networks among a
/// user's machines.
const SHARED: Shared = Shared {
    address: [100, 64, 0, 0],
    prefix_bits: 10,
};

struct Shared {
    address: [u8; 4],
    prefix_bits: u8,
}

/// How the interfaces of overlay networks are called: Tailscale, NetBird, ZeroTier, Nebula,
/// WireGuard.
const OVERLAYS: [&str; 5] = ["tailscale", "wt", "zt", "nebula", "wg"];

/// Reports when the addresses of the interfaces change.
#[derive(Debug)]
pub struct AddressChanges(OwnedFd);

impl AddressChanges {
    /// Asks the kernel for reports.
    pub fn subscribe() -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // No protocol is the first one, which is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(
            &socket,
            &SocketAddrNetlink::new(0, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR),
        )?;
        Ok(Self(socket))
    }

    /// Registers the reports under `token`.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(
            &mut SourceFd(&self.0.as_raw_fd()),
            token,
            Interest::READABLE,
        )
    }

    /// Discards the reports that have come. Returns whether these were all; more make no difference
    /// until the next edge.
    pub fn drain(&self) -> bool {
        let mut message = [0; 8192];
        // An error other than "would block" means lost reports: the next ones come all the same.
        (0..MESSAGES_MAX).any(|_| {
            matches!(
                recv(&self.0, &mut message, RecvFlags::empty()),
                Err(rustix::io::Errno::AGAIN)
            )
        })
    }
}

/// Reads the networks of all interfaces, without duplicates.
pub fn own_networks() -> io::Result<Vec<Network>> {
    let addresses = interfaces::addresses()?;
    let of =
        |address: &InterfaceAddress| network(&address.interface, address.ip, address.prefix_bits?);
    let networks = addresses.iter().filter_map(of);
    Ok(networks.collect::<BTreeSet<_>>().into_iter().collect())
}

/// The network of one address of an interface, which may be narrower than the interface says.
fn network(interface: &str, address: IpAddr, prefix_bits: u8) -> Option<Network> {
    let shared = Network::new(SHARED.address.into(), SHARED.prefix_bits)?;
    if shared.contains(address) {
        // Tailscale gives each machine a single address out of all of them, and leads all of them
        // to its interface.
        return match OVERLAYS.iter().find(|name| interface.starts_with(**name)) {
            Some(&"tailscale") => Some(shared),
            Some(_) => Network::new(address, prefix_bits.max(PREFIX_BITS_MIN_V4)),
            None => None,
        };
    }
    let prefix_bits_min = if address.is_ipv4() {
        PREFIX_BITS_MIN_V4
    } else {
        PREFIX_BITS_MIN_V6
    };
    Network::new(address, prefix_bits.max(prefix_bits_min))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_of_an_interface_is_its_prefix() {
        for (interface, address, prefix_bits, inside, outside) in [
            (
                "eth0",
                "2001:db8:1:2::5",
                64,
                "2001:db8:1:2:ffff::1",
                "2001:db8:1:3::1",
            ),
            (
                "eth0",
                "2001:db8:1:2::5",
                48,
                "2001:db8:1:2:ffff::1",
                "2001:db8:1:3::1",
            ),
            (
                "eth0",
                "2001:db8:1:2::5",
                128,
                "2001:db8:1:2::5",
                "2001:db8:1:2::6",
            ),
            ("eth0", "203.0.113.5", 24, "203.0.113.99", "203.0.114.1"),
            ("eth0", "203.0.113.5", 8, "203.0.114.1", "203.1.0.1"),
            (
                "tailscale0",
                "100.101.102.103",
                32,
                "100.64.0.1",
                "100.128.0.1",
            ),
            ("wt0", "100.92.1.2", 16, "100.92.9.9", "100.93.0.1"),
        ] {
            let network = network(interface, address.parse().unwrap(), prefix_bits).unwrap();
            assert!(
                network.contains(inside.parse().unwrap()),
                "{interface} {address}"
            );
            assert!(
                !network.contains(outside.parse().unwrap()),
                "{interface} {address}"
            );
        }
        let provider = network("eth0", "100.70.1.2".parse().unwrap(), 20);
        assert_eq!(provider, None, "the other customers of a provider");
    }

    #[test]
    fn loopback_is_among_the_own_networks() {
        let networks = own_networks().unwrap();
        assert!(
            networks
                .iter()
                .any(|network| network.contains("127.0.0.1".parse().unwrap())),
            "{networks:?}"
        );
        assert!(AddressChanges::subscribe().unwrap().drain());
    }
}

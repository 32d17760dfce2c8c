//! The networks of this machine's interfaces. Their addresses count as private, even if they are
//! public ones. They are read at the start, and again when the kernel reports a new or deleted
//! address (rtnetlink(7)).

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use super::interfaces::{self, InterfaceAddress};
use crate::hub::Network;

/// The multicast groups of messages about addresses (linux/rtnetlink.h).
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;

/// A larger network is narrowed to this one around our address: no link of IPv6 is larger (RFC 4291,
/// section 2.5.1), and hardly one of IPv4.
const PREFIX_BITS_MIN_V6: u8 = 64;
const PREFIX_BITS_MIN_V4: u8 = 16;

/// The shared address space (RFC 6598). Internet providers use it for their customers, overlay
/// networks for the machines of one user.
const SHARED: Shared = Shared {
    address: [100, 64, 0, 0],
    prefix_bits: 10,
};

struct Shared {
    address: [u8; 4],
    prefix_bits: u8,
}

/// The prefixes of the interface names of overlay networks: Tailscale, NetBird, ZeroTier, Nebula,
/// WireGuard.
const OVERLAYS: [&str; 5] = ["tailscale", "wt", "zt", "nebula", "wg"];

/// A netlink socket that reports changed addresses of the interfaces.
#[derive(Debug)]
pub struct AddressChanges(OwnedFd);

impl AddressChanges {
    /// Opens the socket.
    pub fn subscribe() -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // Protocol 0, the default, is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(
            &socket,
            &SocketAddrNetlink::new(0, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR),
        )?;
        Ok(Self(socket))
    }

    /// Registers the socket under `token`.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(
            &mut SourceFd(&self.0.as_raw_fd()),
            token,
            Interest::READABLE,
        )
    }

    /// Reads and discards messages until the socket would block (an edge is owed): their content
    /// does not matter. The loop needs no budget, because addresses change rarely.
    pub fn drain(&self) {
        let mut message = [0; 8192];
        // ENOBUFS: the kernel has dropped messages, since its buffer was full.
        while let Ok(_) | Err(Errno::NOBUFS | Errno::INTR) =
            recv(&self.0, &mut message, RecvFlags::empty())
        {}
    }
}

/// Returns the networks of all interfaces, without duplicates. This may block.
pub fn own_networks() -> io::Result<Vec<Network>> {
    let addresses = interfaces::addresses()?;
    let of =
        |address: &InterfaceAddress| network(&address.interface, address.ip, address.prefix_bits?);
    let networks = addresses.iter().filter_map(of);
    Ok(networks.collect::<BTreeSet<_>>().into_iter().collect())
}

/// Returns the network of one address of an interface, narrowed if it is too large.
fn network(interface: &str, address: IpAddr, prefix_bits: u8) -> Option<Network> {
    let shared = Network::new(SHARED.address.into(), SHARED.prefix_bits)?;
    if shared.contains(address) {
        // Tailscale assigns each machine one address of this space, and routes all of it to its
        // interface.
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
    fn network_of_an_interface_is_its_prefix_and_not_too_large() {
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
        assert_eq!(
            provider, None,
            "a provider shares these addresses among its customers"
        );
    }

    #[test]
    fn own_networks_include_loopback() {
        let networks = own_networks().unwrap();
        assert!(
            networks
                .iter()
                .any(|network| network.contains("127.0.0.1".parse().unwrap())),
            "{networks:?}"
        );
    }
}

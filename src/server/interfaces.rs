//! The network interfaces of this machine: their addresses, and the URLs of a listener for other
//! devices.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

/// The name prefixes of interfaces for containers and virtual machines on this machine, through
/// which no other device connects.
const INTERNAL: [&str; 8] = [
    "docker", "br-", "veth", "virbr", "cni", "flannel", "podman", "lxc",
];

/// The maximum number of URLs shown: more would hide the useful ones.
const URLS_MAX: usize = 8;

/// The socket of avahi-daemon, which announces the host name by multicast DNS (RFC 6762).
const AVAHI: &str = "/run/avahi-daemon/socket";

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The name of the interface, such as `eth0`.
    pub interface: String,
    /// The address.
    pub ip: IpAddr,
    /// The length of the network prefix, if there is one.
    pub prefix_bits: Option<u8>,
    /// Whether the interface is up.
    pub is_up: bool,
}

/// Returns the addresses of all interfaces, in the order of the kernel. This may block: with
/// thousands of addresses, the kernel takes a while.
///
/// # Errors
/// Those of getifaddrs(3).
pub fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    let read = |entry: nix::ifaddrs::InterfaceAddress| {
        let prefix_bits = entry.netmask.as_ref().and_then(ip).map(|mask| match mask {
            IpAddr::V4(mask) => mask.to_bits().count_ones(),
            IpAddr::V6(mask) => mask.to_bits().count_ones(),
        });
        Some(InterfaceAddress {
            ip: ip(entry.address.as_ref()?)?,
            prefix_bits: prefix_bits.map(|bits| bits as u8),
            is_up: entry.flags.contains(InterfaceFlags::IFF_UP),
            interface: entry.interface_name,
        })
    };
    Ok(getifaddrs()?.filter_map(read).collect())
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

/// Returns the host name of this machine, and its first label.
pub fn own_names() -> impl Iterator<Item = String> {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let first = name.split('.').next().map(str::to_owned);
    std::iter::once(name.clone()).chain(first)
}

/// Returns the name of this machine in multicast DNS, if it is announced.
pub fn local_name() -> Option<String> {
    let is_announced = Path::new(AVAHI).exists();
    own_names()
        .last()
        .filter(|name| is_announced && !name.is_empty())
        .map(|name| format!("{name}.local"))
}

/// Returns the URLs of a listener on `bound` for other devices. One has the host name `name`, if
/// that is given. A listener on the loopback interface has no such URL.
pub fn urls(
    scheme: &str,
    bound: SocketAddr,
    interfaces: &[InterfaceAddress],
    name: Option<&str>,
) -> Vec<String> {
    if !bound.ip().is_unspecified() {
        let url = format!("{scheme}://{bound}/");
        return if bound.ip().is_loopback() {
            Vec::new()
        } else {
            vec![url]
        };
    }
    let is_outer = |interface: &&InterfaceAddress| {
        interface.is_up
            && !interface.ip.is_loopback()
            && !INTERNAL
                .iter()
                .any(|name| interface.interface.starts_with(name))
    };
    let all: Vec<IpAddr> = interfaces
        .iter()
        .filter(is_outer)
        .map(|interface| interface.ip)
        .collect();
    let v4 = all.iter().copied().filter(IpAddr::is_ipv4);
    // A link-local URL would need the name of the other device's interface (RFC 6874).
    let is_global = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if !ip.is_unicast_link_local());
    let v6 = all
        .iter()
        .copied()
        .filter(|ip| bound.is_ipv6() && is_global(ip));
    let addresses = v4
        .chain(v6)
        .map(|ip| format!("{scheme}://{}/", SocketAddr::new(ip, bound.port())));
    let named = name.map(|name| format!("{scheme}://{name}:{}/", bound.port()));
    addresses.take(URLS_MAX).chain(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces() -> Vec<InterfaceAddress> {
        let all = [
            ("lo", "127.0.0.1"),
            ("lo", "::1"),
            ("eth0", "192.168.1.20"),
            ("eth1", "192.168.2.20"),
            ("docker0", "172.17.0.1"),
            ("eth0", "2001:db8::20"),
            ("eth0", "fe80::20"),
        ];
        let make = |(interface, ip): (&str, &str)| InterfaceAddress {
            interface: interface.into(),
            ip: ip.parse().unwrap(),
            prefix_bits: Some(24),
            is_up: interface != "eth1",
        };
        all.map(make).to_vec()
    }

    #[test]
    fn listener_on_unspecified_address_has_urls_of_outer_interfaces() {
        let of = |bound: &str, name| urls("http", bound.parse().unwrap(), &interfaces(), name);
        assert_eq!(of("0.0.0.0:8080", None), ["http://192.168.1.20:8080/"]);
        let both = [
            "http://192.168.1.20:8080/",
            "http://[2001:db8::20]:8080/",
            "http://pi.local:8080/",
        ];
        assert_eq!(of("[::]:8080", Some("pi.local")), both);
    }

    #[test]
    fn listener_on_one_address_has_one_url_unless_loopback() {
        let of = |bound: &str| {
            urls(
                "https",
                bound.parse().unwrap(),
                &interfaces(),
                Some("pi.local"),
            )
        };
        assert_eq!(of("192.168.1.20:443"), ["https://192.168.1.20:443/"]);
        assert_eq!(of("127.0.0.1:443"), [""; 0]);
        assert_eq!(of("[::1]:443"), [""; 0]);
    }

    #[test]
    fn interface_addresses_include_loopback() {
        let all = addresses().unwrap();
        assert!(
            all.iter()
                .any(|address| address.ip == IpAddr::from([127, 0, 0, 1])),
            "{all:?}"
        );
    }
}

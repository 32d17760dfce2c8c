//! Access without credentials: private addresses, and host names that no other site can have.

use std::net::{IpAddr, Ipv4Addr};

use crate::hub::{Network, Peer};

/// Domains without public names: of this machine (RFC 6761), of multicast DNS (RFC 6762).
const ALWAYS_LOCAL: [&str; 2] = [".localhost", ".local"];
/// Domains of routers and of private networks (RFC 8375; ICANN, 2024). For a public client they may
/// be public names one day.
const LOCAL_TO_PRIVATE_PEERS: [&str; 6] = [
    ".lan",
    ".home",
    ".home.arpa",
    ".internal",
    ".localdomain",
    ".fritz.box",
];

/// Returns whether a peer is on this machine or on its own network: loopback, private (RFC 1918),
/// link-local (RFC 3927, RFC 4291) and unique local (RFC 4193) addresses, and those in
/// `own_networks`. The shared addresses of RFC 6598 (100.64.0.0/10) are not private: other
/// customers of the internet provider have them.
pub fn is_private(peer: Peer, own_networks: &[Network]) -> bool {
    let Some(address) = peer.ip() else {
        return true;
    };
    let is_reserved = match address {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    };
    is_reserved || own_networks.iter().any(|network| network.contains(address))
}

/// Returns whether `host`, the value of a `Host` field, is an address, a local name, or one of
/// `names`. `is_private` states whether the client has a private address.
///
/// This prevents DNS rebinding: another site resolves its own name to this server's address, so
/// that a browser takes both for the same origin. The `Host` field still holds the other site's
/// name. No site can own `localhost`, a name under `local`, or a name without a dot (a machine or
/// container of the local network), and an address needs no lookup. For private clients the same
/// holds for the domains of routers; for others, such a domain may be delegated one day.
pub fn is_known_host(host: &str, names: &[String], is_private: bool) -> bool {
    let name = match host.strip_prefix('[') {
        // An IPv6 address: the request parser has checked it.
        Some(_) => return true,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_address = name.parse::<Ipv4Addr>().is_ok();
    let is_under = |domains: &[&str]| domains.iter().any(|domain| name.ends_with(domain));
    is_address
        || !name.contains('.')
        || is_under(&ALWAYS_LOCAL)
        || (is_private && is_under(&LOCAL_TO_PRIVATE_PEERS))
        || names.iter().any(|own| own.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::Inet(std::net::SocketAddr::new(address.parse().unwrap(), 4711))
    }

    #[test]
    fn private_addresses_are_those_of_machine_and_local_network() {
        let private = "127.0.0.1 127.255.0.9 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 \
            192.168.255.255 169.254.0.1 169.254.255.255 ::1 fe80::1 febf::1 fc00::1 fdff::1 fd7a:115c:a1e0::5 \
            ::ffff:127.0.0.1 ::ffff:10.1.2.3 ::ffff:192.168.1.1 ::ffff:169.254.1.1";
        let public = "1.1.1.1 9.255.255.255 11.0.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 \
            169.253.255.255 169.255.0.0 100.64.0.1 100.127.255.255 192.0.2.1 198.51.100.1 203.0.113.1 0.0.0.0 \
            224.0.0.1 255.255.255.255 :: 2001:db8::1 2606:4700::1111 fec0::1 fbff::1 fe00::1 ff02::1 \
            ::ffff:8.8.8.8 ::ffff:100.64.0.1 64:ff9b::a00:1 2002:a00:1::1 ::10.0.0.1";
        for (addresses, expected) in [(private, true), (public, false)] {
            for address in addresses.split_whitespace() {
                assert_eq!(is_private(peer(address), &[]), expected, "{address}");
                assert_eq!(
                    is_private(Peer::Forwarded(address.parse().unwrap()), &[]),
                    expected,
                    "{address}"
                );
            }
        }
        assert!(is_private(Peer::Local, &[]));
    }

    #[test]
    fn peer_in_the_network_of_an_interface_is_private() {
        let own: Vec<Network> = ["2001:db8:1:2::5/64", "100.64.0.0/10"]
            .map(|network| network.parse().unwrap())
            .into();
        for (address, expected) in [
            ("2001:db8:1:2:ffff::1", true),
            ("2001:db8:1:3::1", false),
            ("100.101.102.103", true),
            ("::ffff:100.101.102.103", true),
            ("100.128.0.1", false),
        ] {
            assert_eq!(is_private(peer(address), &own), expected, "{address}");
        }
    }

    #[test]
    fn known_hosts_are_names_that_no_public_site_can_have() {
        let names = ["pi".to_owned(), "cam.example.org".to_owned()];
        for host in "localhost LOCALHOST localhost:8080 localhost. cam.localhost pi.local PI.local:80 127.0.0.1 \
            127.0.0.1:8080 192.168.1.5 203.0.113.9:80 [::1] [::1]:8080 [2001:db8::1] pi PI:8080 nas mjpgstreamer1 \
            cam.example.org CAM.example.ORG:443 cam.example.org."
            .split_whitespace()
        {
            assert!(is_known_host(host, &names, false), "{host}");
        }
        for host in "evil.example evil.example:8080 localhost.evil.example .evil not.localhost.evil \
            pi.evil.example cam.example.org.evil.example 127.0.0.1.evil.example 127.1 0x7f.0.0.1 \
            127.0.0.1.nip.io a.cam.example.org example.org pi.lan.evil.example fritz.box xfritz.box pi.arpa \
            evilhome.arpa pi.homes lan.example pi.internal.example"
            .split_whitespace()
        {
            assert!(!is_known_host(host, &names, true), "{host}");
        }
    }

    #[test]
    fn domain_of_a_router_is_known_to_private_clients_alone() {
        for host in "pi.lan PI.LAN. pi.lan:8080 pi.home pi.home.arpa pi.internal pi.localdomain pi.fritz.box:8080 \
            cam.attic.lan"
            .split_whitespace()
        {
            assert!(is_known_host(host, &[], true), "{host}");
            assert!(!is_known_host(host, &[], false), "{host}");
        }
    }
}

//! Access without credentials: private peers, and names that cannot be another site's.

use std::net::{IpAddr, Ipv4Addr};

use crate::stream::{Network, Peer};

/// Domains that no public name is under, so that a name there is one of the local network: of this
/// machine (RFC 6761), of multicast DNS (RFC 6762), reserved (RFC 8375; ICANN, 2024), or what
/// routers hand out.
const ALWAYS_LOCAL: [&str; 2] = [".localhost", ".local"];
const LOCAL_TO_PRIVATE_PEERS: [&str; 6] = [
    ".lan",
    ".home",
    ".home.arpa",
    ".internal",
    ".localdomain",
    ".fritz.box",
];

/// Whether a peer is on this machine or on its own network: loopback, private (RFC 1918),
/// link-local (RFC 3927, RFC 4291) and unique local (RFC 4193) addresses, and those in
/// `own_networks`. The shared ones of RFC 6598 (100.64.0.0/10) are in none of the former: an
/// internet provider's other customers have them.
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

/// Whether `host`, the value of a `Host` field, is a name that only means this server, or no name
/// at all. `is_private` is whether the client is.
///
/// A page from elsewhere can have its own name lead to this server's address, and is then of the
/// same origin for a browser ("DNS rebinding"). But the name is still the page's own, and says so
/// in `Host`. No one else can make `localhost`, a name under `local`, or one without a dot, which
/// means a machine or a container of the same network, lead anywhere, and an address needs no
/// lookup. In a private network the same holds for names under a router's domain; elsewhere such a
/// domain may be delegated some day.
pub fn is_known_host(host: &str, names: &[String], is_private: bool) -> bool {
    let name = match host.strip_prefix('[') {
        // It was parsed as an address when the request was.
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
    fn private_is_this_machine_and_its_own_network() {
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
    fn peer_in_the_prefix_of_an_interface_is_private() {
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
    fn known_host_is_one_that_no_public_page_can_have() {
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
    fn router_domain_is_known_to_private_clients_alone() {
        for host in "pi.lan PI.LAN. pi.lan:8080 pi.home pi.home.arpa pi.internal pi.localdomain pi.fritz.box:8080 \
            cam.attic.lan"
            .split_whitespace()
        {
            assert!(is_known_host(host, &[], true), "{host}");
            assert!(!is_known_host(host, &[], false), "{host}");
        }
    }
}

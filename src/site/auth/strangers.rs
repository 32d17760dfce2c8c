//! Who is served where no credentials are asked for: peers that are near, and browsers that mean this server.

use core::net::{IpAddr, Ipv4Addr};

use crate::stream::Peer;

/// Whether a peer is on this machine or on its own network: loopback, private (RFC 1918), link-local (RFC 3927, RFC
/// 4291) and unique local (RFC 4193) addresses. The shared ones of RFC 6598 (100.64.0.0/10) are not: what stands there
/// is an internet provider, and its other customers are strangers.
pub fn is_near(peer: Peer) -> bool {
    let Peer::Inet(address) = peer else { return true };
    match address.ip().to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// Whether `host`, the value of a `Host` field, is a name that only means this server, or no name at all.
///
/// A page from elsewhere can have its own name lead to this server's address, and is then of the same origin for a
/// browser ("DNS rebinding"). But the name is still the page's own, and says so in `Host`. Nobody else can make
/// `localhost` (RFC 6761), a name under `local` (RFC 6762) or one without a dot, which means a machine or a container
/// of the same network, lead anywhere, and an address needs no lookup.
pub fn is_own(host: &str, names: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        // It was parsed as an address when the request was.
        Some(_) => return true,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_address = name.parse::<Ipv4Addr>().is_ok();
    is_address
        || !name.contains('.')
        || [".localhost", ".local"].iter().any(|domain| name.ends_with(domain))
        || names.iter().any(|own| own.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_this_machine_and_its_own_network() {
        let near = "127.0.0.1 127.255.0.9 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 \
            192.168.255.255 169.254.0.1 169.254.255.255 ::1 fe80::1 febf::1 fc00::1 fdff::1 fd7a:115c:a1e0::5 \
            ::ffff:127.0.0.1 ::ffff:10.1.2.3 ::ffff:192.168.1.1 ::ffff:169.254.1.1";
        let far = "1.1.1.1 9.255.255.255 11.0.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 \
            169.253.255.255 169.255.0.0 100.64.0.1 100.127.255.255 192.0.2.1 198.51.100.1 203.0.113.1 0.0.0.0 \
            224.0.0.1 255.255.255.255 :: 2001:db8::1 2606:4700::1111 fec0::1 fbff::1 fe00::1 ff02::1 \
            ::ffff:8.8.8.8 ::ffff:100.64.0.1 64:ff9b::a00:1 2002:a00:1::1 ::10.0.0.1";
        for (addresses, expected) in [(near, true), (far, false)] {
            for address in addresses.split_whitespace() {
                let address = core::net::SocketAddr::new(address.parse().unwrap(), 4711);
                assert_eq!(is_near(Peer::Inet(address)), expected, "{address}");
            }
        }
        assert!(is_near(Peer::Local));
    }

    #[test]
    fn a_host_is_our_own_or_another_pages() {
        let names = ["pi".to_owned(), "cam.example.org".to_owned()];
        for host in "localhost LOCALHOST localhost:8080 localhost. cam.localhost pi.local PI.local:80 127.0.0.1 \
            127.0.0.1:8080 192.168.1.5 203.0.113.9:80 [::1] [::1]:8080 [2001:db8::1] pi PI:8080 nas mjpgstreamer1 \
            cam.example.org CAM.example.ORG:443 cam.example.org."
            .split_whitespace()
        {
            assert!(is_own(host, &names), "{host}");
        }
        for host in "evil.example evil.example:8080 localhost.evil.example .evil not.localhost.evil \
            pi.evil.example cam.example.org.evil.example 127.0.0.1.evil.example 127.1 0x7f.0.0.1 \
            127.0.0.1.nip.io a.cam.example.org example.org"
            .split_whitespace()
        {
            assert!(!is_own(host, &names), "{host}");
        }
    }
}

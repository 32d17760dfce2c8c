//! The client behind a trusted reverse proxy, from `X-Forwarded-For` or `Forwarded` (RFC 7239).
//!
//! Each proxy appends the address of its peer, so the nearest proxy wrote the rightmost address,
//! and the client can forge the leftmost ones. The client is the rightmost address that is not a
//! trusted proxy's.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::hub::{Peer, TrustedProxies};
use crate::wire::http::Request;

/// Returns the client of a request: the peer, or the client that the peer names, if the peer is a
/// trusted proxy. Skips addresses that are malformed, hidden or `unknown`.
///
/// A proxy writes one of the two fields and may forward the other as the client sent it. If they
/// differ, a public address has precedence over one for which `is_private` holds.
pub fn client(
    peer: Peer,
    request: &Request,
    proxies: &TrustedProxies,
    is_private: impl Fn(Peer) -> bool,
) -> Peer {
    if !proxies.contains(peer) {
        return peer;
    }
    let listed = request
        .fields("X-Forwarded-For")
        .flat_map(|value| value.split(','))
        .filter_map(address);
    let elements = request.fields("Forwarded").flat_map(elements);
    let forwarded = elements.filter_map(|element| address(parameter(element, "for")?));
    let named = [
        nearest(listed.collect(), proxies),
        nearest(forwarded.collect(), proxies),
    ];
    let named: Vec<Peer> = named.into_iter().flatten().collect();
    named
        .iter()
        .copied()
        .find(|client| !is_private(*client))
        .or(named.first().copied())
        .unwrap_or(peer)
}

/// Returns the host names that the client asked for, as a trusted proxy forwards them.
pub fn hosts<'a>(peer: Peer, request: &'a Request, proxies: &TrustedProxies) -> Vec<&'a str> {
    if !proxies.contains(peer) {
        return Vec::new();
    }
    let listed = request
        .fields("X-Forwarded-Host")
        .flat_map(|value| value.split(','))
        .map(str::trim);
    let elements = request.fields("Forwarded").flat_map(elements);
    let forwarded = elements
        .filter_map(|element| parameter(element, "host"))
        .map(unquoted);
    listed
        .chain(forwarded)
        .filter(|host| !host.is_empty())
        .collect()
}

/// Returns the rightmost address that is not a trusted proxy's; if all are, the leftmost.
fn nearest(addresses: Vec<IpAddr>, proxies: &TrustedProxies) -> Option<Peer> {
    let clients = || {
        addresses
            .iter()
            .rev()
            .map(|&address| Peer::Forwarded(address))
    };
    clients()
        .find(|client| !proxies.contains(*client))
        .or_else(|| clients().next_back())
}

/// Splits a `Forwarded` field into its elements. A comma in a quoted string does not separate.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    split_unquoted(value, ',')
}

/// Returns the value of a parameter of an element, quoted or not.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let pairs = split_unquoted(element, ';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(given, _)| given.trim().eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim())
}

fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |character| {
        is_quoted ^= character == '"';
        character == separator && !is_quoted
    })
}

/// Removes the quotes. Escapes are not decoded: an address needs none.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text)
}

/// Parses an address with or without a port, in all forms that proxies write: `192.0.2.43`,
/// `192.0.2.43:47011`, `2001:db8::1`, `[2001:db8::1]` and `"[2001:db8::1]:4711"`. Drops a zone (the
/// name of an interface after a `%`).
fn address(text: &str) -> Option<IpAddr> {
    let text = unquoted(text.trim());
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => return unbracketed(text),
    };
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok());
    let address: Ipv6Addr = without_zone(address).parse().ok()?;
    is_port.then(|| IpAddr::from(address).to_canonical())
}

fn unbracketed(text: &str) -> Option<IpAddr> {
    let address = without_zone(text).parse::<IpAddr>().ok();
    address
        .or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
        .map(|address| address.to_canonical())
}

fn without_zone(address: &str) -> &str {
    address
        .split_once('%')
        .map_or(address, |(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &str) -> Request {
        let head = format!("GET / HTTP/1.0\r\n{fields}\r\n");
        Request::parse(head.as_bytes()).unwrap().unwrap().0
    }

    fn proxies() -> TrustedProxies {
        TrustedProxies {
            networks: vec!["172.18.0.0/16".parse().unwrap(), "::1".parse().unwrap()],
            local: true,
        }
    }

    fn is_private(peer: Peer) -> bool {
        peer.to_string().starts_with("10.")
    }

    fn client_of(peer: Peer, fields: &str) -> String {
        client(peer, &request(fields), &proxies(), is_private).to_string()
    }

    #[test]
    fn client_is_the_rightmost_address_that_is_no_trusted_proxy() {
        let peer = Peer::Inet("172.18.0.2:4711".parse().unwrap());
        for (fields, expected) in [
            ("", "172.18.0.2:4711"),
            ("X-Forwarded-For: 203.0.113.9\r\n", "203.0.113.9"),
            ("X-Forwarded-For: 10.9.9.9, 203.0.113.9\r\n", "203.0.113.9"),
            (
                "X-Forwarded-For: 10.9.9.9, 203.0.113.9, 172.18.0.7\r\n",
                "203.0.113.9",
            ),
            (
                "X-Forwarded-For: 10.9.9.9\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: ::1\r\n",
                "203.0.113.9",
            ),
            ("x-forwarded-for:203.0.113.9:47011\r\n", "203.0.113.9"),
            ("X-Forwarded-For: ::ffff:203.0.113.9\r\n", "203.0.113.9"),
            ("X-Forwarded-For: [2001:db8::1]:443\r\n", "2001:db8::1"),
            ("X-Forwarded-For: fe80::1%eth0\r\n", "fe80::1"),
            ("X-Forwarded-For: 172.18.0.7, 172.18.0.8\r\n", "172.18.0.7"),
            ("X-Forwarded-For: unknown\r\n", "172.18.0.2:4711"),
            (
                "X-Forwarded-For: , 203.0.113.9, 999.1.1.1, _hidden, [::1, 1.2.3\r\n",
                "203.0.113.9",
            ),
            ("Forwarded: for=192.0.2.43\r\n", "192.0.2.43"),
            ("Forwarded: for=\"[2001:db8::1]:4711\"\r\n", "2001:db8::1"),
            (
                "Forwarded: For=\"[2001:db8:cafe::17]\";proto=https;by=203.0.113.43\r\n",
                "2001:db8:cafe::17",
            ),
            (
                "Forwarded: for=10.1.1.1, for=192.0.2.43;host=\"a,b;for=1.1.1.1\"\r\n",
                "192.0.2.43",
            ),
            (
                "Forwarded: for=_gazonk, for=unknown, proto=http\r\n",
                "172.18.0.2:4711",
            ),
            (
                "Forwarded: for=10.0.0.1\r\nX-Forwarded-For: 203.0.113.9\r\n",
                "203.0.113.9",
            ),
            (
                "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=203.0.113.9\r\n",
                "203.0.113.9",
            ),
            (
                "X-Forwarded-For: 203.0.113.8\r\nForwarded: for=203.0.113.9\r\n",
                "203.0.113.8",
            ),
            (
                "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.2\r\n",
                "10.0.0.1",
            ),
        ] {
            assert_eq!(client_of(peer, fields), expected, "{fields}");
        }
        assert_eq!(
            client_of(Peer::Local, "X-Forwarded-For: 203.0.113.9\r\n"),
            "203.0.113.9"
        );
    }

    #[test]
    fn untrusted_peer_cannot_name_a_client() {
        for peer in [
            Peer::Inet("203.0.113.1:1".parse().unwrap()),
            Peer::Publisher,
        ] {
            let fields = "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1;host=pi\r\nX-Forwarded-Host: pi\r\n";
            assert_eq!(client_of(peer, fields), peer.to_string());
            assert_eq!(hosts(peer, &request(fields), &proxies()), [""; 0]);
        }
    }

    #[test]
    fn trusted_proxy_forwards_the_host() {
        let fields = "X-Forwarded-Host: cam.example.org, pi\r\nForwarded: for=1.1.1.1;host=\"evil.example:80\"\r\n";
        assert_eq!(
            hosts(Peer::Local, &request(fields), &proxies()),
            ["cam.example.org", "pi", "evil.example:80"]
        );
    }
}

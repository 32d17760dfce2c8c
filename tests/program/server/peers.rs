//! Peers from everywhere: two machines made of network namespaces, joined by a cable. The addresses
//! are those of real networks, but none of them leaves the two.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::{Engine, prelude::BASE64_STANDARD};
use rustix::process::Signal;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Socket, Type};

use super::link::ip;
use crate::support::{Program, Reply, TIMEOUT, eventually};

const TOKEN: &str = "a-token-of-more-than-16";

/// Networks of private addresses; of public ones that the server reaches over the cable; and of
/// public ones that its interface is in. In each, the server's address ends with 1 and the client's
/// with 2 and 3.
const NEAR: [&str; 6] = [
    "192.168.77.",
    "10.77.0.",
    "172.16.77.",
    "169.254.77.",
    "fd00:77::",
    "fe80::77:",
];
const FAR: [&str; 4] = [
    "8.8.8.",
    "100.64.77.",
    "2001:4860:77:1::",
    "2001:4860:77:2::",
];
const OWN: [&str; 2] = ["9.9.9.", "2001:4860:77:3::"];

/// A key word of the response to public addresses without credentials.
const REFUSED: &str = "--public";

/// Two namespaces and the cable between them, gone when dropped.
struct Cable {
    server: String,
    client: String,
}

impl Cable {
    fn lay() -> Self {
        static LAID: AtomicU32 = AtomicU32::new(0);
        let number = LAID.fetch_add(1, Ordering::Relaxed);
        let [server, client] =
            ["near", "far"].map(|end| format!("fc{}{end}{number}", std::process::id()));
        let cable = Self { server, client };
        for name in [&cable.server, &cable.client] {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        ip(&format!(
            "link add name cable netns {} type veth peer name cable netns {}",
            cable.server, cable.client
        ));
        for (name, ends) in [(&cable.server, &[1][..]), (&cable.client, &[2, 3])] {
            ip(&format!("-n {name} link set cable up"));
            for network in NEAR.iter().chain(&OWN) {
                ends.iter().for_each(|end| add_address(name, network, *end));
            }
            // A prefix of the client's end alone: for the server these networks are elsewhere, and
            // led to the cable.
            for network in &FAR {
                let is_server = *name == cable.server;
                let (alone, whole) = if network.contains(':') {
                    ("128 nodad", "64")
                } else {
                    ("32", "24")
                };
                for end in ends.iter().filter(|_| is_server) {
                    ip(&format!(
                        "-n {name} address add {network}{end}/{alone} dev cable"
                    ));
                    let start = if network.contains(':') { "" } else { "0" };
                    ip(&format!(
                        "-n {name} route add {network}{start}/{whole} dev cable"
                    ));
                }
                ends.iter()
                    .filter(|_| !is_server)
                    .for_each(|end| add_address(name, network, *end));
            }
        }
        cable
    }

    /// Starts the server on one end, with options of its own.
    fn serve(&self, options: &[&str]) -> Program {
        let mut command = Command::new("ip");
        command
            .args([
                "netns",
                "exec",
                &self.server,
                env!("CARGO_BIN_EXE_framecast"),
                "serve",
            ])
            .args(options);
        Program::start(command)
    }

    /// A connection from the other end that has sent `request`: from `network` and the last digit
    /// of its own address there, to the server's.
    fn send(&self, network: &str, end: u8, port: u16, request: &str) -> TcpStream {
        let name = self.client.clone();
        let [from, to] = [end, 1].map(|end| {
            format!("{network}{end}")
                .parse::<IpAddr>()
                .expect("an address")
        });
        // A socket belongs to the namespace that its thread was in when it was made, wherever it is
        // used.
        let connected = std::thread::spawn(move || {
            let namespace =
                File::open(format!("/run/netns/{name}")).expect("the namespace is there");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("it can be entered");
            let scope = rustix::net::netdevice::name_to_index(namespace_socket(), "cable")
                .expect("the cable is there");
            let socket = Socket::new(
                if from.is_ipv6() {
                    Domain::IPV6
                } else {
                    Domain::IPV4
                },
                Type::STREAM,
                None,
            );
            let socket = socket.expect("a socket");
            socket
                .bind(&scoped(from, 0, scope).into())
                .expect("the client has the address");
            socket
                .connect(&scoped(to, port, scope).into())
                .expect("the server accepts");
            TcpStream::from(socket)
        });
        let mut stream = connected.join().expect("a connection");
        stream
            .set_read_timeout(Some(TIMEOUT))
            .expect("a timeout can be set");
        stream
            .write_all(request.as_bytes())
            .expect("the server reads");
        stream
    }

    /// The whole reply to `GET target`.
    fn request(&self, network: &str, end: u8, port: u16, target: &str, fields: &str) -> Reply {
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n{fields}\r\n");
        let mut bytes = Vec::new();
        self.send(network, end, port, &request)
            .read_to_end(&mut bytes)
            .expect("a whole reply");
        Reply::parse(bytes)
    }

    fn status(&self, network: &str, end: u8, port: u16, fields: &str) -> u16 {
        self.request(network, end, port, "/healthz", fields)
            .status()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

/// Gives an end of the cable an address in a network that it is in.
fn add_address(namespace: &str, network: &str, end: u8) {
    // No other machine could have the address, so none has to be asked for before it is used.
    let length = if network.contains(':') {
        "64 nodad"
    } else {
        "24"
    };
    ip(&format!(
        "-n {namespace} address add {network}{end}/{length} dev cable"
    ));
}

/// Any socket of the namespace that the thread is in, to ask for its devices.
fn namespace_socket() -> Socket {
    Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket")
}

/// A link-local address means a device, too.
fn scoped(address: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match address {
        IpAddr::V6(address) if Ipv6Addr::is_unicast_link_local(&address) => {
            SocketAddrV6::new(address, port, 0, scope).into()
        }
        address => SocketAddr::new(address, port),
    }
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair))
}

#[test]
#[ignore = "needs iproute2, and root to make network namespaces"]
fn without_credentials_only_peers_from_nearby_are_served() {
    let cable = Cable::lay();
    // The first takes both families, so that IPv4 peers come to it as ::ffff:a.b.c.d; the second
    // takes IPv4 alone.
    let mut server = cable.serve(&["--listen", "[::]:0", "--listen", "0.0.0.0:0"]);
    let both = server.address.port();
    let line = server.line();
    let v4 = line
        .trim()
        .trim_end_matches('/')
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    for (networks, status) in [(&NEAR[..], 200), (&FAR, 403), (&OWN, 200)] {
        for network in networks {
            let ports = if network.contains(':') {
                vec![both]
            } else {
                vec![both, v4.expect("a port")]
            };
            for (port, target) in ports
                .iter()
                .flat_map(|port| ["/healthz", "/", "/snapshot", "/state"].map(|to| (port, to)))
            {
                let reply = cable.request(network, 2, *port, target, "");
                assert_eq!(reply.status(), status, "{network}2 {target} {}", reply.head);
                assert!(
                    status == 200 || reply.text().contains(REFUSED),
                    "{network}2 {target} {}",
                    reply.text()
                );
            }
        }
    }
    assert!(
        cable
            .request(FAR[0], 2, both, "/stream", "")
            .text()
            .contains(REFUSED)
    );
}

#[test]
#[ignore = "needs iproute2, and root to make network namespaces"]
fn peers_become_private_when_an_interface_joins_their_network() {
    let cable = Cable::lay();
    let server = cable.serve(&["--listen", "[::]:0"]);
    let port = server.address.port();
    let status = |network: &str| cable.status(network, 2, port, "");
    let [v4, shared, v6, other] = FAR;
    for (network, added) in [
        (v4, "address add 8.8.8.9/24"),
        (v6, "address add 2001:4860:77:1::9/64 nodad"),
    ] {
        assert_eq!(status(network), 403, "{network}");
        ip(&format!("-n {} {added} dev cable", cable.server));
        eventually("the network is known", || status(network) == 200);
    }
    assert_eq!((status(shared), status(other)), (403, 403));
    ip(&format!(
        "-n {} address del 2001:4860:77:1::9/64 dev cable",
        cable.server
    ));
    eventually("the network is known no longer", || status(v6) == 403);
    // Tailscale gives its interface one address out of 100.64.0.0/10, and leads all of them to it.
    ip(&format!(
        "-n {} link add tailscale0 type veth peer name other",
        cable.server
    ));
    ip(&format!(
        "-n {} address add 100.101.102.103/32 dev tailscale0",
        cable.server
    ));
    eventually("Tailscale's network is known", || status(shared) == 200);
}

#[test]
#[ignore = "needs iproute2, and root to make network namespaces"]
fn everybody_is_served_if_that_is_meant_and_each_start_says_so() {
    let cable = Cable::lay();
    for _ in 0..2 {
        let server = cable.serve(&["--listen", "[::]:0", "--public"]);
        for network in NEAR.iter().chain(&FAR) {
            let port = server.address.port();
            assert_eq!(
                cable.request(network, 2, port, "/snapshot", "").status(),
                200,
                "{network}2"
            );
        }
        server.signal(Signal::TERM);
        let (_, words) = server.wait();
        let warning = "--public: no credentials are set";
        assert_eq!(words.matches(warning).count(), 1, "{words}");
    }
}

#[test]
#[ignore = "needs iproute2, and root to make network namespaces"]
fn with_credentials_set_it_is_they_that_count_and_wrong_ones_are_counted_where_they_come_from() {
    let cable = Cable::lay();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("users"), "ann:secret").expect("a file");
    std::fs::write(path("token"), TOKEN).expect("a file");
    let credentials = [
        "--auth-file",
        &path("users"),
        "--token-file",
        &path("token"),
    ];
    let server = cable.serve(&[&["--listen", "[::]:0"], &credentials[..]].concat());
    let port = server.address.port();
    let (right, wrong, bearer) = (
        basic("ann:secret"),
        basic("ann:guess"),
        format!("Authorization: Bearer {TOKEN}\r\n"),
    );
    let [v4, _, v6, neighbour] = FAR;
    // An IPv4 address is one peer; of IPv6, it is all that share the first half of their address.
    for (network, ends) in [(v4, [2, 2]), (v6, [2, 3])] {
        for attempt in 0..10 {
            assert_eq!(
                cable.status(network, ends[attempt % 2], port, &wrong),
                401,
                "{network} {attempt}"
            );
        }
        for end in ends {
            let refused = cable.request(network, end, port, "/healthz", &right);
            assert_eq!(refused.status(), 429, "{network}{end}");
            assert!(
                refused.text().contains("Too many failed logins"),
                "{}",
                refused.text()
            );
            assert!(
                (1..=60).contains(
                    &refused
                        .field("Retry-After")
                        .unwrap()
                        .parse::<u32>()
                        .unwrap()
                )
            );
        }
    }
    for (network, end) in [(v4, 3), (neighbour, 2), (NEAR[0], 2)] {
        assert_eq!(
            cable.status(network, end, port, &right),
            200,
            "{network}{end} has no failed login"
        );
    }
    for network in NEAR {
        for (fields, status) in [("", 401), (&*right, 200), (&bearer, 200)] {
            assert_eq!(
                cable.status(network, 2, port, fields),
                status,
                "{network}2 {fields}"
            );
        }
    }
}

#[test]
#[ignore = "needs iproute2, and root to make network namespaces"]
fn connections_are_counted_where_they_come_from() {
    let cable = Cable::lay();
    let server = cable.serve(&[
        "--listen",
        "[::]:0",
        "--public",
        "--connections-per-address",
        "3",
    ]);
    let port = server.address.port();
    let watch = "GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n";
    let [v4, _, v6, neighbour] = FAR;
    for (network, ends, others) in [
        (v4, [2, 2, 2], [(v4, 3), (NEAR[0], 2)]),
        (v6, [2, 3, 2], [(neighbour, 2), (v4, 2)]),
    ] {
        let mut held = ends.map(|end| cable.send(network, end, port, watch));
        for stream in &mut held {
            let mut start = [0; 15];
            stream.read_exact(&mut start).expect("the stream begins");
            assert_eq!(&start, b"HTTP/1.1 200 OK");
        }
        for end in [2, if network == v6 { 3 } else { 2 }] {
            let refused = cable.request(network, end, port, "/healthz", "");
            assert_eq!(refused.status(), 429, "{network}{end}");
            assert!(
                refused.text().contains("--connections-per-address"),
                "{}",
                refused.text()
            );
        }
        for (network, end) in others {
            assert_eq!(
                cable.status(network, end, port, ""),
                200,
                "{network}{end} has none yet"
            );
        }
        drop(held);
        eventually("there is room again", || {
            cable.status(network, 2, port, "") == 200
        });
    }
}

//! Access control by address: two network namespaces, joined by a veth pair. The addresses are real
//! ones, but no packet leaves the two namespaces.

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

use super::access::assert_locked_out;
use super::link::ip;
use crate::support::{Program, Reply, TIMEOUT, eventually};

const TOKEN: &str = "a-token-of-more-than-16";

/// Private networks; public networks that the server reaches through a route; and public networks of
/// the server's own interface. In each, the server has the address 1, and the client 2 and 3.
const PRIVATE: [&str; 6] = [
    "192.168.77.",
    "10.77.0.",
    "172.16.77.",
    "169.254.77.",
    "fd00:77::",
    "fe80::77:",
];
const PUBLIC: [&str; 4] = [
    "8.8.8.",
    "100.64.77.",
    "2001:4860:77:1::",
    "2001:4860:77:2::",
];
const OWN: [&str; 2] = ["9.9.9.", "2001:4860:77:3::"];

/// A key word of the response to public clients without credentials.
const REFUSED: &str = "--public";

/// Two namespaces and the veth pair between them, deleted when dropped.
struct VethPair {
    server: String,
    client: String,
}

impl VethPair {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let [server, client] =
            ["a", "b"].map(|end| format!("fc{}{end}{number}", std::process::id()));
        let pair = Self { server, client };
        for name in [&pair.server, &pair.client] {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        ip(&format!(
            "link add name cable netns {} type veth peer name cable netns {}",
            pair.server, pair.client
        ));
        for (name, ends) in [(&pair.server, &[1][..]), (&pair.client, &[2, 3])] {
            ip(&format!("-n {name} link set cable up"));
            for network in PRIVATE.iter().chain(&OWN) {
                ends.iter().for_each(|end| add_address(name, network, *end));
            }
            // The server's interface is not in these networks: it has a route to them.
            for network in &PUBLIC {
                let is_server = *name == pair.server;
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
        pair
    }

    /// Starts the server in its namespace.
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

    /// Connects from the client's namespace, and sends `request`. `network` and `end` are the client's
    /// address.
    fn send(&self, network: &str, end: u8, port: u16, request: &str) -> TcpStream {
        let name = self.client.clone();
        let [from, to] = [end, 1].map(|end| {
            format!("{network}{end}")
                .parse::<IpAddr>()
                .expect("an address")
        });
        // A socket belongs to the namespace of the thread that has created it.
        let connected = std::thread::spawn(move || {
            let namespace = File::open(format!("/run/netns/{name}")).expect("the namespace exists");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("the namespace can be entered");
            let scope = rustix::net::netdevice::name_to_index(namespace_socket(), "cable")
                .expect("the interface exists");
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

    /// Requests `target` from the client's namespace.
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

impl Drop for VethPair {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

/// Adds an address to an end of the veth pair.
fn add_address(namespace: &str, network: &str, end: u8) {
    // Without duplicate address detection, which takes a second.
    let length = if network.contains(':') {
        "64 nodad"
    } else {
        "24"
    };
    ip(&format!(
        "-n {namespace} address add {network}{end}/{length} dev cable"
    ));
}

/// Returns a socket of the thread's namespace, to look up its interfaces.
fn namespace_socket() -> Socket {
    Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket")
}

/// Returns a socket address. A link-local one has the index of the interface.
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
fn without_credentials_only_private_clients_are_served() {
    let pair = VethPair::new();
    // IPv4 clients of the first listener have addresses of the form ::ffff:a.b.c.d. The second
    // listener has IPv4 alone.
    let mut server = pair.serve(&["--listen", "[::]:0", "--listen", "0.0.0.0:0"]);
    let both = server.address.port();
    let line = server.line();
    let v4 = line
        .trim()
        .trim_end_matches('/')
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    for (networks, status) in [(&PRIVATE[..], 200), (&PUBLIC, 403), (&OWN, 200)] {
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
                let reply = pair.request(network, 2, *port, target, "");
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
        pair.request(PUBLIC[0], 2, both, "/stream", "")
            .text()
            .contains(REFUSED)
    );
}

#[test]
#[ignore = "needs iproute2, and root to make network namespaces"]
fn client_becomes_private_when_an_interface_joins_its_network() {
    let pair = VethPair::new();
    let server = pair.serve(&["--listen", "[::]:0"]);
    let port = server.address.port();
    let status = |network: &str| pair.status(network, 2, port, "");
    let [v4, shared, v6, other] = PUBLIC;
    for (network, added) in [
        (v4, "address add 8.8.8.9/24"),
        (v6, "address add 2001:4860:77:1::9/64 nodad"),
    ] {
        assert_eq!(status(network), 403, "{network}");
        ip(&format!("-n {} {added} dev cable", pair.server));
        eventually("the new network is private", || status(network) == 200);
    }
    assert_eq!((status(shared), status(other)), (403, 403));
    ip(&format!(
        "-n {} address del 2001:4860:77:1::9/64 dev cable",
        pair.server
    ));
    eventually("the removed network is public", || status(v6) == 403);
    // The interface of Tailscale has one address, and routes all of 100.64.0.0/10.
    ip(&format!(
        "-n {} link add tailscale0 type veth peer name other",
        pair.server
    ));
    ip(&format!(
        "-n {} address add 100.101.102.103/32 dev tailscale0",
        pair.server
    ));
    eventually("the network of Tailscale is private", || {
        status(shared) == 200
    });
}

#[test]
#[ignore = "needs iproute2, and root to make network namespaces"]
fn public_option_serves_every_client_and_logs_a_warning() {
    let pair = VethPair::new();
    for _ in 0..2 {
        let server = pair.serve(&["--listen", "[::]:0", "--public"]);
        for network in PRIVATE.iter().chain(&PUBLIC) {
            let port = server.address.port();
            assert_eq!(
                pair.request(network, 2, port, "/snapshot", "").status(),
                200,
                "{network}2"
            );
        }
        server.signal(Signal::TERM);
        let (_, log) = server.wait();
        let warning = "--public: no credentials are set";
        assert_eq!(log.matches(warning).count(), 1, "{log}");
    }
}

#[test]
#[ignore = "needs iproute2, and root to make network namespaces"]
fn failed_logins_are_limited_per_client_network() {
    let pair = VethPair::new();
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
    let server = pair.serve(&[&["--listen", "[::]:0"], &credentials[..]].concat());
    let port = server.address.port();
    let (right, wrong, bearer) = (
        basic("ann:secret"),
        basic("ann:guess"),
        format!("Authorization: Bearer {TOKEN}\r\n"),
    );
    let [v4, _, v6, neighbour] = PUBLIC;
    // A client network is one address of IPv4, or a /64 of IPv6.
    for (network, ends) in [(v4, [2, 2]), (v6, [2, 3])] {
        for attempt in 0..10 {
            assert_eq!(
                pair.status(network, ends[attempt % 2], port, &wrong),
                401,
                "{network} {attempt}"
            );
        }
        for end in ends {
            let refused = pair.request(network, end, port, "/healthz", &right);
            assert_eq!(refused.status(), 429, "{network}{end}");
            assert_locked_out(&refused);
        }
    }
    for (network, end) in [(v4, 3), (neighbour, 2), (PRIVATE[0], 2)] {
        assert_eq!(
            pair.status(network, end, port, &right),
            200,
            "{network}{end} has no failed login"
        );
    }
    for network in PRIVATE {
        for (fields, status) in [("", 401), (&*right, 200), (&bearer, 200)] {
            assert_eq!(
                pair.status(network, 2, port, fields),
                status,
                "{network}2 {fields}"
            );
        }
    }
}

#[test]
#[ignore = "needs iproute2, and root to make network namespaces"]
fn connections_are_limited_per_client_network() {
    let pair = VethPair::new();
    let server = pair.serve(&[
        "--listen",
        "[::]:0",
        "--public",
        "--connections-per-address",
        "3",
    ]);
    let port = server.address.port();
    let watch = "GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n";
    let [v4, _, v6, neighbour] = PUBLIC;
    for (network, ends, others) in [
        (v4, [2, 2, 2], [(v4, 3), (PRIVATE[0], 2)]),
        (v6, [2, 3, 2], [(neighbour, 2), (v4, 2)]),
    ] {
        let mut held = ends.map(|end| pair.send(network, end, port, watch));
        for stream in &mut held {
            let mut start = [0; 15];
            stream.read_exact(&mut start).expect("the stream begins");
            assert_eq!(&start, b"HTTP/1.1 200 OK");
        }
        for end in [2, if network == v6 { 3 } else { 2 }] {
            let refused = pair.request(network, end, port, "/healthz", "");
            assert_eq!(refused.status(), 429, "{network}{end}");
            assert!(
                refused.text().contains("--connections-per-address"),
                "{}",
                refused.text()
            );
        }
        for (network, end) in others {
            assert_eq!(
                pair.status(network, end, port, ""),
                200,
                "{network}{end} has none yet"
            );
        }
        drop(held);
        eventually("the connections are closed", || {
            pair.status(network, 2, port, "") == 200
        });
    }
}

//! A viewer behind a link with half the rate of the stream: network namespaces for a server, a router
//! with a slow port, and a viewer.

use std::process::Command;

use crate::support::PICTURES;

use crate::support::Program;

/// Frames per second of the source.
const FPS: usize = 30;

/// Three namespaces in a row, deleted when dropped.
struct Network {
    server: String,
    router: String,
    viewer: String,
}

const SERVER: &str = "198.51.100.1";
const TO_SERVER: &str = "198.51.100.2";
const TO_VIEWER: &str = "203.0.113.1";
const VIEWER: &str = "203.0.113.2";

impl Network {
    /// Creates the network. The router's port to the viewer has the rate `kbit_per_second` and a queue of
    /// 50 ms.
    fn new(kbit_per_second: usize) -> Self {
        let names = ["s", "r", "v"].map(|role| format!("fc{}{role}", std::process::id()));
        let [server, router, viewer] = names;
        for name in [&server, &router, &viewer] {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        ip(&format!(
            "link add name north netns {server} type veth peer name south netns {router}"
        ));
        ip(&format!(
            "link add name north netns {router} type veth peer name south netns {viewer}"
        ));
        for (name, device, address) in [
            (&server, "north", SERVER),
            (&router, "south", TO_SERVER),
            (&router, "north", TO_VIEWER),
            (&viewer, "south", VIEWER),
        ] {
            ip(&format!("-n {name} address add {address}/24 dev {device}"));
            ip(&format!("-n {name} link set {device} up"));
        }
        ip(&format!("-n {server} route add default via {TO_SERVER}"));
        ip(&format!("-n {viewer} route add default via {TO_VIEWER}"));
        ip(&format!(
            "netns exec {router} sysctl -qw net.ipv4.ip_forward=1"
        ));
        let shape = format!("tbf rate {kbit_per_second}kbit burst 8kb latency 50ms");
        ip(&format!(
            "netns exec {router} tc qdisc add dev north root {shape}"
        ));
        Self {
            server,
            router,
            viewer,
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [&self.server, &self.router, &self.viewer] {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("iproute2 is installed");
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "needs iproute2, and root to make network namespaces"]
fn viewer_behind_a_link_of_half_the_rate_gets_new_frames() {
    let bytes_per_second =
        PICTURES.iter().map(|picture| picture.len()).sum::<usize>() / PICTURES.len() * FPS;
    let network = Network::new(bytes_per_second * 8 / 1000 / 2);
    let program = env!("CARGO_BIN_EXE_framecast");

    let mut serve = Command::new("ip");
    serve.args([
        "netns",
        "exec",
        &network.server,
        program,
        "serve",
        "--listen",
        &format!("{SERVER}:0"),
    ]);
    // The addresses are for documentation (RFC 5737), and so count as public.
    serve.args(["--camera", &format!("stills:?fps={FPS}"), "--public"]);
    let server = Program::start(serve);

    let mut watch = Command::new("ip");
    watch.args([
        "netns",
        "exec",
        &network.viewer,
        program,
        "bench",
        &server.url("/stream"),
    ]);
    watch.args(["--viewers", "1", "--seconds", "10", "--json"]);
    let output = watch.output().expect("the benchmark runs");
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let age = |quantile: &str| {
        outcome["steady"]["latency"][quantile]
            .as_f64()
            .expect("an age")
    };
    println!(
        "age of frames: median {} ms, p99 {} ms, maximum {} ms",
        age("p50_ms"),
        age("p99_ms"),
        age("max_ms")
    );
    assert_eq!(
        (
            &outcome["steady"]["damaged"],
            &outcome["steady"]["out_of_order"]
        ),
        (&0.into(), &0.into())
    );
    // Measured: 300 ms. A busy machine adds some; a queue of old frames would add seconds.
    assert!(
        age("p99_ms") <= 500.0,
        "frames are up to {} ms old",
        age("p99_ms")
    );
}

//! Clients behind a reverse proxy, and the log of refused requests.

use std::io::Read;

use base64::{Engine, prelude::BASE64_STANDARD};
use rustix::process::Signal;

use crate::support::{Program, Reply};

const TRUSTED: [&str; 2] = ["--trusted-proxy", "127.0.0.0/8"];

/// Sends a request as a proxy forwards it for `client`.
fn request(program: &Program, client: &str, fields: &str) -> Reply {
    let forwarded = if client.is_empty() {
        String::new()
    } else {
        format!("X-Forwarded-For: {client}\r\n")
    };
    program.request(&format!(
        "GET /healthz HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n{forwarded}{fields}\r\n"
    ))
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair))
}

#[test]
fn public_client_of_a_trusted_proxy_is_refused_without_credentials() {
    let program = Program::serve(&TRUSTED);
    for (client, fields, expected) in [
        ("", "", 200),
        ("192.168.1.5", "", 200),
        ("203.0.113.9", "", 403),
        ("192.168.1.5, 203.0.113.9", "", 403),
        ("192.168.1.5", "X-Forwarded-For: 203.0.113.9\r\n", 403),
        ("", "Forwarded: for=\"[2001:db8::1]:4711\"\r\n", 403),
        ("nonsense", "", 200),
        ("192.168.1.5", "X-Forwarded-Host: evil.example\r\n", 421),
    ] {
        assert_eq!(
            request(&program, client, fields).status(),
            expected,
            "{client} {fields}"
        );
    }
    let untrusted = Program::serve(&["--trusted-proxy", "172.18.0.0/16"]);
    assert_eq!(
        request(&untrusted, "203.0.113.9", "").status(),
        200,
        "this peer is not a trusted proxy"
    );
}

#[test]
fn failed_logins_and_connections_count_for_the_client_of_a_trusted_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    std::fs::write(&users, "ann:secret\n").unwrap();
    let users = users.display().to_string();
    let limit = ["--auth-file", &users, "--connections-per-address", "2"];
    let program = Program::serve(&[&TRUSTED[..], &limit].concat());
    for _ in 0..10 {
        assert_eq!(
            request(&program, "203.0.113.9", &basic("ann:wrong")).status(),
            401
        );
    }
    assert_eq!(
        request(&program, "203.0.113.9", &basic("ann:secret")).status(),
        429
    );
    assert_eq!(
        request(&program, "203.0.113.8", &basic("ann:secret")).status(),
        200
    );

    let watch = |client: &str| {
        let fields = format!("X-Forwarded-For: {client}\r\n{}", basic("ann:secret"));
        let mut stream = program.send(format!(
            "GET /stream?key={client} HTTP/1.1\r\nHost: cam\r\n{fields}\r\n"
        ));
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("a reply");
        (String::from_utf8_lossy(&start[9..]).into_owned(), stream)
    };
    let held = [
        watch("198.51.100.1"),
        watch("198.51.100.1"),
        watch("2001:db8::1"),
    ];
    assert_eq!(
        held.each_ref().map(|(status, _)| status.as_str()),
        ["200"; 3]
    );
    assert_eq!(watch("198.51.100.1").0, "429");
    assert_eq!(watch("198.51.100.2").0, "200", "another client");
    let fields = format!(
        "GET /state HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n{}\r\n",
        basic("ann:secret")
    );
    let state: serde_json::Value = serde_json::from_slice(&program.request(&fields).body).unwrap();
    let viewers = state["result"]["stream"]["clients_stat"]
        .as_object()
        .unwrap()
        .values();
    let viewers: Vec<_> = viewers
        .map(|viewer| (viewer["key"].clone(), viewer["peer"].clone()))
        .collect();
    assert!(
        viewers.len() >= 3 && viewers.iter().all(|(key, peer)| key == peer),
        "{viewers:?}"
    );
}

#[test]
fn kept_connection_of_a_proxy_counts_for_the_client_of_each_request() {
    let program = Program::serve(&[&TRUSTED[..], &["--connections-per-address", "1"]].concat());
    let request = |client: &str, connection: &str| {
        format!(
            "GET /healthz HTTP/1.1\r\nHost: cam\r\nConnection: {connection}\r\nX-Forwarded-For: {client}\r\n\r\n"
        )
    };
    let requests = ["10.0.0.1", "10.0.0.2", "203.0.113.9", "10.0.0.1"]
        .map(|client| request(client, "keep-alive"));
    let mut replies = String::new();
    let mut stream = program.send(requests.concat() + &request("10.0.0.3", "close"));
    stream.read_to_string(&mut replies).expect("five replies");
    let statuses: Vec<&str> = replies
        .matches("HTTP/1.1 200")
        .chain(replies.matches("HTTP/1.1 403"))
        .collect();
    assert_eq!(statuses.len(), 5, "{replies}");
    assert_eq!(replies.matches("HTTP/1.1 403").count(), 1, "{replies}");
}

#[test]
fn refused_requests_are_logged_with_client_status_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    std::fs::write(&users, "ann:secret\n").unwrap();
    let users = users.display().to_string();
    let log = |options: &[&str], requests: &[(&str, &str)]| {
        let program = Program::serve(&[&TRUSTED[..], options].concat());
        for (client, fields) in requests {
            request(&program, client, fields);
        }
        program.signal(Signal::TERM);
        program.wait().1
    };
    let wrong = basic("ann:guess");
    let open = log(
        &[],
        &[
            ("203.0.113.9", ""),
            ("", "X-Forwarded-Host: evil.example\r\n"),
        ],
    );
    assert!(
        open.contains("203.0.113.9: 403 (") && open.contains(": 421 ("),
        "{open}"
    );
    let closed = log(
        &["--auth-file", &users],
        &[("203.0.113.9", ""), ("203.0.113.9", &wrong)],
    );
    assert!(
        closed.contains("203.0.113.9: 401 (no credentials)") && closed.contains("401 (wrong"),
        "{closed}"
    );
    let flood = log(&["--auth-file", &users], &[("2001:db8::1", &*wrong); 60]);
    let lines = flood
        .lines()
        .filter(|line| line.contains("2001:db8::1: "))
        .count();
    assert!(
        (5..40).contains(&lines) && !flood.contains("guess"),
        "{lines} lines: {flood}"
    );
}

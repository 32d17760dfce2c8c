//! Tokens for one camera or a limited time, and links with a token.

use std::io::Read;
use std::process::Command;

use super::access::sign;
use crate::support::Program;

const FRAMECAST: &str = env!("CARGO_BIN_EXE_framecast");
const TOKEN: &str = "a-token-of-more-than-16";

/// Starts a server with a token and two cameras. The second has 20 frames per second.
fn program() -> Program {
    let mut command = Command::new(FRAMECAST);
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--camera",
        "back=stills:",
        "--camera",
    ]);
    command
        .args(["front=pattern:64x48?fps=20", "--history", "10s"])
        .env("FRAMECAST_TOKEN", TOKEN);
    Program::start(command)
}

#[test]
fn one_camera_token_makes_its_camera_the_default() {
    let program = program();
    let token = sign(&["--camera", "front", "--valid", "1h"]);
    let get = |target: &str| program.get(&format!("{target}token={token}"));
    let size = |target: &str| {
        let reply = get(target);
        assert_eq!(reply.status(), 200, "{target}");
        reply.field("X-UStreamer-Width").unwrap().to_owned()
    };
    assert_eq!(
        [
            size("/snapshot?"),
            size("/?action=snapshot&"),
            size("/snapshot?camera=&")
        ],
        ["64"; 3]
    );
    program.watch(&format!("/stream?token={token}")).part();
    let page = get("/?");
    assert!(
        page.status() == 200
            && page
                .text()
                .contains(&format!("token={}", token.split('~').next().unwrap()))
    );
    let has_loop = |token: &str| {
        program
            .get(&format!("/?token={token}"))
            .text()
            .contains("href=\"loop")
    };
    assert!(
        has_loop(TOKEN) && !has_loop(&token),
        "a page has only links that its token permits"
    );
    assert!(!get("/table?rows=3&").text().contains("href=\"loop"));
    for needed in [
        "/viewer.js?",
        "/viewer.css?",
        "/favicon.svg?",
        "/clip.mjpeg?",
    ] {
        assert_eq!(get(needed).status(), 200, "{needed}");
    }
    assert!(get("/table?rows=3&").text().contains("front"));
    for other in [
        "/?camera=back&",
        "/stream?camera=back&",
        "/metrics?",
        "/loop?",
        "/events?loop=1&",
        "/healthz?",
    ] {
        assert_eq!(get(other).status(), 401, "{other}");
    }
}

#[test]
fn one_camera_token_gets_the_state_of_its_camera_only() {
    let program = program();
    let token = sign(&["--camera", "front", "--valid", "1h"]);
    let mut other = program.watch(&format!("/stream?key=other&token={TOKEN}"));
    let mut own = program.watch(&format!("/stream?key=own&token={token}"));
    other.part();
    own.part();
    let state = program.get(&format!("/state?key=own&token={token}"));
    let state: serde_json::Value = serde_json::from_slice(&state.body).unwrap();
    let cameras = state["cameras"].as_array().unwrap();
    assert_eq!(
        cameras
            .iter()
            .map(|camera| camera["name"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["front"]
    );
    assert_eq!(
        (&cameras[0]["source"], &state["viewers"]),
        (&"".into(), &1.into())
    );
    assert_eq!(state["result"]["source"]["resolution"]["width"], 64);
    let viewers: Vec<_> = state["result"]["stream"]["clients_stat"]
        .as_object()
        .unwrap()
        .values()
        .collect();
    assert_eq!(
        viewers
            .iter()
            .map(|viewer| viewer["key"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["own"]
    );
    let all = program.get(&format!("/state?token={token}"));
    let all: serde_json::Value = serde_json::from_slice(&all.body).unwrap();
    assert!(
        all["result"]["stream"]["clients_stat"]
            .as_object()
            .unwrap()
            .is_empty(),
        "other viewers are listed"
    );
}

#[test]
fn streams_events_and_tables_end_when_their_token_expires() {
    let program = program();
    let token = sign(&["--camera", "front", "--valid", "3s"]);
    let targets = ["/stream?", "/events?frames=1&", "/table?"];
    let mut readers =
        targets.map(|target| program.send(format!("GET {target}token={token} HTTP/1.0\r\n\r\n")));
    for (reader, target) in readers.iter_mut().zip(targets) {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).expect("an orderly end");
        assert!(text.starts_with(b"HTTP/1.1 200 OK"), "{target}");
        assert!(text.len() > 500, "{target}: {} bytes", text.len());
    }
    assert_eq!(program.get(&format!("/stream?token={token}")).status(), 401);
    let state = program.get(&format!("/state?token={TOKEN}"));
    let state: serde_json::Value = serde_json::from_slice(&state.body).unwrap();
    assert_eq!(state["connections"]["credential_expired"], 3);
}

#[test]
fn stream_without_a_frame_ends_when_its_token_expires() {
    let mut command = Command::new(FRAMECAST);
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--camera",
        "exec:sleep 1000",
        "--offline",
        "last",
    ]);
    let program = Program::start({
        command.env("FRAMECAST_TOKEN", TOKEN);
        command
    });
    let token = sign(&["--valid", "2s"]);
    let request =
        |target: &str| program.send(format!("GET {target}?token={token} HTTP/1.0\r\n\r\n"));
    let (mut stream, mut snapshot) = (request("/stream"), request("/snapshot"));
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an orderly end");
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    text.clear();
    snapshot.read_to_string(&mut text).expect("an orderly end");
    assert!(text.starts_with("HTTP/1.1 401 "), "{text}");
}

#[test]
fn token_command_prints_the_ready_link() {
    let link = |base: &str| sign(&["--camera", "front", "--valid", "1h", "--url", base]);
    let program = program();
    let base = program.url("");
    let page = link(&base);
    let target = page.strip_prefix(&base).unwrap();
    assert!(target.starts_with("/?token=front~"), "{page}");
    assert_eq!(program.get(target).status(), 200);
    for (base, start) in [
        ("https://cam.example.org", "https://cam.example.org/?token="),
        (
            "https://cam.example.org/webcam/",
            "https://cam.example.org/webcam/?token=",
        ),
        (
            "http://[::1]:8080/stream",
            "http://[::1]:8080/stream?token=",
        ),
        (
            "http://pi.lan?framing=advance",
            "http://pi.lan/?framing=advance&token=",
        ),
    ] {
        assert!(link(base).starts_with(start), "{base}: {}", link(base));
    }
    for base in [
        "cam.example.org",
        "ftp://cam/",
        "http://",
        "http://u:secret@cam/",
        "http://cam/#x",
        "http://a b/",
    ] {
        let output = Command::new(FRAMECAST)
            .args(["token", "--valid", "1h", "--url", base])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(2) && error.contains("--url"),
            "{base}: {error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}

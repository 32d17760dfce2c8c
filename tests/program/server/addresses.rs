//! The responses of each address, byte by byte.

use crate::support::PICTURES;
use serde_json::Value;

use crate::support::{Program, field};

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\
    Cache-Control: no-store, no-cache, must-revalidate, private, max-age=0\r\n\
    Pragma: no-cache\r\n\
    Expires: Mon, 3 Jan 2000 12:34:56 GMT\r\n\
    Connection: close\r\n\
    X-Accel-Buffering: no\r\n\r\n";

fn emulated() -> Program {
    Program::serve(&["--camera", "stills:?fps=20"])
}

#[test]
fn first_three_parts_have_the_documented_bytes() {
    let program = emulated();
    let mut viewer = program.watch("/video_feed");
    assert_eq!(viewer.head, STREAM_HEAD);
    let mut last = None;
    for _ in 0..3 {
        let part = viewer.part();
        let timestamp = field(&part.header, "X-Timestamp").expect("a time");
        let (seconds, micros) = timestamp.split_once('.').expect("seconds and micros");
        assert!(
            micros.len() == 6
                && seconds
                    .parse::<u64>()
                    .is_ok_and(|seconds| seconds > 1_600_000_000)
        );
        let expected = format!(
            "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {timestamp}\r\n\
             X-Frame-Sequence: {}\r\n\r\n",
            part.jpeg.len(),
            part.sequence,
        );
        assert_eq!(part.header, expected);
        // Each picture is one of the files, byte by byte, in their order.
        let picture = PICTURES
            .iter()
            .position(|picture| *picture == part.jpeg)
            .expect("one of the three pictures");
        assert!(last.is_none_or(
            |(sequence, before)| part.sequence > sequence && picture == (before + 1) % 3
        ));
        last = Some((part.sequence, picture));
    }
}

#[test]
fn advance_framing_sends_the_next_header_with_each_frame() {
    use std::io::Read;
    let program = emulated();
    // The request of Chromium for an <img>.
    let request = "GET /video_feed HTTP/1.1\r\nHost: cam\r\nAccept: image/avif,image/webp,image/*,*/*;q=0.8\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0\r\n\r\n";
    let mut stream = program.send(request);
    let delimiter = "--frame\r\nContent-Type: image/jpeg\r\n\r\n";
    let mut head = vec![0; STREAM_HEAD.len() + delimiter.len()];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(
        String::from_utf8(head).unwrap(),
        format!("{STREAM_HEAD}{delimiter}")
    );
    let mut start = [0; 4096];
    stream.read_exact(&mut start).unwrap();
    let picture = PICTURES
        .iter()
        .position(|picture| picture.starts_with(&start))
        .expect("one of the three pictures");
    for step in 0..3 {
        let mut part = PICTURES[(picture + step) % 3].to_vec();
        part.extend_from_slice(format!("\r\n{delimiter}").as_bytes());
        let skip = if step == 0 { start.len() } else { 0 };
        let mut received = vec![0; part.len() - skip];
        stream.read_exact(&mut received).unwrap();
        assert!(received == part[skip..], "part {step}");
    }
}

#[test]
fn every_alias_of_the_stream_serves_the_stream() {
    let program = emulated();
    let aliases = [
        "/video_feed",
        "/stream",
        "/?action=stream",
        "/?action=stream_0",
        "/?action=stream?dummy=param.mjpg",
        "/stream?1699999999",
        "/stream?camera=camera&fps=2.5&unknown&key=abc",
        "/stream?framing=length",
    ];
    for target in aliases {
        let mut viewer = program.watch(target);
        assert_eq!(viewer.head, STREAM_HEAD, "{target}");
        assert!(
            PICTURES.contains(&viewer.part().jpeg.as_slice()),
            "{target}"
        );
    }
}

#[test]
fn snapshot_is_the_newest_frame_and_revalidates_with_304() {
    let program = emulated();
    for target in [
        "/snapshot",
        "/snapshot.jpg",
        "/?action=snapshot",
        "/?action=snapshot_0",
    ] {
        let reply = program.get(target);
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.field("Content-Type"), Some("image/jpeg"));
        assert!(PICTURES.contains(&reply.body.as_slice()));
        let age: u64 = reply.field("X-Frame-Age").unwrap().parse().unwrap();
        assert!(age < 5_000);
    }
    let program = Program::serve(&["--camera", "stills:?fps=0.1"]);
    let first = program.get("/snapshot");
    let tag = first.field("ETag").unwrap();
    let again = format!(
        "GET /snapshot HTTP/1.1\r\nHost: cam\r\nIf-None-Match: W/{tag}\r\nConnection: close\r\n\r\n"
    );
    let again = program.request(&again);
    assert_eq!((again.status(), again.body.len()), (304, 0));
    assert_eq!(again.field("Content-Length"), None);
}

#[test]
fn snapshot_with_after_waits_for_a_newer_frame() {
    let program = emulated();
    let mut sequence = 0;
    for _ in 0..5 {
        let reply = program.get(&format!("/snapshot?after={sequence}"));
        let newer: u64 = reply.field("X-Frame-Sequence").unwrap().parse().unwrap();
        assert!(newer > sequence);
        sequence = newer;
    }
    let reply = program.get("/snapshot?max_age=0");
    assert_eq!(reply.status(), 200);
    assert!(
        reply
            .field("X-Frame-Sequence")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= sequence
    );
}

#[test]
fn invalid_requests_are_answered_with_status_and_reason() {
    let program = Program::serve(&["--camera", "front=stills:", "--camera", "back=stills:"]);
    let cases: [(&str, u16, &[&str]); 12] = [
        ("/stream?camera=side", 404, &["'side'", "front, back"]),
        ("/?action=stream_2", 404, &["number 2", "front, back"]),
        ("/stream?fps=0", 400, &["fps", "240", "'0'"]),
        ("/stream?fps=nan", 400, &["fps", "240", "'nan'"]),
        ("/stream?kbps=0", 400, &["kbps", "10000000", "'0'"]),
        ("/stream?kbps=2.5", 400, &["kbps", "10000000", "'2.5'"]),
        ("/table?rows=0", 400, &["rows", "10000000", "'0'"]),
        ("/table?rows=many", 400, &["rows", "10000000", "'many'"]),
        ("/events?frames=yes", 400, &["frames", "0 or 1", "'yes'"]),
        ("/events?last_event_id=x", 400, &["last_event_id", "'x'"]),
        (
            "/stream?framing=none",
            400,
            &["framing", "advance", "'none'"],
        ),
        ("/snapshot?after=-1", 400, &["after", "'-1'"]),
    ];
    for (target, status, key_words) in cases {
        let reply = program.get(target);
        assert_eq!(reply.status(), status, "{target}");
        for word in key_words {
            assert!(reply.text().contains(word), "{target}: {}", reply.text());
        }
    }
    let unknown = program.get("/nothing/../here");
    assert_eq!(unknown.status(), 404);
    for address in [
        "/video_feed",
        "/snapshot",
        "/table",
        "/events",
        "/loop",
        "/state",
        "/healthz",
    ] {
        assert!(
            unknown.text().contains(address),
            "a 404 lists the addresses"
        );
    }
    let refused = program.request("POST /stream HTTP/1.1\r\nHost: cam\r\n\r\n");
    assert_eq!(
        (refused.status(), refused.field("Allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
}

#[test]
fn replies_to_head_and_options_have_no_body() {
    let program = emulated();
    let targets = [
        "/",
        "/video_feed",
        "/snapshot",
        "/table",
        "/table?rows=5",
        "/events",
        "/loop",
        "/state",
    ];
    for target in targets
        .into_iter()
        .chain(["/healthz", "/viewer.js", "/nothing"])
    {
        let head = program.request(&format!(
            "HEAD {target} HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(head.body, b"", "{target}");
        assert_eq!(
            head.status(),
            if target == "/nothing" { 404 } else { 200 },
            "{target}"
        );
        let options = program.request(&format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(
            (options.status(), options.field("Allow")),
            (204, Some("GET, HEAD, OPTIONS"))
        );
    }
    assert_eq!(
        program
            .request("HEAD /video_feed HTTP/1.1\r\nHost: cam\r\n\r\n")
            .head,
        STREAM_HEAD
    );
}

#[test]
fn state_has_ustreamers_fields_with_current_values() {
    let program = emulated();
    let mut viewer = program.watch("/stream?key=mine");
    let mut other = program.watch("/stream?key=other");
    (0..5).for_each(|_| drop((viewer.part(), other.part())));
    let reply = program.get("/state?key=mine");
    let state: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(state["ok"], true);
    assert_eq!(state["result"]["source"]["online"], true);
    assert_eq!(state["result"]["source"]["resolution"]["width"], 640);
    assert_eq!(state["result"]["stream"]["clients"], 2);
    let clients = state["result"]["stream"]["clients_stat"]
        .as_object()
        .unwrap();
    assert_eq!(clients.len(), 1, "only the viewer with this key");
    let client = clients.values().next().unwrap();
    assert_eq!(client["key"], "mine");
    assert!(client["delivered"].as_u64().unwrap() >= 5);
    assert_eq!(state["cameras"][0]["viewers"], 2);
    assert!(state["loop"]["turns"].as_u64().unwrap() > 5);
}

#[test]
fn healthz_of_a_healthy_server_is_200() {
    let program = emulated();
    let reply = program.get("/healthz");
    assert_eq!((reply.status(), reply.text()), (200, "ok\n"));
}

#[test]
fn pages_and_their_files_are_served_and_revalidate_with_304() {
    let program = emulated();
    for (target, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/loop", "text/html; charset=utf-8"),
        ("/loop.js", "text/javascript; charset=utf-8"),
        ("/loop.css", "text/css; charset=utf-8"),
        ("/table.css", "text/css; charset=utf-8"),
        ("/viewer.css", "text/css; charset=utf-8"),
        ("/viewer.js", "text/javascript; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/camera.js", "text/javascript; charset=utf-8"),
        ("/status.js", "text/javascript; charset=utf-8"),
        ("/view.js", "text/javascript; charset=utf-8"),
        ("/save.js", "text/javascript; charset=utf-8"),
        ("/pip.js", "text/javascript; charset=utf-8"),
        ("/ticks.js", "text/javascript; charset=utf-8"),
        ("/keys.js", "text/javascript; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
        ("/favicon.ico", "image/x-icon"),
        ("/apple-touch-icon.png", "image/png"),
        ("/icon-192.png", "image/png"),
        ("/icon-512.png", "image/png"),
        ("/manifest.webmanifest", "application/manifest+json"),
    ] {
        let reply = program.get(target);
        assert_eq!(
            (reply.status(), reply.field("Content-Type")),
            (200, Some(content_type))
        );
        let tag = reply.field("ETag").unwrap();
        let fields = format!("If-None-Match: {tag}\r\nConnection: close");
        let again = program.request(&format!(
            "GET {target} HTTP/1.1\r\nHost: cam\r\n{fields}\r\n\r\n"
        ));
        assert_eq!(again.status(), 304);
    }
}

#[test]
fn icons_have_the_sizes_in_the_manifest() {
    let program = emulated();
    let side = |png: &[u8]| {
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let size = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        assert_eq!(size(16), size(20), "square");
        size(16)
    };
    assert_eq!(side(&program.get("/apple-touch-icon.png").body), 180);
    let manifest: serde_json::Value =
        serde_json::from_str(program.get("/manifest.webmanifest").text()).unwrap();
    for icon in manifest["icons"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|icon| icon["type"] == "image/png")
    {
        let side = side(
            &program
                .get(&format!("/{}", icon["src"].as_str().unwrap()))
                .body,
        );
        assert_eq!(icon["sizes"], format!("{side}x{side}"));
    }
    let icon = program.get("/favicon.ico").body;
    assert_eq!(
        icon[..6],
        [0, 0, 1, 0, 3, 0],
        "an ICO file with three images"
    );
    for (entry, expected) in icon[6..].chunks_exact(16).zip([16, 32, 48]) {
        let number = |at: usize| u32::from_le_bytes(entry[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(side(&icon[number(12)..number(12) + number(8)]), expected);
    }
}

//! Unusual requests, as proxies, players and scripts send them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;

use crate::support::{Program, Reply, eventually};

fn program() -> Program {
    Program::serve(&["--camera", "pattern:64x48?fps=20"])
}

#[test]
fn leading_slashes_and_absolute_targets_are_accepted() {
    let program = program();
    program.watch("//?action=stream").part();
    for request in [
        "GET //?action=snapshot HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n",
        "GET http://cam:80/snapshot HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n",
        "GET http://cam/snapshot HTTP/1.0\r\n\r\n",
        "GET /snapshot HTTP/1.1\r\nHost: [fe80::1%25eth0]:8080\r\nConnection: close\r\n\r\n",
        "GET /snapshot HTTP/1.1\r\nHost: [fe80::1%eth0]:8080\r\nConnection: close\r\n\r\n",
    ] {
        assert_eq!(program.request(request).status(), 200, "{request}");
    }
    let request =
        "GET http://evil.example/snapshot HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n\r\n";
    assert_eq!(
        program.request(request).status(),
        421,
        "the host in the target counts"
    );
}

#[test]
fn empty_lines_before_and_between_requests_are_ignored() {
    let program = program();
    let request = "GET /healthz HTTP/1.1\r\nHost: cam\r\n";
    let bytes =
        format!("\r\n\r\n{request}\r\n\r\n{request}\r\n\r\n\r\n{request}Connection: close\r\n\r\n");
    let mut text = String::new();
    program
        .send(bytes)
        .read_to_string(&mut text)
        .expect("three replies");
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{text}");
    assert_eq!(text.matches("HTTP/1.1 ").count(), 3, "{text}");
}

#[test]
fn half_closed_viewer_gets_frames_until_it_closes() {
    let program = program();
    let stream = program.send("GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n");
    stream
        .shutdown(Shutdown::Write)
        .expect("the stream is open");
    let mut lines = BufReader::new(stream);
    let mut parts = 0;
    while parts < 10 {
        let mut line = Vec::new();
        assert!(
            lines
                .read_until(b'\n', &mut line)
                .expect("the stream continues")
                > 0,
            "the stream ended after {parts} parts"
        );
        parts += usize::from(line.starts_with(b"X-Frame-Sequence"));
    }
    assert_eq!(program.state()["viewers"], 1);
    drop(lines);
    eventually("the viewer is closed", || program.state()["viewers"] == 0);
    let closed = &program.state()["connections"]["closed"];
    assert_eq!(
        (&closed["peer_closed"], &closed["transport_error"]),
        (&1.into(), &0.into())
    );
}

#[test]
fn control_addresses_of_other_servers_are_answered_with_501() {
    let program = program();
    for target in [
        "/?action=command&id=9963776&value=1",
        "/?action=take",
        "/?action=program",
        "/input_0.json",
        "/input.json",
        "/output_12.json",
        "/program.json",
        "/control.htm",
    ] {
        let reply = program.get(target);
        assert_eq!(reply.status(), 501, "{target}");
        assert!(
            String::from_utf8_lossy(&reply.body).contains("Camera controls"),
            "{target}"
        );
    }
    for target in ["/input_x.json", "/other.json", "/?action=stream_x"] {
        assert_eq!(program.get(target).status(), 404, "{target}");
    }
}

#[test]
fn strict_health_names_the_cameras_that_are_offline() {
    let options = [
        "--camera",
        "good=pattern:64x48",
        "--camera",
        "bad=exec:false",
        "--always-on",
    ];
    let program = Program::serve(&options);
    let text = |reply: Reply| String::from_utf8_lossy(&reply.body).into_owned();
    eventually("a camera is offline", || {
        program.get("/healthz?strict=1").status() == 503
    });
    let strict = text(program.get("/healthz?strict=1"));
    assert!(
        strict.contains("Camera bad is offline") && !strict.contains("good"),
        "{strict}"
    );
    eventually("the other camera is online", || {
        program.get("/healthz").status() == 200
    });
    assert_eq!(program.get("/healthz?strict=2").status(), 400);
}

#[test]
fn snapshot_with_maximum_age_waits_for_a_younger_frame() {
    for (options, target) in [
        (&[][..], "/snapshot?max_age=0"),
        (&["--snapshot-max-age", "0s"], "/snapshot"),
    ] {
        let program = Program::serve(
            &[&["--camera", "pattern:64x48?fps=4", "--always-on"], options].concat(),
        );
        let sequence = |reply: Reply| {
            assert_eq!(reply.status(), 200);
            reply
                .field("X-Frame-Sequence")
                .and_then(|sequence| sequence.parse::<u64>().ok())
                .expect("a number")
        };
        let newest = sequence(program.get("/snapshot?max_age=60000"));
        let [first, second] = [target, target].map(|target| sequence(program.get(target)));
        assert!(
            newest < first && first < second,
            "{newest}, {first}, {second}"
        );
    }
}

#[test]
fn snapshot_after_a_driver_start_skips_the_warm_up_frames() {
    // On a busy machine, several frames may arrive at once.
    for (warm_up, sequences) in [("0", 1..=3), ("0s", 1..=3), ("3", 4..=9), ("500ms", 5..=14)] {
        let program = Program::serve(&["--camera", "pattern:64x48?fps=10", "--warm-up", warm_up]);
        let reply = program.get("/snapshot");
        let sequence: u64 = reply
            .field("X-Frame-Sequence")
            .and_then(|text| text.parse().ok())
            .expect("a number");
        assert!(sequences.contains(&sequence), "{warm_up}: {sequence}");
    }
}

#[test]
fn camera_name_with_unicode_letters_works_at_every_address() {
    let name = "K\u{fc}che & Tür 2 \u{1f6aa}";
    let camera = format!("{name}=pattern:64x48?fps=20");
    let options = [
        "--camera",
        &camera,
        "--camera",
        "\u{524d}\u{95e8}=stills:",
        "--history",
        "10s",
        "--always-on",
    ];
    let program = Program::serve(&options);
    let escaped =
        percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string();
    let get = |path: &str| program.get(&format!("{path}?camera={escaped}"));
    assert_eq!(get("/snapshot").status(), 200);
    assert_eq!(
        program.get("/snapshot?camera=%E5%89%8D%E9%97%A8").status(),
        200
    );
    program.watch(&format!("/stream?camera={escaped}")).part();
    assert_eq!(program.state()["cameras"][0]["name"], name);
    let text = |reply: Reply| String::from_utf8(reply.body).expect("UTF-8");
    assert!(text(program.get("/metrics")).contains(&format!("{{camera=\"{name}\"}}")));
    assert!(text(program.get("/snapshot?camera=nosuch")).contains(name));
    let table = text(get(&format!("/table?rows=1&camera={escaped}&x")));
    assert!(table.contains("K\u{fc}che &amp; T\u{fc}r 2"), "{table}");
    let clip = get("/clip.avi");
    let disposition = clip.field("Content-Disposition").expect("a file name");
    assert!(
        disposition.contains("filename*=UTF-8''K%C3%BCche%20%26%20T%C3%BCr"),
        "{disposition}"
    );
    // A URL has no letters beyond ASCII (RFC 3986, section 2).
    let mut stream = program.send("GET /snapshot?camera=K\u{fc}che HTTP/1.1\r\nHost: cam\r\n\r\n");
    stream.flush().expect("the stream is open");
    let mut reply = String::new();
    BufReader::new(stream)
        .read_line(&mut reply)
        .expect("a status line");
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
}

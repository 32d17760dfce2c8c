//! Responses that are not a stream, and their error messages.

use std::net::TcpListener;
use std::thread;

use crate::support::PICTURES;

use crate::driver::Driver;
use crate::support::{Program, large_jpeg};
use crate::upstream::{Upstream, answer, stream_of};

const TRY: &str = "try the URL of the stream itself, such as /stream, /video_feed, /?action=stream, /video or \
    /mjpg/video.mjpg";

/// The error for a camera that sends `bytes` and closes.
fn failure(bytes: Vec<u8>) -> String {
    let upstream = Upstream::sending(bytes);
    let url = upstream.url("/cam?a=b");
    let failure = Driver::start(format!("{url}#timeout=15s")).failure();
    let shown = upstream.url("/cam?a=***");
    failure
        .strip_prefix(&format!("{shown}: "))
        .unwrap_or_else(|| panic!("{failure}"))
        .to_owned()
}

#[test]
fn error_status_is_reported() {
    for (status, sentence) in [
        ("403 No", "403 Forbidden"),
        ("404 No", TRY),
        ("503 Busy", "503 Service Unavailable"),
        ("204 None", "204 No Content"),
        ("304 Old", "304 Not Modified"),
    ] {
        let failure = failure(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into());
        assert!(failure.contains(sentence), "{failure}");
    }
}

#[test]
fn rejected_token_and_unknown_camera_name_the_parameter() {
    for (status, query, sentence) in [
        ("401 No", "camera=front&token=a.b", "token rejected"),
        ("401 No", "camera=front", "user and password required"),
        ("404 No", "camera=front&token=a.b", "camera="),
    ] {
        let bytes = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let upstream = Upstream::sending(bytes);
        let url = upstream.url(&format!("/stream?{query}#timeout=15s"));
        let failure = Driver::start(url).failure();
        assert!(failure.contains(sentence), "{failure}");
    }
}

#[test]
fn body_that_is_no_picture_is_reported() {
    for (fields, body, what) in [
        (
            "Content-Type: text/html; charset=utf-8\r\n",
            "<!-- page -->",
            "a web page",
        ),
        ("Content-Type: Application/JSON\r\n", "{}", "JSON"),
        ("Content-Type: text/plain\r\n", "oops", "text (text/plain)"),
        ("Content-Type: image/jpeg\r\n", "oops", "text (image/jpeg)"),
        ("", "x", "text"),
    ] {
        let failure = failure(answer("200 OK", fields, body.as_bytes()));
        assert!(failure.contains(&format!("received {what}")), "{failure}");
        assert!(failure.ends_with(&format!("; {TRY}")), "{failure}");
    }
}

#[test]
fn picture_over_the_limit_is_rejected_with_the_option() {
    let jpeg = large_jpeg(9);
    for bytes in [
        stream_of(&[&jpeg]),
        answer("200 OK", "Content-Type: image/jpeg\r\n", &jpeg),
    ] {
        let upstream = Upstream::sending(bytes);
        let failure = Driver::start(upstream.url("/#timeout=2s")).failure();
        assert!(
            failure.contains("8 MiB; raise --frame-max-mib"),
            "{failure}"
        );
        let program = Program::serve(&[
            "--frame-max-mib",
            "16",
            "--camera",
            &upstream.url("/#fps=10"),
        ]);
        assert!(program.watch("/stream").part().jpeg == jpeg);
    }
}

#[test]
fn early_close_is_reported() {
    for bytes in [Vec::new(), b"HTTP/1.1 200 OK\r\nContent-Ty".to_vec()] {
        let failure = failure(bytes);
        assert!(failure.contains("without a response"), "{failure}");
    }
    for bytes in [
        stream_of(&[]),
        answer("200 OK", "", b""),
        stream_of(&[&PICTURES[0][..5000]]),
    ] {
        let failure = failure(bytes);
        assert!(failure.contains("closed after 0 frames"), "{failure}");
    }
}

#[test]
fn other_protocol_is_reported() {
    let words = failure(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec());
    assert!(
        words.contains("not HTTP (SSH-2.0") && words.contains("check the port"),
        "{words}"
    );
}

#[test]
fn silent_camera_is_reported_after_timeout() {
    // Silent before the response, and before the first frame.
    for bytes in [
        Vec::new(),
        b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        stream_of(&[]),
        stream_of(&[&PICTURES[0][..5000]]),
    ] {
        let upstream = Upstream::start(move |connection| {
            connection.request();
            connection.send(&bytes);
            connection.wait();
        });
        let failure = Driver::start(upstream.url("/#timeout=300ms")).failure();
        assert!(failure.contains("no data for 300ms"), "{failure}");
    }
    let upstream = Upstream::start(move |connection| {
        connection.request();
        connection.send(stream_of(&PICTURES));
        connection.wait();
    });
    let mut driver = Driver::start(upstream.url("/#timeout=2s"));
    for picture in PICTURES {
        assert_eq!(driver.frame().jpeg, picture);
    }
    assert!(driver.failure().contains("no data for 2s"));
}

#[test]
fn unreachable_camera_is_reported() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let failure = Driver::start(format!("http://user:secret@127.0.0.1:{port}/video")).failure();
    let start = format!("http://127.0.0.1:{port}/video: connection refused");
    assert!(failure.starts_with(&start), "{failure}");
    // A DNS label has at most 63 characters: the name fails without a query.
    let name = "x".repeat(64);
    let failure = Driver::start(format!("http://{name}/")).failure();
    let start = format!("http://{name}/: host not found");
    assert!(failure.starts_with(&start), "{failure}");
}

#[test]
fn driver_exits_without_error_when_its_reader_closes() {
    use std::process::{Command, Stdio};
    let upstream = Upstream::start(|connection| {
        connection.request();
        loop {
            connection.send(stream_of(&PICTURES));
            thread::yield_now();
        }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command
        .args(["capture", &upstream.url("/")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

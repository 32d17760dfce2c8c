//! What is no stream, and what is said of it.

use std::net::TcpListener;
use std::thread;

use crate::support::PICTURES;

use crate::driver::Driver;
use crate::support::{Program, large_jpeg};
use crate::upstream::{Upstream, answer, stream_of};

const TRY: &str = "try the URL of the stream itself, such as /stream, /video_feed, /?action=stream, /video or \
    /mjpg/video.mjpg";

/// What is said of a camera that answers with `bytes` and closes.
fn failure(bytes: Vec<u8>) -> String {
    let upstream = Upstream::sending(bytes);
    let url = upstream.url("/cam?a=b");
    let failure = Driver::start(format!("{url}#timeout=15s")).failure();
    let shown = upstream.url("/cam?a=***");
    failure
        .strip_prefix(&format!("no frames from {shown}: "))
        .unwrap_or_else(|| panic!("{failure}"))
        .to_owned()
}

#[test]
fn a_status_that_is_no_success() {
    for (status, sentence) in [
        (
            "403 No",
            "it forbids this (403 Forbidden); check what the user may see, and who may connect"
                .to_owned(),
        ),
        ("404 No", format!("nothing is there (404 Not Found); {TRY}")),
        (
            "503 Busy",
            "it answers 503 Service Unavailable; look at the address with a browser".to_owned(),
        ),
        (
            "204 None",
            "it answers 204 No Content; look at the address with a browser".to_owned(),
        ),
        (
            "304 Old",
            "it answers 304 Not Modified; look at the address with a browser".to_owned(),
        ),
    ] {
        assert_eq!(
            failure(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into()),
            sentence
        );
    }
}

#[test]
fn a_type_that_is_no_video() {
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
        assert!(
            failure.starts_with(&format!("it sends no JPEG but {what}")),
            "{failure}"
        );
        assert!(failure.ends_with(&format!("; {TRY}")), "{failure}");
    }
}

#[test]
fn picture_over_the_bound_is_refused_with_the_option_that_raises_it() {
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
fn a_camera_that_closes() {
    let closed =
        "it closed the connection without an answer; check the port, and whether it wants https://";
    assert_eq!(failure(Vec::new()), closed);
    assert_eq!(failure(b"HTTP/1.1 200 OK\r\nContent-Ty".to_vec()), closed);
    let ended = |frames| {
        format!(
            "it has closed the stream, after {frames} frames; it may have been restarted, or serve few viewers at once"
        )
    };
    assert_eq!(failure(stream_of(&[])), ended(0));
    assert_eq!(failure(answer("200 OK", "", b"")), ended(0));
    assert_eq!(failure(stream_of(&[&PICTURES[0][..5000]])), ended(0));
}

#[test]
fn something_that_does_not_speak_http() {
    let words = failure(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec());
    assert!(
        words.starts_with("its answer is not HTTP (") && words.ends_with("); check the port"),
        "{words}"
    );
}

#[test]
fn a_camera_that_is_silent() {
    let sentence = "it gave nothing for 300ms; check that it is on, or allow it more than timeout=300ms behind the #";
    // Before its answer, and before its first frame.
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
        assert!(
            Driver::start(upstream.url("/#timeout=300ms"))
                .failure()
                .ends_with(sentence)
        );
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
    assert!(driver.failure().ends_with(&sentence.replace("300ms", "2s")));
}

#[test]
fn a_camera_that_is_not_there() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let failure = Driver::start(format!("http://user:secret@127.0.0.1:{port}/video")).failure();
    let sentence = "the connection is refused; check the port, and that the camera is on";
    assert_eq!(
        failure,
        format!("no frames from http://127.0.0.1:{port}/video: {sentence}")
    );
    // No part of a name has more than 63 letters, which is known without asking anybody.
    let name = "x".repeat(64);
    let failure = Driver::start(format!("http://{name}/")).failure();
    let sentence =
        "there is no host of that name; check its spelling, or write the camera's IP address";
    assert_eq!(
        failure,
        format!("no frames from http://{name}/: {sentence}")
    );
}

#[test]
fn a_driver_whose_reader_goes_away_ends_quietly() {
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

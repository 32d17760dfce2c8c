//! Sequences of requests: cookies, connections that close or stay open, temporary errors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::PICTURES;
use framecast::wire::metadata::Sequence;

use crate::driver::Driver;
use crate::upstream::{Upstream, answer, field, stream_of};

const JPEG: &str = "Content-Type: image/jpeg\r\n";

/// A response without a length.
fn endless(fields: &str, body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n", fields.as_bytes(), b"\r\n", body].concat()
}

#[test]
fn redirect_cookie_is_sent_back() {
    let upstream = Upstream::answering(|request| match field(request, "Cookie") {
        Some("session=7") => answer("200 OK", JPEG, PICTURES[0]),
        _ => answer(
            "302 Found",
            "Set-Cookie: session=7; Path=/; HttpOnly\r\nLocation: /cam\r\n",
            b"",
        ),
    });
    let mut driver = Driver::start(upstream.url("/cam#fps=50"));
    for _ in 0..3 {
        driver.frame();
    }
    let without = upstream
        .requests()
        .iter()
        .filter(|request| field(request, "Cookie").is_none())
        .count();
    assert_eq!(without, 1, "a cookie is kept as long as the driver runs");
}

#[test]
fn cookie_is_sent_to_its_host_and_path_until_expired() {
    let other = Upstream::answering(|_| stream_of(&PICTURES));
    let location = format!("http://localhost:{}/cam", other.address.port());
    let steps = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |_| match steps.fetch_add(1, Ordering::Relaxed) {
        0 => answer(
            "302 Found",
            "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/else\r\nSet-Cookie: c=3; Secure\r\nSet-Cookie: d=4\r\n\
             Location: /two\r\n",
            b"",
        ),
        1 => answer(
            "302 Found",
            "Set-Cookie: d=; Max-Age=0\r\nLocation: /else/three\r\n",
            b"",
        ),
        _ => answer("302 Found", &format!("Location: {location}\r\n"), b""),
    });
    Driver::start(upstream.url("/")).frame();
    let cookies: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| field(request, "Cookie").unwrap_or("none").to_owned())
        .collect();
    assert_eq!(cookies[..3], ["none", "a=1; d=4", "b=2; a=1"]);
    assert_eq!(field(&other.requests()[0], "Cookie"), None);
}

#[test]
fn blank_in_url_or_redirect_is_encoded() {
    let upstream = Upstream::answering(|request| {
        if request.starts_with("GET /y%20z HTTP/1.1") {
            answer("200 OK", JPEG, PICTURES[0])
        } else {
            answer("302 Found", "Location: /y z\r\n", b"")
        }
    });
    Driver::start(upstream.url("/my cam.jpg")).frame();
    assert!(upstream.requests()[0].starts_with("GET /my%20cam.jpg HTTP/1.1"));
}

#[test]
fn single_picture_without_length_is_polled() {
    for fields in [
        JPEG.to_owned(),
        format!("{JPEG}Content-Length: 9999999\r\n"),
        "Content-Length: -1\r\n".to_owned(),
    ] {
        let asked = AtomicUsize::new(0);
        let pictures = move || PICTURES[asked.fetch_add(1, Ordering::Relaxed) % 3];
        let answers = fields.clone();
        let upstream = Upstream::start(move |connection| {
            connection.request();
            connection.send(endless(&answers, pictures()));
            connection.wait();
        });
        let mut driver = Driver::start(upstream.url("/"));
        for number in 0..4 {
            assert_eq!(driver.frame().jpeg, PICTURES[number % 3], "{fields}");
        }
        assert!(upstream.connections() >= 4);
    }
}

#[test]
fn endless_jpegs_with_binary_headers_are_split() {
    let framed = |picture: &[u8]| {
        let size = u32::try_from(picture.len()).unwrap().to_be_bytes();
        [b"\xff\x00\x01", &size[..], picture, b"\xff\xff"].concat()
    };
    for (fields, is_framed) in [
        (JPEG, false),
        ("Content-Type: application/octet-stream\r\n", true),
        ("", true),
    ] {
        let upstream = Upstream::start(move |connection| {
            connection.request();
            connection.send(endless(fields, b""));
            for picture in PICTURES.iter().cycle().take(30) {
                connection.send(if is_framed {
                    framed(picture)
                } else {
                    picture.to_vec()
                });
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut driver = Driver::start(upstream.url("/"));
        for number in 0..10 {
            assert_eq!(driver.frame().jpeg, PICTURES[number % 3], "{fields}");
        }
        assert_eq!(upstream.connections(), 1, "{fields}");
    }
}

#[test]
fn one_part_per_connection_is_polled() {
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::start(move |connection| {
        connection.request();
        connection.send(stream_of(&[
            PICTURES[asked.fetch_add(1, Ordering::Relaxed) % 3]
        ]));
    });
    let mut driver = Driver::start(upstream.url("/#fps=20"));
    for number in 0..8 {
        assert_eq!(driver.frame().jpeg, PICTURES[number % 3]);
    }
    assert_eq!(driver.stop(), "");
}

#[test]
fn failed_poll_is_logged_once_and_retried() {
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        number if number % 3 == 2 => answer("503 Busy", "", b""),
        number => answer("200 OK", JPEG, PICTURES[number % 3]),
    });
    let mut driver = Driver::start(upstream.url("/#fps=50"));
    for number in 0..8 {
        assert_eq!(driver.frame().jpeg, PICTURES[number % 2]);
    }
    let words = driver.stop();
    assert_eq!(
        (
            words.lines().count(),
            words.matches("503 Service Unavailable").count()
        ),
        (1, 1),
        "{words}"
    );
}

#[test]
fn rejected_login_after_pictures_is_not_retried() {
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => answer("200 OK", JPEG, PICTURES[0]),
        _ => answer("401 Who", "WWW-Authenticate: Basic realm=\"x\"\r\n", b""),
    });
    let mut driver = Driver::start(
        upstream
            .url("/#fps=50")
            .replace("http://", "http://user:wrong@"),
    );
    driver.frame();
    assert!(driver.failure().contains("user or password rejected"));
    assert_eq!(
        upstream.requests().len(),
        3,
        "a camera may lock out a client after more attempts"
    );
}

#[test]
fn unmodified_picture_is_repeated_before_frame_timeout() {
    let upstream = Upstream::answering(|request| match field(request, "If-None-Match") {
        Some(_) => {
            b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n".to_vec()
        }
        None => answer(
            "200 OK",
            "Content-Type: image/jpeg\r\nETag: \"1\"\r\n",
            PICTURES[0],
        ),
    });
    let mut driver = Driver::start(upstream.url("/#fps=20&timeout=1s"));
    for sequence in 1..4 {
        let frame = driver.frame();
        assert_eq!(
            (frame.jpeg.as_ref(), frame.sequence),
            (PICTURES[0], Sequence::new(sequence))
        );
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn all_addresses_of_a_host_are_tried() {
    // On most machines `localhost` is ::1 first, and this camera listens on IPv4 only.
    let upstream = Upstream::sending(stream_of(&PICTURES));
    Driver::start(format!("http://localhost:{}/", upstream.address.port())).frame();
}

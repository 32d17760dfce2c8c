//! Cameras that give single pictures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::PICTURES;
use framecast::wire::metadata::{Sequence, WallTime};

use crate::driver::Driver;
use crate::support::eventually;
use crate::upstream::{Upstream, answer, field};

#[test]
fn polling_reuses_one_connection() {
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |_| {
        let picture = PICTURES[asked.fetch_add(1, Ordering::Relaxed) % 3];
        answer("200 OK", "Content-Type: image/jpeg\r\n", picture)
    });
    let mut driver = Driver::start(upstream.url("/snapshot.jpg?x=1#fps=50"));
    for number in 0..7 {
        let frame = driver.frame();
        assert_eq!(
            (frame.sequence, frame.jpeg.as_ref()),
            (Sequence::new(number + 1), PICTURES[number as usize % 3])
        );
    }
    assert_eq!(upstream.connections(), 1);
    for request in upstream.requests() {
        assert!(
            request.starts_with("GET /snapshot.jpg?x=1 HTTP/1.1\r\n"),
            "{request}"
        );
        assert_eq!(
            (
                field(&request, "If-None-Match"),
                field(&request, "Accept-Encoding")
            ),
            (None, None)
        );
    }
}

#[test]
fn polling_sends_entity_tag() {
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |request| {
        // The picture changes with every fourth request.
        let number = asked.fetch_add(1, Ordering::Relaxed) / 4;
        let tag = format!("\"{number}\"");
        if field(request, "If-None-Match") == Some(&tag) {
            return format!(
                "HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\nContent-Length: 0\r\n\r\n"
            )
            .into();
        }
        answer(
            "200 OK",
            &format!("Content-Type: image/jpeg\r\nETag: {tag}\r\n"),
            PICTURES[number % 3],
        )
    });
    let mut driver = Driver::start(upstream.url("/#fps=100"));
    for number in 0..5 {
        assert_eq!(driver.frame().jpeg, PICTURES[number % 3], "{number}");
    }
    assert_eq!(upstream.connections(), 1);
    assert!(upstream.requests().len() > 4 * 4);
}

#[test]
fn pictures_with_odd_headers_are_relayed() {
    let of = |head: &str, body: &[u8]| [head.as_bytes(), b"\r\n", body].concat();
    let [picture, ..] = PICTURES;
    let chunked = [
        format!("{:x}\r\n", picture.len()).as_bytes(),
        picture,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    for bytes in [
        of("HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n", picture),
        of("HTTP/1.0 200 OK\r\nContent-Type: Image/JPG; x\r\n", picture),
        of(
            "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n",
            &[b"\r\n", picture, b"\0\0\0\r\n"].concat(),
        ),
        of(
            "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n",
            &chunked,
        ),
        answer(
            "200 OK",
            "Content-Type: application/octet-stream\r\n",
            picture,
        ),
        answer("200 OK", "Connection: close\r\n", picture),
    ] {
        let upstream = Upstream::sending(bytes);
        let mut driver = Driver::start(upstream.url("/#fps=50"));
        for _ in 0..3 {
            assert_eq!(driver.frame().jpeg, picture);
        }
    }
}

#[test]
fn polled_picture_keeps_sequence_and_capture_time() {
    let fields =
        "Content-Type: image/jpeg\r\nx-timestamp: 1760000000.25\r\nX-Frame-Sequence: 9\r\n";
    let upstream = Upstream::answering(move |_| answer("200 OK", fields, PICTURES[0]));
    let mut driver = Driver::start(upstream.url("/#fps=100"));
    let frame = driver.frame();
    let captured_at = Duration::from_millis(1_760_000_000_250);
    assert_eq!(
        (frame.sequence, frame.captured_at),
        (Sequence::new(9), WallTime::new(captured_at))
    );
    // The same frame every time: it is relayed once.
    eventually("further requests", || upstream.requests().len() > 5);
    drop(upstream);
}

#[test]
fn truncated_picture_is_rejected_and_logged() {
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => answer("200 OK", "Content-Type: image/jpeg\r\n", PICTURES[0]),
        1 => answer(
            "200 OK",
            "Content-Type: image/jpeg\r\n",
            &PICTURES[1][..999],
        ),
        2 => answer("200 OK", "Content-Type: image/jpeg\r\n", b"no picture"),
        3 => answer("200 OK", "Content-Type: image/jpeg\r\n", PICTURES[2]),
        _ => answer("503 Busy", "", b""),
    });
    let mut driver = Driver::start(upstream.url("/#fps=50&timeout=2s"));
    assert_eq!(driver.frame().jpeg, PICTURES[0]);
    assert_eq!(driver.frame().jpeg, PICTURES[2]);
    let words = driver.stderr_at_exit();
    assert!(words.contains("rejected: truncated;"), "{words}");
    assert!(words.contains("received text (image/jpeg)"), "{words}");
    assert_eq!(
        words.matches("retrying").count(),
        2,
        "each failure is logged once: {words}"
    );
    assert!(words.contains("503 Service Unavailable"), "{words}");
}

#[test]
fn closed_idle_connection_is_reopened() {
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        number @ (0 | 2) => answer("200 OK", "Content-Type: image/jpeg\r\n", PICTURES[number]),
        _ => Vec::new(),
    });
    let mut driver = Driver::start(upstream.url("/#fps=50&timeout=2s"));
    assert_eq!(driver.frame().jpeg, PICTURES[0]);
    assert_eq!(driver.frame().jpeg, PICTURES[2]);
    assert!(
        driver.failure().contains("without a response"),
        "retries end at the frame timeout"
    );
    assert!((5..20).contains(&upstream.requests().len()), "nor in haste");
}

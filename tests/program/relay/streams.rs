//! Streams in the notations of many cameras. The camera sends the next picture only after the last
//! one was relayed, so that each must be relayed when its last byte arrives.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::support::PICTURES;
use framecast::wire::jpeg;

use crate::driver::Driver;
use crate::upstream::{Upstream, field, stream_of};

const MIXED_REPLACE: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";

/// Sends `head` and the three pictures, each after the bytes that `before` returns for its index,
/// all encoded with `coding`. The pictures must be relayed.
fn expect_coded(head: &str, before: impl Fn(usize) -> String, coding: impl Fn(&[u8]) -> Vec<u8>) {
    let (pieces, to_send) = channel::<Vec<u8>>();
    let to_send: Mutex<Receiver<Vec<u8>>> = Mutex::new(to_send);
    let upstream = Upstream::start(move |connection| {
        connection.request();
        for piece in to_send.lock().unwrap().iter() {
            connection.send(piece);
        }
    });
    let mut driver = Driver::start(upstream.url("/video?size=2"));
    pieces.send(head.into()).unwrap();
    for (number, picture) in PICTURES.iter().enumerate() {
        pieces
            .send(coding(&[before(number).as_bytes(), picture].concat()))
            .unwrap();
        let frame = driver.frame();
        assert!(
            frame.jpeg == picture,
            "picture {number} after {head:?} {:?}",
            before(number)
        );
    }
    let request = upstream.requests().remove(0);
    assert!(
        request.starts_with("GET /video?size=2 HTTP/1.1\r\n"),
        "{request}"
    );
    assert_eq!(field(&request, "Accept-Encoding"), None);
}

fn expect(head: &str, before: impl Fn(usize) -> String) {
    expect_coded(head, before, <[u8]>::to_vec);
}

/// A response head with this type.
fn of_type(content_type: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n")
}

/// The bytes before each picture of a valid stream.
fn sound(number: usize) -> String {
    format!(
        "\r\n--b\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
        PICTURES[number].len()
    )
    .split_off(if number == 0 { 2 } else { 0 })
}

#[test]
fn multipart_type_in_any_notation_is_accepted() {
    for content_type in [
        "multipart/x-mixed-replace; boundary=b",
        "Multipart/X-Mixed-Replace;Boundary=\"b\"",
        "multipart/x-mixed-replace; charset=utf-8; BOUNDARY = b ; x",
        "multipart/x-mixed-replace; boundary=--b",
        "multipart/x-mixed-replace; boundary=\"--b\"",
        "multipart/x-mixed-replace; boundary=another",
        "multipart/x-mixed-replace",
        "multipart/mixed; boundary=b",
    ] {
        expect(&of_type(content_type), sound);
    }
}

#[test]
fn undeclared_multipart_is_detected() {
    for content_type in [
        "video/x-motion-jpeg",
        "application/octet-stream",
        "text/plain; charset=utf-8",
    ] {
        expect(&of_type(content_type), sound);
        expect(&of_type(content_type), |_| String::new());
        expect(&of_type(content_type), |number| {
            format!("\r\n{}", sound(number))
        });
    }
    expect("HTTP/1.1 200 OK\r\n\r\n", sound);
    expect("HTTP/1.0 200 OK\r\n\r\n", |_| String::new());
}

#[test]
fn body_without_length_is_relayed() {
    for head in [
        "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Type: multipart/x-mixed-replace; boundary=b\n\n",
        "HTTP/1.1 200\r\nConnection: keep-alive\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n",
    ] {
        expect(head, sound);
    }
}

#[test]
fn chunked_body_is_relayed() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n";
    for bytes_max in [usize::MAX, 10_000, 1000] {
        let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes].concat();
        // The line break after a chunk arrives with the next chunk.
        let chunked = |bytes: &[u8]| -> Vec<Vec<u8>> {
            bytes
                .chunks(bytes_max.min(bytes.len()))
                .map(chunk)
                .collect()
        };
        let first = Mutex::new(true);
        expect_coded(head, sound, |bytes| {
            let start: &[u8] = if std::mem::take(&mut *first.lock().unwrap()) {
                b""
            } else {
                b"\r\n"
            };
            [start, &chunked(bytes).join(b"\r\n".as_slice())].concat()
        });
    }
}

#[test]
fn odd_boundaries_are_accepted() {
    let first = |number: usize, first: &str, next: &str| {
        if number == 0 {
            first.to_owned()
        } else {
            next.to_owned()
        }
    };
    let header = "Content-Type: image/jpeg\r\n\r\n";
    let next = format!("\r\n--b\r\n{header}");
    // A line break before the first boundary.
    expect(MIXED_REPLACE, |_| next.clone());
    expect(MIXED_REPLACE, |number| format!("\r\n\r\n{}", sound(number)));
    // No first boundary.
    expect(MIXED_REPLACE, |number| first(number, header, &next));
    expect(MIXED_REPLACE, |number| first(number, "", &next));
    // Each boundary twice.
    expect(MIXED_REPLACE, |_| format!("\r\n--b{next}"));
    expect(MIXED_REPLACE, |_| format!("{next}\r\n--b\r\n{header}"));
    // A closing boundary between the parts.
    expect(MIXED_REPLACE, |number| {
        first(number, &next, &format!("\r\n--b--\r\n{next}"))
    });
    expect(MIXED_REPLACE, |number| {
        first(number, &next, &format!("\r\n--b--{next}"))
    });
    // No line break before the boundary.
    expect(MIXED_REPLACE, |_| format!("--b\r\n{header}"));
    // An undeclared boundary with more dashes.
    expect(MIXED_REPLACE, |_| format!("\r\n----other\r\n{header}"));
}

#[test]
fn odd_part_headers_are_accepted() {
    for header in [
        "Content-Type: image/jpeg\n\n",
        "content-type:image/jpeg\r\nX-Anything: at all\r\n\r\n",
        "\r\n",
        "Content-Length: 0\r\n\r\n",
        "Content-Length: 20\r\n\r\n",
        "Content-Length: 99999999\r\n\r\n",
        "Content-Length: many\r\n\r\n",
    ] {
        expect(MIXED_REPLACE, |_| format!("\r\n--b\r\n{header}"));
        expect(MIXED_REPLACE, |_| format!("\n--b\n{header}"));
    }
}

#[test]
fn invalid_pictures_are_rejected_and_logged() {
    let cut = &PICTURES[1][..1000];
    let bytes = stream_of(&[PICTURES[0], cut, b"no picture at all", PICTURES[2]]);
    let mut driver = Driver::start(Upstream::sending(bytes).url("/#fps=20"));
    for _ in 0..5 {
        assert_eq!(driver.frame().jpeg, PICTURES[0]);
        assert_eq!(driver.frame().jpeg, PICTURES[2]);
    }
    let words = driver.stop();
    for reason in ["truncated", "not_jpeg"] {
        assert_eq!(
            words.matches(&format!("rejected: {reason};")).count(),
            1,
            "{words}"
        );
    }
}

#[test]
fn missing_huffman_tables_are_inserted() {
    let bare = super::pictures::frame_without_tables(5);
    assert!(!jpeg::check(&bare).unwrap().huffman_tables);
    let upstream = Upstream::sending(stream_of(&[&bare]));
    let frame = Driver::start(upstream.url("/")).frame();
    assert_eq!(frame.jpeg, jpeg::with_standard_tables(&bare));
    assert!(frame.picture.huffman_tables);
}

#[test]
fn stream_may_last_longer_than_the_timeout() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send(MIXED_REPLACE);
        for _ in 0..30 {
            connection.send([b"--b\r\n\r\n", PICTURES[0], b"\r\n"].concat());
            thread::sleep(Duration::from_millis(100));
        }
    });
    let mut driver = Driver::start(upstream.url("/#timeout=2s"));
    for _ in 0..30 {
        driver.frame();
    }
    assert_eq!(upstream.connections(), 1);
}

//! Malformed response heads of cameras: each is accepted, or reported in one line.

use crate::support::PICTURES;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::driver::Driver;
use crate::upstream::Upstream;

const PARTS: &str = "Content-Type: multipart/x-mixed-replace; boundary=b\r\n";

/// A body of three parts.
fn parts() -> Vec<u8> {
    PICTURES
        .iter()
        .flat_map(|picture| {
            [
                b"--b\r\nContent-Type: image/jpeg\r\n\r\n",
                *picture,
                b"\r\n",
            ]
            .concat()
        })
        .collect()
}

/// Returns a picture of a camera that sends `head` and `body`, or its error. Either way, at most
/// one line is logged.
fn outcome(head: impl AsRef<[u8]>, body: &[u8]) -> Result<(), String> {
    let upstream = Upstream::sending([head.as_ref(), body].concat());
    let (shown, words) = Driver::start(upstream.url("/x#timeout=5s")).frame_or_stderr();
    assert!(!words.contains("panicked"), "{words}");
    let said = usize::from(!shown);
    assert!(
        words.lines().count() <= 1 && words.lines().count() >= said,
        "{shown}: {words}"
    );
    if shown { Ok(()) } else { Err(words) }
}

#[test]
fn odd_status_line_is_accepted() {
    for line in [
        "HTTP/1.1 200",
        "HTTP/1.1",
        "HTTP/1.1 OK",
        "http/1.1 200 ok",
        "HTTP/1.1  200   OK",
        "HTTP/1.1\t200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/2 200",
        "HTTP/0.9 200 OK",
        "ICY 200 OK",
        "\r\n\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 203 Non-Authoritative Information",
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-",
    ] {
        assert_eq!(
            outcome(format!("{line}\r\n{PARTS}\r\n"), &parts()),
            Ok(()),
            "{line}"
        );
    }
    // No head.
    assert_eq!(outcome("", &parts()), Ok(()));
    assert_eq!(outcome("", PICTURES[0]), Ok(()));
    assert_eq!(outcome(format!("{PARTS}\r\n"), &parts()), Ok(()));
}

#[test]
fn odd_field_line_is_ignored() {
    for line in [
        "Tue, 12 Jun 2012 01:56:34 GMT",
        "Server : x",
        "Server: x\r\n folded",
        " folded",
        "X[a]: 1",
        ": nameless",
        ":",
        "nonsense",
        "X Y: 1",
        "X\tY: 1",
        "X\0Y: \x01\x1b[31m",
        "Content-Length:",
        "Content-Length: -1",
        "Content-Length: +12",
        "Content-Length: 0x10",
        "Content-Length: 5, 6",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 0",
        "Content-Length: 5",
        "Content-Length: 99999999999999999999999999",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked",
        "Content-Encoding: gzip",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{line}\r\n{PARTS}\r\n");
        assert_eq!(outcome(&head, &parts()), Ok(()), "{line}");
        assert_eq!(
            outcome(head.replace("\r\n", "\n"), &parts()),
            Ok(()),
            "{line}, with bare line feeds"
        );
    }
    let long = format!("X: {}\r\n", "a".repeat(65 * 1024));
    assert_eq!(
        outcome(format!("HTTP/1.1 200 OK\r\n{long}{PARTS}\r\n"), &parts()),
        Ok(())
    );
    assert_eq!(
        outcome(
            format!(
                "HTTP/1.1 200 OK\r\nContent-\0Type :{}\r\n\r\n",
                &PARTS[13..]
            ),
            &parts()
        ),
        Ok(())
    );
}

#[test]
fn foreign_content_is_reported_with_remedy() {
    for (head, body, words) in [
        ("RTSP/1.0 200 OK\r\n\r\n", "", "RTSP"),
        ("", "SSH-2.0-OpenSSH_9.9\r\n", "not HTTP"),
        ("HTTP/1.1 2000 OK\r\n\r\n", "", "status is 2000"),
        ("HTTP/1.1 20 OK\r\n\r\n", "", "status is 20"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "", "204 No Content"),
        ("HTTP/1.1 302 Found\r\n\r\n", "", "302"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
            "<html>",
            "a web page",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n",
            "<html>",
            "a web page",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
            "{\"error\": 1}",
            "JSON",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n",
            "\u{89}PNG",
            "image/png",
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", "#EXTM3U\n", "exec:ffmpeg -i"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: audio/mpegurl\r\n\r\n",
            "/a.ts\n",
            "playlist of HLS",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n",
            "\0\x10\x02",
            "exec:ffmpeg -i",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n",
            "\0\0\0\x20ftypisom",
            "exec:ffmpeg -i",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: video/h264\r\n\r\n",
            "\0\0\0\x01\x67",
            "H.264",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
            "\x1f",
            "exec:curl -s --compressed",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n",
            "--b\r\n\r\n\0\0\0\x01\x67",
            "H.264",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n",
            "<html>",
            "a web page",
        ),
    ] {
        let refused = outcome(head, body.as_bytes()).expect_err(head);
        assert!(refused.contains(words), "{head} {body}: {refused}");
    }
    let refused = outcome(
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(400 * 1024)),
        b"",
    )
    .unwrap_err();
    assert!(refused.contains("KiB"), "{refused}");
}

/// Heads of several cameras.
const HEADS: [&str; 8] = [
    "HTTP/1.1 200 OK\r\nServer: GoAhead\r\nTue, 12 Jun 2012 01:56:34 GMT\r\n\
     Content-Type: multipart/x-mixed-replace;boundary=b\r\n\r\n",
    "HTTP/1.0 200 OK\r\nConnection: close\r\nMax-Age: 0\r\nExpires: 0\r\nCache-Control: no-cache, private\r\n\
     Pragma: no-cache\r\nContent-Type: multipart/x-mixed-replace; boundary=--b\r\n\r\n",
    "http/1.1 200 ok\r\ncontent-type: image/jpeg\r\ncontent-length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: video/x-motion-jpeg\r\n\r\n",
    "HTTP/1.1 206 Partial Content\r\nContent-Type: application/octet-stream\r\nSet-Cookie: a=b; Path=/\r\n\r\n",
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"a, nonce=\"1\", qop=\"auth\"\r\n\r\n",
    "HTTP/1.1 302 Found\r\nLocation: /y z?\r\nContent-Length: 0\r\n\r\n",
    "ICY 200 OK\r\nContent-Type: multipart/x-mixed-replace;\r\n boundary=\"b\"\r\n\r\n",
];

/// Fragments that cameras send in wrong places.
const PIECES: [&str; 14] = [
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    "\0",
    "\u{1b}[31m",
    "--b\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "\u{ff}\u{d8}",
    "Content-Length: 5, 5\r\n",
    "Transfer-Encoding: Chunked;x=1\r\n",
    "Content-Encoding: gzip\r\n",
];

/// A mutation of a head at one position.
#[derive(Clone, Debug)]
enum Mutation {
    Insert(&'static str),
    Replace(u8),
    Remove(usize),
    Repeat(usize),
    ChangeCase,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        3 => prop::sample::select(&PIECES[..]).prop_map(Mutation::Insert),
        2 => any::<u8>().prop_map(Mutation::Replace),
        2 => (1_usize..40).prop_map(Mutation::Remove),
        1 => (1_usize..40).prop_map(Mutation::Repeat),
        1 => Just(Mutation::ChangeCase),
    ]
}

fn mutate(head: &mut Vec<u8>, mutation: &Mutation, at: usize) {
    let end = |length: usize| (at + length).min(head.len());
    match mutation {
        Mutation::Insert(piece) => drop(head.splice(at..at, piece.bytes())),
        Mutation::Replace(byte) => head[at] = *byte,
        Mutation::Remove(length) => drop(head.drain(at..end(*length))),
        Mutation::Repeat(length) => {
            let piece = head[at..end(*length)].to_vec();
            head.splice(at..at, piece);
        }
        Mutation::ChangeCase => head[at..]
            .iter_mut()
            .for_each(|byte| *byte ^= 0x20 * u8::from(byte.is_ascii_alphabetic())),
    }
}

#[test]
fn mutated_heads_are_accepted_or_reported_in_one_line() {
    let config = Config {
        cases: 1000,
        failure_persistence: None,
        max_shrink_iters: 50,
        ..Config::default()
    };
    let mutations = prop::collection::vec((mutation(), any::<Index>()), 1..6);
    let cases = (prop::sample::select(&HEADS[..]), mutations, any::<bool>());
    let parts = parts();
    let shown = std::cell::Cell::new(0);
    let run = TestRunner::new(config).run(&cases, |(head, mutations, is_stream)| {
        let mut head = head.as_bytes().to_vec();
        for (mutation, at) in mutations {
            if !head.is_empty() {
                let at = at.index(head.len());
                mutate(&mut head, &mutation, at);
            }
        }
        let body = if is_stream {
            parts.as_slice()
        } else {
            PICTURES[0]
        };
        shown.set(shown.get() + usize::from(outcome(&head, body).is_ok()));
        Ok(())
    });
    run.unwrap();
    println!("{} of 1000 are shown", shown.get());
    assert!(shown.get() > 300, "{} of 1000 are shown", shown.get());
}

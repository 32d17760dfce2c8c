//! Requests and their replies: pipelined, kept alive, waiting, refused.

use std::time::Duration;

use crate::hub::{Limits, Readiness};
use crate::stream::{Peer, Topic};

use super::peer::Fixture;

const REQUEST: &str = "GET /page HTTP/1.1\r\nHost: cam\r\n\r\n";

#[test]
fn request_in_two_segments_is_answered_when_complete() {
    for cut in 1..REQUEST.len() {
        let mut fixture = Fixture::new();
        let (line, key) = fixture.connect();
        line.send(&REQUEST[..cut]);
        fixture.readable(key);
        assert_eq!(line.take_text(), "");
        line.send(&REQUEST[cut..]);
        fixture.readable(key);
        assert!(line.take_text().ends_with("\r\n\r\n/page"));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.connect();
    line.send(REQUEST.repeat(3));
    fixture.readable(key);
    let text = line.take_text();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3);
    assert_eq!(text.matches("Connection: keep-alive").count(), 3);
}

#[test]
fn connection_is_closed_after_100_requests() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.connect();
    for number in 1..=100 {
        line.send(REQUEST);
        fixture.readable(key);
        let keeps = line.take_text().contains("keep-alive");
        assert_eq!(keeps, number < 100, "request {number}");
    }
    assert!(line.is_shut());
}

#[test]
fn reply_is_not_lost_when_input_is_unread() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.connect();
    line.send("POST /page HTTP/1.1\r\nHost: cam\r\nContent-Length: 9000\r\n\r\n");
    fixture.readable(key);
    assert!(line.take_text().starts_with("HTTP/1.1 405 "));
    assert!(line.is_shut());
    line.send([b'x'; 9000]);
    fixture.readable(key);
    assert_eq!(
        fixture.hub.connections().len(),
        1,
        "it is read to its end before it is closed"
    );
    line.end();
    fixture.readable(key);
    assert!(fixture.hub.connections().is_empty());
    assert_eq!(fixture.hub.live().totals.invalid_requests, 1);
}

#[test]
fn reply_is_not_lost_when_the_peer_ends_with_more_unread_than_a_read_budget() {
    let mut fixture = Fixture::with(Limits {
        read_budget_bytes: 1000,
        ..Limits::default()
    });
    let (line, key) = fixture.connect();
    line.send("nonsense\r\n\r\n");
    fixture.readable(key);
    assert!(line.take_text().starts_with("HTTP/1.1 400 ") && line.is_shut());
    line.send([b'x'; 5000]);
    line.end();
    fixture.hub.ready(
        key,
        Readiness {
            gone: true,
            ..Default::default()
        },
    );
    fixture.turn_once();
    assert!(
        fixture.hub.connections().get(key).is_some(),
        "it is read to its end before it is closed"
    );
    fixture.turn();
    assert!(fixture.hub.connections().is_empty());
    assert_eq!(fixture.hub.live().totals.closed.finished, 1);
}

#[test]
fn peer_that_keeps_sending_is_closed_after_64_kib_or_2_s() {
    for (bytes, time) in [(65 * 1024, 0), (0, 2)] {
        let mut fixture = Fixture::new();
        let (line, key) = fixture.connect();
        line.send("nonsense\r\n\r\n");
        fixture.readable(key);
        line.send(vec![b'x'; bytes]);
        fixture.readable(key);
        assert_eq!(fixture.hub.connections().is_empty(), time == 0);
        fixture.pass(Duration::from_secs(time));
        assert!(fixture.hub.connections().is_empty());
    }
}

#[test]
fn half_closed_peer_gets_its_reply() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.connect();
    line.send("GET /large HTTP/1.1\r\nHost: cam\r\n\r\n");
    line.end();
    line.set_room(1000);
    fixture.readable(key);
    line.set_room(usize::MAX);
    fixture.writable(key);
    assert!(line.take().len() > 100_000);
    assert!(fixture.hub.connections().is_empty());
}

#[test]
fn head_and_204_have_no_body() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.connect();
    line.send(REQUEST.replace("GET", "HEAD"));
    fixture.readable(key);
    let text = line.take_text();
    assert!(text.contains("Content-Length: 5\r\n") && text.ends_with("\r\n\r\n"));
    line.send(REQUEST.replace("/page", "/nothing"));
    fixture.readable(key);
    let text = line.take_text();
    assert!(!text.contains("Content-Length") && text.ends_with("\r\n\r\n"));
}

#[test]
fn waiting_request_is_handed_out_again_at_the_next_frame() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/wait");
    assert!(
        fixture.hub.subscribers(Topic::Frames { camera: 0 }) > 0,
        "who waits for a frame wants the camera to run"
    );
    assert_eq!(line.take_text(), "");
    fixture.publish(10);
    assert!(line.take_text().ends_with("frame"));
    assert!(fixture.hub.subscribers(Topic::Frames { camera: 0 }) == 0);
}

#[test]
fn shutdown_closes_idle_connections_and_answers_waiting_requests() {
    let mut fixture = Fixture::new();
    let (kept, kept_key) = fixture.connect();
    kept.set_room(100);
    kept.send("GET /large HTTP/1.1\r\nHost: cam\r\n\r\n");
    fixture.readable(kept_key);
    let (waiting, _) = fixture.ask("/wait");
    let (asking, asking_key) = fixture.connect();
    asking.send("GET /wait HTTP/1.1\r\nHost: cam\r\n\r\n");
    fixture.hub.ready(
        asking_key,
        Readiness {
            readable: true,
            ..Default::default()
        },
    );

    fixture.hub.shut_down(fixture.now);
    fixture.turn();
    for line in [waiting, asking] {
        let text = line.take_text();
        assert!(text.contains("Connection: close") && text.ends_with("timeout") && line.is_shut());
    }
    kept.set_room(usize::MAX);
    fixture.writable(kept_key);
    assert!(kept.take().len() > 100_000 && kept.is_shut());
}

#[test]
fn shutdown_waits_for_a_begun_request() {
    let mut fixture = Fixture::new();
    let (begun, begun_key) = fixture.connect();
    begun.send("GET /healthz HTTP/1.1\r\nHo");
    fixture.readable(begun_key);
    let (silent, _) = fixture.connect();
    // The connection is idle: no request has begun.
    let (_kept, _) = fixture.ask("/small");

    fixture.hub.shut_down(fixture.now);
    fixture.turn();
    assert_eq!(fixture.hub.connections().len(), 2);
    begun.send("st: cam\r\n\r\n");
    fixture.readable(begun_key);
    assert!(begun.take_text().contains("Connection: close") && begun.is_shut());
    fixture.pass(fixture.hub.live().limits.last_call_timeout);
    assert_eq!(
        (fixture.hub.connections().len(), silent.take()),
        (1, vec![])
    );
}

#[test]
fn waiting_request_is_answered_at_its_timeout() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/wait");
    fixture.pass(Duration::from_secs(10));
    assert!(line.take_text().ends_with("timeout"));
}

#[test]
fn requests_wait_for_their_own_password_check() {
    let mut fixture = Fixture::new();
    let (first, _) = fixture.ask("/check?ticket=7");
    let (same, _) = fixture.ask("/check?ticket=7");
    let (other, _) = fixture.ask("/check?ticket=8");
    let (left, left_key) = fixture.ask("/check?ticket=7");
    fixture.hub.ready(
        left_key,
        Readiness {
            gone: true,
            ..Default::default()
        },
    );
    fixture.publish(10);
    assert_eq!(
        first.take_text() + &other.take_text(),
        "",
        "they wait for a check, not for a frame"
    );
    fixture.finish_check(7);
    assert!(first.take_text().ends_with("finished") && same.take_text().ends_with("finished"));
    assert_eq!(other.take_text() + &left.take_text(), "");
    fixture.pass(Duration::from_secs(10));
    assert!(other.take_text().ends_with("timeout"));
    fixture.finish_check(8);
    assert_eq!(other.take_text(), "");
}

#[test]
fn connections_per_client_are_limited_except_from_this_machine() {
    let mut fixture = Fixture::with(Limits {
        connections_per_client_max: 2,
        ..Limits::default()
    });
    let inet = |address: &str| Peer::Inet(address.parse().unwrap());
    let mut peers = Vec::new();
    for (address, is_let_in) in [
        ("203.0.113.7:1", true),
        ("203.0.113.7:2", true),
        ("203.0.113.7:3", false),
        ("[::ffff:203.0.113.7]:4", false),
        ("203.0.113.8:1", true),
        ("[2001:db8::1]:1", true),
        ("[2001:db8::2]:1", true),
        ("[2001:db8::3]:1", false),
        ("127.0.0.1:1", true),
        ("127.0.0.1:2", true),
        ("127.0.0.1:3", true),
    ] {
        let (line, key) = fixture.connect_from(inet(address));
        fixture.turn();
        line.send(REQUEST);
        fixture.readable(key);
        let text = line.take_text();
        let expected = if is_let_in {
            "HTTP/1.1 200 OK"
        } else {
            "HTTP/1.1 429 Too Many Requests"
        };
        assert!(text.starts_with(expected), "{address}: {text}");
        assert_eq!(line.is_shut(), !is_let_in);
        peers.push((line, key));
    }
    // After they have closed, there is room again.
    for (line, key) in peers {
        line.end();
        fixture.readable(key);
    }
    assert!(fixture.hub.connections().is_empty());
    for number in 0..2 {
        let (line, key) = fixture.connect_from(inet("203.0.113.7:9"));
        line.send(REQUEST);
        fixture.readable(key);
        assert!(line.take_text().starts_with("HTTP/1.1 200 OK"), "{number}");
    }
}

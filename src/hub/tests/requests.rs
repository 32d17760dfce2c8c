//! Requests and their replies: one at a time, kept alive or not, waited for, refused.

use std::time::Duration;

use crate::hub::{Limits, Readiness};
use crate::stream::{Peer, Topic};

use super::peer::Studio;

const REQUEST: &str = "GET /page HTTP/1.1\r\nHost: cam\r\n\r\n";

#[test]
fn a_request_cut_anywhere_is_answered_once_it_is_whole() {
    for cut in 1..REQUEST.len() {
        let mut studio = Studio::new();
        let (line, key) = studio.connect();
        line.send(&REQUEST[..cut]);
        studio.readable(key);
        assert_eq!(line.take_text(), "");
        line.send(&REQUEST[cut..]);
        studio.readable(key);
        assert!(line.take_text().ends_with("\r\n\r\n/page"));
    }
}

#[test]
fn requests_sent_at_once_are_answered_one_after_the_other() {
    let mut studio = Studio::new();
    let (line, key) = studio.connect();
    line.send(REQUEST.repeat(3));
    studio.readable(key);
    let text = line.take_text();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3);
    assert_eq!(text.matches("Connection: keep-alive").count(), 3);
}

#[test]
fn a_connection_is_kept_for_a_hundred_requests() {
    let mut studio = Studio::new();
    let (line, key) = studio.connect();
    for number in 1..=100 {
        line.send(REQUEST);
        studio.readable(key);
        let keeps = line.take_text().contains("keep-alive");
        assert_eq!(keeps, number < 100, "request {number}");
    }
    assert!(line.is_shut());
}

#[test]
fn a_reply_is_not_lost_to_what_the_peer_still_sends() {
    let mut studio = Studio::new();
    let (line, key) = studio.connect();
    line.send("POST /page HTTP/1.1\r\nHost: cam\r\nContent-Length: 9000\r\n\r\n");
    studio.readable(key);
    assert!(line.take_text().starts_with("HTTP/1.1 405 "));
    assert!(line.is_shut());
    line.send([b'x'; 9000]);
    studio.readable(key);
    assert_eq!(
        studio.hub.connections().len(),
        1,
        "it is read to its end before it is closed"
    );
    line.end();
    studio.readable(key);
    assert!(studio.hub.connections().is_empty());
    assert_eq!(studio.hub.live().totals.invalid_requests, 1);
}

#[test]
fn a_reply_is_not_lost_when_the_peer_has_ended_with_more_unread_than_a_turn_reads() {
    let mut studio = Studio::with(Limits {
        read_budget_bytes: 1000,
        ..Limits::default()
    });
    let (line, key) = studio.connect();
    line.send("nonsense\r\n\r\n");
    studio.readable(key);
    assert!(line.take_text().starts_with("HTTP/1.1 400 ") && line.is_shut());
    line.send([b'x'; 5000]);
    line.end();
    studio.hub.ready(
        key,
        Readiness {
            gone: true,
            ..Default::default()
        },
    );
    studio.turn_once();
    assert!(
        studio.hub.connections().get(key).is_some(),
        "it is read to its end before it is closed"
    );
    studio.turn();
    assert!(studio.hub.connections().is_empty());
    assert_eq!(studio.hub.live().totals.closed.finished, 1);
}

#[test]
fn a_peer_that_never_stops_sending_is_closed_after_64_kib_or_2_s() {
    for (bytes, time) in [(65 * 1024, 0), (0, 2)] {
        let mut studio = Studio::new();
        let (line, key) = studio.connect();
        line.send("nonsense\r\n\r\n");
        studio.readable(key);
        line.send(vec![b'x'; bytes]);
        studio.readable(key);
        assert_eq!(studio.hub.connections().is_empty(), time == 0);
        studio.pass(Duration::from_secs(time));
        assert!(studio.hub.connections().is_empty());
    }
}

#[test]
fn half_a_close_does_not_cost_the_reply() {
    let mut studio = Studio::new();
    let (line, key) = studio.connect();
    line.send("GET /large HTTP/1.1\r\nHost: cam\r\n\r\n");
    line.end();
    line.set_room(1000);
    studio.readable(key);
    line.set_room(usize::MAX);
    studio.writable(key);
    assert!(line.take().len() > 100_000);
    assert!(studio.hub.connections().is_empty());
}

#[test]
fn head_and_204_have_no_body() {
    let mut studio = Studio::new();
    let (line, key) = studio.connect();
    line.send(REQUEST.replace("GET", "HEAD"));
    studio.readable(key);
    let text = line.take_text();
    assert!(text.contains("Content-Length: 5\r\n") && text.ends_with("\r\n\r\n"));
    line.send(REQUEST.replace("/page", "/nothing"));
    studio.readable(key);
    let text = line.take_text();
    assert!(!text.contains("Content-Length") && text.ends_with("\r\n\r\n"));
}

#[test]
fn a_request_waits_for_a_frame_and_is_asked_again() {
    let mut studio = Studio::new();
    let (line, _) = studio.ask("/wait");
    assert!(
        studio.hub.subscribers(Topic::Frames { camera: 0 }) > 0,
        "who waits for a frame wants the camera to run"
    );
    assert_eq!(line.take_text(), "");
    studio.publish(10);
    assert!(line.take_text().ends_with("frame"));
    assert!(studio.hub.subscribers(Topic::Frames { camera: 0 }) == 0);
}

#[test]
fn a_shutdown_keeps_no_connection_and_lets_nobody_wait() {
    let mut studio = Studio::new();
    let (kept, kept_key) = studio.connect();
    kept.set_room(100);
    kept.send("GET /large HTTP/1.1\r\nHost: cam\r\n\r\n");
    studio.readable(kept_key);
    let (waiting, _) = studio.ask("/wait");
    let (asking, asking_key) = studio.connect();
    asking.send("GET /wait HTTP/1.1\r\nHost: cam\r\n\r\n");
    studio.hub.ready(
        asking_key,
        Readiness {
            readable: true,
            ..Default::default()
        },
    );

    studio.hub.shut_down(studio.now);
    studio.turn();
    for line in [waiting, asking] {
        let text = line.take_text();
        assert!(text.contains("Connection: close") && text.ends_with("given up") && line.is_shut());
    }
    kept.set_room(usize::MAX);
    studio.writable(kept_key);
    assert!(kept.take().len() > 100_000 && kept.is_shut());
}

#[test]
fn a_shutdown_awaits_a_request_that_is_on_its_way() {
    let mut studio = Studio::new();
    let (begun, begun_key) = studio.connect();
    begun.send("GET /healthz HTTP/1.1\r\nHo");
    studio.readable(begun_key);
    let (silent, _) = studio.connect();
    // It could be asked again, but nothing is on its way.
    let (_kept, _) = studio.ask("/small");

    studio.hub.shut_down(studio.now);
    studio.turn();
    assert_eq!(studio.hub.connections().len(), 2);
    begun.send("st: cam\r\n\r\n");
    studio.readable(begun_key);
    assert!(begun.take_text().contains("Connection: close") && begun.is_shut());
    studio.pass(studio.hub.live().limits.last_call_timeout);
    assert_eq!((studio.hub.connections().len(), silent.take()), (1, vec![]));
}

#[test]
fn a_request_that_waits_in_vain_is_answered_all_the_same() {
    let mut studio = Studio::new();
    let (line, _) = studio.ask("/wait");
    studio.pass(Duration::from_secs(10));
    assert!(line.take_text().ends_with("given up"));
}

#[test]
fn requests_wait_for_the_verdict_on_their_own_credentials() {
    let mut studio = Studio::new();
    let (first, _) = studio.ask("/check?ticket=7");
    let (same, _) = studio.ask("/check?ticket=7");
    let (other, _) = studio.ask("/check?ticket=8");
    let (left, left_key) = studio.ask("/check?ticket=7");
    studio.hub.ready(
        left_key,
        Readiness {
            gone: true,
            ..Default::default()
        },
    );
    studio.publish(10);
    assert_eq!(
        first.take_text() + &other.take_text(),
        "",
        "a frame is not what they wait for"
    );
    studio.decide(7);
    assert!(first.take_text().ends_with("decided") && same.take_text().ends_with("decided"));
    assert_eq!(other.take_text() + &left.take_text(), "");
    studio.pass(Duration::from_secs(10));
    assert!(other.take_text().ends_with("given up"));
    studio.decide(8);
    assert_eq!(other.take_text(), "");
}

#[test]
fn an_address_has_so_many_connections_and_this_machine_any_number() {
    let mut studio = Studio::with(Limits {
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
        let (line, key) = studio.connect_from(inet(address));
        studio.turn();
        line.send(REQUEST);
        studio.readable(key);
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
    // Once they have gone there is room again.
    for (line, key) in peers {
        line.end();
        studio.readable(key);
    }
    assert!(studio.hub.connections().is_empty());
    for number in 0..2 {
        let (line, key) = studio.connect_from(inet("203.0.113.7:9"));
        line.send(REQUEST);
        studio.readable(key);
        assert!(line.take_text().starts_with("HTTP/1.1 200 OK"), "{number}");
    }
}

//! Each state of a connection has a deadline, at which the connection is closed.

use std::time::Duration;

use crate::hub::{Limits, Readiness, Wake};

use super::peer::Fixture;

#[test]
fn silent_connection_is_closed_without_a_response() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.connect();
    fixture.pass(Duration::from_secs(10));
    assert_eq!(line.take_text(), "");
    assert!(fixture.hub.connections().is_empty());
    assert_eq!(fixture.hub.live().totals.closed.request_timeout, 1);
}

#[test]
fn request_timeout_is_not_extended_by_bytes() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.connect();
    for byte in "GET / HTTP".bytes() {
        line.send([byte]);
        fixture.readable(key);
        fixture.pass(Duration::from_millis(999));
    }
    assert_eq!(line.take_text(), "");
    fixture.pass(Duration::from_millis(10));
    assert!(line.take_text().starts_with("HTTP/1.1 408 "));
    fixture.pass(Duration::from_secs(2));
    assert!(fixture.hub.connections().is_empty());
}

#[test]
fn keep_alive_connection_has_15_s_idle_and_10_s_for_a_head() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.ask("/page");
    line.take();
    fixture.pass(Duration::from_millis(14_999));
    line.send("GET ");
    fixture.readable(key);
    fixture.pass(Duration::from_millis(9_999));
    assert_eq!(line.take_text(), "");
    fixture.pass(Duration::from_millis(1));
    assert!(line.take_text().starts_with("HTTP/1.1 408 "));

    let (line, _) = fixture.ask("/page");
    line.take();
    fixture.pass(Duration::from_secs(15));
    assert_eq!(line.take_text(), "");
    assert!(fixture.hub.connections().is_empty());
}

#[test]
fn request_timeout_starts_at_the_first_byte_after_keep_alive() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.ask("/page");
    fixture.pass(Duration::from_secs(9));
    line.send("GET /page HTTP/1.1\r\nHost: cam\r\n\r\n");
    fixture.readable(key);
    line.take();
    // The timer of the first head expires, and is armed again for the end of the idle timeout.
    fixture.pass(Duration::from_secs(1));
    line.send("GET ");
    fixture.readable(key);
    fixture.pass(Duration::from_millis(9_999));
    assert_eq!(line.take_text(), "");
    fixture.pass(Duration::from_millis(1));
    assert!(line.take_text().starts_with("HTTP/1.1 408 "));
}

#[test]
fn peer_that_takes_no_byte_of_a_reply_is_closed_after_30_s() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.connect();
    line.set_room(10);
    line.send("GET /large HTTP/1.1\r\nHost: cam\r\n\r\n");
    fixture.readable(key);
    for _ in 0..5 {
        fixture.pass(Duration::from_secs(29));
        line.set_room(10);
        fixture.writable(key);
    }
    fixture.pass(Duration::from_secs(30));
    assert!(fixture.hub.connections().is_empty());
    assert_eq!(fixture.hub.live().totals.closed.stall_timeout, 1);
}

#[test]
fn viewer_that_takes_no_byte_is_closed_after_30_s_despite_new_frames() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/stream");
    line.set_room(0);
    for _ in 0..299 {
        fixture.publish(100);
        fixture.pass(Duration::from_millis(100));
    }
    assert_eq!(fixture.hub.live().viewers(), 1);
    fixture.publish(100);
    fixture.pass(Duration::from_millis(100));
    assert_eq!(fixture.hub.live().viewers(), 0);
    assert_eq!(fixture.hub.live().totals.closed.stall_timeout, 1);
    let counts = fixture.snapshot().frames;
    assert_eq!(
        (counts.offered, counts.skipped_slow, counts.cut),
        (300, 300, 0)
    );
}

#[test]
fn viewer_that_takes_60_s_for_one_frame_is_closed() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.ask("/stream");
    line.take();
    line.set_room(1);
    fixture.publish(1000);
    for _ in 0..59 {
        fixture.pass(Duration::from_secs(1));
        line.set_room(1);
        fixture.writable(key);
    }
    assert_eq!(fixture.hub.live().viewers(), 1);
    fixture.pass(Duration::from_secs(1));
    assert_eq!(fixture.hub.live().totals.closed.frame_timeout, 1);
    assert_eq!(fixture.snapshot().frames.cut, 1);
}

#[test]
fn request_that_arrived_is_answered_after_the_process_was_stopped() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.connect();
    line.send("GET /page HTTP/1.1\r\nHost: cam\r\n\r\n");
    fixture.hub.ready(
        key,
        Readiness {
            readable: true,
            ..Default::default()
        },
    );
    fixture.pass(Duration::from_secs(60));
    assert!(line.take_text().ends_with("/page"));
}

#[test]
fn viewer_is_not_closed_for_time_in_which_the_process_was_stopped() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.ask("/stream");
    line.set_room(100);
    fixture.publish(1000);
    line.set_room(usize::MAX);
    fixture.now += Duration::from_secs(61);
    fixture.writable(key);
    assert_eq!(fixture.hub.live().viewers(), 1);
    assert_eq!(fixture.snapshot().frames.delivered, 1);
}

#[test]
fn every_connection_has_a_deadline() {
    let mut fixture = Fixture::with(Limits::default());
    assert_eq!(fixture.hub.next_wake(), Wake::OnInput);
    for target in ["/page", "/stream", "/wait", "/stream?fps=0.5"] {
        fixture.ask(target);
        assert!(matches!(fixture.hub.next_wake(), Wake::At(at) if at > fixture.now));
    }
}

//! Every connection has a deadline in every state, and is gone when it has passed.

use std::time::Duration;

use crate::hub::{Limits, Readiness, Wake};

use super::peer::Studio;

#[test]
fn silence_before_the_first_byte_ends_in_silence() {
    let mut studio = Studio::new();
    let (line, _) = studio.connect();
    studio.pass(Duration::from_secs(10));
    assert_eq!(line.take_text(), "");
    assert!(studio.hub.connections().is_empty());
    assert_eq!(studio.hub.live().totals.closed.request_timeout, 1);
}

#[test]
fn a_head_has_its_time_as_a_whole_however_often_a_byte_comes() {
    let mut studio = Studio::new();
    let (line, key) = studio.connect();
    for byte in "GET / HTTP".bytes() {
        line.send([byte]);
        studio.readable(key);
        studio.pass(Duration::from_millis(999));
    }
    assert_eq!(line.take_text(), "");
    studio.pass(Duration::from_millis(10));
    assert!(line.take_text().starts_with("HTTP/1.1 408 "));
    studio.pass(Duration::from_secs(2));
    assert!(studio.hub.connections().is_empty());
}

#[test]
fn a_kept_connection_may_be_silent_for_15_s_and_then_has_10_s_for_a_head() {
    let mut studio = Studio::new();
    let (line, key) = studio.ask("/page");
    line.take();
    studio.pass(Duration::from_millis(14_999));
    line.send("GET ");
    studio.readable(key);
    studio.pass(Duration::from_millis(9_999));
    assert_eq!(line.take_text(), "");
    studio.pass(Duration::from_millis(1));
    assert!(line.take_text().starts_with("HTTP/1.1 408 "));

    let (line, _) = studio.ask("/page");
    line.take();
    studio.pass(Duration::from_secs(15));
    assert_eq!(line.take_text(), "");
    assert!(studio.hub.connections().is_empty());
}

#[test]
fn a_head_that_begins_early_on_a_kept_connection_is_due_before_its_silence_would_have_been() {
    let mut studio = Studio::new();
    let (line, key) = studio.ask("/page");
    studio.pass(Duration::from_secs(9));
    line.send("GET /page HTTP/1.1\r\nHost: cam\r\n\r\n");
    studio.readable(key);
    line.take();
    // The timer of the first head comes up, and is put back to the end of the silence.
    studio.pass(Duration::from_secs(1));
    line.send("GET ");
    studio.readable(key);
    studio.pass(Duration::from_millis(9_999));
    assert_eq!(line.take_text(), "");
    studio.pass(Duration::from_millis(1));
    assert!(line.take_text().starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_reader_of_a_reply_that_takes_no_byte_is_closed_after_30_s() {
    let mut studio = Studio::new();
    let (line, key) = studio.connect();
    line.set_room(10);
    line.send("GET /large HTTP/1.1\r\nHost: cam\r\n\r\n");
    studio.readable(key);
    for _ in 0..5 {
        studio.pass(Duration::from_secs(29));
        line.set_room(10);
        studio.writable(key);
    }
    studio.pass(Duration::from_secs(30));
    assert!(studio.hub.connections().is_empty());
    assert_eq!(studio.hub.live().totals.closed.stall_timeout, 1);
}

#[test]
fn a_viewer_that_takes_no_byte_is_closed_after_30_s_though_frames_keep_coming() {
    let mut studio = Studio::new();
    let (line, _) = studio.ask("/stream");
    line.set_room(0);
    for _ in 0..299 {
        studio.publish(100);
        studio.pass(Duration::from_millis(100));
    }
    assert_eq!(studio.hub.live().viewers(), 1);
    studio.publish(100);
    studio.pass(Duration::from_millis(100));
    assert_eq!(studio.hub.live().viewers(), 0);
    assert_eq!(studio.hub.live().totals.closed.stall_timeout, 1);
    let counts = studio.snapshot().frames;
    assert_eq!(
        (counts.offered, counts.skipped_slow, counts.cut),
        (300, 300, 0)
    );
}

#[test]
fn a_viewer_that_needs_a_minute_for_one_frame_is_closed() {
    let mut studio = Studio::new();
    let (line, key) = studio.ask("/stream");
    line.take();
    line.set_room(1);
    studio.publish(1000);
    for _ in 0..59 {
        studio.pass(Duration::from_secs(1));
        line.set_room(1);
        studio.writable(key);
    }
    assert_eq!(studio.hub.live().viewers(), 1);
    studio.pass(Duration::from_secs(1));
    assert_eq!(studio.hub.live().totals.closed.frame_timeout, 1);
    assert_eq!(studio.snapshot().frames.cut, 1);
}

#[test]
fn a_request_is_answered_though_the_process_was_stopped_before_it_could_be() {
    let mut studio = Studio::new();
    let (line, key) = studio.connect();
    line.send("GET /page HTTP/1.1\r\nHost: cam\r\n\r\n");
    studio.hub.ready(
        key,
        Readiness {
            readable: true,
            ..Default::default()
        },
    );
    studio.pass(Duration::from_secs(60));
    assert!(line.take_text().ends_with("/page"));
}

#[test]
fn a_viewer_is_not_closed_for_a_time_in_which_the_process_was_stopped() {
    let mut studio = Studio::new();
    let (line, key) = studio.ask("/stream");
    line.set_room(100);
    studio.publish(1000);
    line.set_room(usize::MAX);
    studio.now += Duration::from_secs(61);
    studio.writable(key);
    assert_eq!(studio.hub.live().viewers(), 1);
    assert_eq!(studio.snapshot().frames.delivered, 1);
}

#[test]
fn there_is_a_deadline_as_long_as_there_is_a_connection() {
    let mut studio = Studio::with(Limits::default());
    assert_eq!(studio.hub.next_wake(), Wake::OnInput);
    for target in ["/page", "/stream", "/wait", "/stream?fps=0.5"] {
        studio.ask(target);
        assert!(matches!(studio.hub.next_wake(), Wake::At(at) if at > studio.now));
    }
}

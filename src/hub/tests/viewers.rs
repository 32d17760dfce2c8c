//! Viewers of a stream: fast, slow, rate limited, leaving, and too many.

use std::time::Duration;

use crate::hub::{Limits, Readiness, Subscription, Wake};
use crate::stream::{Peer, RateLimit, Topic};
use crate::wire::multipart::{Framing, preamble};

use super::peer::{Fixture, Line, part};

#[test]
fn new_viewer_gets_head_preamble_and_newest_frame_in_one_write() {
    let mut fixture = Fixture::new();
    let jpeg = fixture.publish(50);
    let (line, _) = fixture.ask("/stream");
    let expected = [&b"HEAD\r\n\r\n--frame\r\n"[..], &part(1, &jpeg)].concat();
    assert_eq!(line.take(), expected);
    assert_eq!(line.writes(), 1);
}

#[test]
fn connection_without_a_request_can_be_a_viewer() {
    let mut fixture = Fixture::new();
    let first = fixture.publish(50);
    let line = Line::default();
    line.set_room(usize::MAX);
    let head = preamble("frame", Framing::Length);
    let (framing, rate_limit) = (Framing::Length, RateLimit::default());
    let subscription = Subscription {
        camera: 0,
        framing,
        delay: Duration::ZERO,
        rate_limit,
        label: String::new(),
        head,
    };
    let key = fixture
        .hub
        .admit(Peer::Publisher, fixture.now, |_| Ok(line.clone()))
        .unwrap();
    fixture.hub.subscribe(key, subscription, fixture.now);
    fixture.turn();
    assert_eq!(line.take(), [b"--frame\r\n", &part(1, &first)[..]].concat());
    assert!(
        fixture.hub.connections().get(key).is_some()
            && fixture.hub.subscribers(Topic::Frames { camera: 0 }) > 0
    );

    line.set_room(10);
    let begun = fixture.publish(50);
    fixture.publish(50);
    line.set_room(usize::MAX);
    fixture.hub.shut_down(fixture.now);
    fixture.writable(key);
    assert_eq!(
        line.take(),
        [&part(2, &begun)[..], b"\r\n--frame--\r\n"].concat(),
        "it ends after a whole part"
    );
    line.end();
    fixture.readable(key);
    assert!(fixture.hub.connections().get(key).is_none());
}

#[test]
fn both_framings_are_slices_of_the_same_allocation() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/stream?framing=advance");
    assert_eq!(
        line.take_text(),
        "HEAD\r\n\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"
    );
    for _ in 0..3 {
        let jpeg = fixture.publish(50);
        let after = b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n";
        assert_eq!(line.take(), [&jpeg[..], after].concat());
    }
}

#[test]
fn each_frame_takes_one_write_per_viewer() {
    let mut fixture = Fixture::new();
    let lines: Vec<_> = (0..20).map(|_| fixture.ask("/stream").0).collect();
    for line in &lines {
        line.take();
    }
    for number in 1..=30 {
        let jpeg = fixture.publish(1000);
        for line in &lines {
            assert_eq!(line.take(), part(number, &jpeg));
            assert_eq!(line.writes() as u64, 1 + number);
        }
    }
    let counts = fixture.snapshot().frames;
    assert_eq!((counts.offered, counts.delivered), (600, 600));
}

#[test]
fn viewers_share_one_copy_of_a_frame() {
    let mut fixture = Fixture::new();
    let lines: Vec<_> = (0..20).map(|_| fixture.ask("/stream").0).collect();
    for _ in 0..3 {
        fixture.publish(1000);
        let allocation = fixture.hub.live().channels[0]
            .live
            .as_ref()
            .unwrap()
            .allocation()
            .as_ptr_range();
        let sources: Vec<usize> = lines.iter().map(|line| line.source()).collect();
        assert!(sources.iter().all(|&source| source == sources[0]));
        assert!((allocation.start as usize..=allocation.end as usize).contains(&sources[0]));
    }
}

#[test]
fn slow_viewer_completes_its_frame_and_skips_to_the_newest() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.ask("/stream");
    line.take();
    line.set_room(100);
    let first = fixture.publish(500);
    for _ in 2..=9 {
        fixture.publish(500);
    }
    let last = fixture.publish(500);
    line.set_room(usize::MAX);
    fixture.writable(key);
    assert_eq!(line.take(), [part(1, &first), part(10, &last)].concat());
    let counts = fixture.snapshot().frames;
    assert_eq!(
        (counts.offered, counts.delivered, counts.skipped_slow),
        (10, 2, 8)
    );
}

#[test]
fn blocked_viewer_is_not_written_to_before_the_next_edge() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/stream");
    line.set_room(0);
    fixture.publish(100);
    let writes = line.writes();
    (0..5).for_each(|_| drop(fixture.publish(100)));
    assert_eq!(line.writes(), writes);
}

#[test]
fn rate_limited_viewer_gets_the_newest_frame_at_its_interval() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/stream?interval_ms=100");
    let mut parts = 0;
    for _ in 0..100 {
        fixture.publish(100);
        for _ in 0..10 {
            fixture.pass(Duration::from_millis(1));
        }
        let text = String::from_utf8_lossy(&line.take()).into_owned();
        parts += text.matches("X-Frame-Sequence").count();
    }
    assert!(
        (10..=11).contains(&parts),
        "{parts} frames in a second at 10 fps"
    );
    // The camera is silent now: the frame that was held back comes when it is due.
    fixture.pass(Duration::from_millis(100));
    let counts = fixture.snapshot().frames;
    assert_eq!(counts.offered, 100);
    assert_eq!(counts.delivered + counts.skipped_rate, 100);
    assert_eq!(counts.skipped_slow, 0);
}

#[test]
fn blocked_rate_limited_viewer_gets_the_newest_frame() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.ask("/stream?interval_ms=1000");
    line.take();
    line.set_room(0);
    fixture.publish(50);
    fixture.pass(Duration::from_millis(100));
    let newest = fixture.publish(50);
    line.set_room(usize::MAX);
    fixture.writable(key);
    assert_eq!(line.take(), part(2, &newest));
    // The frame that was replaced was not charged; the one that was sent was.
    fixture.pass(Duration::from_millis(900));
    let next = fixture.publish(50);
    assert_eq!(line.take(), part(3, &next));
    let counts = fixture.snapshot().frames;
    assert_eq!(
        (counts.offered, counts.delivered, counts.skipped_slow),
        (3, 2, 1)
    );
}

#[test]
fn viewer_with_a_byte_rate_gets_whole_frames_within_the_rate() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/stream?rate=10000");
    let head = line.take().len();
    let mut bytes = 0;
    let mut parts = 0;
    for step in 0..1000 {
        let jpeg = fixture.publish(1000);
        let taken = line.take();
        if !taken.is_empty() {
            assert_eq!(
                taken,
                part(fixture.published, &jpeg),
                "the newest, and the whole of it"
            );
            assert!(bytes <= 10 * step, "{bytes} bytes in {step} ms at 10 a ms");
            bytes += taken.len();
            parts += 1;
        }
        fixture.pass(Duration::from_millis(1));
        // A frame that was held back comes when the rate allows it, not with the next frame.
        bytes += line.take().len();
    }
    assert!(
        bytes + 2 * (1000 + 200) > 10_000,
        "{bytes} bytes in a second at 10,000 a second"
    );
    fixture.pass(Duration::from_secs(1));
    let counts = fixture.snapshot().frames;
    assert_eq!(counts.delivered + counts.skipped_rate, 1000);
    assert_eq!((counts.skipped_slow, counts.cut), (0, 0));
    assert!(head > 0 && parts > 0);
}

#[test]
fn frame_larger_than_the_byte_rate_is_sent_and_charged_afterwards() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/stream?rate=1000");
    line.take();
    let large = fixture.publish(10_000);
    let bytes = line.take();
    assert_eq!(bytes, part(1, &large));
    let small = fixture.publish(100);
    fixture.pass(Duration::from_millis(bytes.len() as u64 - 1));
    assert_eq!(line.take(), b"");
    fixture.pass(Duration::from_millis(1));
    assert_eq!(line.take(), part(2, &small));
}

#[test]
fn slower_of_byte_rate_and_interval_applies() {
    for (bytes, wait) in [(100, 500), (20_000, 2012)] {
        let mut fixture = Fixture::new();
        let (line, _) = fixture.ask("/stream?rate=10000&interval_ms=500");
        line.take();
        fixture.publish(bytes);
        line.take();
        let next = fixture.publish(100);
        fixture.pass(Duration::from_millis(wait - 2));
        assert_eq!(line.take(), b"", "after {bytes} bytes");
        fixture.pass(Duration::from_millis(4));
        assert_eq!(line.take(), part(2, &next), "after {bytes} bytes");
    }
}

#[test]
fn newest_frame_is_repeated_to_an_idle_viewer() {
    let mut fixture = Fixture::new();
    let (line, _) = fixture.ask("/stream");
    let jpeg = fixture.publish(100);
    line.take();
    fixture.pass(Duration::from_millis(1999));
    assert_eq!(line.take(), b"");
    fixture.pass(Duration::from_millis(1));
    assert_eq!(line.take(), part(1, &jpeg));
    fixture.pass(Duration::from_secs(2));
    assert_eq!(line.take(), part(1, &jpeg));
    let counts = fixture.snapshot().frames;
    assert_eq!((counts.delivered, counts.repeated), (1, 2));
}

#[test]
fn viewer_is_closed_at_hangup_without_a_write() {
    let mut fixture = Fixture::new();
    let (_line, key) = fixture.ask("/stream");
    assert!(fixture.hub.subscribers(Topic::Frames { camera: 0 }) > 0);
    fixture.gone(key);
    assert!(
        fixture.hub.connections().is_empty()
            && fixture.hub.subscribers(Topic::Frames { camera: 0 }) == 0
    );
    assert_eq!(fixture.hub.live().totals.closed.peer_closed, 1);
}

#[test]
fn half_closed_viewer_is_sent_frames_until_a_write_fails() {
    for ends_later in [false, true] {
        let mut fixture = Fixture::new();
        let (line, key) = fixture.connect();
        line.send("GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n");
        if ends_later {
            fixture.readable(key);
        }
        line.end();
        fixture.readable(key);
        line.take();
        for number in 1..=3 {
            let jpeg = fixture.publish(100);
            assert_eq!(line.take(), part(number, &jpeg));
        }
        // The end of the input is no work: the hub waits for its next deadline.
        fixture.readable(key);
        assert_ne!(fixture.hub.next_wake(), Wake::Now);
        line.reset();
        fixture.publish(100);
        assert!(
            fixture.hub.connections().is_empty()
                && fixture.hub.subscribers(Topic::Frames { camera: 0 }) == 0
        );
        assert_eq!(fixture.hub.live().totals.closed.peer_closed, 1);
    }
}

#[test]
fn half_closed_viewer_without_a_frame_is_closed_in_the_end() {
    let mut fixture = Fixture::new();
    let (line, key) = fixture.ask("/stream");
    line.end();
    fixture.readable(key);
    fixture.pass(Duration::from_secs(9));
    assert_eq!(fixture.hub.live().viewers(), 1);
    for _ in 0..2 {
        fixture.pass(Duration::from_secs(2));
    }
    assert!(
        fixture.hub.connections().is_empty()
            && fixture.hub.subscribers(Topic::Frames { camera: 0 }) == 0
    );
}

#[test]
fn half_closed_connection_without_a_request_is_closed() {
    for begun in ["", "GET /str"] {
        let mut fixture = Fixture::new();
        let (line, key) = fixture.connect();
        line.send(begun);
        fixture.readable(key);
        line.end();
        fixture.readable(key);
        assert!(fixture.hub.connections().is_empty(), "{begun:?}");
    }
}

#[test]
fn stale_event_does_not_reach_the_next_connection_in_the_slot() {
    let mut fixture = Fixture::new();
    let (_, gone) = fixture.ask("/stream");
    let hangup = Readiness {
        gone: true,
        ..Default::default()
    };
    fixture.hub.ready(gone, hangup);
    fixture.turn();
    let (_, came) = fixture.ask("/stream");
    assert_eq!(gone.slot, came.slot);
    fixture.hub.ready(gone, hangup);
    fixture.turn();
    assert_eq!(fixture.hub.connections().len(), 1);
    assert_eq!(fixture.hub.live().totals.stale_events, 1);
}

#[test]
fn slot_of_closed_connection_is_kept_until_the_end_of_the_turn() {
    let limits = Limits {
        retained_bytes_max: 1,
        ..Limits::default()
    };
    let mut fixture = Fixture::with(limits);
    let (line, gone) = fixture.ask("/stream");
    line.set_room(100);
    fixture.publish(1000);
    // The viewer holds the frame that this one replaces, and is closed for it between two turns.
    fixture.publish_between_turns(1000);
    assert!(fixture.hub.connections().get(gone).is_none());
    let (_, came) = fixture.connect();
    assert_ne!(gone.slot, came.slot);
}

#[test]
fn frames_retained_for_slow_viewers_are_bounded_in_total() {
    let limits = Limits {
        retained_bytes_max: 10_000,
        ..Limits::default()
    };
    let mut fixture = Fixture::with(limits);
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let (line, _) = fixture.ask("/stream");
            line.set_room(100);
            fixture.publish(1000);
            line
        })
        .collect();
    let (fast, _) = fixture.ask("/stream");
    fixture.publish(1000);
    // Eight old frames of 1.2 KB fit the limit; the holders of older ones are closed.
    assert_eq!(fixture.hub.live().viewers(), 8 + 1);
    assert_eq!(fixture.hub.live().totals.closed.retained_limit, 12);
    fast.take();
    let jpeg = fixture.publish(1000);
    assert_eq!(fast.take(), part(fixture.published, &jpeg));
    let counts = fixture.snapshot().frames;
    drop(slow);
    assert_eq!(counts.cut, 12);
}

#[test]
fn shutdown_ends_streams_on_a_part_boundary() {
    let mut fixture = Fixture::new();
    let (reader, _) = fixture.ask("/stream");
    let (slow, slow_key) = fixture.ask("/stream");
    slow.take();
    reader.take();
    slow.set_room(100);
    let jpeg = fixture.publish(500);
    fixture.publish(500);
    reader.take();
    fixture.hub.shut_down(fixture.now);
    fixture.turn();
    assert_eq!(reader.take_text(), "\r\n--frame--\r\n");
    assert!(reader.is_shut());
    slow.set_room(usize::MAX);
    fixture.writable(slow_key);
    let expected = [&part(1, &jpeg)[..], b"\r\n--frame--\r\n"].concat();
    assert_eq!(slow.take(), expected);
    let counts = fixture.snapshot().frames;
    assert_eq!(
        (counts.offered, counts.delivered, counts.skipped_slow),
        (4, 3, 1)
    );
    assert_eq!(counts.cut, 0);
}

#[test]
fn placeholder_is_sent_to_viewers_but_is_no_live_frame() {
    let mut fixture = Fixture::new();
    let live = fixture.publish(100);
    let (watching, _) = fixture.ask("/stream");
    let (waiting, _) = fixture.ask("/wait?after=1");
    watching.take();
    let placeholder = fixture.publish_placeholder(50);
    assert_eq!(watching.take(), part(2, &placeholder));
    let (new_viewer, _) = fixture.ask("/stream");
    assert!(new_viewer.take().ends_with(&part(2, &placeholder)));
    assert_eq!(
        fixture.hub.live().channels[0].live.as_ref().unwrap().jpeg(),
        live
    );
    assert_eq!(waiting.take(), b"", "it waits for a live frame");
    fixture.hub.fail_waiters(0, fixture.now);
    fixture.turn();
    assert!(waiting.take_text().ends_with("timeout"));
    let jpeg = fixture.publish(100);
    assert_eq!(watching.take(), part(3, &jpeg));
}

#[test]
fn latency_of_a_delivered_frame_is_measured_to_its_last_byte() {
    let mut fixture = Fixture::new();
    fixture.age = Duration::from_millis(40);
    fixture.publish(1000);
    let (fast, _) = fixture.ask("/stream");
    let (slow, slow_key) = fixture.ask("/stream");
    assert!(!fast.take().is_empty() && !slow.take().is_empty());
    assert_eq!(
        fixture.hub.live().channels[0].capture_to_last_byte.count(),
        0,
        "the first frame of a new viewer is not measured"
    );
    slow.set_room(500);
    fixture.publish(1000);
    fixture.pass(Duration::from_millis(200));
    slow.set_room(usize::MAX);
    fixture.writable(slow_key);
    let timed = fixture.hub.live().channels[0].capture_to_last_byte;
    assert_eq!(timed.count(), 2);
    assert!(
        (timed.sum_seconds() - (0.04 + 0.24)).abs() < 1e-6,
        "{timed:?}"
    );
    assert!(
        (fixture.hub.live().channels[0]
            .capture_to_publish
            .sum_seconds()
            - 2.0 * 0.04)
            .abs()
            < 1e-6
    );
    fixture.pass(Duration::from_secs(3));
    assert_eq!(fixture.snapshot().frames.repeated, 2);
    assert_eq!(
        fixture.hub.live().channels[0].capture_to_last_byte.count(),
        2,
        "a repeat is no new frame"
    );
}

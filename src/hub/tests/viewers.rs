//! Viewers of a stream: fast, slow, capped, leaving, and too many.

use std::time::Duration;

use crate::hub::{Limits, Readiness, Subscription, Wake};
use crate::stream::{Peer, RateLimit, Topic};
use crate::wire::multipart::{Framing, preamble};

use super::peer::{Line, Studio, part};

#[test]
fn a_new_viewer_is_given_head_preamble_and_the_newest_frame_in_one_write() {
    let mut studio = Studio::new();
    let jpeg = studio.publish(50);
    let (line, _) = studio.ask("/stream");
    let expected = [&b"HEAD\r\n\r\n--frame\r\n"[..], &part(1, &jpeg)].concat();
    assert_eq!(line.take(), expected);
    assert_eq!(line.writes(), 1);
}

#[test]
fn who_asks_for_nothing_can_be_a_viewer_like_any_other() {
    let mut studio = Studio::new();
    let first = studio.publish(50);
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
    let key = studio
        .hub
        .admit(Peer::Publisher, studio.now, |_| Ok(line.clone()))
        .unwrap();
    studio.hub.subscribe(key, subscription, studio.now);
    studio.turn();
    assert_eq!(line.take(), [b"--frame\r\n", &part(1, &first)[..]].concat());
    assert!(
        studio.hub.connections().get(key).is_some()
            && studio.hub.subscribers(Topic::Frames { camera: 0 }) > 0
    );

    line.set_room(10);
    let begun = studio.publish(50);
    studio.publish(50);
    line.set_room(usize::MAX);
    studio.hub.shut_down(studio.now);
    studio.writable(key);
    assert_eq!(
        line.take(),
        [&part(2, &begun)[..], b"\r\n--frame--\r\n"].concat(),
        "it ends after a whole part"
    );
    line.end();
    studio.readable(key);
    assert!(studio.hub.connections().get(key).is_none());
}

#[test]
fn either_framing_is_a_slice_of_the_same_bytes() {
    let mut studio = Studio::new();
    let (line, _) = studio.ask("/stream?framing=advance");
    assert_eq!(
        line.take_text(),
        "HEAD\r\n\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"
    );
    for _ in 0..3 {
        let jpeg = studio.publish(50);
        let after = b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n";
        assert_eq!(line.take(), [&jpeg[..], after].concat());
    }
}

#[test]
fn each_frame_costs_each_viewer_one_write() {
    let mut studio = Studio::new();
    let lines: Vec<_> = (0..20).map(|_| studio.ask("/stream").0).collect();
    for line in &lines {
        line.take();
    }
    for number in 1..=30 {
        let jpeg = studio.publish(1000);
        for line in &lines {
            assert_eq!(line.take(), part(number, &jpeg));
            assert_eq!(line.writes() as u64, 1 + number);
        }
    }
    let counts = studio.snapshot().frames;
    assert_eq!((counts.offered, counts.delivered), (600, 600));
}

#[test]
fn no_viewer_has_a_copy_of_its_own() {
    let mut studio = Studio::new();
    let lines: Vec<_> = (0..20).map(|_| studio.ask("/stream").0).collect();
    for _ in 0..3 {
        studio.publish(1000);
        let allocation = studio.hub.live().channels[0]
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
fn a_slow_viewer_finishes_what_it_began_and_skips_to_the_newest() {
    let mut studio = Studio::new();
    let (line, key) = studio.ask("/stream");
    line.take();
    line.set_room(100);
    let first = studio.publish(500);
    for _ in 2..=9 {
        studio.publish(500);
    }
    let last = studio.publish(500);
    line.set_room(usize::MAX);
    studio.writable(key);
    assert_eq!(line.take(), [part(1, &first), part(10, &last)].concat());
    let counts = studio.snapshot().frames;
    assert_eq!(
        (counts.offered, counts.delivered, counts.skipped_slow),
        (10, 2, 8)
    );
}

#[test]
fn nothing_is_written_again_before_the_edge_that_is_owed() {
    let mut studio = Studio::new();
    let (line, _) = studio.ask("/stream");
    line.set_room(0);
    studio.publish(100);
    let writes = line.writes();
    (0..5).for_each(|_| drop(studio.publish(100)));
    assert_eq!(line.writes(), writes);
}

#[test]
fn a_capped_viewer_gets_the_newest_on_its_own_grid() {
    let mut studio = Studio::new();
    let (line, _) = studio.ask("/stream?interval_ms=100");
    let mut parts = 0;
    for _ in 0..100 {
        studio.publish(100);
        for _ in 0..10 {
            studio.pass(Duration::from_millis(1));
        }
        let text = String::from_utf8_lossy(&line.take()).into_owned();
        parts += text.matches("X-Frame-Sequence").count();
    }
    assert!(
        (10..=11).contains(&parts),
        "{parts} frames in a second at 10 fps"
    );
    // The source falls silent: the frame held back still comes when it is due.
    studio.pass(Duration::from_millis(100));
    let counts = studio.snapshot().frames;
    assert_eq!(counts.offered, 100);
    assert_eq!(counts.delivered + counts.skipped_rate, 100);
    assert_eq!(counts.skipped_slow, 0);
}

#[test]
fn a_capped_viewer_that_was_blocked_gets_the_newest_and_not_the_one_that_waited() {
    let mut studio = Studio::new();
    let (line, key) = studio.ask("/stream?interval_ms=1000");
    line.take();
    line.set_room(0);
    studio.publish(50);
    studio.pass(Duration::from_millis(100));
    let newest = studio.publish(50);
    line.set_room(usize::MAX);
    studio.writable(key);
    assert_eq!(line.take(), part(2, &newest));
    // The frame that was replaced has cost the viewer's rate nothing, and the one that was sent has
    // its second.
    studio.pass(Duration::from_millis(900));
    let next = studio.publish(50);
    assert_eq!(line.take(), part(3, &next));
    let counts = studio.snapshot().frames;
    assert_eq!(
        (counts.offered, counts.delivered, counts.skipped_slow),
        (3, 2, 1)
    );
}

#[test]
fn a_viewer_with_a_rate_is_given_whole_frames_and_no_more_bytes_than_that() {
    let mut studio = Studio::new();
    let (line, _) = studio.ask("/stream?rate=10000");
    let head = line.take().len();
    let mut bytes = 0;
    let mut parts = 0;
    for step in 0..1000 {
        let jpeg = studio.publish(1000);
        let taken = line.take();
        if !taken.is_empty() {
            assert_eq!(
                taken,
                part(studio.published, &jpeg),
                "the newest, and the whole of it"
            );
            assert!(bytes <= 10 * step, "{bytes} bytes in {step} ms at 10 a ms");
            bytes += taken.len();
            parts += 1;
        }
        studio.pass(Duration::from_millis(1));
        // What was held back comes the moment the bucket allows, not with the next frame.
        bytes += line.take().len();
    }
    assert!(
        bytes + 2 * (1000 + 200) > 10_000,
        "{bytes} bytes in a second at 10,000 a second"
    );
    studio.pass(Duration::from_secs(1));
    let counts = studio.snapshot().frames;
    assert_eq!(counts.delivered + counts.skipped_rate, 1000);
    assert_eq!((counts.skipped_slow, counts.cut), (0, 0));
    assert!(head > 0 && parts > 0);
}

#[test]
fn a_frame_larger_than_a_second_s_bytes_passes_and_is_paid_for_afterwards() {
    let mut studio = Studio::new();
    let (line, _) = studio.ask("/stream?rate=1000");
    line.take();
    let large = studio.publish(10_000);
    let bytes = line.take();
    assert_eq!(bytes, part(1, &large));
    let small = studio.publish(100);
    studio.pass(Duration::from_millis(bytes.len() as u64 - 1));
    assert_eq!(line.take(), b"");
    studio.pass(Duration::from_millis(1));
    assert_eq!(line.take(), part(2, &small));
}

#[test]
fn rate_and_interval_together_are_whichever_is_slower() {
    for (bytes, wait) in [(100, 500), (20_000, 2012)] {
        let mut studio = Studio::new();
        let (line, _) = studio.ask("/stream?rate=10000&interval_ms=500");
        line.take();
        studio.publish(bytes);
        line.take();
        let next = studio.publish(100);
        studio.pass(Duration::from_millis(wait - 2));
        assert_eq!(line.take(), b"", "after {bytes} bytes");
        studio.pass(Duration::from_millis(4));
        assert_eq!(line.take(), part(2, &next), "after {bytes} bytes");
    }
}

#[test]
fn the_newest_frame_is_repeated_to_a_viewer_that_has_had_none_for_a_while() {
    let mut studio = Studio::new();
    let (line, _) = studio.ask("/stream");
    let jpeg = studio.publish(100);
    line.take();
    studio.pass(Duration::from_millis(1999));
    assert_eq!(line.take(), b"");
    studio.pass(Duration::from_millis(1));
    assert_eq!(line.take(), part(1, &jpeg));
    studio.pass(Duration::from_secs(2));
    assert_eq!(line.take(), part(1, &jpeg));
    let counts = studio.snapshot().frames;
    assert_eq!((counts.delivered, counts.repeated), (1, 2));
}

#[test]
fn viewer_whose_peer_has_gone_is_closed_without_a_frame_being_written() {
    let mut studio = Studio::new();
    let (_line, key) = studio.ask("/stream");
    assert!(studio.hub.subscribers(Topic::Frames { camera: 0 }) > 0);
    studio.gone(key);
    assert!(
        studio.hub.connections().is_empty()
            && studio.hub.subscribers(Topic::Frames { camera: 0 }) == 0
    );
    assert_eq!(studio.hub.live().totals.closed.peer_closed, 1);
}

#[test]
fn half_closed_viewer_is_sent_frames_until_a_write_fails() {
    for ends_later in [false, true] {
        let mut studio = Studio::new();
        let (line, key) = studio.connect();
        line.send("GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n");
        if ends_later {
            studio.readable(key);
        }
        line.end();
        studio.readable(key);
        line.take();
        for number in 1..=3 {
            let jpeg = studio.publish(100);
            assert_eq!(line.take(), part(number, &jpeg));
        }
        // The end is no work: the hub waits for its next deadline.
        studio.readable(key);
        assert_ne!(studio.hub.next_wake(), Wake::Now);
        line.reset();
        studio.publish(100);
        assert!(
            studio.hub.connections().is_empty()
                && studio.hub.subscribers(Topic::Frames { camera: 0 }) == 0
        );
        assert_eq!(studio.hub.live().totals.closed.peer_closed, 1);
    }
}

#[test]
fn half_closed_viewer_without_a_frame_is_closed_in_the_end() {
    let mut studio = Studio::new();
    let (line, key) = studio.ask("/stream");
    line.end();
    studio.readable(key);
    studio.pass(Duration::from_secs(9));
    assert_eq!(studio.hub.live().viewers(), 1);
    for _ in 0..2 {
        studio.pass(Duration::from_secs(2));
    }
    assert!(
        studio.hub.connections().is_empty()
            && studio.hub.subscribers(Topic::Frames { camera: 0 }) == 0
    );
}

#[test]
fn half_closed_connection_without_a_request_is_closed() {
    for begun in ["", "GET /str"] {
        let mut studio = Studio::new();
        let (line, key) = studio.connect();
        line.send(begun);
        studio.readable(key);
        line.end();
        studio.readable(key);
        assert!(studio.hub.connections().is_empty(), "{begun:?}");
    }
}

#[test]
fn an_event_for_one_that_has_gone_does_not_reach_the_one_that_came_after() {
    let mut studio = Studio::new();
    let (_, gone) = studio.ask("/stream");
    let hangup = Readiness {
        gone: true,
        ..Default::default()
    };
    studio.hub.ready(gone, hangup);
    studio.turn();
    let (_, came) = studio.ask("/stream");
    assert_eq!(gone.slot, came.slot);
    studio.hub.ready(gone, hangup);
    studio.turn();
    assert_eq!(studio.hub.connections().len(), 1);
    assert_eq!(studio.hub.live().totals.stale_events, 1);
}

#[test]
fn slot_of_closed_connection_is_kept_until_the_end_of_the_turn() {
    let limits = Limits {
        retained_bytes_max: 1,
        ..Limits::default()
    };
    let mut studio = Studio::with(limits);
    let (line, gone) = studio.ask("/stream");
    line.set_room(100);
    studio.publish(1000);
    // It holds the frame that this one replaces, and is closed for it, between two turns.
    studio.publish_between_turns(1000);
    assert!(studio.hub.connections().get(gone).is_none());
    let (_, came) = studio.connect();
    assert_ne!(gone.slot, came.slot);
}

#[test]
fn frames_retained_for_slow_viewers_are_bounded_in_total() {
    let limits = Limits {
        retained_bytes_max: 10_000,
        ..Limits::default()
    };
    let mut studio = Studio::with(limits);
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let (line, _) = studio.ask("/stream");
            line.set_room(100);
            studio.publish(1000);
            line
        })
        .collect();
    let (fast, _) = studio.ask("/stream");
    studio.publish(1000);
    // Eight past frames of 1.2 KB fit the bound; the holders of older ones were let go.
    assert_eq!(studio.hub.live().viewers(), 8 + 1);
    assert_eq!(studio.hub.live().totals.closed.retained_limit, 12);
    fast.take();
    let jpeg = studio.publish(1000);
    assert_eq!(fast.take(), part(studio.published, &jpeg));
    let counts = studio.snapshot().frames;
    drop(slow);
    assert_eq!(counts.cut, 12);
}

#[test]
fn a_shutdown_ends_streams_on_a_part_boundary() {
    let mut studio = Studio::new();
    let (reader, _) = studio.ask("/stream");
    let (slow, slow_key) = studio.ask("/stream");
    slow.take();
    reader.take();
    slow.set_room(100);
    let jpeg = studio.publish(500);
    studio.publish(500);
    reader.take();
    studio.hub.shut_down(studio.now);
    studio.turn();
    assert_eq!(reader.take_text(), "\r\n--frame--\r\n");
    assert!(reader.is_shut());
    slow.set_room(usize::MAX);
    studio.writable(slow_key);
    let expected = [&part(1, &jpeg)[..], b"\r\n--frame--\r\n"].concat();
    assert_eq!(slow.take(), expected);
    let counts = studio.snapshot().frames;
    assert_eq!(
        (counts.offered, counts.delivered, counts.skipped_slow),
        (4, 3, 1)
    );
    assert_eq!(counts.cut, 0);
}

#[test]
fn a_picture_that_stands_in_is_shown_but_is_no_live_frame() {
    let mut studio = Studio::new();
    let live = studio.publish(100);
    let (watching, _) = studio.ask("/stream");
    let (waiting, _) = studio.ask("/wait?after=1");
    watching.take();
    let stand_in = studio.publish_placeholder(50);
    assert_eq!(watching.take(), part(2, &stand_in));
    let (newcomer, _) = studio.ask("/stream");
    assert!(newcomer.take().ends_with(&part(2, &stand_in)));
    assert_eq!(
        studio.hub.live().channels[0].live.as_ref().unwrap().jpeg(),
        live
    );
    assert_eq!(
        waiting.take(),
        b"",
        "what stands in is not what it waits for"
    );
    studio.hub.fail_waiters(0, studio.now);
    studio.turn();
    assert!(waiting.take_text().ends_with("given up"));
    let jpeg = studio.publish(100);
    assert_eq!(watching.take(), part(3, &jpeg));
}

#[test]
fn a_delivered_frame_is_timed_from_its_capture_to_its_last_byte() {
    let mut studio = Studio::new();
    studio.age = Duration::from_millis(40);
    studio.publish(1000);
    let (fast, _) = studio.ask("/stream");
    let (slow, slow_key) = studio.ask("/stream");
    assert!(!fast.take().is_empty() && !slow.take().is_empty());
    assert_eq!(
        studio.hub.live().channels[0].capture_to_last_byte.count(),
        0,
        "what greets a newcomer is as old as it is"
    );
    slow.set_room(500);
    studio.publish(1000);
    studio.pass(Duration::from_millis(200));
    slow.set_room(usize::MAX);
    studio.writable(slow_key);
    let timed = studio.hub.live().channels[0].capture_to_last_byte;
    assert_eq!(timed.count(), 2);
    assert!(
        (timed.sum_seconds() - (0.04 + 0.24)).abs() < 1e-6,
        "{timed:?}"
    );
    assert!(
        (studio.hub.live().channels[0]
            .capture_to_publish
            .sum_seconds()
            - 2.0 * 0.04)
            .abs()
            < 1e-6
    );
    studio.pass(Duration::from_secs(3));
    assert_eq!(studio.snapshot().frames.repeated, 2);
    assert_eq!(
        studio.hub.live().channels[0].capture_to_last_byte.count(),
        2,
        "a repeat is no new frame"
    );
}

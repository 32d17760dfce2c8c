//! The history of a camera, clips and delayed viewers.

use std::time::{Duration, Instant};

use crate::hub::{Body, Limits, Wake};
use crate::site::clip::{Clip, Format};
use crate::stream::{Captured, Frame, History, Live};
use crate::wire::jpeg::Picture;
use crate::wire::metadata::WallTime;

use super::peer::{Fixture, Line};

fn limits() -> Limits {
    Limits {
        history_span: Duration::from_secs(10),
        history_bytes_max: 12_000,
        retained_bytes_max: 10_000,
        ..Limits::default()
    }
}

#[test]
fn clip_has_the_last_pictures_and_a_content_length() {
    let mut fixture = Fixture::with(Limits {
        history_bytes_max: usize::MAX,
        ..limits()
    });
    let pictures: Vec<Vec<u8>> = (1..=5)
        .map(|number| fixture.publish(number * 9_000))
        .collect();
    let (line, key) = fixture.ask("/clip");
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 135000\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(line.take(), [head.as_bytes(), &pictures.concat()].concat());
    // The connection is kept alive, and a HEAD request gets the head alone.
    line.send("HEAD /clip HTTP/1.1\r\nHost: cam\r\n\r\n");
    fixture.readable(key);
    assert_eq!(line.take_text(), head);
    assert_eq!(fixture.snapshot().connections.clips, 0);
}

#[test]
fn frames_in_the_history_do_not_count_as_retained() {
    let mut fixture = Fixture::with(limits());
    let (slow, _) = fixture.ask("/stream");
    slow.set_room(100);
    (0..8).for_each(|_| drop(fixture.publish(1000)));
    assert_eq!(
        (
            fixture.hub.live().channels[0].history.len(),
            fixture.hub.live().retained.bytes()
        ),
        (8, 0)
    );
    // The frame in flight leaves the history, and then it counts.
    (0..8).for_each(|_| drop(fixture.publish(1000)));
    assert!(
        fixture.hub.live().channels[0].history.len() < 12
            && fixture.hub.live().channels[0].history.bytes() <= 12_000
    );
    assert!((1000..1300).contains(&fixture.hub.live().retained.bytes()));
    assert_eq!(fixture.hub.live().viewers(), 1);
}

#[test]
fn slow_clip_is_closed_at_the_retained_limit() {
    let mut fixture = Fixture::with(limits());
    let ask = |fixture: &mut Fixture| {
        let (line, key) = fixture.connect();
        line.set_room(100);
        line.send("GET /clip HTTP/1.1\r\nHost: cam\r\n\r\n");
        fixture.readable(key);
        key
    };
    (0..9).for_each(|_| drop(fixture.publish(1000)));
    let short = ask(&mut fixture);
    fixture.publish(30_000);
    let long = ask(&mut fixture);
    assert_eq!(fixture.snapshot().connections.clips, 2);
    // The first clip was made in one chunk, so it holds no frame. The other one is not made yet, and
    // exceeds the limit.
    fixture.publish(1000);
    assert!(
        fixture.hub.connections().get(short).is_some()
            && fixture.hub.connections().get(long).is_none()
    );
    fixture.publish(1000);
    assert_eq!(
        (
            fixture.hub.live().totals.closed.retained_limit,
            fixture.hub.live().retained.bytes()
        ),
        (1, 0)
    );
}

#[test]
fn clip_holds_the_frames_that_it_has_not_sent() {
    let now = Instant::now();
    let frames = [frame(1, now, 20_000), frame(2, now, 20_000)];
    let mut clip = Clip::new(Format::Mjpeg, &frames.each_ref()).unwrap();
    let live = Live::new(1, "frame".into(), Limits::default());
    // Chunks of 16 KiB: the first ends within the first picture, the second within the other.
    for held in [[true, true], [true, true], [false, true], [false, false]] {
        assert_eq!(
            frames
                .each_ref()
                .map(|frame| clip.holds(frame.allocation())),
            held
        );
        clip.next(&live, now);
    }
}

#[test]
fn history_empties_after_its_span_without_new_frames() {
    let mut fixture = Fixture::with(limits());
    fixture.publish(1000);
    fixture.pass(Duration::from_secs(4));
    fixture.publish(1000);
    fixture.hub.clear(0);
    fixture.pass(Duration::from_secs(6));
    assert_eq!(
        fixture.hub.live().channels[0].history.len(),
        2,
        "the first was the newest ten seconds ago"
    );
    assert_eq!(
        fixture.hub.next_wake(),
        Wake::At(fixture.now + Duration::from_secs(4))
    );
    fixture.pass(Duration::from_secs(4));
    assert_eq!(
        (
            fixture.hub.live().channels[0].history.len(),
            fixture.hub.live().channels[0].history.bytes()
        ),
        (0, 0)
    );
    assert_eq!(fixture.hub.next_wake(), Wake::OnInput);
}

const MIB: usize = 1024 * 1024;

fn frame(sequence: u64, published_at: Instant, bytes: usize) -> Frame {
    let picture = Picture {
        width: 64,
        height: 48,
        huffman_tables: true,
    };
    let (jpeg, captured_wall) = (&vec![0; bytes], WallTime::MIN);
    let source = Captured {
        jpeg,
        picture,
        captured_wall,
        age: Duration::ZERO,
        sequence: None,
    };
    Frame::encode("frame".into(), sequence, sequence, &source, published_at)
}

/// Adds a frame and removes those over the limits.
fn add(history: &mut History, sequence: u64, now: Instant, bytes: usize) {
    history.push(&frame(sequence, now, bytes), true);
    while history.pop_outdated(now).is_some() {}
}

fn sequences<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<u64> {
    frames.map(|frame| frame.sequence).collect()
}

#[test]
fn history_with_zero_span_keeps_nothing() {
    let mut history = History::new(Duration::ZERO, MIB);
    add(&mut history, 1, Instant::now(), 1000);
    assert!(history.is_empty() && history.bytes() == 0 && history.ends_at().is_none());
}

#[test]
fn frames_older_than_the_span_are_removed() {
    let start = Instant::now();
    let mut history = History::new(Duration::from_secs(3), MIB);
    for second in 0..10 {
        add(
            &mut history,
            second + 1,
            start + Duration::from_secs(second),
            1000,
        );
    }
    // The seventh is three seconds old: it was the newest three seconds ago.
    assert_eq!(
        sequences(history.last(Duration::from_secs(60))),
        [7, 8, 9, 10]
    );
    assert_eq!(sequences(history.last(Duration::from_secs(1))), [9, 10]);
    assert!(history.holds(7) && !history.holds(6));
    let end = history.ends_at().unwrap();
    assert_eq!(end, start + Duration::from_secs(12));
    while history.pop_outdated(end).is_some() {}
    assert_eq!((history.len(), history.bytes()), (0, 0));
}

#[test]
fn frames_over_the_limit_of_bytes_are_removed_except_the_newest() {
    let now = Instant::now();
    let mut history = History::new(Duration::from_secs(60), 5_000);
    for sequence in 1..=10 {
        add(&mut history, sequence, now, 1000);
        assert!(history.bytes() <= 5_000);
    }
    assert_eq!(sequences(history.last(Duration::ZERO)), [7, 8, 9, 10]);
    add(&mut history, 11, now, 20_000);
    assert_eq!(sequences(history.last(Duration::ZERO)), [11]);
    assert!(history.bytes() > 20_000);
    add(&mut history, 12, now, 1000);
    assert_eq!(sequences(history.last(Duration::ZERO)), [12]);
}

fn sequences_in(line: &Line) -> Vec<u64> {
    let text = String::from_utf8_lossy(&line.take()).into_owned();
    let numbers = text
        .lines()
        .filter_map(|line| line.strip_prefix("X-Frame-Sequence: "));
    numbers.map(|number| number.parse().unwrap()).collect()
}

/// Publishes 20 frames, one each 100 ms. Returns the time and the sequences of what the viewer gets.
fn deliveries(fixture: &mut Fixture, line: &Line) -> Vec<(u64, Vec<u64>)> {
    let mut told = Vec::new();
    for tenth in 0..20 {
        fixture.publish(100);
        told.push((tenth, sequences_in(line)));
        fixture.pass(Duration::from_millis(100));
    }
    told.retain(|(_, sequences)| !sequences.is_empty());
    told
}

#[test]
fn delayed_viewer_gets_each_frame_after_the_delay() {
    let mut fixture = Fixture::with(limits());
    let (late, _) = fixture.ask("/stream?delay_ms=500");
    let (live, _) = fixture.ask("/stream");
    let told = deliveries(&mut fixture, &late);
    assert_eq!(
        told,
        (5..20)
            .map(|tenth| (tenth, vec![tenth - 4]))
            .collect::<Vec<_>>()
    );
    assert_eq!(sequences_in(&live), (1..=20).collect::<Vec<_>>());
    // A new viewer gets the frame that is due, and the rest while the camera is silent.
    let (later, _) = fixture.ask("/stream?delay_ms=500");
    assert_eq!(sequences_in(&later), [16]);
    fixture.pass(Duration::from_millis(250));
    assert_eq!(sequences_in(&later), [18]);
    fixture.pass(Duration::from_secs(1));
    assert_eq!(sequences_in(&later), [20]);
    fixture.pass(Duration::from_secs(3));
    assert_eq!(sequences_in(&later), [20]);
    assert_eq!(
        (
            fixture.snapshot().cameras[0].viewers,
            fixture.hub.live().viewers()
        ),
        (3, 3)
    );
    let counts = fixture.snapshot().frames;
    assert_eq!(counts.offered, counts.delivered + counts.skipped_slow);
}

#[test]
fn slow_delayed_viewer_skips_to_the_newest_due_frame() {
    let mut fixture = Fixture::with(limits());
    let (slow, key) = fixture.ask("/stream?delay_ms=500");
    (0..10).for_each(|_| {
        fixture.publish(100);
        fixture.pass(Duration::from_millis(100));
        slow.set_room(10);
    });
    slow.set_room(usize::MAX);
    fixture.writable(key);
    assert_eq!(sequences_in(&slow), [1, 6]);
    let counts = fixture.snapshot().frames;
    assert_eq!(
        (counts.offered, counts.delivered, counts.skipped_slow),
        (6, 2, 4)
    );
}

#[test]
fn frames_removed_early_make_later_frames_due() {
    let mut fixture = Fixture::with(limits());
    let (late, _) = fixture.ask("/stream?delay_ms=5000");
    // Three frames of 3.2 KB fit.
    let shown: Vec<Vec<u64>> = (0..6)
        .map(|_| {
            fixture.publish(3000);
            sequences_in(&late)
        })
        .collect();
    assert_eq!(shown, [vec![], vec![], vec![], vec![2], vec![3], vec![4]]);
    assert_eq!(fixture.hub.live().retained.bytes(), 0);
}

#[test]
fn closed_delayed_viewer_holds_no_frame() {
    let mut fixture = Fixture::with(limits());
    let (line, key) = fixture.ask("/stream?delay_ms=9000");
    fixture.publish(1000);
    fixture.pass(Duration::from_millis(9500));
    fixture.publish(1000);
    fixture.pass(Duration::from_secs(1));
    // The first frame is older than the span, but was the newest nine seconds ago.
    assert_eq!(
        (
            fixture.hub.live().channels[0].history.len(),
            sequences_in(&line)
        ),
        (2, vec![1])
    );
    fixture.gone(key);
    fixture.publish(1000);
    fixture.publish(1000);
    assert_eq!(
        (
            fixture.hub.live().viewers(),
            fixture.hub.live().retained.bytes()
        ),
        (0, 0)
    );
    fixture.hub.clear(0);
    fixture.pass(Duration::from_secs(20));
    assert_eq!(
        (
            fixture.hub.live().channels[0].history.bytes(),
            fixture.hub.live().retained.bytes()
        ),
        (0, 0)
    );
}

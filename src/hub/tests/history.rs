//! What is kept of the past, and who is being sent it.

use std::time::{Duration, Instant};

use crate::hub::{Body, Limits, Wake};
use crate::site::clip::{Clip, Format};
use crate::stream::{Captured, Frame, History, Live};
use crate::wire::jpeg::Picture;
use crate::wire::metadata::WallTime;

use super::peer::{Line, Studio};

fn limits() -> Limits {
    Limits {
        history_span: Duration::from_secs(10),
        history_bytes_max: 12_000,
        retained_bytes_max: 10_000,
        ..Limits::default()
    }
}

#[test]
fn a_clip_is_the_last_pictures_and_says_how_long_it_is() {
    let mut studio = Studio::with(Limits {
        history_bytes_max: usize::MAX,
        ..limits()
    });
    let pictures: Vec<Vec<u8>> = (1..=5)
        .map(|number| studio.publish(number * 9_000))
        .collect();
    let (line, key) = studio.ask("/clip");
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 135000\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(line.take(), [head.as_bytes(), &pictures.concat()].concat());
    // The connection goes on, and whoever asks for the head alone is given that.
    line.send("HEAD /clip HTTP/1.1\r\nHost: cam\r\n\r\n");
    studio.readable(key);
    assert_eq!(line.take_text(), head);
    assert_eq!(studio.snapshot().connections.clips, 0);
}

#[test]
fn a_history_is_no_frame_that_a_slow_viewer_holds() {
    let mut studio = Studio::with(limits());
    let (slow, _) = studio.ask("/stream");
    slow.set_room(100);
    (0..8).for_each(|_| drop(studio.publish(1000)));
    assert_eq!(
        (
            studio.hub.live().channels[0].history.len(),
            studio.hub.live().retained.bytes()
        ),
        (8, 0)
    );
    // The frames that it has begun leave the history, and then they count.
    (0..8).for_each(|_| drop(studio.publish(1000)));
    assert!(
        studio.hub.live().channels[0].history.len() < 12
            && studio.hub.live().channels[0].history.bytes() <= 12_000
    );
    assert!((1000..1300).contains(&studio.hub.live().retained.bytes()));
    assert_eq!(studio.hub.live().viewers(), 1);
}

#[test]
fn a_clip_that_is_taken_too_slowly_is_let_go_of_before_it_holds_too_much() {
    let mut studio = Studio::with(limits());
    let ask = |studio: &mut Studio| {
        let (line, key) = studio.connect();
        line.set_room(100);
        line.send("GET /clip HTTP/1.1\r\nHost: cam\r\n\r\n");
        studio.readable(key);
        key
    };
    (0..9).for_each(|_| drop(studio.publish(1000)));
    let short = ask(&mut studio);
    studio.publish(30_000);
    let long = ask(&mut studio);
    assert_eq!(studio.snapshot().connections.clips, 2);
    // The first was made in one go, so it holds no frame. The other has yet to be made, and is more
    // than may be held.
    studio.publish(1000);
    assert!(
        studio.hub.connections().get(short).is_some()
            && studio.hub.connections().get(long).is_none()
    );
    studio.publish(1000);
    assert_eq!(
        (
            studio.hub.live().totals.closed.retained_limit,
            studio.hub.live().retained.bytes()
        ),
        (1, 0)
    );
}

#[test]
fn a_clip_holds_what_it_has_yet_to_send() {
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
fn a_history_outlasts_its_camera_by_no_more_than_its_span() {
    let mut studio = Studio::with(limits());
    studio.publish(1000);
    studio.pass(Duration::from_secs(4));
    studio.publish(1000);
    studio.hub.clear(0);
    studio.pass(Duration::from_secs(6));
    assert_eq!(
        studio.hub.live().channels[0].history.len(),
        2,
        "the first is what there was to see ten seconds ago"
    );
    assert_eq!(
        studio.hub.next_wake(),
        Wake::At(studio.now + Duration::from_secs(4))
    );
    studio.pass(Duration::from_secs(4));
    assert_eq!(
        (
            studio.hub.live().channels[0].history.len(),
            studio.hub.live().channels[0].history.bytes()
        ),
        (0, 0)
    );
    assert_eq!(studio.hub.next_wake(), Wake::OnInput);
}

const MIB: usize = 1024 * 1024;

fn frame(sequence: u64, published_at: Instant, bytes: usize) -> Frame {
    let picture = Picture {
        width: 64,
        height: 48,
        huffman_tables: true,
    };
    let (jpeg, captured_wall) = (&vec![0; bytes], WallTime::MIN);
    let shot = Captured {
        jpeg,
        picture,
        captured_wall,
        age: Duration::ZERO,
        sequence: None,
    };
    Frame::encode("frame".into(), sequence, sequence, &shot, published_at)
}

/// Adds a frame and drops what leaves for it.
fn add(history: &mut History, sequence: u64, now: Instant, bytes: usize) {
    history.push(&frame(sequence, now, bytes), true);
    while history.pop_outdated(now).is_some() {}
}

fn sequences<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<u64> {
    frames.map(|frame| frame.sequence).collect()
}

#[test]
fn nothing_is_kept_unless_asked_for() {
    let mut history = History::new(Duration::ZERO, MIB);
    add(&mut history, 1, Instant::now(), 1000);
    assert!(history.is_empty() && history.bytes() == 0 && history.ends_at().is_none());
}

#[test]
fn frames_leave_when_they_are_older_than_the_span() {
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
    // The seventh is three seconds old: it is what there was to see three seconds ago.
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
fn frames_leave_when_there_are_too_many_bytes_but_never_the_newest() {
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

/// Twenty frames, one each tenth of a second; says when which of them came.
fn told(studio: &mut Studio, line: &Line) -> Vec<(u64, Vec<u64>)> {
    let mut told = Vec::new();
    for tenth in 0..20 {
        studio.publish(100);
        told.push((tenth, sequences_in(line)));
        studio.pass(Duration::from_millis(100));
    }
    told.retain(|(_, sequences)| !sequences.is_empty());
    told
}

#[test]
fn a_delayed_viewer_sees_each_frame_at_its_own_pace_and_so_much_later() {
    let mut studio = Studio::with(limits());
    let (late, _) = studio.ask("/stream?delay_ms=500");
    let (live, _) = studio.ask("/stream");
    let told = told(&mut studio, &late);
    assert_eq!(
        told,
        (5..20)
            .map(|tenth| (tenth, vec![tenth - 4]))
            .collect::<Vec<_>>()
    );
    assert_eq!(sequences_in(&live), (1..=20).collect::<Vec<_>>());
    // Whoever comes now is greeted with what is due, and what is left comes while the camera is
    // silent.
    let (later, _) = studio.ask("/stream?delay_ms=500");
    assert_eq!(sequences_in(&later), [16]);
    studio.pass(Duration::from_millis(250));
    assert_eq!(sequences_in(&later), [18]);
    studio.pass(Duration::from_secs(1));
    assert_eq!(sequences_in(&later), [20]);
    studio.pass(Duration::from_secs(3));
    assert_eq!(sequences_in(&later), [20]);
    assert_eq!(
        (
            studio.snapshot().cameras[0].viewers,
            studio.hub.live().viewers()
        ),
        (3, 3)
    );
    let counts = studio.snapshot().frames;
    assert_eq!(counts.offered, counts.delivered + counts.skipped_slow);
}

#[test]
fn a_delayed_viewer_that_is_slow_skips_to_the_newest_that_is_due() {
    let mut studio = Studio::with(limits());
    let (slow, key) = studio.ask("/stream?delay_ms=500");
    (0..10).for_each(|_| {
        studio.publish(100);
        studio.pass(Duration::from_millis(100));
        slow.set_room(10);
    });
    slow.set_room(usize::MAX);
    studio.writable(key);
    assert_eq!(sequences_in(&slow), [1, 6]);
    let counts = studio.snapshot().frames;
    assert_eq!(
        (counts.offered, counts.delivered, counts.skipped_slow),
        (6, 2, 4)
    );
}

#[test]
fn frames_that_leave_the_history_early_make_later_ones_due() {
    let mut studio = Studio::with(limits());
    let (late, _) = studio.ask("/stream?delay_ms=5000");
    // Of frames of 3.2 KB there is room for three.
    let shown: Vec<Vec<u64>> = (0..6)
        .map(|_| {
            studio.publish(3000);
            sequences_in(&late)
        })
        .collect();
    assert_eq!(shown, [vec![], vec![], vec![], vec![2], vec![3], vec![4]]);
    assert_eq!(studio.hub.live().retained.bytes(), 0);
}

#[test]
fn a_replay_that_nobody_watches_any_more_holds_nothing() {
    let mut studio = Studio::with(limits());
    let (line, key) = studio.ask("/stream?delay_ms=9000");
    studio.publish(1000);
    studio.pass(Duration::from_millis(9500));
    studio.publish(1000);
    studio.pass(Duration::from_secs(1));
    // The first frame is older than the span, but still what there was to see nine seconds ago.
    assert_eq!(
        (
            studio.hub.live().channels[0].history.len(),
            sequences_in(&line)
        ),
        (2, vec![1])
    );
    studio.gone(key);
    studio.publish(1000);
    studio.publish(1000);
    assert_eq!(
        (
            studio.hub.live().viewers(),
            studio.hub.live().retained.bytes()
        ),
        (0, 0)
    );
    studio.hub.clear(0);
    studio.pass(Duration::from_secs(20));
    assert_eq!(
        (
            studio.hub.live().channels[0].history.bytes(),
            studio.hub.live().retained.bytes()
        ),
        (0, 0)
    );
}

//! The sequences and capture times of relayed frames.

use std::time::Duration;

use crate::support::PICTURES;
use crate::support::wall_time;
use framecast::wire::metadata::{Sequence, WallTime};

use crate::driver::Driver;
use crate::support::{Program, eventually};
use crate::upstream::Upstream;

/// A stream of parts with these header fields.
fn stream(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n".to_vec();
    for (fields, picture) in parts {
        bytes.extend(format!("--b\r\nContent-Type: image/jpeg\r\n{fields}\r\n").bytes());
        bytes.extend(*picture);
        bytes.extend(b"\r\n");
    }
    bytes
}

#[test]
fn relayed_sequences_and_capture_times_are_preserved() {
    let parts: [(&str, &[u8]); 5] = [
        (
            "X-Timestamp: 1760000000.250001\r\nX-Frame-Sequence: 41\r\n",
            PICTURES[0],
        ),
        ("X-Frame-Sequence: 7\r\n", PICTURES[1]),
        ("X-Timestamp: 1760000003123\r\n", PICTURES[2]),
        ("", PICTURES[0]),
        ("X-Frame-Sequence: 18446744073709551615\r\n", PICTURES[1]),
    ];
    let begun = wall_time();
    let mut driver = Driver::start(Upstream::sending(stream(&parts)).url("/"));
    let frames: Vec<_> = (0..5).map(|_| driver.frame()).collect();
    let numbers: Vec<_> = frames
        .iter()
        .filter_map(|frame| frame.sequence)
        .map(Sequence::get)
        .collect();
    assert_eq!(numbers, [41, 7, 8, 9, 10]);
    let times: Vec<_> = frames
        .iter()
        .filter_map(|frame| frame.captured_at)
        .map(WallTime::since_epoch)
        .collect();
    assert_eq!(
        (times[0], times[2]),
        (
            Duration::new(1_760_000_000, 250_001_000),
            Duration::from_millis(1_760_000_003_123)
        )
    );
    // The headers have microseconds.
    let arrival = begun - Duration::from_micros(1)..=wall_time();
    assert!(
        [1, 3, 4]
            .iter()
            .all(|&number| arrival.contains(&times[number])),
        "{times:?}"
    );
}

#[test]
fn repeated_frame_is_relayed_once() {
    let fields = |sequence, time| {
        format!("X-Timestamp: 176000000{time}.5\r\nX-Frame-Sequence: {sequence}\r\n")
    };
    let (first, restarted, next) = (fields(1, 1), fields(1, 2), fields(2, 3));
    let [one, two, three] = PICTURES;
    let parts = [
        (&*first, one),
        (&*first, one),
        (&*restarted, two),
        (&*next, three),
        ("", three),
        ("", three),
    ];
    let mut driver = Driver::start(Upstream::sending_once(stream(&parts)).url("/#timeout=2s"));
    for (sequence, picture) in [(1, one), (1, two), (2, three), (3, three), (4, three)] {
        let frame = driver.frame();
        assert_eq!(
            (frame.sequence, frame.jpeg.as_ref()),
            (Sequence::new(sequence), picture)
        );
    }
    assert!(driver.failure().contains("connection closed"));
}

#[test]
fn out_of_range_metadata_is_counted() {
    let bad = "X-Timestamp: 18446744073709551615\r\nX-Frame-Sequence: 18446744073709551615\r\n";
    let upstream = Upstream::sending(stream(&[
        ("", PICTURES[0]),
        (bad, PICTURES[1]),
        ("", PICTURES[2]),
    ]));
    let program = Program::serve(&["--always-on", "--camera", &upstream.url("/")]);
    let count = |name: &str| program.state()["cameras"][0][name].as_u64();
    eventually("both are counted", || {
        count("timestamps_ignored") >= Some(1) && count("sequences_ignored") >= Some(1)
    });
    assert!(
        count("accepted_frames") >= count("timestamps_ignored").map(|ignored| 2 * ignored),
        "{}",
        program.state()
    );
}

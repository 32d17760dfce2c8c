//! A chunk that has begun is sent to its end; a frame of which no byte has left is taken back.

use crate::stream::body::{Chunk, Shown};
use crate::stream::queue::{Pause, WriteQueue};
use bytes::Bytes;
use proptest::prelude::*;

use super::peer::Line;

fn frame(number: u64, bytes: impl Into<Bytes>) -> Chunk {
    let bytes = bytes.into();
    let shown = Shown {
        number,
        sequence: number,
        bytes: bytes.len(),
        is_repeat: false,
        captured: None,
    };
    Chunk {
        bytes,
        frame: Some(shown),
    }
}

#[test]
fn frame_that_found_no_room_is_taken_back() {
    let mut queue = WriteQueue::default();
    let mut line = Line::default();
    queue.push(frame(1, "one"));
    assert!(!queue.has_room(), "one frame at a time");
    assert_eq!(
        queue.write_to(&mut line, usize::MAX).unwrap().pause,
        Pause::WouldBlock
    );
    assert!(queue.take_back() && queue.is_empty() && queue.has_room());
    assert!(!queue.take_back());
}

#[test]
fn frame_behind_a_head_that_has_begun_is_taken_back_and_the_head_is_not() {
    let mut queue = WriteQueue::default();
    let mut line = Line::default();
    queue.push(Bytes::from("head "));
    queue.push(frame(1, "one"));
    line.set_room(2);
    queue.write_to(&mut line, usize::MAX).unwrap();
    assert!(queue.take_back());
    assert!(!queue.has_room(), "a begun chunk is sent first");
    line.set_room(usize::MAX);
    queue.write_to(&mut line, usize::MAX).unwrap();
    assert_eq!(line.take_text(), "head ");
}

#[test]
fn frame_that_has_begun_goes_out_whole() {
    let mut queue = WriteQueue::default();
    let mut line = Line::default();
    queue.push(Bytes::from("head "));
    queue.push(frame(7, "first "));
    line.set_room(7);
    let progress = queue.write_to(&mut line, usize::MAX).unwrap();
    assert_eq!(
        (progress.bytes, progress.is_partial, progress.delivered),
        (7, true, None)
    );
    assert_eq!(
        queue
            .in_flight()
            .map(|(frame, left)| (frame.number, frame.bytes, left)),
        Some((7, 6, 4))
    );
    assert!(!queue.take_back() && !queue.has_room());
    line.set_room(usize::MAX);
    let progress = queue.write_to(&mut line, usize::MAX).unwrap();
    assert_eq!(progress.delivered.map(|frame| frame.number), Some(7));
    assert_eq!(line.take_text(), "head first ");
    assert_eq!(
        line.writes(),
        3,
        "seven bytes, would block, and then all the rest at once"
    );
}

#[test]
fn budget_ends_a_write_with_bytes_left() {
    let mut queue = WriteQueue::default();
    let mut line = Line::default();
    line.set_room(usize::MAX);
    (0..10).for_each(|_| queue.push(Bytes::from(vec![b'x'; 100])));
    let progress = queue.write_to(&mut line, 250).unwrap();
    assert_eq!(progress.pause, Pause::Budget);
    assert_eq!(
        progress.bytes, 400,
        "one vectored write, after which the budget is reached"
    );
    assert_eq!(queue.bytes_queued(), 600);
}

proptest! {
    /// However short the writes, whole chunks leave in order, and each frame is delivered or taken
    /// back.
    #[test]
    fn no_chunk_is_ever_torn(steps in prop::collection::vec((0..3u8, 1..40usize), 1..60)) {
        let mut queue = WriteQueue::default();
        let mut line = Line::default();
        let (mut pushed, mut taken_back, mut delivered) = (0u64, 0u64, 0u64);
        for (action, size) in steps {
            match action {
                0 if queue.has_room() => queue.push(Bytes::from(vec![b'p'; size])),
                1 if queue.has_room() => {
                    pushed += 1;
                    queue.push(frame(pushed, format!("<{pushed}:{}>", "f".repeat(size))));
                }
                _ => {
                    line.set_room(size);
                    delivered += u64::from(queue.write_to(&mut line, usize::MAX).unwrap().delivered.is_some());
                    taken_back += u64::from(queue.take_back());
                }
            }
        }
        line.set_room(usize::MAX);
        delivered += u64::from(queue.write_to(&mut line, usize::MAX).unwrap().delivered.is_some());
        prop_assert!(queue.is_empty());
        prop_assert_eq!(pushed, delivered + taken_back);
        let text = line.take_text().replace('p', "");
        let numbers: Vec<u64> = text
            .split_terminator('>')
            .map(|chunk| chunk.strip_prefix('<').unwrap().split_once(':').unwrap().0.parse().unwrap())
            .collect();
        prop_assert_eq!(numbers.len() as u64, delivered);
        prop_assert!(numbers.is_sorted_by(|a, b| a < b));
    }
}

//! What has begun goes out whole, what has not gives way to what is newer, and every skip is counted.

use bytes::Bytes;
use framecast::stream::queue::{Offer, Pause, WriteQueue};
use proptest::prelude::*;

use crate::peer::Line;

fn fresh(text: &'static str) -> Offer {
    Offer { bytes: Bytes::from_static(text.as_bytes()), sequence: 0, repeat: false, captured_on: None }
}

#[test]
fn the_newest_offer_replaces_the_one_that_waits() {
    let mut queue = WriteQueue::default();
    assert!(!queue.offer(fresh("one")));
    assert!(queue.offer(fresh("two")), "a fresh frame was skipped");
    let mut line = Line::default();
    line.set_room(usize::MAX);
    let progress = queue.write_to(&mut line, usize::MAX).unwrap();
    assert_eq!((progress.delivered, progress.pause), (1, Pause::Drained));
    assert_eq!(line.take_text(), "two");
}

#[test]
fn a_repeat_that_is_replaced_is_no_skip() {
    let mut queue = WriteQueue::default();
    queue.offer(Offer { repeat: true, ..fresh("one") });
    assert!(!queue.offer(fresh("two")));
    assert!(queue.withdraw());
    assert!(queue.is_empty());
}

#[test]
fn an_offer_that_found_no_room_has_not_begun() {
    let mut queue = WriteQueue::default();
    let mut line = Line::default();
    queue.offer(fresh("one"));
    assert_eq!(queue.write_to(&mut line, usize::MAX).unwrap().pause, Pause::WouldBlock);
    assert!(queue.offer(fresh("two")));
    line.set_room(usize::MAX);
    queue.write_to(&mut line, usize::MAX).unwrap();
    assert_eq!(line.take_text(), "two");
}

#[test]
fn what_has_begun_goes_out_whole_and_the_newest_follows() {
    let mut queue = WriteQueue::default();
    let mut line = Line::default();
    queue.push("head ".into());
    queue.offer(fresh("first "));
    line.set_room(7);
    let progress = queue.write_to(&mut line, usize::MAX).unwrap();
    assert_eq!((progress.bytes, progress.partial_writes, progress.delivered), (7, 1, 0));
    assert!(queue.is_mid_frame());
    assert!(!queue.offer(fresh("second ")));
    assert!(queue.offer(fresh("third ")));
    line.set_room(usize::MAX);
    let progress = queue.write_to(&mut line, usize::MAX).unwrap();
    assert_eq!(progress.delivered, 2);
    assert_eq!(line.take_text(), "head first third ");
    assert_eq!(line.writes(), 3, "seven bytes, would block, and then all the rest at once");
}

#[test]
fn a_budget_ends_a_write_with_bytes_left() {
    let mut queue = WriteQueue::default();
    let mut line = Line::default();
    line.set_room(usize::MAX);
    (0..10).for_each(|_| queue.push(vec![b'x'; 100].into()));
    let progress = queue.write_to(&mut line, 250).unwrap();
    assert_eq!(progress.pause, Pause::Budget);
    assert_eq!(progress.bytes, 400, "one vectored write, after which the budget is spent");
    assert_eq!(queue.bytes_queued(), 600);
}

proptest! {
    /// However the transport cuts it, what leaves is whole chunks in order, and the counts add up.
    #[test]
    fn no_chunk_is_ever_torn(steps in prop::collection::vec((0..3u8, 1..40usize), 1..60)) {
        let mut queue = WriteQueue::default();
        let mut line = Line::default();
        let (mut offered, mut skipped, mut delivered) = (0u64, 0u64, 0u64);
        for (action, size) in steps {
            match action {
                0 => queue.push(vec![b'p'; size].into()),
                1 => {
                    offered += 1;
                    let chunk = format!("<{offered}:{}>", "f".repeat(size));
                    let offer = Offer { bytes: chunk.into(), sequence: 0, repeat: false, captured_on: None };
                    skipped += u64::from(queue.offer(offer));
                }
                _ => {
                    line.set_room(size);
                    delivered += queue.write_to(&mut line, usize::MAX).unwrap().delivered;
                }
            }
        }
        line.set_room(usize::MAX);
        delivered += queue.write_to(&mut line, usize::MAX).unwrap().delivered;
        prop_assert!(queue.is_empty());
        prop_assert_eq!(offered, delivered + skipped);
        let text = line.take_text().replace('p', "");
        let numbers: Vec<u64> = text
            .split_terminator('>')
            .map(|chunk| chunk.strip_prefix('<').unwrap().split_once(':').unwrap().0.parse().unwrap())
            .collect();
        prop_assert_eq!(numbers.len() as u64, delivered);
        prop_assert!(numbers.is_sorted_by(|a, b| a < b));
    }
}

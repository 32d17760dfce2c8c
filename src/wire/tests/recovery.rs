//! What follows a flawed frame is not lost, and bytes made to be costly cost no more than others.

use crate::wire::decoder::SourceDecoder;
use crate::wire::jpeg::Splitter;
use crate::wire::multipart::PartDecoder;
use crate::wire::part::Reason;

use super::feed::{FRAME_BYTES_MAX, feed, feed_every_way};
use super::parts::ffmpeg;
use super::pictures::{frame, frame_with_thumbnail, kinds, segment, segments};

fn splitter() -> Splitter {
    Splitter::new(FRAME_BYTES_MAX)
}

fn parts() -> PartDecoder {
    PartDecoder::new(None, FRAME_BYTES_MAX)
}

/// Whether the first `length` bytes of `jpeg` lack nothing but the end marker or its second byte.
fn lacks_only_end(jpeg: &[u8], length: usize) -> bool {
    length + 2 >= jpeg.len()
}

/// Some cuts come to nothing: the rest of the cut segment ends just where a segment of the next
/// frame begins. Then the two are one picture, which shows the second.
fn end_with(jpegs: &[&[u8]], frames: &[Vec<u8>]) -> bool {
    jpegs.len() == frames.len()
        && jpegs
            .iter()
            .zip(frames)
            .all(|(jpeg, frame)| jpeg.ends_with(frame))
}

#[test]
fn frame_cut_at_any_byte_loses_no_later_frame() {
    // A cut within the length of a segment may lead 64 KiB too far.
    let next: Vec<_> = (0..110).map(frame).collect();
    let following = next.concat();
    assert!(following.len() > 0x10000 + 700);
    let kinds = kinds().into_iter();
    for (kind, jpeg) in kinds.filter(|(kind, _)| ["4:2:0", "progressive"].contains(kind)) {
        for length in 2..jpeg.len() {
            let outcome = feed(splitter(), [&jpeg[..length], &following]);
            let mut jpegs = outcome.jpegs();
            if kind != "progressive" && lacks_only_end(&jpeg, length) {
                assert_eq!(jpegs.remove(0), jpeg, "cut at {length}");
            }
            assert!(
                end_with(&jpegs, &next),
                "{kind} cut at {length}: {:?}",
                outcome.reasons()
            );
        }
    }
}

#[test]
fn frame_cut_in_scan_is_rejected_at_next_start_marker() {
    let (jpeg, next) = (frame(1), frame(2));
    let scan = segments(&jpeg).last().unwrap().1.end;
    for length in scan..jpeg.len() - 2 {
        let outcome = feed(splitter(), [&jpeg[..length], &next[..2]]);
        assert_eq!(outcome.reasons(), [Reason::Truncated], "cut at {length}");
    }
    let outcome = feed_every_way(splitter, &[&jpeg[..scan + 20], &next].concat());
    assert_eq!(
        (outcome.reasons(), outcome.jpegs()),
        (vec![Reason::Truncated], vec![next.as_slice()])
    );
    assert_eq!(
        outcome.tally.rejected(Reason::Truncated).bytes,
        scan as u64 + 20
    );
}

#[test]
fn frame_cut_in_segment_is_rejected_as_truncated() {
    let (jpeg, next) = (frame(1), frame(2));
    for (_, segment) in segments(&jpeg) {
        let stream = [&jpeg[..segment.end - 7], &next, &next].concat();
        let outcome = feed_every_way(splitter, &stream);
        assert_eq!(
            (outcome.reasons(), outcome.jpegs()),
            (vec![Reason::Truncated], vec![next.as_slice(); 2])
        );
    }
}

#[test]
fn thumbnail_of_invalid_frame_is_not_a_frame() {
    let (mut jpeg, next) = (frame_with_thumbnail(1), frame(2));
    jpeg[segment(&frame_with_thumbnail(1), 0xdb).start] = 0;
    let outcome = feed_every_way(splitter, &[jpeg.as_slice(), &next].concat());
    assert_eq!(outcome.reasons(), [Reason::BadSegment]);
    assert_eq!(outcome.jpegs(), [next]);
}

#[test]
fn start_marker_hidden_twice_is_found() {
    let (jpeg, next) = (frame(1), frame(2));
    let tables = segment(&jpeg, 0xdb);
    let cut = &jpeg[..tables.end - 30];
    let outcome = feed_every_way(splitter, &[cut, cut, &next, &next].concat());
    assert!(end_with(&outcome.jpegs(), &[next.clone(), next]));
}

#[test]
fn part_cut_at_any_byte_loses_no_other_frame() {
    let (first, next) = (frame(1), frame(3));
    for jpeg in [frame(2), frame_with_thumbnail(2)] {
        for length in 0..jpeg.len() {
            let body = ffmpeg(&[first.clone(), jpeg[..length].to_vec(), next.clone()]);
            let outcome = feed(parts(), [body.as_slice()]);
            if lacks_only_end(&jpeg, length) {
                assert_eq!(outcome.jpegs(), [&first, &jpeg, &next], "cut at {length}");
                continue;
            }
            assert_eq!(outcome.jpegs(), [&first, &next], "cut at {length}");
            let reasons: &[_] = match length {
                0 => &[],
                1 => &[Reason::NotJpeg],
                _ => &[Reason::Truncated],
            };
            assert_eq!(outcome.reasons(), reasons, "cut at {length}");
        }
    }
    let body = ffmpeg(&[first.clone(), frame(2)[..300].to_vec(), next.clone()]);
    assert_eq!(feed_every_way(parts, &body).jpegs(), [first, next]);
}

#[test]
fn parts_that_hold_something_else_are_rejected() {
    let (a, b) = (frame(1), frame(2));
    let mut broken = frame(3);
    broken[20] = 0;
    let others = [
        b"no camera".to_vec(),
        b"\xff\xfe".to_vec(),
        b"-1".to_vec(),
        broken,
    ];
    for other in others {
        let outcome = feed_every_way(parts, &ffmpeg(&[a.clone(), other.clone(), b.clone()]));
        assert_eq!(outcome.jpegs(), [&a, &b]);
        let reason = if other.len() > 100 {
            Reason::BadSegment
        } else {
            Reason::NotJpeg
        };
        assert_eq!(outcome.reasons(), [reason]);
    }
}

#[test]
fn garbage_between_parts_is_skipped() {
    let (a, b) = (frame(1), frame(2));
    let garbage: &[u8] = b"\r\n--x\r\n\xff\xd8\xff\xe0--ffmpe\0--ffmpeg!\n-\r";
    let stream = [&ffmpeg(&[&a]), garbage, &frame(3), b"\r\n", &ffmpeg(&[&b])].concat();
    // The boundary before the garbage makes it a part.
    let outcome = feed_every_way(parts, &stream);
    assert_eq!(outcome.jpegs(), [a, b]);
    assert_eq!(outcome.reasons(), [Reason::Truncated]);
}

#[test]
fn oversized_frame_is_rejected_once_and_next_is_decoded() {
    let (large, small) = (frame_with_thumbnail(1), frame(2));
    let bound = large.len() - 1;
    let outcome = feed_every_way(
        || Splitter::new(bound),
        &[large.as_slice(), &small].concat(),
    );
    assert_eq!(
        (outcome.reasons(), outcome.jpegs()),
        (vec![Reason::TooLarge], vec![small.as_slice()])
    );
    let body = ffmpeg(&[small.clone(), large, small.clone()]);
    let outcome = feed_every_way(|| PartDecoder::new(None, bound), &body);
    assert_eq!(
        (outcome.reasons(), outcome.jpegs()),
        (vec![Reason::TooLarge], vec![small.as_slice(); 2])
    );
}

#[test]
fn any_bound_comes_to_an_end() {
    let body = ffmpeg(&[frame(1), frame(2)]);
    for bound in 0..40 {
        let (jpegs, parts) = (Splitter::new(bound), PartDecoder::new(None, bound));
        assert!(feed(jpegs, body.chunks(50)).parts().is_empty());
        assert!(feed(parts, body.chunks(50)).parts().is_empty());
    }
}

/// Fed in pieces of 1 KiB: work that grew with the square would not come to an end.
#[test]
fn garbage_without_end_is_skipped_in_linear_time() {
    let jpeg = frame(1);
    let patterns: [(&[u8], usize); 6] = [
        (b"\0", 32),
        (b"\xff", 2),
        (b"-", 2),
        (b"\r\n--", 2),
        (b"\xff\xd8", 2),
        (b"\n--b--\r-", 2),
    ];
    for (pattern, mebibytes) in patterns {
        let piece = pattern.repeat(1024 / pattern.len());
        let pieces =
            || std::iter::repeat_n(piece.as_slice(), mebibytes * 1024).chain([jpeg.as_slice()]);
        let outcome = feed(Splitter::new(FRAME_BYTES_MAX), pieces());
        assert_eq!(
            (outcome.jpegs().len(), outcome.reasons()),
            (1, vec![]),
            "{pattern:02x?}"
        );
        let outcome = feed(PartDecoder::new(None, FRAME_BYTES_MAX), pieces());
        assert!(
            outcome.reasons().len() <= 1 && outcome.left.len() < 100,
            "{pattern:02x?}"
        );
        feed(SourceDecoder::new(FRAME_BYTES_MAX), pieces());
    }
}

#[test]
fn one_frame_byte_by_byte_is_walked_once() {
    // Nothing but the work would tell: from the start again for each byte, this is 2^40 steps.
    let mut jpeg = frame(1);
    let end = jpeg.len() - 2;
    jpeg.splice(
        end..end,
        std::iter::repeat_n([0xff, 0x00], 512 * 1024).flatten(),
    );
    let outcome = feed(Splitter::new(2 * FRAME_BYTES_MAX), jpeg.chunks(1));
    assert_eq!(outcome.jpegs(), [jpeg.as_slice()]);
    let body = ffmpeg(&[frame(2), jpeg.clone()]);
    assert_eq!(
        feed(PartDecoder::new(None, 2 * FRAME_BYTES_MAX), body.chunks(1)).jpegs(),
        [&frame(2), &jpeg]
    );
}

#[test]
fn start_markers_that_lead_to_the_same_long_walk_are_not_all_followed() {
    // 500 tables, each within the one before, end together; a million empty segments follow, and
    // then nonsense.
    let mut stream = Vec::new();
    for n in 0..500_u16 {
        stream.extend([0xff, 0xd8, 0xff, 0xdb]);
        stream.extend((6 * (500 - n) - 4).to_be_bytes());
    }
    stream.extend([0xff, 0xe0, 0x00, 0x02].repeat(1_000_000));
    stream.push(0);
    let jpeg = frame(1);
    stream.extend(&jpeg);
    let outcome = feed(Splitter::new(8 * FRAME_BYTES_MAX), [stream.as_slice()]);
    assert!(
        outcome.reasons().len() < 20,
        "{} walks",
        outcome.reasons().len()
    );
    assert_eq!(outcome.jpegs(), [jpeg]);
}

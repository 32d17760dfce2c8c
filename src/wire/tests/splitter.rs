//! `jpeg::Splitter`: JPEGs one after another.

use crate::wire::jpeg::Splitter;
use crate::wire::part::Reason;
use bytes::BytesMut;

use super::feed::{FRAME_BYTES_MAX, feed, feed_every_way};
use super::pictures::{self, frame, frame_with_thumbnail, frame_without_tables};

fn splitter() -> Splitter {
    Splitter::new(FRAME_BYTES_MAX)
}

#[test]
fn frames_one_after_another_come_out_as_they_are() {
    let frames = [frame(1), frame_without_tables(2), frame(3)];
    let outcome = feed_every_way(splitter, &frames.concat());
    assert_eq!(outcome.jpegs(), frames);
    assert_eq!(outcome.tally.accepted.bytes, frames.concat().len() as u64);
    assert_eq!(
        outcome
            .parts()
            .iter()
            .map(|part| part.picture.huffman_tables)
            .collect::<Vec<_>>(),
        [true, false, true]
    );
}

#[test]
fn each_kind_of_jpeg_is_decoded() {
    let frames: Vec<_> = pictures::kinds()
        .into_iter()
        .map(|(_, jpeg)| jpeg)
        .collect();
    assert_eq!(
        feed(splitter(), [frames.concat().as_slice()]).jpegs(),
        frames
    );
}

#[test]
fn thumbnail_is_part_of_its_picture() {
    let frames = [frame_with_thumbnail(1), frame_with_thumbnail(2)];
    assert_eq!(feed_every_way(splitter, &frames.concat()).jpegs(), frames);
}

#[test]
fn frame_is_decoded_with_its_last_byte() {
    let jpeg = frame(1);
    let (last, before) = jpeg.split_last().unwrap();
    let mut splitter = splitter();
    let mut received = BytesMut::from(before);
    assert_eq!(splitter.decode(&mut received), Ok(None));
    received.extend_from_slice(&[*last]);
    assert_eq!(splitter.decode(&mut received).unwrap().unwrap().jpeg, jpeg);
    assert!(received.is_empty());
}

#[test]
fn frame_is_not_copied() {
    let mut received = BytesMut::from(frame(1).as_slice());
    let address = received.as_ptr();
    assert_eq!(
        splitter()
            .decode(&mut received)
            .unwrap()
            .unwrap()
            .jpeg
            .as_ptr(),
        address
    );
}

#[test]
fn padding_between_frames_is_skipped_and_counted() {
    let (a, b) = (frame(1), frame(2));
    let stream = [&[0; 5], a.as_slice(), &[0; 9], b"\r\n", &b, &[0xff; 3]].concat();
    let outcome = feed_every_way(splitter, &stream);
    assert_eq!(outcome.jpegs(), [a, b]);
    assert_eq!(outcome.tally.discarded_bytes, 5 + 9 + 2 + 2);
    assert_eq!(outcome.left, [0xff], "which may begin a start marker");
}

#[test]
fn stray_start_markers_are_skipped_without_a_word() {
    let jpeg = frame(1);
    let stray = [[0xff, 0xd8, 0x00], [0xff, 0xd8, 0xff], [0xff, 0xd8, 0xff]].concat();
    let stream = [
        stray.as_slice(),
        &[0xd9],
        &stray,
        &jpeg,
        &[0xff, 0xd8, 0xff, 0xd9],
        &jpeg,
    ]
    .concat();
    let outcome = feed_every_way(splitter, &stream);
    assert_eq!(outcome.jpegs(), [&jpeg, &jpeg]);
    assert_eq!(outcome.reasons(), []);
}

#[test]
fn invalid_frame_is_rejected_whole() {
    let (a, b) = (frame(1), frame(2));
    let header = pictures::segment(&a, 0xc0);
    let mut flat = a.clone();
    flat[header.start + 5..header.start + 7].fill(0);
    let mut headless = a.clone();
    headless.drain(header);
    let outcome = feed_every_way(splitter, &[&flat, headless.as_slice(), &b].concat());
    assert_eq!(outcome.reasons(), [Reason::ZeroSize, Reason::NoFrame]);
    assert_eq!(outcome.jpegs(), [b]);
    assert_eq!(outcome.tally.discarded_bytes, 0);
}

#[test]
fn frame_of_maximum_size_is_accepted_and_one_byte_more_rejected() {
    let (large, small) = (frame_with_thumbnail(1), frame(2));
    let stream = [large.as_slice(), &small].concat();
    assert_eq!(
        feed_every_way(|| Splitter::new(large.len()), &stream).jpegs(),
        [&large, &small]
    );
    let outcome = feed_every_way(|| Splitter::new(large.len() - 1), &stream);
    assert_eq!(outcome.reasons(), [Reason::TooLarge]);
    assert_eq!(outcome.jpegs(), [small]);
}

#[test]
fn buffer_never_exceeds_maximum_frame_size() {
    let mut endless = frame(1);
    endless.truncate(endless.len() - 2);
    endless.resize(100_000, 0);
    let mut splitter = Splitter::new(2_000);
    let mut received = BytesMut::new();
    let mut rejected = Vec::new();
    for piece in endless.chunks(100) {
        received.extend_from_slice(piece);
        rejected.extend(splitter.decode(&mut received).err());
        assert!(received.len() < 2_000);
    }
    assert_eq!(
        rejected
            .iter()
            .map(|event| event.reason)
            .collect::<Vec<_>>(),
        [Reason::TooLarge]
    );
}

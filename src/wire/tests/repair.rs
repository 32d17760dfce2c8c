//! Frames that are shown although something is wrong with them or their framing.

use crate::wire::decoder::SourceDecoder;
use crate::wire::jpeg::{JpegError, Splitter, check, repair};
use crate::wire::multipart::{PartDecoder, parse_message};
use crate::wire::part::{Reason, Repair};
use bytes::BytesMut;

use super::feed::{Decoder, FRAME_BYTES_MAX, Outcome, feed, feed_every_way};
use super::parts::ffmpeg;
use super::pictures::{
    self, SIZE, baseline_kinds, frame, frame_with_thumbnail, frame_without_tables, segment,
};

fn splitter() -> Splitter {
    Splitter::new(FRAME_BYTES_MAX)
}

fn parts() -> PartDecoder {
    PartDecoder::new(Some("b"), FRAME_BYTES_MAX)
}

fn source() -> SourceDecoder {
    SourceDecoder::new(FRAME_BYTES_MAX)
}

/// `jpeg` as a part without a length.
fn part(jpeg: &[u8]) -> Vec<u8> {
    [b"--b\r\nContent-Type: image/jpeg\r\n\r\n", jpeg, b"\r\n"].concat()
}

/// `jpeg` as a part whose length is said to be `length`.
fn part_of(jpeg: &[u8], length: usize) -> Vec<u8> {
    [
        format!("--b\r\nContent-Length: {length}\r\n\r\n").as_bytes(),
        jpeg,
        b"\r\n",
    ]
    .concat()
}

fn without_end(jpeg: &[u8]) -> &[u8] {
    jpeg.strip_suffix(b"\xff\xd9").unwrap()
}

fn repairs(outcome: &Outcome) -> Vec<Option<Repair>> {
    outcome.parts().iter().map(|part| part.repair).collect()
}

/// Expects `jpegs` with these repairs, however the stream is cut, and no rejected frame.
fn expect<D: Decoder>(
    decoder: impl Fn() -> D,
    stream: &[u8],
    jpegs: &[Vec<u8>],
    expected: &[Option<Repair>],
) {
    let outcome = feed_every_way(decoder, stream);
    assert_eq!(outcome.jpegs(), jpegs);
    assert_eq!(repairs(&outcome), expected);
    assert_eq!(outcome.reasons(), []);
    assert_eq!(
        outcome.tally.repaired_frames,
        expected.iter().flatten().count() as u64
    );
}

/// A JPEG of another size, with `scale` times as many pixels a side.
fn scaled(seed: u8, scale: u16) -> Vec<u8> {
    let (width, height) = (SIZE.0 * scale, SIZE.1 * scale);
    let pixels = vec![seed; usize::from(width) * usize::from(height)];
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 80);
    encoder
        .encode(&pixels, width, height, jpeg_encoder::ColorType::Luma)
        .unwrap();
    jpeg
}

/// `jpeg` with the index of a file that holds `images` pictures (CIPA DC-007).
fn with_index(jpeg: &[u8], images: u32) -> Vec<u8> {
    let version = [0x00, 0xb0, 7, 0, 4, 0, 0, 0, b'0', b'1', b'0', b'0'];
    let number = [
        &[0x01, 0xb0, 4, 0, 1, 0, 0, 0],
        images.to_le_bytes().as_slice(),
    ]
    .concat();
    let data = [
        b"MPF\0II*\0\x08\0\0\0\x02\0".as_slice(),
        &version,
        &number,
        &[0; 4],
    ]
    .concat();
    let length = (data.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe2], &length, &data, &jpeg[2..]].concat()
}

#[test]
fn jpeg_without_end_marker_is_completed() {
    for (kind, jpeg) in baseline_kinds()
        .into_iter()
        .chain([("no tables", frame_without_tables(7))])
    {
        let unended = without_end(&jpeg);
        let next = frame(1);
        let whole = [jpeg.clone(), next.clone()];
        let expected = [Some(Repair::EndMarker), None];
        let in_parts = [
            part_of(unended, unended.len()),
            part(unended),
            part_of(unended, unended.len() + 2),
        ];
        for unended in in_parts {
            expect(parts, &[unended, part(&next)].concat(), &whole, &expected);
        }
        expect(splitter, &[unended, &next].concat(), &whole, &expected);
        let mended = repair(unended).unwrap();
        assert_eq!(
            (mended.jpeg.as_ref(), mended.repair),
            (jpeg.as_slice(), Some(Repair::EndMarker)),
            "{kind}"
        );
        let message = [b"X-Frame-Sequence: 3\r\n\r\n", unended].concat();
        assert_eq!(
            parse_message(&message, FRAME_BYTES_MAX).unwrap().jpeg,
            jpeg,
            "{kind}"
        );
    }
}

#[test]
fn jpeg_without_end_marker_is_out_with_its_last_declared_byte() {
    let jpeg = frame(1);
    let unended = without_end(&jpeg);
    let stream = part_of(unended, unended.len());
    let mut received = BytesMut::from(&stream[..stream.len() - 3]);
    let mut decoder = parts();
    assert_eq!(decoder.decode(&mut received), Ok(None));
    received.extend_from_slice(&unended[unended.len() - 1..]);
    assert_eq!(decoder.decode(&mut received).unwrap().unwrap().jpeg, jpeg);
}

#[test]
fn last_jpeg_without_end_marker_is_completed_when_the_stream_ends() {
    let jpeg = frame(1);
    let unended = without_end(&jpeg);
    for (stream, cut) in [
        (unended.to_vec(), &unended[..unended.len() - 1]),
        (part(unended), &jpeg[..300]),
    ] {
        let mut received = BytesMut::from(stream.as_slice());
        let mut decoder = source();
        assert_eq!(decoder.decode(&mut received), Ok(None));
        let part = decoder.finish(&mut received).unwrap();
        assert_eq!(
            (part.jpeg.as_ref(), part.repair),
            (jpeg.as_slice(), Some(Repair::EndMarker))
        );

        let mut received = BytesMut::from(cut);
        let mut decoder = source();
        assert_eq!(decoder.decode(&mut received), Ok(None));
        assert_eq!(decoder.finish(&mut received), None);
    }
}

#[test]
fn jpeg_cut_anywhere_is_never_completed() {
    for (kind, jpeg) in baseline_kinds() {
        for length in 2..without_end(&jpeg).len() {
            let cut = &jpeg[..length];
            assert_eq!(
                repair(cut),
                Err(JpegError::Truncated),
                "{kind} of {length} bytes"
            );
            let stream = [part_of(cut, length), part(&frame(1))].concat();
            let outcome = feed(parts(), [stream.as_slice()]);
            assert_eq!(outcome.jpegs(), [frame(1)], "{kind} of {length} bytes");
        }
    }
}

#[test]
fn progressive_jpeg_without_end_marker_is_completed_if_its_length_is_known() {
    let (_, jpeg) = pictures::kinds()
        .into_iter()
        .find(|(kind, _)| *kind == "progressive")
        .unwrap();
    let unended = without_end(&jpeg);
    let stream = [part_of(unended, unended.len()), part(&frame(1))].concat();
    expect(
        parts,
        &stream,
        &[jpeg.clone(), frame(1)],
        &[Some(Repair::EndMarker), None],
    );
    assert_eq!(repair(unended).unwrap().jpeg, jpeg);
    for stream in [
        part(unended),
        part_of(unended, unended.len() + 1),
        part_of(unended, unended.len() - 1),
    ] {
        let outcome = feed_every_way(parts, &[stream, part(&frame(1))].concat());
        assert_eq!(
            (outcome.jpegs(), outcome.reasons()),
            (vec![frame(1).as_slice()], vec![Reason::Truncated])
        );
    }
}

#[test]
fn bytes_before_the_start_marker_are_skipped() {
    let (jpeg, next) = (frame(1), frame(2));
    let jfif = jpeg[..segment(&jpeg, 0xe0).end].to_vec();
    let leads = [
        b"\xff\xd8".to_vec(),
        b"\0\0\0\x01".to_vec(),
        b"\xff".to_vec(),
        b"-".to_vec(),
        vec![7; 400],
        jfif,
    ];
    for lead in leads {
        let led = [lead.as_slice(), &jpeg].concat();
        let stream = [part(&led), part_of(&led, led.len()), part(&next)].concat();
        let both = [Some(Repair::StartMarker), Some(Repair::StartMarker), None];
        expect(
            parts,
            &stream,
            &[jpeg.clone(), jpeg.clone(), next.clone()],
            &both,
        );
        let mended = repair(&led).unwrap();
        assert_eq!(
            (mended.jpeg.as_ref(), mended.repair),
            (jpeg.as_slice(), Some(Repair::StartMarker))
        );
        let bare = [led.as_slice(), &led, &next].concat();
        assert_eq!(
            feed_every_way(splitter, &bare).jpegs(),
            [&jpeg, &jpeg, &next]
        );
    }
}

#[test]
fn lead_that_is_no_lead_hides_no_flaw() {
    let jpeg = frame(1);
    let far = [vec![0; 5000], jpeg.clone()].concat();
    assert_eq!(repair(&far), Err(JpegError::NotJpeg));
    assert_eq!(repair(b"\xff\xd8\xff\xd9"), Err(JpegError::NoFrame));
    assert_eq!(repair(b""), Err(JpegError::NotJpeg));
    let mut broken = frame_with_thumbnail(1);
    let tables = segment(&broken, 0xdb).start;
    broken[tables] = 0;
    assert_eq!(
        repair(&broken),
        Err(JpegError::BadSegment),
        "its thumbnail is not the picture"
    );
    assert_eq!(
        feed_every_way(parts, &part(&broken)).jpegs(),
        [] as [&[u8]; 0]
    );
}

#[test]
fn whole_jpeg_behind_a_cut_one_in_the_same_part_is_shown() {
    let (jpeg, next) = (frame(1), frame(2));
    let stream = [part(&[&jpeg[..800], &jpeg].concat()), part(&next)].concat();
    let outcome = feed_every_way(parts, &stream);
    assert_eq!(
        (outcome.jpegs(), outcome.reasons()),
        (vec![jpeg.as_slice(), &next], vec![Reason::Truncated])
    );
}

#[test]
fn boundary_with_a_counter_is_followed() {
    let frames: Vec<_> = (0..12).map(frame).collect();
    let numbered = |jpeg: &[u8], n: usize| {
        [
            format!("--b{n}\r\nContent-Type: image/jpeg\r\n\r\n").as_bytes(),
            jpeg,
            b"\r\n",
        ]
        .concat()
    };
    let stream: Vec<u8> = frames
        .iter()
        .enumerate()
        .flat_map(|(n, jpeg)| numbered(jpeg, n))
        .collect();
    let mut expected = vec![Some(Repair::Boundary); frames.len()];
    expected[0] = None;
    expect(parts, &stream, &frames, &expected);
    expect(source, &stream, &frames, &expected);
    let unended: Vec<u8> = frames
        .iter()
        .enumerate()
        .flat_map(|(n, jpeg)| numbered(without_end(jpeg), n))
        .collect();
    let outcome = feed_every_way(parts, &[unended, numbered(&frame(20), 20)].concat());
    assert_eq!(outcome.jpegs().len(), 13);
    assert_eq!(outcome.reasons(), []);
}

#[test]
fn boundary_that_changes_is_followed() {
    let (a, b, c) = (frame(1), frame(2), frame(3));
    let other = [
        b"--another\r\nContent-Type: image/jpeg\r\n\r\n".as_slice(),
        &b,
        b"\r\n",
    ]
    .concat();
    let third = [
        b"--another\r\nContent-Type: image/jpeg\r\n\r\n".as_slice(),
        &c,
        b"\r\n",
    ]
    .concat();
    let expected = [None, None, Some(Repair::Boundary), None];
    expect(
        parts,
        &[part(&a), part(&a), other, third].concat(),
        &[a.clone(), a, b, c],
        &expected,
    );
}

#[test]
fn parts_that_give_way_to_bare_jpegs_are_followed() {
    let frames: Vec<_> = (0..8).map(frame).collect();
    let bare = frames[3..].concat();
    let stream = [part(&frames[0]), part(&frames[1]), part(&frames[2]), bare].concat();
    let outcome = feed_every_way(parts, &stream);
    // The first one might have been padding behind the last part.
    let shown: Vec<_> = [&frames[..3], &frames[4..]].concat();
    assert_eq!(outcome.jpegs(), shown);
    assert_eq!(
        repairs(&outcome)[3..],
        [Some(Repair::Boundary), None, None, None]
    );
    let back = [stream.as_slice(), &part(&frames[0]), &part(&frames[1])].concat();
    assert_eq!(feed_every_way(parts, &back).jpegs().len(), shown.len() + 2);
}

#[test]
fn preview_behind_the_picture_of_a_part_is_padding() {
    let stream: Vec<u8> = (0..6)
        .flat_map(|n| part(&[scaled(n, 4), scaled(n, 2), scaled(n, 1)].concat()))
        .collect();
    let outcome = feed_every_way(parts, &stream);
    assert_eq!(
        outcome.jpegs(),
        (0..6).map(|n| scaled(n, 4)).collect::<Vec<_>>()
    );
}

#[test]
fn jpegs_behind_binary_headers_are_found() {
    let frames = [frame(1), frame_with_thumbnail(2), frame(3)];
    let canon = |jpeg: &Vec<u8>| {
        let size = (jpeg.len() as u32).to_be_bytes();
        [b"\xff\0\x01".as_slice(), &size, jpeg, b"\xff\xff"].concat()
    };
    let stream: Vec<u8> = frames.iter().flat_map(canon).collect();
    assert_eq!(feed_every_way(source, &stream).jpegs(), frames);
    let unended = frames.each_ref().map(|jpeg| without_end(jpeg).to_vec());
    let stream: Vec<u8> = unended.iter().chain([&frame(4)]).flat_map(canon).collect();
    assert_eq!(feed_every_way(source, &stream).jpegs()[..3], frames);
}

#[test]
fn pictures_that_an_index_announces_are_skipped() {
    let stream: Vec<u8> = (0..5)
        .flat_map(|n| [with_index(&frame(n), 3), frame(50), scaled(60, 3)].concat())
        .collect();
    let outcome = feed_every_way(splitter, &stream);
    assert_eq!(
        outcome.jpegs(),
        (0..5).map(|n| with_index(&frame(n), 3)).collect::<Vec<_>>()
    );
    let alone: Vec<u8> = (0..5).flat_map(|n| with_index(&frame(n), 2)).collect();
    assert_eq!(
        feed(splitter(), [alone.as_slice()]).jpegs().len(),
        5,
        "the announced picture was cut off before"
    );
    for images in [0, 1, u32::MAX] {
        let stream = [with_index(&frame(1), images), vec![], frame(2)].concat();
        assert_eq!(
            feed(splitter(), [stream.as_slice()]).jpegs().len(),
            if images > 1 { 1 } else { 2 }
        );
    }
}

#[test]
fn smaller_pictures_behind_each_picture_are_skipped() {
    for previews in [vec![scaled(9, 1)], vec![scaled(9, 2), scaled(9, 1)]] {
        let stream: Vec<u8> = (0..5)
            .flat_map(|n| [scaled(n, 4), previews.concat()].concat())
            .collect();
        let outcome = feed_every_way(splitter, &stream);
        assert_eq!(
            outcome.jpegs(),
            (0..5).map(|n| scaled(n, 4)).collect::<Vec<_>>()
        );
    }
}

#[test]
fn lower_resolution_is_shown_from_the_second_picture_on() {
    let stream: Vec<u8> = (0..3)
        .map(|n| scaled(n, 4))
        .chain((3..8).map(|n| scaled(n, 2)))
        .flatten()
        .collect();
    let outcome = feed_every_way(splitter, &stream);
    let shown: Vec<_> = (0..3)
        .map(|n| scaled(n, 4))
        .chain((4..8).map(|n| scaled(n, 2)))
        .collect();
    assert_eq!(outcome.jpegs(), shown);
}

#[test]
fn repair_of_a_driver_is_counted() {
    for repair in [Repair::EndMarker, Repair::StartMarker, Repair::Boundary] {
        let head = format!("--b\r\nX-Frame-Repaired: {}\r\n\r\n", repair.as_str());
        let stream = [head.as_bytes(), &frame(1), b"\r\n"].concat();
        expect(parts, &stream, &[frame(1)], &[Some(repair)]);
    }
}

#[test]
fn sound_frames_are_not_copied_and_count_no_repair() {
    let jpeg = frame_with_thumbnail(1);
    assert!(matches!(
        repair(&jpeg).unwrap().jpeg,
        std::borrow::Cow::Borrowed(_)
    ));
    let outcome = feed(parts(), [ffmpeg(&[&jpeg, &jpeg]).as_slice()]);
    assert_eq!(
        (outcome.tally.repaired_frames, outcome.tally.discarded_bytes),
        (0, 0)
    );
    assert!(check(&jpeg).is_ok());
}

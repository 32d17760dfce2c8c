//! `multipart::PartDecoder`: parts as real programs and cameras send them.

use std::time::Duration;

use crate::wire::metadata::{Sequence, WallTime};
use crate::wire::multipart::{
    EncodedPart, Framing, HEAD_BYTES_MAX, PartDecoder, closing, preamble, rejected_part,
};
use crate::wire::part::Reason;
use bytes::BytesMut;

use super::feed::{FRAME_BYTES_MAX, Outcome, feed_every_way};
use super::pictures::{frame, frame_with_thumbnail};

/// A body as `ffmpeg -f mpjpeg` writes it.
pub(crate) fn ffmpeg(frames: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut body = b"--ffmpeg\r\n".to_vec();
    for jpeg in frames.iter().map(AsRef::as_ref) {
        body.extend(
            format!(
                "Content-type: image/jpeg\r\nContent-length: {}\r\n\r\n",
                jpeg.len()
            )
            .bytes(),
        );
        body.extend(jpeg);
        body.extend(b"\r\n--ffmpeg\r\n");
    }
    body
}

/// A body of two parts with `head` before each picture and `tail` behind it.
fn body(head: &str, tail: &str) -> Vec<u8> {
    let (a, b) = frames();
    [
        head.as_bytes(),
        &a,
        tail.as_bytes(),
        head.as_bytes(),
        &b,
        tail.as_bytes(),
    ]
    .concat()
}

fn frames() -> (Vec<u8>, Vec<u8>) {
    (frame(1), frame(2))
}

/// Decodes however cut, and expects the two pictures of [`body`], nothing else.
fn expect_both(declared: Option<&str>, stream: &[u8]) -> Outcome {
    let outcome = feed_every_way(|| PartDecoder::new(declared, FRAME_BYTES_MAX), stream);
    let (a, b) = frames();
    assert_eq!(outcome.jpegs(), [a, b]);
    assert_eq!(outcome.reasons(), []);
    outcome
}

fn captured_at(outcome: &Outcome) -> Vec<Option<Duration>> {
    outcome
        .parts()
        .iter()
        .map(|part| part.captured_at.map(WallTime::since_epoch))
        .collect()
}

#[test]
fn ffmpeg_mpjpeg() {
    let (a, b) = frames();
    let outcome = expect_both(None, &ffmpeg(&[a, b]));
    assert_eq!(
        outcome.tally.discarded_bytes, 0,
        "a sound stream has nothing to skip"
    );
    assert_eq!(outcome.left, b"\r\n--ffmpeg\r\n");
    assert_eq!(captured_at(&outcome), [None, None]);
}

#[test]
fn both_of_our_own_framings() {
    let (a, b) = frames();
    for framing in [Framing::Length, Framing::Advance] {
        let mut stream = preamble("frame", framing).to_vec();
        for (sequence, jpeg) in [(41, &a), (42, &b)] {
            let captured_at = WallTime::new(Duration::new(1_760_000_000, 250_001_000)).unwrap();
            stream
                .extend(EncodedPart::encode("frame", sequence, captured_at, jpeg).framed(framing));
        }
        let outcome = expect_both(Some("frame"), &stream);
        assert_eq!(outcome.tally.discarded_bytes, 0);
        stream.extend(closing("frame"));
        expect_both(None, &stream);
        if framing == Framing::Length {
            assert_eq!(
                captured_at(&outcome),
                [Some(Duration::new(1_760_000_000, 250_001_000)); 2]
            );
            assert_eq!(
                outcome
                    .parts()
                    .iter()
                    .map(|part| part.sequence)
                    .collect::<Vec<_>>(),
                [41, 42].map(Sequence::new)
            );
        }
    }
}

#[test]
fn mjpg_streamer() {
    let head =
        "Content-Type: image/jpeg\r\nContent-Length: 700\r\nX-Timestamp: 1760000000.000123\r\n\r\n";
    let (a, b) = frames();
    let tail: &[u8] = b"\r\n--boundarydonotcross \r\n";
    let stream = [
        b"--boundarydonotcross \r\n",
        head.as_bytes(),
        &a,
        tail,
        head.as_bytes(),
        &b,
        tail,
    ]
    .concat();
    let outcome = expect_both(Some("boundarydonotcross"), &stream);
    assert_eq!(
        captured_at(&outcome),
        [Some(Duration::new(1_760_000_000, 123_000)); 2]
    );
}

#[test]
fn line_break_before_first_boundary_is_skipped() {
    let stream = body("\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n", "");
    assert_eq!(expect_both(None, &stream).tally.discarded_bytes, 0);
    expect_both(None, &[b"\r\n\r\n", stream.as_slice()].concat());
}

#[test]
fn junk_before_the_first_boundary() {
    let stream = body("--b\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n");
    for junk in [
        b"HTTP/1.0 200 OK\r\n\r\n".as_slice(),
        b"\0\xff\xfe-\n",
        b"-\r\n",
    ] {
        let outcome = expect_both(None, &[junk, &stream].concat());
        assert!(outcome.tally.discarded_bytes >= junk.len() as u64 - 2);
    }
    expect_both(Some("b"), &[b"no line break", stream.as_slice()].concat());
}

#[test]
fn missing_first_boundary_before_headers_is_accepted() {
    let stream = body("Content-Type: image/jpeg\r\n\r\n", "\r\n--b\r\n");
    expect_both(None, &stream);
    expect_both(Some("b"), &stream);
}

#[test]
fn missing_first_boundary_before_jpeg_is_accepted() {
    let (a, b) = frames();
    let stream = [
        &a,
        b"\r\n--b\r\nX-Timestamp: 1760000007.5\r\n\r\n".as_slice(),
        &b,
        b"\r\n--b\r\n",
    ]
    .concat();
    let outcome = expect_both(None, &stream);
    assert_eq!(
        captured_at(&outcome),
        [None, Some(Duration::from_millis(1_760_000_007_500))]
    );
}

#[test]
fn repeated_boundary_is_skipped() {
    expect_both(
        None,
        &body("--b\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"),
    );
    expect_both(
        None,
        &body("--b\r\n\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"),
    );
    expect_both(
        None,
        &body(
            "--b\r\nX: y\r\n\r\n\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n",
            "\r\n",
        ),
    );
}

#[test]
fn closing_boundary_between_parts_is_accepted() {
    let outcome = expect_both(
        None,
        &body("--b\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n--b--\r\n"),
    );
    assert!(outcome.tally.discarded_bytes > 0);
    expect_both(
        None,
        &body(
            "--b\r\nContent-Type: image/jpeg\r\n\r\n",
            "\r\n--b--\r\n\r\n",
        ),
    );
}

#[test]
fn quoted_boundary_parameter_is_accepted() {
    expect_both(
        Some("\"b\""),
        &body("--b\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"),
    );
}

#[test]
fn boundary_parameter_with_dashes_is_accepted() {
    for delimiter in ["--myboundary", "----myboundary"] {
        let stream = body(
            &format!("{delimiter}\r\nContent-Type: image/jpeg\r\n\r\n"),
            "\r\n",
        );
        for declared in [
            Some("--myboundary"),
            Some("myboundary"),
            Some("\"--myboundary\""),
            None,
        ] {
            assert_eq!(
                expect_both(declared, &stream).tally.discarded_bytes,
                0,
                "{declared:?} and {delimiter}"
            );
        }
    }
}

#[test]
fn boundary_that_differs_from_parameter_is_learned() {
    expect_both(
        Some("one"),
        &body("--another\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"),
    );
}

#[test]
fn boundary_followed_by_space_or_dashes_is_accepted() {
    let stream = body(
        "--video boundary--\r\nContent-type: image/jpeg\r\n\r\n",
        "\r\n",
    );
    for declared in [None, Some("--video boundary--")] {
        assert_eq!(expect_both(declared, &stream).tally.discarded_bytes, 0);
    }
}

#[test]
fn learned_boundary_is_not_replaced_by_longer_one() {
    let (jpeg, _) = frames();
    let long = format!("--{}\r\nX-Frame-Sequence: 7\r\n\r\n", "y".repeat(80));
    for before in [
        "".to_owned(),
        format!("--{}\r\n", "x".repeat(74)),
        format!("--x\r\n--x{}\r\n", "-".repeat(72)),
    ] {
        let stream = [before.as_bytes(), long.as_bytes(), &jpeg].concat();
        let outcome = feed_every_way(|| PartDecoder::new(None, FRAME_BYTES_MAX), &stream);
        assert_eq!(outcome.jpegs(), [&jpeg]);
        assert_eq!(
            outcome.parts()[0].sequence,
            None,
            "a line of 84 bytes is no delimiter"
        );
    }
}

#[test]
fn missing_line_break_before_boundary_is_accepted() {
    expect_both(None, &body("--b\r\nContent-Type: image/jpeg\r\n\r\n", ""));
}

#[test]
fn bare_line_feeds() {
    let outcome = expect_both(
        None,
        &body(
            "--b\nContent-Type: image/jpeg\nX-Timestamp: 1760000003.25\n\n",
            "\n",
        ),
    );
    assert_eq!(
        captured_at(&outcome),
        [Some(Duration::from_millis(1_760_000_003_250)); 2]
    );
    assert_eq!(outcome.tally.discarded_bytes, 0);
}

#[test]
fn extra_or_missing_empty_line_before_picture_is_accepted() {
    expect_both(
        None,
        &body("--b\r\nContent-Type: image/jpeg\r\n\r\n\r\n", "\r\n"),
    );
    expect_both(None, &body("--b\r\nContent-Type: image/jpeg\r\n", "\r\n"));
    expect_both(None, &body("--b\r\n", "\r\n"));
    expect_both(None, &body("--b\r\n\r\n", "\r\n"));
}

#[test]
fn header_names_in_any_case() {
    let head = "--b\r\nCONTENT-TYPE:image/jpeg\r\nx-timestamp : 1760000003.5 \r\nX-FRAME-sequence:9\r\n\r\n";
    let outcome = expect_both(None, &body(head, "\r\n"));
    assert_eq!(
        captured_at(&outcome),
        [Some(Duration::from_millis(1_760_000_003_500)); 2]
    );
    assert_eq!(outcome.parts()[0].sequence, Sequence::new(9));
}

#[test]
fn timestamp_out_of_range_is_ignored_and_counted() {
    let values = [
        "",
        "now",
        "-1.5",
        "1.5.5",
        "1,5",
        "5",
        "99999999999999999999",
        "18446744073709551615",
        "1.x",
        "NaN",
    ];
    for value in values {
        let outcome = expect_both(
            None,
            &body(&format!("--b\r\nX-Timestamp: {value}\r\n\r\n"), "\r\n"),
        );
        assert_eq!(
            (captured_at(&outcome), outcome.tally.timestamps_ignored),
            (vec![None, None], 2),
            "{value}"
        );
    }
    let milliseconds = "1795783697704";
    for (value, nanoseconds) in [
        ("1795783697.7040001239", 704_000_123),
        (milliseconds, 704_000_000),
    ] {
        let outcome = expect_both(
            None,
            &body(&format!("--b\r\nX-Timestamp: {value}\r\n\r\n"), "\r\n"),
        );
        let expected = Some(Duration::new(1_795_783_697, nanoseconds));
        assert_eq!(
            (captured_at(&outcome)[0], outcome.tally.timestamps_ignored),
            (expected, 0),
            "{value}"
        );
    }
}

#[test]
fn sequence_out_of_range_is_ignored_and_counted() {
    for value in ["18446744073709551615", "9007199254740993", "-1", "one", ""] {
        let outcome = expect_both(
            None,
            &body(&format!("--b\r\nX-Frame-Sequence: {value}\r\n\r\n"), "\r\n"),
        );
        assert_eq!(
            (outcome.parts()[0].sequence, outcome.tally.sequences_ignored),
            (None, 2),
            "{value}"
        );
    }
}

#[test]
fn missing_or_wrong_content_length_is_ignored() {
    for length in [
        "",
        "Content-Length: 0\r\n",
        "Content-Length: 20\r\n",
        "Content-Length: 701\r\n",
    ] {
        expect_both(
            None,
            &body(
                &format!("--b\r\nContent-Type: image/jpeg\r\n{length}\r\n"),
                "\r\n",
            ),
        );
    }
    for length in ["100000", "18446744073709551616", "-1", "many"] {
        let head = format!("--b\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(
            expect_both(None, &body(&head, "\r\n"))
                .tally
                .discarded_bytes,
            0
        );
    }
}

#[test]
fn padding_behind_the_picture_is_cut_off() {
    let outcome = expect_both(
        None,
        &body("--b\r\nContent-Type: image/jpeg\r\n\r\n", "\0\0\0\0\r\n"),
    );
    assert_eq!(
        outcome.tally.discarded_bytes,
        4 + 4 - 1,
        "but for the byte that is kept at the end"
    );
}

#[test]
fn second_picture_in_part_is_padding() {
    let (a, b) = frames();
    let head: &[u8] = b"--b\r\nContent-Type: image/jpeg\r\n\r\n";
    let stream = [head, &a, &frame(3), b"\r\n", head, &b, &frame(4), b"\r\n"].concat();
    expect_both(None, &stream);
}

#[test]
fn thumbnail_is_part_of_its_picture() {
    let frames = [frame_with_thumbnail(1), frame_with_thumbnail(2)];
    let outcome = feed_every_way(|| PartDecoder::new(None, FRAME_BYTES_MAX), &ffmpeg(&frames));
    assert_eq!(outcome.jpegs(), frames);
}

#[test]
fn part_is_decoded_with_its_last_byte() {
    let (jpeg, _) = frames();
    for head in [
        "--b\r\nContent-Type: image/jpeg\r\n\r\n",
        "--b\r\nContent-Length: 99999\r\n\r\n",
        "",
    ] {
        let stream = [head.as_bytes(), &jpeg].concat();
        let (last, before) = stream.split_last().unwrap();
        let mut decoder = PartDecoder::new(None, FRAME_BYTES_MAX);
        let mut received = BytesMut::from(before);
        assert_eq!(decoder.decode(&mut received), Ok(None));
        received.extend_from_slice(&[*last]);
        let address = received[head.len()..].as_ptr();
        let part = decoder.decode(&mut received).unwrap().unwrap();
        assert_eq!(part.jpeg, jpeg);
        assert_eq!(part.jpeg.as_ptr(), address, "it is not copied");
    }
}

#[test]
fn header_block_over_limit_is_rejected() {
    let (a, b) = frames();
    let part: &[u8] = b"--b\r\nContent-Type: image/jpeg\r\n\r\n";
    for field in [
        "X-Long: ".to_owned() + &"y".repeat(HEAD_BYTES_MAX),
        "X: y\r\n".repeat(HEAD_BYTES_MAX / 6),
    ] {
        let endless = format!("\r\n--b\r\n{field}\r\n\r\n");
        let stream = [part, &a, endless.as_bytes(), &frame(3), b"\r\n", part, &b].concat();
        let outcome = feed_every_way(|| PartDecoder::new(None, FRAME_BYTES_MAX), &stream);
        assert_eq!(outcome.jpegs(), [&a, &b]);
        assert_eq!(outcome.reasons(), [Reason::BadHeader]);
    }
    let padded = format!("--b\r\nX: {}\r\n\r\n", "y".repeat(HEAD_BYTES_MAX - 14));
    assert_eq!(
        padded.len() + 2,
        HEAD_BYTES_MAX,
        "with the first two bytes of the picture"
    );
    expect_both(None, &[padded.as_bytes(), &a, b"\r\n", part, &b].concat());
}

#[test]
fn empty_lines_without_end_are_bounded_too() {
    let (a, _) = frames();
    let stream = [
        b"--b\r\n",
        "\r\n".repeat(HEAD_BYTES_MAX).as_bytes(),
        b"--b\r\n\r\n",
        &a,
    ]
    .concat();
    let outcome = super::feed::feed(PartDecoder::new(None, FRAME_BYTES_MAX), stream.chunks(100));
    assert_eq!(outcome.reasons(), [Reason::BadHeader]);
    assert_eq!(outcome.jpegs(), [a]);
}

#[test]
fn frame_rejected_by_the_driver_is_counted_by_its_reason() {
    let mut received = BytesMut::from(&b"--frame\r\n"[..]);
    for reason in Reason::ALL {
        received.extend_from_slice(&rejected_part("frame", reason));
    }
    let picture = frame(1);
    received.extend_from_slice(
        &EncodedPart::encode("frame", 7, WallTime::MIN, &picture).framed(Framing::Length),
    );
    received.extend_from_slice(b"x-frame-rejected: nonsense\r\n\r\n--frame\r\n");
    let mut decoder = PartDecoder::new(None, FRAME_BYTES_MAX);
    let fed = received.len() as u64;
    for reason in Reason::ALL {
        let rejected = decoder.decode(&mut received).unwrap_err();
        assert_eq!((rejected.reason, rejected.by_driver), (reason, true));
        assert_eq!(decoder.tally().rejected(reason).frames, 1);
    }
    assert_eq!(
        decoder.decode(&mut received).unwrap().unwrap().jpeg,
        picture
    );
    assert_eq!(
        decoder.decode(&mut received),
        Ok(None),
        "a reason that does not exist is no report"
    );
    assert_eq!(decoder.tally().bytes() + received.len() as u64, fed);
}

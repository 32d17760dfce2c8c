//! `decoder::SourceDecoder`: JPEGs or parts, told by the first two bytes.

use crate::wire::decoder::SourceDecoder;
use crate::wire::part::Reason;

use super::feed::{FRAME_BYTES_MAX, feed, feed_every_way};
use super::parts::ffmpeg;
use super::pictures::frame;

fn source() -> SourceDecoder {
    SourceDecoder::new(FRAME_BYTES_MAX)
}

#[test]
fn jpegs_are_told_by_their_start_marker() {
    let frames = [frame(1), frame(2)];
    assert_eq!(feed_every_way(source, &frames.concat()).jpegs(), frames);
}

#[test]
fn parts_are_told_by_their_dashes() {
    let frames = [frame(1), frame(2)];
    assert_eq!(feed_every_way(source, &ffmpeg(&frames)).jpegs(), frames);
}

#[test]
fn bytes_before_first_frame_are_skipped_and_counted() {
    let frames = [frame(1), frame(2)];
    let noise = b"starting - camera \xff 1\n";
    for stream in [frames.concat(), ffmpeg(&frames)] {
        let outcome = feed_every_way(source, &[noise.as_slice(), &stream].concat());
        assert_eq!(outcome.jpegs(), frames);
        assert_eq!(outcome.tally.discarded_bytes, noise.len() as u64);
    }
}

#[test]
fn log_line_with_dashes_hides_no_jpeg() {
    let frames = [frame(1), frame(2)];
    for noise in [
        b"-- camera found\n".as_slice(),
        b"---\n",
        b"--fast is the default\nstarting\n",
    ] {
        assert_eq!(
            feed_every_way(source, &[noise, &frames.concat()].concat()).jpegs(),
            frames
        );
    }
}

#[test]
fn output_without_frames_is_counted_as_skipped() {
    let outcome = feed_every_way(source, b"error: no camera -");
    assert_eq!(
        (outcome.tally.discarded_bytes, outcome.left.as_slice()),
        (17, b"-".as_slice())
    );
    assert_eq!(outcome.events, []);
}

#[test]
fn reasons_have_names_of_their_own() {
    let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    names.dedup();
    assert_eq!(names.len(), Reason::ALL.len());
    assert_eq!(Reason::TooLarge.to_string(), "too_large");
    assert!(
        Reason::TooLarge
            .remedy(16 << 20)
            .is_some_and(|remedy| remedy.contains("16 MiB; raise --frame-max-mib"))
    );
    assert!(
        Reason::ALL
            .iter()
            .enumerate()
            .all(|(n, reason)| *reason as usize == n),
        "in the order of their counts"
    );
}

#[test]
fn rejected_frame_error_names_size_and_reason() {
    let cut = &frame(1)[..300];
    let outcome = feed(source(), [cut, &frame(2)]);
    let rejected = outcome.events[0].as_ref().unwrap_err();
    let message = rejected.to_string();
    assert!(
        message.contains("300 bytes") && message.contains("truncated"),
        "{message}"
    );
}

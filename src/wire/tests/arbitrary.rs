//! Whatever the bytes and however they are cut.

use crate::wire::decoder::SourceDecoder;
use crate::wire::jpeg::{Splitter, check, with_standard_tables};
use crate::wire::multipart::PartDecoder;
use crate::wire::part::Reason;
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;

use super::feed::{Decoder, FRAME_BYTES_MAX, feed};
use super::parts::ffmpeg;
use super::pictures::{frame, segments};

/// Bytes that mean something to one decoder or another, and frames among them.
fn telling_bytes() -> impl Strategy<Value = Vec<u8>> {
    let fragments: [&[u8]; 14] = [
        b"\xff\xd8",
        b"\xff\xd9",
        b"\xff\xd8\xff\xe0\x00\x10",
        b"\xff\xdb\x00\x08",
        b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00",
        b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00",
        b"\xff",
        b"--b\r\n",
        b"--b--\r\n",
        b"--",
        b"\r\n",
        b"\n",
        b"Content-Type: image/jpeg\r\n",
        b"\r\n\r\n",
    ];
    let fragment = prop_oneof![
        20 => (0..fragments.len()).prop_map(move |n| fragments[n].to_vec()),
        4 => vec(any::<u8>(), 0..8),
        1 => any::<u8>().prop_map(frame),
        1 => (any::<u8>(), 0..700_usize).prop_map(|(seed, length)| cut(frame(seed), length)),
    ];
    vec(fragment, 0..40).prop_map(|fragments| fragments.concat())
}

fn cut(mut jpeg: Vec<u8>, length: usize) -> Vec<u8> {
    jpeg.truncate(length);
    jpeg
}

/// The stream in pieces as long as `lengths` says, over and over.
fn pieces<'a>(stream: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = stream;
    for length in lengths.iter().cycle() {
        let (piece, behind) = rest.split_at(rest.len().min(*length));
        pieces.push(piece);
        rest = behind;
        if rest.is_empty() {
            return pieces;
        }
    }
    pieces
}

fn cutting_changes_nothing<D: Decoder>(decoder: impl Fn() -> D, stream: &[u8], lengths: &[usize]) {
    let whole = feed(decoder(), [stream]);
    assert_eq!(feed(decoder(), stream.chunks(1)), whole);
    assert_eq!(feed(decoder(), pieces(stream, lengths)), whole);
}

proptest! {
    #[test]
    fn no_bytes_upset_a_decoder_and_cutting_them_changes_nothing(
        stream in prop_oneof![telling_bytes(), vec(any::<u8>(), 0..2000)],
        lengths in vec(1..200_usize, 1..8),
        bound in prop_oneof![Just(FRAME_BYTES_MAX), 0..1000_usize],
        declared in prop_oneof![Just(None), Just(Some("b")), Just(Some("--\"")), Just(Some("other"))],
    ) {
        cutting_changes_nothing(|| Splitter::new(bound), &stream, &lengths);
        cutting_changes_nothing(|| PartDecoder::new(declared, bound), &stream, &lengths);
        cutting_changes_nothing(|| SourceDecoder::new(bound), &stream, &lengths);
    }

    #[test]
    fn no_more_than_a_frame_and_its_header_is_kept(stream in telling_bytes(), bound in 2..1000_usize) {
        let mut splitter = Splitter::new(bound);
        let mut received = BytesMut::from(stream.as_slice());
        while splitter.decode(&mut received) != Ok(None) {}
        prop_assert!(received.len() < bound);
    }

    #[test]
    fn what_is_checked_is_what_is_cut(stream in telling_bytes()) {
        if check(&stream).is_ok() {
            let outcome = feed(Splitter::new(FRAME_BYTES_MAX), [stream.as_slice()]);
            prop_assert_eq!(outcome.jpegs(), [stream.as_slice()]);
        }
        let mended = with_standard_tables(&stream);
        let picture = check(&stream).map(|picture| picture.huffman_tables);
        prop_assert_eq!(mended.len() > stream.len() && picture.is_ok(), picture == Ok(false));
        prop_assert_eq!(check(&mended).map(|picture| (picture.width, picture.height)).is_ok(), picture.is_ok());
    }

    #[test]
    fn whole_frames_come_out_of_any_mixture(pieces in vec(piece(), 1..12)) {
        let mut stream = Vec::new();
        let mut whole = Vec::new();
        for piece in pieces {
            stream.extend(match piece {
                Piece::Whole(seed) => {
                    whole.push(frame(seed));
                    frame(seed)
                }
                Piece::Cut(seed, length) => cut(frame(seed), length),
                Piece::Garbage(bytes) => bytes,
            });
        }
        // The last segment of a cut frame ends here at the latest.
        stream.extend([0; 1000]);
        let outcome = feed(Splitter::new(FRAME_BYTES_MAX), [stream.as_slice()]);
        let mut found = outcome.jpegs().into_iter();
        for jpeg in whole {
            prop_assert!(found.any(|found| found.ends_with(&jpeg)));
        }
    }

    #[test]
    fn whole_parts_come_out_of_any_mixture(pieces in vec(piece(), 1..12)) {
        let mut bodies = vec![frame(0)];
        let mut whole = vec![frame(0)];
        let mut flawed = 0;
        for piece in pieces {
            bodies.push(match piece {
                Piece::Whole(seed) => {
                    whole.push(frame(seed));
                    frame(seed)
                }
                Piece::Cut(seed, length) => cut(frame(seed), length),
                Piece::Garbage(bytes) => [b"?", bytes.as_slice()].concat(),
            });
            flawed = bodies.len() - whole.len();
        }
        let outcome = feed(PartDecoder::new(None, FRAME_BYTES_MAX), [ffmpeg(&bodies).as_slice()]);
        prop_assert_eq!(outcome.jpegs(), whole);
        prop_assert_eq!(outcome.reasons().len(), flawed);
        prop_assert!(outcome.reasons().iter().all(|reason| [Reason::Truncated, Reason::NotJpeg].contains(reason)));
    }
}

#[derive(Clone, Debug)]
enum Piece {
    Whole(u8),
    /// Cut anywhere but within a marker or a length, which depend on the bytes that follow, and
    /// before the end marker, without which a frame is repaired.
    Cut(u8, usize),
    /// Without FF, that would begin a frame.
    Garbage(Vec<u8>),
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        any::<u8>().prop_map(Piece::Whole),
        (any::<u8>(), any::<prop::sample::Index>()).prop_map(|(seed, at)| {
            let jpeg = frame(seed);
            let segments = segments(&jpeg);
            let in_marker = |at: usize| {
                segments
                    .iter()
                    .any(|(_, range)| at > range.start && at < range.start + 4)
            };
            let places: Vec<_> = (2..jpeg.len() - 2)
                .filter(|at| !in_marker(*at) && jpeg[at - 1] != 0xff)
                .collect();
            Piece::Cut(seed, *at.get(&places))
        }),
        vec(0..0xff_u8, 0..300).prop_map(Piece::Garbage),
    ]
}

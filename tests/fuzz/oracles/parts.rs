//! The oracle of multipart parts.

use std::time::Duration;

use bytes::BytesMut;
use framecast::wire::metadata::{Sequence, WallTime};
use framecast::wire::multipart::{EncodedPart, Framing, HEAD_BYTES_MAX, PartDecoder, preamble};
use framecast::wire::part::Part;

use super::feed::{Decoder, FRAME_BYTES_MAX, Outcome, feed};
use super::sample::Sample;
use super::work;

/// The maximum number of times that a byte is examined: each dash may begin a delimiter, whose end is
/// searched in up to 78 bytes.
const LOOKS: usize = 90;

pub fn run(input: &[u8]) {
    let Some(sample) = Sample::read(input) else {
        return;
    };
    let bound = bound(sample.choice);
    let declared =
        [None, Some("b"), Some("\"--b\""), Some("other")][usize::from(sample.choice % 4)];
    let outcome = check_splits(|| PartDecoder::new(declared, bound), &sample, LOOKS);
    assert!(
        outcome.left.len() < bound.max(2) + HEAD_BYTES_MAX,
        "{} bytes are kept",
        outcome.left.len()
    );
    for part in outcome.parts().into_iter().take(4) {
        check_round_trip(part);
    }
}

/// Returns the limit of a frame that the input chooses.
pub fn bound(choice: u8) -> usize {
    match choice {
        ..128 => FRAME_BYTES_MAX,
        _ => usize::from(choice - 128) * 8,
    }
}

/// Checks that the result does not depend on how the stream is split, and that each byte is examined a
/// bounded number of times.
pub fn check_splits<D: Decoder>(
    decoder: impl Fn() -> D,
    sample: &Sample<'_>,
    looks: usize,
) -> Outcome {
    let bytes = sample.stream.len();
    work::is_linear(0, 0, usize::MAX / 2);
    let whole = feed(decoder(), [&*sample.stream]);
    work::is_linear(bytes, 1, looks);
    assert_eq!(feed(decoder(), sample.crumbs()), whole, "byte by byte");
    work::is_linear(bytes, sample.crumbs().count(), looks);
    let pieces = sample.pieces();
    let count = pieces.len();
    assert_eq!(feed(decoder(), pieces), whole, "in pieces");
    work::is_linear(bytes, count, looks);

    let rejected = whole.events.iter().filter_map(|event| event.as_ref().err());
    assert!(
        rejected.clone().all(|rejected| rejected.bytes > 0),
        "nothing is rejected"
    );
    whole
}

/// Checks that a decoded part is the same after encoding and decoding. Skips one that contains the
/// delimiter: a boundary must not occur in a body (RFC 2046, section 5.1.1).
pub fn check_round_trip(part: &Part) {
    if part.jpeg.windows(7).any(|window| window == b"--frame") {
        return;
    }
    let sequence = part.sequence.or(Sequence::new(1)).expect("1 is in range");
    let captured_at = part.captured_at.unwrap_or(WallTime::MAX).since_epoch();
    let captured_at = Duration::new(captured_at.as_secs(), captured_at.subsec_micros() * 1000);
    let captured_at =
        WallTime::new(captured_at).expect("whole microseconds of a time in range are in range");
    let encoded = EncodedPart::encode("frame", sequence.get(), captured_at, &part.jpeg);
    assert_eq!(encoded.jpeg(), part.jpeg);
    for framing in [Framing::Length, Framing::Advance] {
        let body = [
            preamble("frame", framing),
            encoded.framed(framing),
            encoded.framed(framing),
        ]
        .concat();
        let mut received = BytesMut::from(body.as_slice());
        let mut decoder = PartDecoder::new(Some("frame"), part.jpeg.len());
        for _ in 0..2 {
            let again = decoder
                .decode(&mut received)
                .expect("it is sound")
                .expect("it is whole");
            assert_eq!((&again.jpeg, again.picture), (&part.jpeg, part.picture));
            if framing == Framing::Length {
                assert_eq!(
                    (again.sequence, again.captured_at),
                    (Some(sequence), Some(captured_at))
                );
            }
        }
        assert_eq!(decoder.decode(&mut received), Ok(None));
        assert_eq!(
            decoder.tally().accepted.bytes,
            decoder.tally().bytes(),
            "nothing is skipped"
        );
    }
}

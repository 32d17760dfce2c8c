//! The oracle of a driver's output, JPEGs or parts.

use framecast::wire::decoder::SourceDecoder;
use framecast::wire::jpeg::Splitter;
use framecast::wire::multipart::PartDecoder;

use super::feed::feed;
use super::parts::{bound, check_round_trip, check_splits};
use super::sample::Sample;

const LOOKS: usize = 90;

pub fn run(input: &[u8]) {
    let Some(sample) = Sample::read(input) else {
        return;
    };
    let bound = bound(sample.choice);
    let outcome = check_splits(|| SourceDecoder::new(bound), &sample, LOOKS);
    outcome
        .parts()
        .into_iter()
        .take(4)
        .for_each(check_round_trip);

    // The result is that of one of the two decoders, behind the garbage.
    let telling = sample
        .stream
        .windows(2)
        .position(|pair| matches!(pair, [0xff, 0xd8] | b"--"));
    let Some((skipped, stream)) = telling.map(|at| sample.stream.split_at(at)) else {
        return assert!(outcome.events.is_empty() && outcome.left.len() <= 1);
    };
    let expected = if stream.starts_with(b"--") {
        feed(PartDecoder::new(None, bound), [stream])
    } else {
        feed(Splitter::new(bound), [stream])
    };
    assert_eq!(
        (outcome.events, outcome.left, outcome.last),
        (expected.events, expected.left, expected.last)
    );
    assert_eq!(
        outcome.tally.discarded_bytes,
        expected.tally.discarded_bytes + skipped.len() as u64
    );
}

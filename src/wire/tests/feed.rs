//! Feeds a stream to a decoder in pieces, and holds the decoder to its word after every call.

use bytes::BytesMut;
use framecast::wire::decoder::SourceDecoder;
use framecast::wire::jpeg::{self, Splitter};
use framecast::wire::multipart::PartDecoder;
use framecast::wire::part::{Part, Reason, Rejected, Tally};

/// A bound no frame here comes near.
pub(crate) const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// What all decoders of frames can do.
pub(crate) trait Decoder {
    fn decode(&mut self, received: &mut BytesMut) -> Result<Option<Part>, Rejected>;
    fn finish(&mut self, received: &mut BytesMut) -> Option<Part>;
    fn tally(&self) -> Tally;
}

macro_rules! decoders {
    ($($decoder:ty),*) => {$(
        impl Decoder for $decoder {
            fn decode(&mut self, received: &mut BytesMut) -> Result<Option<Part>, Rejected> {
                self.decode(received)
            }
            fn finish(&mut self, received: &mut BytesMut) -> Option<Part> {
                self.finish(received)
            }
            fn tally(&self) -> Tally {
                self.tally()
            }
        }
    )*};
}

decoders!(Splitter, PartDecoder, SourceDecoder);

/// Everything that came out of a stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Result<Part, Rejected>>,
    pub(crate) tally: Tally,
    pub(crate) left: Vec<u8>,
    /// The frame that is whole because nothing follows it.
    pub(crate) last: Option<Part>,
}

impl Outcome {
    pub(crate) fn parts(&self) -> Vec<&Part> {
        self.events
            .iter()
            .filter_map(|event| event.as_ref().ok())
            .collect()
    }

    pub(crate) fn jpegs(&self) -> Vec<&[u8]> {
        self.parts()
            .into_iter()
            .map(|part| part.jpeg.as_ref())
            .collect()
    }

    pub(crate) fn reasons(&self) -> Vec<Reason> {
        self.events
            .iter()
            .filter_map(|event| event.as_ref().err())
            .map(|rejected| rejected.reason)
            .collect()
    }
}

/// Feeds the stream piece by piece. After every call the tally must account for every byte fed, and
/// every part must pass the check.
pub(crate) fn feed<'a>(
    mut decoder: impl Decoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Outcome {
    let mut received = BytesMut::new();
    let mut events = Vec::new();
    let mut fed = 0;
    for piece in pieces {
        received.extend_from_slice(piece);
        fed += piece.len() as u64;
        loop {
            let event = decoder.decode(&mut received).transpose();
            assert_eq!(
                decoder.tally().bytes() + received.len() as u64,
                fed,
                "every byte is accounted for"
            );
            let Some(event) = event else { break };
            if let Ok(part) = &event {
                assert_eq!(jpeg::check(&part.jpeg), Ok(part.picture));
            }
            events.push(event);
        }
    }
    let tally = decoder.tally();
    let left = received.to_vec();
    let last = decoder.finish(&mut received);
    assert_eq!(
        decoder.tally().bytes() + received.len() as u64,
        fed,
        "every byte is accounted for"
    );
    if let Some(part) = &last {
        assert_eq!(jpeg::check(&part.jpeg), Ok(part.picture));
    }
    assert_eq!(
        tally.accepted.frames,
        events.iter().filter(|event| event.is_ok()).count() as u64
    );
    for reason in Reason::ALL {
        let rejected = events
            .iter()
            .flat_map(|event| event.as_ref().err())
            .filter(|event| event.reason == reason);
        assert_eq!(tally.rejected(reason).frames, rejected.count() as u64);
    }
    let repaired = events.iter().flatten().filter(|part| part.repair.is_some());
    assert_eq!(tally.repaired_frames, repaired.count() as u64);
    Outcome {
        events,
        tally,
        left,
        last,
    }
}

/// Feeds the stream whole, byte by byte, and in two pieces cut at every place (at every 31st of a
/// long stream): all the same.
pub(crate) fn feed_every_way<D: Decoder>(decoder: impl Fn() -> D, stream: &[u8]) -> Outcome {
    let whole = feed(decoder(), [stream]);
    assert_eq!(feed(decoder(), stream.chunks(1)), whole, "byte by byte");
    let step = if stream.len() < 8192 { 1 } else { 31 };
    for at in (0..=stream.len()).step_by(step) {
        let (first, second) = stream.split_at(at);
        assert_eq!(feed(decoder(), [first, second]), whole, "cut at {at}");
    }
    whole
}

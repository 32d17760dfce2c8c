//! Decodes what a driver writes to its standard output: whole JPEGs one after another, or multipart
//! parts.

use bytes::{Buf, BytesMut};
use memchr::memchr2_iter;

use super::jpeg::Splitter;
use super::multipart::PartDecoder;
use super::part::{Part, Rejected, Tally};

/// Decodes what a driver writes, JPEGs or parts. The first FF D8 or `--` tells which; what precedes
/// it is skipped.
#[derive(Debug)]
pub struct SourceDecoder {
    frame_bytes_max: usize,
    format: Format,
    /// Bytes skipped before the format was known.
    skipped: usize,
}

#[derive(Debug)]
enum Format {
    Unknown,
    Jpegs(Splitter),
    Parts(PartDecoder),
}

impl SourceDecoder {
    /// A decoder that refuses frames larger than `frame_bytes_max`.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            frame_bytes_max,
            format: Format::Unknown,
            skipped: 0,
        }
    }

    /// Takes the next frame off the head of `received`, without a copy; `Ok(None)` until it is
    /// there as a whole. What is left in `received` must stay there, and new bytes be appended to
    /// it.
    ///
    /// # Errors
    /// A frame was flawed, and has been taken off: call again.
    pub fn decode(&mut self, received: &mut BytesMut) -> Result<Option<Part>, Rejected> {
        if let Format::Unknown = self.format {
            self.find_format(received);
        }
        match &mut self.format {
            Format::Unknown => Ok(None),
            Format::Jpegs(splitter) => splitter.decode(received),
            Format::Parts(decoder) => decoder.decode(received),
        }
    }

    /// Takes the frame that `received` ends with, if only its end marker is missing. No more bytes
    /// will come.
    pub fn finish(&mut self, received: &mut BytesMut) -> Option<Part> {
        match &mut self.format {
            Format::Unknown => None,
            Format::Jpegs(splitter) => splitter.finish(received),
            Format::Parts(decoder) => decoder.finish(received),
        }
    }

    /// What has become of the bytes so far.
    pub fn tally(&self) -> Tally {
        let mut tally = match &self.format {
            Format::Unknown => Tally::default(),
            Format::Jpegs(splitter) => splitter.tally(),
            Format::Parts(decoder) => decoder.tally(),
        };
        tally.skip(self.skipped);
        tally
    }

    fn find_format(&mut self, received: &mut BytesMut) {
        let mut keep_from = received.len();
        for at in memchr2_iter(0xff, b'-', received) {
            match received.get(at..at + 2) {
                Some([0xff, 0xd8]) => {
                    self.format = Format::Jpegs(Splitter::new(self.frame_bytes_max))
                }
                Some(b"--") => {
                    self.format = Format::Parts(PartDecoder::new(None, self.frame_bytes_max))
                }
                Some(_) => continue,
                None => {}
            }
            keep_from = at;
            break;
        }
        self.skipped += keep_from;
        received.advance(keep_from);
    }
}

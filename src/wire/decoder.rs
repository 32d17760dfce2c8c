//! A decoder for the output of a camera's driver: JPEGs one after another, or multipart parts.

use bytes::{Buf, BytesMut};
use memchr::memchr2_iter;

use super::jpeg::Splitter;
use super::multipart::PartDecoder;
use super::part::{Part, Rejected, Tally};

/// Decodes JPEGs one after another, or multipart parts. The first FF D8 or `--` determines the
/// format; bytes before it are discarded.
#[derive(Debug)]
pub struct SourceDecoder {
    frame_bytes_max: usize,
    format: Format,
    /// Bytes discarded before the format was known.
    discarded: usize,
}

#[derive(Debug)]
enum Format {
    Unknown,
    Jpegs(Splitter),
    Parts(PartDecoder),
}

impl SourceDecoder {
    /// Creates a decoder that rejects frames larger than `frame_bytes_max` bytes.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            frame_bytes_max,
            format: Format::Unknown,
            discarded: 0,
        }
    }

    /// Removes the next frame from the front of `received` and returns it, without a copy.
    /// `Ok(None)` means that more bytes are needed: leave the rest in `received` and append to it.
    ///
    /// # Errors
    /// A frame was rejected and removed. Call again for the next one.
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

    /// Returns the last frame if only its end marker is missing. Call it at the end of the input.
    pub fn finish(&mut self, received: &mut BytesMut) -> Option<Part> {
        match &mut self.format {
            Format::Unknown => None,
            Format::Jpegs(splitter) => splitter.finish(received),
            Format::Parts(decoder) => decoder.finish(received),
        }
    }

    /// Returns the counts of bytes and frames so far.
    pub fn tally(&self) -> Tally {
        let mut tally = match &self.format {
            Format::Unknown => Tally::default(),
            Format::Jpegs(splitter) => splitter.tally(),
            Format::Parts(decoder) => decoder.tally(),
        };
        tally.skip(self.discarded);
        tally
    }

    fn find_format(&mut self, received: &mut BytesMut) {
        let mut start = received.len();
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
            start = at;
            break;
        }
        self.discarded += start;
        received.advance(start);
    }
}

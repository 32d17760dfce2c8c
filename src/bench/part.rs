//! Checks one part of a stream while it is received, without storing it.

use std::time::Duration;

/// The beginning of a JPEG: start of image (ITU T.81, table B.1).
const START_OF_IMAGE: [u8; 2] = [0xff, 0xd8];
/// The end of a JPEG: end of image (ITU T.81, table B.1).
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

/// The part that is being received.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// The fields of the header block.
    pub(super) header: PartHeader,
    /// The time at which its last byte was read, since the Unix epoch.
    pub(super) arrived_at: Duration,
    seen: usize,
    first: [u8; 2],
    last: [u8; 2],
    checksum: Option<Checksum>,
}

impl Part {
    /// Creates a part behind its header block, with a checksum if `sum`.
    pub(super) fn new(header: PartHeader, sum: bool) -> Self {
        Self {
            header,
            checksum: sum.then(Checksum::default),
            ..Self::default()
        }
    }

    /// Processes the next bytes of the body.
    pub(super) fn pass(&mut self, bytes: &[u8], arrived_at: Duration) {
        for (slot, byte) in self.first.iter_mut().skip(self.seen).zip(bytes) {
            *slot = *byte;
        }
        match *bytes {
            [.., before, last] => self.last = [before, last],
            [last] => self.last = [self.last[1], last],
            [] => return,
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.add(bytes);
        }
        self.seen += bytes.len();
        self.arrived_at = arrived_at;
    }

    /// Counts the next bytes of the body, which were discarded. The first two and the last two bytes
    /// must not be among them.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.seen += bytes;
    }

    /// Whether the first bytes have been seen, so that further bytes may be discarded.
    pub(super) fn has_begun(&self) -> bool {
        self.seen >= START_OF_IMAGE.len()
    }

    /// Whether the body begins and ends like a JPEG.
    pub(super) fn is_whole(&self) -> bool {
        self.seen >= START_OF_IMAGE.len() + END_OF_IMAGE.len()
            && self.first == START_OF_IMAGE
            && self.last == END_OF_IMAGE
    }

    /// Returns the checksum of the body, if there is one.
    pub(super) fn checksum(&self) -> Option<u64> {
        self.checksum.as_ref().map(Checksum::finish)
    }
}

/// The header fields of a part that the bench uses.
#[derive(Clone, Debug, Default)]
pub(super) struct PartHeader {
    /// `Content-Length`: the size of the body, in bytes. Optional.
    pub(super) length: Option<usize>,
    /// `X-Timestamp`: the capture time since the Unix epoch.
    pub(super) captured_at: Option<Duration>,
    /// `X-Frame-Sequence`: the sequence number.
    pub(super) sequence: Option<u64>,
}

impl PartHeader {
    /// The maximum number of header fields.
    const FIELDS_MAX: usize = 32;

    /// Parses a header block, from the line end before it to the empty line. Returns `None` if it is
    /// malformed.
    pub(super) fn parse(block: &[u8]) -> Option<Self> {
        let block = block.strip_prefix(b"\r\n")?;
        let mut fields = [httparse::EMPTY_HEADER; Self::FIELDS_MAX];
        let httparse::Status::Complete((_, fields)) =
            httparse::parse_headers(block, &mut fields).ok()?
        else {
            return None;
        };
        let mut header = Self::default();
        for field in fields {
            let value = field.value.trim_ascii();
            if field.name.eq_ignore_ascii_case("content-length") {
                header.length = Some(decimal(value)?.try_into().ok()?);
            } else if field.name.eq_ignore_ascii_case("x-timestamp") {
                header.captured_at = timestamp(value);
            } else if field.name.eq_ignore_ascii_case("x-frame-sequence") {
                header.sequence = decimal(value);
            }
        }
        Some(header)
    }

    /// Returns the number that must not decrease from part to part: the sequence, or else the capture
    /// time in microseconds.
    pub(super) fn order(&self) -> Option<u64> {
        let micros = || self.captured_at?.as_micros().try_into().ok();
        self.sequence.or_else(micros)
    }
}

/// Parses decimal digits; unlike `str::parse`, without a sign.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Parses seconds with any number of decimals, of which nine count.
fn timestamp(text: &[u8]) -> Option<Duration> {
    let (seconds, decimals) = match memchr::memchr(b'.', text) {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    let mut nanos = 0;
    let mut unit = 1_000_000_000;
    for byte in decimals {
        unit /= 10;
        nanos += unit * u32::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    Some(Duration::new(decimal(seconds)?, nanos))
}

/// A checksum of all bytes, independent of how reads split them.
///
/// FNV-1a over words of eight bytes. One multiplication per word lets one core process more than a
/// gigabyte per second. A difference in a single word changes the checksum.
#[derive(Clone, Debug)]
struct Checksum {
    sum: u64,
    partial: [u8; 8],
    filled: usize,
}

impl Checksum {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    fn add(&mut self, mut bytes: &[u8]) {
        if self.filled > 0 {
            let taken = bytes.len().min(8 - self.filled);
            let (head, rest) = bytes.split_at(taken);
            self.partial[self.filled..self.filled + taken].copy_from_slice(head);
            self.filled += taken;
            bytes = rest;
            if self.filled < 8 {
                return;
            }
            self.mix(self.partial);
            self.filled = 0;
        }
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(*word);
        }
        self.partial[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    fn finish(&self) -> u64 {
        let rest = self.partial[..self.filled].iter();
        rest.fold(self.sum, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(Self::PRIME)
        })
    }

    fn mix(&mut self, word: [u8; 8]) {
        self.sum = (self.sum ^ u64::from_le_bytes(word)).wrapping_mul(Self::PRIME);
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self {
            sum: Self::OFFSET_BASIS,
            partial: [0; 8],
            filled: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_are_parsed_in_any_case_and_order() {
        let header = PartHeader::parse(
            b"\r\nx-frame-sequence: 7\r\nCONTENT-LENGTH: 12\r\nX-Timestamp: 3.25\r\nA: b\r\n\r\n",
        );
        let header = header.unwrap();
        assert_eq!(header.length, Some(12));
        assert_eq!(header.captured_at, Some(Duration::from_millis(3250)));
        assert_eq!(header.order(), Some(7));
    }

    #[test]
    fn timestamp_is_the_order_without_a_sequence() {
        let header = PartHeader::parse(b"\r\nX-Timestamp: 1.000002\r\n\r\n").unwrap();
        assert_eq!(header.order(), Some(1_000_002));
        assert_eq!(PartHeader::parse(b"\r\n\r\n").unwrap().order(), None);
    }

    #[test]
    fn invalid_content_length_is_malformed() {
        for length in ["-1", "+1", "", "1 2", "99999999999999999999"] {
            let block = format!("\r\nContent-Length: {length}\r\n\r\n");
            assert!(PartHeader::parse(block.as_bytes()).is_none(), "{length}");
        }
    }

    #[test]
    fn checksum_does_not_depend_on_reads() {
        let bytes: Vec<u8> = (0..100).collect();
        let mut whole = Checksum::default();
        whole.add(&bytes);
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                let mut cut = Checksum::default();
                cut.add(&bytes[..first]);
                cut.add(&bytes[first..second]);
                cut.add(&bytes[second..]);
                assert_eq!(cut.finish(), whole.finish());
            }
        }
        let mut other = Checksum::default();
        other.add(&bytes[1..]);
        assert_ne!(other.finish(), whole.finish());
    }
}

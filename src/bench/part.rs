//! One part of a stream as a viewer sees it go by: judged while it passes, never kept.

use std::time::Duration;

/// What a JPEG begins with: start of image (ITU T.81, table B.1).
const START_OF_IMAGE: [u8; 2] = [0xff, 0xd8];
/// What a JPEG ends with: end of image (ITU T.81, table B.1).
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

/// The part that is passing.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// What the header block said.
    pub(super) header: PartHeader,
    /// When its last byte was read, as a time since the Unix epoch.
    pub(super) arrived_at: Duration,
    seen: usize,
    first: [u8; 2],
    last: [u8; 2],
    checksum: Option<Checksum>,
}

impl Part {
    /// A part whose header block is complete. `sum` says whether its bytes are summed.
    pub(super) fn new(header: PartHeader, sum: bool) -> Self {
        Self {
            header,
            checksum: sum.then(Checksum::default),
            ..Self::default()
        }
    }

    /// The body's next bytes.
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

    /// The body's next bytes, thrown away unseen. Its first two and last two must not be among
    /// them.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.seen += bytes;
    }

    /// Whether the first bytes have been seen, so that what follows may be skipped.
    pub(super) fn has_begun(&self) -> bool {
        self.seen >= START_OF_IMAGE.len()
    }

    /// Whether the body begins and ends like a JPEG.
    pub(super) fn is_whole(&self) -> bool {
        self.seen >= START_OF_IMAGE.len() + END_OF_IMAGE.len()
            && self.first == START_OF_IMAGE
            && self.last == END_OF_IMAGE
    }

    /// The sum of the body, if it was asked for.
    pub(super) fn checksum(&self) -> Option<u64> {
        self.checksum.as_ref().map(Checksum::finish)
    }
}

/// The header fields of a part that mean something to a viewer.
#[derive(Clone, Debug, Default)]
pub(super) struct PartHeader {
    /// `Content-Length`: the body's bytes. Servers may leave it out.
    pub(super) length: Option<usize>,
    /// `X-Timestamp`: when the picture was taken, as a time since the Unix epoch.
    pub(super) captured_at: Option<Duration>,
    /// `X-Frame-Sequence`: the picture's number.
    pub(super) sequence: Option<u64>,
}

impl PartHeader {
    /// The most header fields a part may have.
    const FIELDS_MAX: usize = 32;

    /// Reads a header block: from the line end before it to the empty line that ends it. `None` if
    /// it is malformed.
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

    /// The number that must not fall from one part to the next: the sequence, or else the time in
    /// microseconds.
    pub(super) fn order(&self) -> Option<u64> {
        let micros = || self.captured_at?.as_micros().try_into().ok();
        self.sequence.or_else(micros)
    }
}

/// Digits alone: unlike `str::parse`, no sign is taken.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Seconds with any number of decimals, of which nine count.
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

/// A sum over every byte that does not depend on how the bytes were cut into reads.
///
/// It is FNV-1a over words of eight bytes: one multiplication a word lets one core sum more than a
/// gigabyte a second, and any single word that differs makes the sum differ.
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
    fn a_header_is_read_in_any_case_and_order() {
        let header = PartHeader::parse(
            b"\r\nx-frame-sequence: 7\r\nCONTENT-LENGTH: 12\r\nX-Timestamp: 3.25\r\nA: b\r\n\r\n",
        );
        let header = header.unwrap();
        assert_eq!(header.length, Some(12));
        assert_eq!(header.captured_at, Some(Duration::from_millis(3250)));
        assert_eq!(header.order(), Some(7));
    }

    #[test]
    fn a_time_is_the_order_where_there_is_no_sequence() {
        let header = PartHeader::parse(b"\r\nX-Timestamp: 1.000002\r\n\r\n").unwrap();
        assert_eq!(header.order(), Some(1_000_002));
        assert_eq!(PartHeader::parse(b"\r\n\r\n").unwrap().order(), None);
    }

    #[test]
    fn a_length_that_is_no_number_is_malformed() {
        for length in ["-1", "+1", "", "1 2", "99999999999999999999"] {
            let block = format!("\r\nContent-Length: {length}\r\n\r\n");
            assert!(PartHeader::parse(block.as_bytes()).is_none(), "{length}");
        }
    }

    #[test]
    fn the_checksum_does_not_see_where_reads_ended() {
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

//! A viewer's parser: checks and counts the parts of a stream without storing them.
//!
//! It has no socket and no clock: bytes and the time of the read go in, counts and [`Arrival`]s come
//! out. One core can follow thousands of viewers, because only the first two and last two bytes of a
//! body are examined, and [`Parser::skippable`] returns the number of bytes that the kernel may
//! discard without a copy.

use std::time::Duration;

use memchr::memmem::{self, Finder};
use serde::Serialize;

use super::answer::{Refusal, delimiter_of};
use super::part::{Part, PartHeader};

/// The maximum size of a response head, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The maximum size of a header block, in bytes. In a larger one, the viewer has lost the boundary.
const PART_HEADER_BYTES_MAX: usize = 4 * 1024;

/// The bytes of a body that are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The first two and last two bytes and the delimiter; the rest may be discarded.
    Ends,
    /// All bytes: a checksum lets the frames of two viewers be compared.
    Bytes,
}

/// The counts of a viewer since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Whole frames, each newer than the one before.
    pub frames: u64,
    /// Whole frames with the number of the one before.
    pub repeated: u64,
    /// Whole frames with a lower number than the one before.
    pub out_of_order: u64,
    /// Malformed parts: no JPEG at the beginning or end, no delimiter at the end, or an invalid
    /// header.
    pub damaged: u64,
    /// Gaps in the sequence numbers: frames that this viewer did not get. `None` if the server sends
    /// no numbers.
    pub skipped: Option<u64>,
    /// Bytes of the stream, with heads and delimiters.
    pub bytes: u64,
}

impl Tally {
    /// Returns the number of parts of every kind.
    pub fn parts(&self) -> u64 {
        self.frames + self.repeated + self.out_of_order + self.damaged
    }

    /// Adds the counts of another viewer.
    pub fn add(&mut self, other: &Tally) {
        self.frames += other.frames;
        self.repeated += other.repeated;
        self.out_of_order += other.out_of_order;
        self.damaged += other.damaged;
        if let Some(skipped) = other.skipped {
            *self.skipped.get_or_insert(0) += skipped;
        }
        self.bytes += other.bytes;
    }
}

/// The arrival of a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The comparison of its number with the one before.
    pub order_change: Order,
    /// The sequence number, or else the capture time in microseconds; `None` if the server sends
    /// neither.
    pub order: Option<u64>,
    /// The capture time according to the server, since the Unix epoch.
    pub captured_at: Option<Duration>,
    /// The time at which its last byte was read, since the Unix epoch.
    pub arrived_at: Duration,
    /// The checksum of its bytes, with [`Check::Bytes`].
    pub checksum: Option<u64>,
}

/// The comparison of a frame's number with that of the frame before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first frame, which the server may have sent late.
    First,
    /// Greater, or the server sends no numbers.
    New,
    /// Equal.
    Repeat,
    /// Less.
    Decreased,
}

/// A parser for one response, from its head to its last part.
pub struct Parser {
    state: State,
    check: Check,
    /// The beginning of a head, a header block or a delimiter that a read has split. Its size is
    /// limited by the constants above.
    carry: Vec<u8>,
    /// CRLF, two dashes and the boundary.
    delimiter: Finder<'static>,
    part: Part,
    last_length: usize,
    last_order: Option<u64>,
    has_frame: bool,
    tally: Tally,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the response head.
    Head,
    /// Searching for a delimiter: before the first part and behind a damaged one.
    Seeking,
    /// Behind a delimiter: the end of its line follows, or the two dashes of the last one (RFC 2046,
    /// section 5.1.1).
    LineEnd,
    /// Behind the first of those two dashes.
    Closing,
    /// In a header block, which begins with the CRLF of the delimiter line.
    Header,
    /// In a body with `Content-Length`, of which this number of bytes is missing.
    Sized(usize),
    /// Behind a body with `Content-Length`: the delimiter must follow.
    Delimiter,
    /// In a body without `Content-Length`, which ends at the delimiter.
    Unsized,
    /// Behind the closing delimiter.
    Ended,
}

impl Parser {
    /// Creates a parser, which expects the response head.
    pub fn new(check: Check) -> Self {
        Self {
            state: State::Head,
            check,
            carry: Vec::new(),
            delimiter: Finder::new(b"\r\n--").into_owned(),
            part: Part::default(),
            last_length: 0,
            last_order: None,
            has_frame: false,
            tally: Tally::default(),
        }
    }

    /// Parses the next bytes of the stream, read at `now` (wall time since the Unix epoch). Calls
    /// `arrived` for each whole frame.
    ///
    /// # Errors
    /// The response is not a stream.
    pub fn receive(
        &mut self,
        mut bytes: &[u8],
        now: Duration,
        arrived: &mut impl FnMut(Arrival),
    ) -> Result<(), Refusal> {
        self.tally.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let used = match self.state {
                State::Head => self.in_head(bytes)?,
                State::Seeking => self.seeking(bytes),
                State::LineEnd => self.at_line_end(bytes),
                State::Closing => self.at_closing(bytes),
                State::Header => self.in_header(bytes),
                State::Sized(left) => self.in_sized_body(left, bytes, now),
                State::Delimiter => self.at_delimiter(bytes, arrived),
                State::Unsized => self.in_unsized_body(bytes, now, arrived),
                State::Ended => bytes.len(),
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Returns the number of next bytes that need not be examined.
    pub fn skippable(&self) -> usize {
        match self.state {
            State::Sized(left) if self.check == Check::Ends && self.part.has_begun() => {
                left.saturating_sub(2)
            }
            _ => 0,
        }
    }

    /// Counts the next `bytes` as discarded; at most [`skippable`](Self::skippable).
    pub fn skip(&mut self, bytes: usize) {
        let skipped = bytes.min(self.skippable());
        if let State::Sized(left) = &mut self.state {
            *left -= skipped;
            self.part.skip(skipped);
            self.tally.bytes += skipped as u64;
        }
    }

    /// Returns the `Content-Length` of the last part as an estimate for the next one; 0 if it had none
    /// or all bytes must be examined.
    pub fn expected_skip(&self) -> usize {
        match self.check {
            Check::Ends => self.last_length,
            Check::Bytes => 0,
        }
    }

    /// Whether the response head is complete.
    pub fn has_answer(&self) -> bool {
        self.state != State::Head
    }

    /// Whether a whole frame has arrived.
    pub fn has_frame(&self) -> bool {
        self.has_frame
    }

    /// Returns the counts.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Returns the counts and resets them.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    fn in_head(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let block = Block::find(&mut self.carry, bytes, HEAD_BYTES_MAX);
        let (used, delimiter) = match block {
            Block::Unfinished => return Ok(bytes.len()),
            Block::Endless { .. } => return Err(Refusal::NotHttp),
            Block::Whole { block, used } => (used, delimiter_of(block)?),
        };
        self.carry.clear();
        self.delimiter = delimiter;
        self.state = State::Seeking;
        Ok(used)
    }

    fn seeking(&mut self, bytes: &[u8]) -> usize {
        // The first delimiter has no CRLF of its own before it.
        let needle = self.delimiter.needle().get(2..).unwrap_or_default();
        let finder = Finder::new(needle);
        let (used, found) = find_across(&mut self.carry, bytes, &finder, |_| {});
        if found {
            self.state = State::LineEnd;
        }
        used
    }

    fn at_line_end(&mut self, bytes: &[u8]) -> usize {
        match bytes.first() {
            Some(b'\r') => self.state = State::Header,
            Some(b'-') => {
                self.state = State::Closing;
                return 1;
            }
            // Padding, which RFC 2046, section 5.1.1, allows.
            Some(b' ' | b'\t') => return 1,
            _ => self.mark_damaged(),
        }
        0
    }

    fn at_closing(&mut self, bytes: &[u8]) -> usize {
        match bytes.first() {
            Some(b'-') => self.state = State::Ended,
            _ => self.mark_damaged(),
        }
        0
    }

    fn in_header(&mut self, bytes: &[u8]) -> usize {
        let (used, header) = match Block::find(&mut self.carry, bytes, PART_HEADER_BYTES_MAX) {
            Block::Whole { block, used } => (used, PartHeader::parse(block)),
            Block::Endless { used } => (used, None),
            Block::Unfinished => return bytes.len(),
        };
        self.carry.clear();
        let Some(header) = header else {
            self.mark_damaged();
            return used;
        };
        let length = header.length;
        self.last_length = length.unwrap_or(0);
        self.part = Part::new(header, self.check == Check::Bytes);
        self.state = match length {
            Some(0) => State::Delimiter,
            Some(length) => State::Sized(length),
            None => State::Unsized,
        };
        used
    }

    fn in_sized_body(&mut self, left: usize, bytes: &[u8], now: Duration) -> usize {
        let used = left.min(bytes.len());
        self.part.pass(&bytes[..used], now);
        self.state = match left - used {
            0 => State::Delimiter,
            left => State::Sized(left),
        };
        used
    }

    fn at_delimiter(&mut self, bytes: &[u8], arrived: &mut impl FnMut(Arrival)) -> usize {
        let delimiter = self.delimiter.needle();
        let due = &delimiter[self.carry.len()..];
        let used = due
            .iter()
            .zip(bytes)
            .take_while(|(due, byte)| due == byte)
            .count();
        self.carry.extend_from_slice(&bytes[..used]);
        if self.carry.len() == delimiter.len() {
            self.carry.clear();
            self.state = State::LineEnd;
            self.finish_part(arrived);
        } else if used < bytes.len() {
            // The bytes stay in `carry`: the delimiter may begin inside them.
            self.mark_damaged();
        }
        used
    }

    fn in_unsized_body(
        &mut self,
        bytes: &[u8],
        now: Duration,
        arrived: &mut impl FnMut(Arrival),
    ) -> usize {
        let part = &mut self.part;
        let pass = |body: &[u8]| part.pass(body, now);
        let (used, found) = find_across(&mut self.carry, bytes, &self.delimiter, pass);
        if found {
            self.state = State::LineEnd;
            self.finish_part(arrived);
        }
        used
    }

    /// Counts a damaged part and searches for the next one.
    fn mark_damaged(&mut self) {
        self.tally.damaged += 1;
        self.state = State::Seeking;
    }

    /// Counts the part that has ended.
    fn finish_part(&mut self, arrived: &mut impl FnMut(Arrival)) {
        if !self.part.is_whole() {
            self.tally.damaged += 1;
            return;
        }
        let order = self.part.header.order();
        let order_change = match (self.last_order, order) {
            _ if !self.has_frame => Order::First,
            (Some(last), Some(order)) if order == last => Order::Repeat,
            (Some(last), Some(order)) if order < last => Order::Decreased,
            _ => Order::New,
        };
        if let Some(sequence) = self.part.header.sequence {
            let skipped = self.tally.skipped.get_or_insert(0);
            if let (Order::New, Some(last)) = (order_change, self.last_order) {
                *skipped += sequence.saturating_sub(last).saturating_sub(1);
            }
        }
        match order_change {
            Order::First | Order::New => self.tally.frames += 1,
            Order::Repeat => self.tally.repeated += 1,
            Order::Decreased => self.tally.out_of_order += 1,
        }
        self.has_frame = true;
        self.last_order = order;
        arrived(Arrival {
            order_change,
            order,
            captured_at: self.part.header.captured_at,
            arrived_at: self.part.arrived_at,
            checksum: self.part.checksum(),
        });
    }
}

/// A block of lines up to the empty line.
enum Block<'a> {
    /// The block with its empty line, and the number of new bytes in it.
    Whole { block: &'a [u8], used: usize },
    /// The block is incomplete; all its bytes are in the carry.
    Unfinished,
    /// The block exceeds its limit, with this number of new bytes.
    Endless { used: usize },
}

impl<'a> Block<'a> {
    const END: &'static [u8] = b"\r\n\r\n";

    /// Finds the end of a block in `carry` and `bytes`. Copies only a block that a read has split.
    fn find(carry: &'a mut Vec<u8>, bytes: &'a [u8], limit: usize) -> Self {
        let carried = carry.len();
        if carried == 0
            && let Some(end) = memmem::find(&bytes[..bytes.len().min(limit)], Self::END)
        {
            let used = end + Self::END.len();
            return Self::Whole {
                block: &bytes[..used],
                used,
            };
        }
        carry.extend_from_slice(&bytes[..bytes.len().min(limit.saturating_sub(carried))]);
        let searched = carried.saturating_sub(Self::END.len() - 1);
        match memmem::find(&carry[searched..], Self::END) {
            Some(end) => {
                let whole = searched + end + Self::END.len();
                Self::Whole {
                    block: &carry[..whole],
                    used: whole - carried,
                }
            }
            None if carry.len() >= limit => Self::Endless {
                used: carry.len() - carried,
            },
            None => Self::Unfinished,
        }
    }
}

/// Searches for `finder`'s needle across reads. `carry` contains the end of earlier reads, which may be
/// the beginning of the needle. Passes all bytes before the needle to `passed`, once. Returns the
/// number of processed `bytes` and whether they end with the needle. Call it again with the rest.
fn find_across(
    carry: &mut Vec<u8>,
    bytes: &[u8],
    finder: &Finder,
    mut passed: impl FnMut(&[u8]),
) -> (usize, bool) {
    let needle_len = finder.needle().len();
    let overlap = needle_len.saturating_sub(1);
    if carry.is_empty() {
        if let Some(start) = finder.find(bytes) {
            passed(&bytes[..start]);
            return (start + needle_len, true);
        }
        let (done, kept) = bytes.split_at(bytes.len().saturating_sub(overlap));
        passed(done);
        carry.extend_from_slice(kept);
        return (bytes.len(), false);
    }
    let carried = carry.len();
    let added = bytes.len().min(overlap);
    carry.extend_from_slice(&bytes[..added]);
    if let Some(start) = finder.find(carry) {
        passed(&carry[..start]);
        let used = (start + needle_len).saturating_sub(carried);
        carry.clear();
        return (used, true);
    }
    if added < bytes.len() {
        // No needle begins in the carry, so the search continues in `bytes`.
        passed(&carry[..carried]);
        carry.clear();
        return (0, false);
    }
    let done = carry.len().saturating_sub(overlap);
    passed(&carry[..done]);
    carry.drain(..done);
    (bytes.len(), false)
}

//! A viewer's parser: follows a stream byte by byte, counts its parts and judges them, and keeps
//! none of it.
//!
//! It is pure: bytes and the time they were read go in, counts and [`Arrival`]s come out. What
//! makes one core enough for thousands of viewers is that a body leaves no trace here but its first
//! two and last two bytes, and that [`Parser::skippable`] tells the reader which bytes the kernel
//! may throw away without copying them at all.

use std::time::Duration;

use memchr::memmem::{self, Finder};
use serde::Serialize;

use super::answer::{Refusal, delimiter_of};
use super::part::{Part, PartHeader};

/// A response head larger than this is no answer to wait for.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A part's header block larger than this means that the viewer has lost its place.
const PART_HEADER_BYTES_MAX: usize = 4 * 1024;

/// How closely bodies are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrutiny {
    /// The first two and last two bytes and the delimiter; the rest may be thrown away unseen.
    Ends,
    /// Every byte is summed, so that what two viewers got can be compared.
    Bytes,
}

/// What one viewer got since the counts were last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Whole pictures, each newer than the one before.
    pub frames: u64,
    /// Whole pictures with the number of the one before.
    pub repeated: u64,
    /// Whole pictures with a number below the one before.
    pub out_of_order: u64,
    /// Parts that were malformed: no JPEG at either end, no delimiter where it was due, or a header
    /// that makes no sense.
    pub damaged: u64,
    /// Sequence numbers that were passed over: pictures this viewer was not sent.
    pub skipped: u64,
    /// Bytes of the stream, heads and delimiters included.
    pub bytes: u64,
}

impl Tally {
    /// Parts of every kind: what the server had to send.
    pub fn parts(&self) -> u64 {
        self.frames + self.repeated + self.out_of_order + self.damaged
    }

    /// Adds another viewer's counts.
    pub fn add(&mut self, other: &Tally) {
        self.frames += other.frames;
        self.repeated += other.repeated;
        self.out_of_order += other.out_of_order;
        self.damaged += other.damaged;
        self.skipped += other.skipped;
        self.bytes += other.bytes;
    }
}

/// A whole picture, as it is told to whoever compares viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// How its number compares with the one before.
    pub novelty: Novelty,
    /// Its sequence, or else its time of capture in microseconds; `None` if the server sends
    /// neither.
    pub order: Option<u64>,
    /// When it was taken, by the server's word, as a time since the Unix epoch.
    pub captured_at: Option<Duration>,
    /// When its last byte was read, as a time since the Unix epoch.
    pub arrived_at: Duration,
    /// The sum of its bytes, under [`Scrutiny::Bytes`].
    pub checksum: Option<u64>,
}

/// How a picture's number compares with that of the picture before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// There was none before: what a viewer is shown on joining, as old as it may be.
    First,
    /// It is greater, or the server sends no numbers.
    New,
    /// It is the same.
    Repeat,
    /// It is less.
    Fallen,
}

/// Follows one response from its head to its last part.
pub struct Parser {
    state: State,
    scrutiny: Scrutiny,
    /// The beginning of what a read cut in two: of a head, a header block or a delimiter. Bounded
    /// by the limits above.
    carry: Vec<u8>,
    /// CRLF, two dashes and the boundary.
    delimiter: Finder<'static>,
    part: Part,
    last_length: usize,
    last_order: Option<u64>,
    has_shown: bool,
    tally: Tally,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The response head is not complete.
    Head,
    /// Looking for a delimiter: before the first part, and after a part that was damaged.
    Seeking,
    /// Behind a delimiter: its line ends here, or two dashes say that it was the last (RFC 2046,
    /// section 5.1.1).
    LineEnd,
    /// Behind the first of those two dashes.
    Closing,
    /// In a part's header block, which begins with the CRLF that ends the delimiter's line.
    Header,
    /// In a body whose `Content-Length` leaves this many bytes.
    Sized(usize),
    /// A sized body has ended: nothing but the delimiter may follow.
    Delimiter,
    /// In a body without `Content-Length`: it lasts until the delimiter.
    Unsized,
    /// The closing delimiter has been seen.
    Ended,
}

impl Parser {
    /// A parser that awaits the response head.
    pub fn new(scrutiny: Scrutiny) -> Self {
        Self {
            state: State::Head,
            scrutiny,
            carry: Vec::new(),
            delimiter: Finder::new(b"\r\n--").into_owned(),
            part: Part::default(),
            last_length: 0,
            last_order: None,
            has_shown: false,
            tally: Tally::default(),
        }
    }

    /// Takes the stream's next bytes, read at `now` (wall time since the Unix epoch); each whole
    /// picture is told to `arrived`. An error means that this response is no stream: it comes at
    /// most once, from its head.
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

    /// How many of the next bytes nobody needs to see.
    pub fn skippable(&self) -> usize {
        match self.state {
            State::Sized(left) if self.scrutiny == Scrutiny::Ends && self.part.has_begun() => {
                left.saturating_sub(2)
            }
            _ => 0,
        }
    }

    /// Notes that the next `bytes`, no more than were [`skippable`](Self::skippable), are gone
    /// unseen.
    pub fn skip(&mut self, bytes: usize) {
        let skipped = bytes.min(self.skippable());
        if let State::Sized(left) = &mut self.state {
            *left -= skipped;
            self.part.skip(skipped);
            self.tally.bytes += skipped as u64;
        }
    }

    /// The `Content-Length` of the newest part, which is a good guess at the next; 0 if it had
    /// none, or must be seen.
    pub fn expected_skip(&self) -> usize {
        match self.scrutiny {
            Scrutiny::Ends => self.last_length,
            Scrutiny::Bytes => 0,
        }
    }

    /// Whether the response head is complete, and good.
    pub fn has_answer(&self) -> bool {
        self.state != State::Head
    }

    /// Whether any whole picture has come.
    pub fn has_shown(&self) -> bool {
        self.has_shown
    }

    /// The counts so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Takes the counts and begins new ones; the place in the stream is kept.
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
        // Before the first part the delimiter has no CRLF of its own: the head's last one stands
        // for it.
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
            // Padding, which RFC 2046 section 5.1.1 allows.
            Some(b' ' | b'\t') => return 1,
            _ => self.tear(),
        }
        0
    }

    fn at_closing(&mut self, bytes: &[u8]) -> usize {
        match bytes.first() {
            Some(b'-') => self.state = State::Ended,
            _ => self.tear(),
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
            self.tear();
            return used;
        };
        let length = header.length;
        self.last_length = length.unwrap_or(0);
        self.part = Part::new(header, self.scrutiny == Scrutiny::Bytes);
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
            self.judge(arrived);
        } else if used < bytes.len() {
            // What did look like a delimiter stays in `carry`: the true one may begin within it.
            self.tear();
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
            self.judge(arrived);
        }
        used
    }

    /// Counts a part whose place in the stream is lost, and looks for the next.
    fn tear(&mut self) {
        self.tally.damaged += 1;
        self.state = State::Seeking;
    }

    /// Counts the part that has just ended with its delimiter.
    fn judge(&mut self, arrived: &mut impl FnMut(Arrival)) {
        if !self.part.is_whole() {
            self.tally.damaged += 1;
            return;
        }
        let order = self.part.header.order();
        let novelty = match (self.last_order, order) {
            _ if !self.has_shown => Novelty::First,
            (Some(last), Some(order)) if order == last => Novelty::Repeat,
            (Some(last), Some(order)) if order < last => Novelty::Fallen,
            _ => Novelty::New,
        };
        match novelty {
            Novelty::First => self.tally.frames += 1,
            Novelty::New => {
                self.tally.frames += 1;
                if let (Some(last), Some(sequence)) = (self.last_order, self.part.header.sequence) {
                    self.tally.skipped += sequence.saturating_sub(last).saturating_sub(1);
                }
            }
            Novelty::Repeat => self.tally.repeated += 1,
            Novelty::Fallen => self.tally.out_of_order += 1,
        }
        self.has_shown = true;
        self.last_order = order;
        arrived(Arrival {
            novelty,
            order,
            captured_at: self.part.header.captured_at,
            arrived_at: self.part.arrived_at,
            checksum: self.part.checksum(),
        });
    }
}

/// A run of lines up to the empty one.
enum Block<'a> {
    /// The block with its empty line, and how many of the new bytes belong to it.
    Whole { block: &'a [u8], used: usize },
    /// Everything so far, the new bytes included, is in the carry.
    Unfinished,
    /// It is past its limit, which these of the new bytes have reached.
    Endless { used: usize },
}

impl<'a> Block<'a> {
    const END: &'static [u8] = b"\r\n\r\n";

    /// Finds a block's end in what was carried and `bytes`. Only what a read cut in two is copied.
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

/// Searches a stream for `finder`'s needle across reads: `carry` holds the end of the earlier ones,
/// which may be the needle's beginning. Everything before the needle is told to `passed`, once.
/// Returns how many of `bytes` are done with and whether they end with the needle; if not and some
/// are left, calling again goes on.
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
        // No needle begins in what was carried, so the search goes on in `bytes` alone.
        passed(&carry[..carried]);
        carry.clear();
        return (0, false);
    }
    let done = carry.len().saturating_sub(overlap);
    passed(&carry[..done]);
    carry.drain(..done);
    (bytes.len(), false)
}

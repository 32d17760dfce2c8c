//! The header block of a part, line by line.

use memchr::memchr;

use crate::wire::metadata::{IgnoredFields, Sequence, WallTime};
use crate::wire::part::{REJECTED_FIELD, REPAIRED_FIELD, Reason, Repair};

/// A header block that is being read.
#[derive(Debug)]
pub(super) struct Head {
    /// Where the line to be read next begins.
    pub(super) line: usize,
    /// Before this offset that line does not end.
    pub(super) scanned: usize,
    /// Whether the blank line has come: what follows is the body.
    pub(super) ended: bool,
    /// Where the delimiter line ends, and whether it is not the settled one.
    pub(super) delimiter: usize,
    pub(super) is_other: bool,
    pub(super) fields: Fields,
}

/// What the header block of a part says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    /// Whether there was any field at all, known or not.
    pub(super) any: bool,
    pub(super) captured_at: Stated<WallTime>,
    pub(super) sequence: Stated<Sequence>,
    /// What the driver has ignored of the frame.
    pub(super) ignored: IgnoredFields,
    pub(super) content_length: Option<usize>,
    /// What the driver has mended in the frame.
    pub(super) repair: Option<Repair>,
    /// Why the driver has rejected the frame, in the place of which this header block stands.
    pub(super) rejected: Option<Reason>,
}

/// The value of a field that a part may have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Stated<T> {
    #[default]
    Absent,
    /// It is no number, or one out of range.
    Ignored,
    Value(T),
}

impl Head {
    /// A header block behind a delimiter line that ends at `delimiter`; `is_other` if that is not
    /// the settled one.
    pub(super) fn new(delimiter: usize, is_other: bool) -> Self {
        let fields = Fields::default();
        Self {
            line: delimiter,
            scanned: delimiter,
            ended: false,
            delimiter,
            is_other,
            fields,
        }
    }

    pub(super) fn end(&mut self, line_break: usize) {
        self.ended = true;
        self.line += line_break;
        self.scanned = self.line;
    }

    /// Reads the next line of `block`, if it is whole. Whether it is a field.
    pub(super) fn read_line(&mut self, block: &[u8]) -> Option<bool> {
        let Some(length) = memchr(b'\n', block.get(self.scanned..)?) else {
            self.scanned = block.len();
            return None;
        };
        let end = self.scanned + length;
        let is_field = self.fields.read(block.get(self.line..end)?);
        self.line = end + 1;
        self.scanned = end + 1;
        Some(is_field)
    }
}

impl<T> From<Option<T>> for Stated<T> {
    /// A field that is there, with its value if that was accepted.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Ignored, Self::Value)
    }
}

impl<T> Stated<T> {
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Ignored => None,
        }
    }

    fn is_ignored(&self) -> bool {
        matches!(self, Self::Ignored)
    }
}

impl Fields {
    /// Which facts the source or its driver stated, but not so that they can be used.
    pub(super) fn ignored(&self) -> IgnoredFields {
        let ours = IgnoredFields {
            timestamp: self.captured_at.is_ignored(),
            sequence: self.sequence.is_ignored(),
        };
        ours.or(self.ignored)
    }

    /// Reads one line. Whether it is a field at all: a name, which is a token (RFC 9110, section
    /// 5.1), and a colon.
    fn read(&mut self, line: &[u8]) -> bool {
        let Some((name, value)) = str::from_utf8(line)
            .ok()
            .and_then(|line| line.split_once(':'))
        else {
            return false;
        };
        let (name, value) = (name.trim_end(), value.trim());
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        {
            return false;
        }
        self.any = true;
        if name.eq_ignore_ascii_case("X-Timestamp") {
            self.captured_at = WallTime::parse(value).into();
        } else if name.eq_ignore_ascii_case("X-Frame-Sequence") {
            self.sequence = Sequence::parse(value).into();
        } else if name.eq_ignore_ascii_case(IgnoredFields::FIELD) {
            self.ignored = IgnoredFields::parse(value);
        } else if name.eq_ignore_ascii_case("Content-Length") {
            self.content_length = value.parse().ok();
        } else if name.eq_ignore_ascii_case(REPAIRED_FIELD) {
            self.repair = Repair::from_name(value);
        } else if name.eq_ignore_ascii_case(REJECTED_FIELD) {
            self.rejected = Reason::from_name(value);
        }
        true
    }
}

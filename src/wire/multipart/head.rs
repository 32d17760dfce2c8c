//! Parses the header block of a part, line by line.

use memchr::memchr;

use crate::wire::metadata::{IgnoredFields, Sequence, WallTime};
use crate::wire::part::{REJECTED_FIELD, REPAIRED_FIELD, Reason, Repair};

/// The state inside a header block.
#[derive(Debug)]
pub(super) struct Head {
    /// The offset of the current line.
    pub(super) line: usize,
    /// The current line does not end before this offset.
    pub(super) scanned: usize,
    /// Whether the empty line has arrived: the body follows.
    pub(super) ended: bool,
    /// The end of the delimiter line.
    pub(super) delimiter: usize,
    /// Whether the delimiter differs from the confirmed one.
    pub(super) is_other: bool,
    pub(super) fields: Fields,
}

/// The fields of a header block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    /// Whether there is any field, known or not.
    pub(super) any: bool,
    pub(super) captured_at: FieldValue<WallTime>,
    pub(super) sequence: FieldValue<Sequence>,
    /// The fields that the driver has ignored.
    pub(super) ignored: IgnoredFields,
    pub(super) content_length: Option<usize>,
    /// The driver's repair of the frame.
    pub(super) repair: Option<Repair>,
    /// The driver's reason for rejecting the frame; the part has no picture then.
    pub(super) rejected: Option<Reason>,
}

/// The value of an optional field.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum FieldValue<T> {
    #[default]
    Absent,
    /// Present, but no number or out of range.
    Ignored,
    Value(T),
}

impl Head {
    /// Creates the state behind a delimiter line.
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

    /// Parses the next line of `block`, if it is complete. Returns whether it is a field.
    pub(super) fn parse_line(&mut self, block: &[u8]) -> Option<bool> {
        let Some(length) = memchr(b'\n', block.get(self.scanned..)?) else {
            self.scanned = block.len();
            return None;
        };
        let end = self.scanned + length;
        let is_field = self.fields.parse(block.get(self.line..end)?);
        self.line = end + 1;
        self.scanned = end + 1;
        Some(is_field)
    }
}

impl<T> From<Option<T>> for FieldValue<T> {
    /// Converts the result of parsing a present field.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Ignored, Self::Value)
    }
}

impl<T> FieldValue<T> {
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
    /// Returns the fields that were present but invalid, here or in the driver.
    pub(super) fn ignored(&self) -> IgnoredFields {
        let own = IgnoredFields {
            timestamp: self.captured_at.is_ignored(),
            sequence: self.sequence.is_ignored(),
        };
        own.or(self.ignored)
    }

    /// Parses one line. Returns whether it is a field: a name, which is a token (RFC 9110, section
    /// 5.1), and a colon.
    fn parse(&mut self, line: &[u8]) -> bool {
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

//! Finds the delimiter between two parts.

use memchr::{memchr, memchr2_iter};

use crate::wire::jpeg;

/// The longest boundary that is accepted from a body (RFC 2046, section 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// Bytes on a delimiter line for the closing dashes, blanks and the line end.
const PADDING_BYTES_MAX: usize = 8;

/// The result of a search between two parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A delimiter line. `start` is the offset of the line break before it, `end` that behind its
    /// own line break.
    Delimiter { start: usize, end: usize },
    /// A JPEG without a delimiter before it.
    Jpeg { start: usize },
    /// Nothing begins before `clear`. The bytes behind it may be the beginning of a delimiter or a
    /// JPEG.
    Nothing { clear: usize },
}

/// The classification of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Delimiter { end: usize },
    Other,
    Unfinished,
}

/// The delimiters to search for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Only the known one: a picture may contain any other.
    Known,
    /// Any line of the form `--boundary`: between two pictures, where the boundary may change.
    Any,
}

/// The boundary as far as it is known.
///
/// Some cameras declare one boundary and use another, declare it with its dashes, begin without
/// any, or change it from part to part. So the declaration in the HTTP header is only a hint.
/// Between two pictures any line of the form `--boundary` is a delimiter. Inside a picture only the
/// known one is, once it is confirmed.
#[derive(Debug)]
pub(super) struct Boundary {
    /// The delimiter with its dashes, as declared or last seen; empty if unknown.
    delimiter: Vec<u8>,
    confirmed: bool,
}

impl Boundary {
    /// Creates a boundary from the declaration in the HTTP header, with or without dashes and
    /// quotes.
    pub(super) fn new(declared: Option<&str>) -> Self {
        let word = declared
            .unwrap_or_default()
            .trim_matches([' ', '"'])
            .trim_matches('-');
        let delimiter = if word.is_empty() {
            Vec::new()
        } else {
            format!("--{word}").into()
        };
        Self {
            delimiter,
            confirmed: false,
        }
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Confirms the boundary: a valid part followed the last delimiter.
    pub(super) fn confirm(&mut self) {
        self.confirmed = true;
    }

    /// Withdraws the confirmation: pictures arrive without a delimiter between them.
    pub(super) fn unconfirm(&mut self) {
        self.confirmed = false;
    }

    /// Whether `line` is the known delimiter.
    pub(super) fn matches(&self, line: &[u8]) -> bool {
        self.is_known(line.trim_ascii_end(), true)
    }

    /// Replaces the known delimiter. Its length is limited, since every byte that may begin a
    /// delimiter is compared with it.
    pub(super) fn replace(&mut self, line: &[u8]) {
        self.delimiter = delimiter_of(line).to_vec();
    }

    /// Finds the first delimiter in `bytes` from offset `from` on; with [`Wanted::Any`], also the
    /// first JPEG.
    pub(super) fn find(&self, bytes: &[u8], from: usize, wanted: Wanted) -> Found {
        let other = if wanted == Wanted::Known { b'-' } else { 0xff };
        for offset in memchr2_iter(b'-', other, bytes.get(from..).unwrap_or_default()) {
            let at = from + offset;
            if bytes.get(at) == Some(&0xff) {
                match bytes.get(at + 1) {
                    None => return Found::Nothing { clear: at },
                    Some(next) if [0xff, *next] == jpeg::START => return Found::Jpeg { start: at },
                    Some(_) => continue,
                }
            }
            match self.line_at(bytes, at, wanted) {
                Line::Delimiter { end } => {
                    return Found::Delimiter {
                        start: before_line_break(bytes, at),
                        end,
                    };
                }
                Line::Unfinished => {
                    return Found::Nothing {
                        clear: before_line_break(bytes, at),
                    };
                }
                Line::Other => {}
            }
        }
        Found::Nothing {
            clear: before_line_break(bytes, bytes.len()),
        }
    }

    /// Returns the maximum length of a delimiter line.
    pub(super) fn line_bytes_max(&self) -> usize {
        self.delimiter.len().max(BOUNDARY_BYTES_MAX) + PADDING_BYTES_MAX
    }

    /// Classifies the line at `at`. The known delimiter may begin inside a line, because some
    /// cameras write no line break before it; any other one must begin a line.
    pub(super) fn line_at(&self, bytes: &[u8], at: usize, wanted: Wanted) -> Line {
        let rest = bytes.get(at..).unwrap_or_default();
        let bytes_max = self.line_bytes_max();
        let window = rest.get(..bytes_max).unwrap_or(rest);
        let (line, end) = match memchr(b'\n', window) {
            Some(length) => (&window[..length], Some(at + length + 1)),
            None if window.len() == bytes_max => return Line::Other,
            None => (window, None),
        };
        let begins_line = at == 0 || bytes.get(at - 1) == Some(&b'\n');
        let whole = end.is_some();
        if !self.is_known(line, whole)
            && (wanted == Wanted::Known || !begins_line || !is_plausible(line, whole))
        {
            return Line::Other;
        }
        end.map_or(Line::Unfinished, |end| Line::Delimiter { end })
    }

    /// Whether `line` is the known delimiter or, if it is incomplete, its beginning.
    fn is_known(&self, line: &[u8], whole: bool) -> bool {
        let (word, padding) = line.split_at(self.delimiter.len().min(line.len()));
        !self.delimiter.is_empty()
            && self.delimiter.starts_with(word)
            && (!whole || word.len() == self.delimiter.len())
            && padding.iter().all(|byte| b"- \t\r".contains(byte))
    }
}

/// Whether `line` is a delimiter with any boundary or, if it is incomplete, the beginning of one.
fn is_plausible(line: &[u8], whole: bool) -> bool {
    let dashed = line.starts_with(b"--") || (!whole && b"--".starts_with(line));
    dashed
        && line.len() < BOUNDARY_BYTES_MAX + PADDING_BYTES_MAX
        && line
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r'))
        && (!whole || delimiter_of(line).iter().any(|byte| *byte != b'-'))
}

/// Removes the end of a delimiter line: blanks, and the two dashes that close a body (RFC 2046,
/// section 5.1.1).
fn delimiter_of(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_end();
    line.strip_suffix(b"--").unwrap_or(line)
}

/// Returns the offset of the line break before `at`, which belongs to the delimiter (RFC 2046,
/// section 5.1.1); `at` if there is none.
fn before_line_break(bytes: &[u8], at: usize) -> usize {
    let before = bytes.get(..at).unwrap_or_default();
    let before = before.strip_suffix(b"\n").unwrap_or(before);
    before.strip_suffix(b"\r").unwrap_or(before).len()
}

//! The line between two parts, and how it is found.

use memchr::{memchr, memchr2_iter};

use crate::wire::jpeg;

/// The longest boundary that is learnt from a body (RFC 2046, section 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// Room on a delimiter line for the closing dashes, blanks and a line end.
const PADDING_BYTES_MAX: usize = 8;

/// What comes next between two parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A delimiter line from `start`, where the line break before it begins, to `end`, behind its
    /// own.
    Delimiter { start: usize, end: usize },
    /// A JPEG with nothing before it.
    Jpeg { start: usize },
    /// Nothing that begins before `clear`; what follows may be the beginning of something.
    Nothing { clear: usize },
}

/// Whether a line is a delimiter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Delimiter { end: usize },
    Other,
    Unfinished,
}

/// Which delimiters are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The known one: a picture may hold anything else.
    Known,
    /// Any line of the form `--word`: between two pictures, where the boundary may change.
    Any,
}

/// What is known of the boundary.
///
/// Cameras declare one boundary and use another, put its dashes into the declaration, begin without
/// any, or change it from part to part. So what the HTTP header declares is only a hint, and
/// between two pictures any line of the form `--word` is taken for a delimiter. Within a picture
/// nothing but the known one counts, once it is settled.
#[derive(Debug)]
pub(super) struct Boundary {
    /// The delimiter with its dashes, as declared or last seen; empty if neither.
    delimiter: Vec<u8>,
    settled: bool,
}

impl Boundary {
    /// Starts from what the HTTP header declares, if anything: with or without its dashes and
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
            settled: false,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// A part has come as it should behind the last delimiter: this is the boundary.
    pub(super) fn settle(&mut self) {
        self.settled = true;
    }

    /// Pictures come without a delimiter between them.
    pub(super) fn unsettle(&mut self) {
        self.settled = false;
    }

    /// Whether `line` is the known delimiter.
    pub(super) fn knows(&self, line: &[u8]) -> bool {
        self.is_known(line.trim_ascii_end(), true)
    }

    /// Remembers the word of a delimiter line. What is known has a bound, as every byte that may
    /// begin a delimiter is compared with it.
    pub(super) fn learn(&mut self, line: &[u8]) {
        self.delimiter = delimiter_of(line).to_vec();
    }

    /// Finds the first delimiter (or, if any is wanted, the first JPEG) in `bytes` that begins at
    /// `from` or later.
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

    /// No delimiter line is longer.
    pub(super) fn line_bytes_max(&self) -> usize {
        self.delimiter.len().max(BOUNDARY_BYTES_MAX) + PADDING_BYTES_MAX
    }

    /// Tells whether a delimiter line begins at `at`. The known delimiter may begin anywhere, as
    /// some cameras end no line before it; any other one begins a line.
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

    /// Whether `line` is the known delimiter, or can become it while it is not whole.
    fn is_known(&self, line: &[u8], whole: bool) -> bool {
        let (word, padding) = line.split_at(self.delimiter.len().min(line.len()));
        !self.delimiter.is_empty()
            && self.delimiter.starts_with(word)
            && (!whole || word.len() == self.delimiter.len())
            && padding.iter().all(|byte| b"- \t\r".contains(byte))
    }
}

/// Whether `line` is a delimiter with any boundary, or can become one while it is not whole.
fn is_plausible(line: &[u8], whole: bool) -> bool {
    let dashed = line.starts_with(b"--") || (!whole && b"--".starts_with(line));
    dashed
        && line.len() < BOUNDARY_BYTES_MAX + PADDING_BYTES_MAX
        && line
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r'))
        && (!whole || delimiter_of(line).iter().any(|byte| *byte != b'-'))
}

/// A delimiter line without its end: blanks, and the two dashes that close a body (RFC 2046,
/// section 5.1.1).
fn delimiter_of(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_end();
    line.strip_suffix(b"--").unwrap_or(line)
}

/// The line break before a delimiter belongs to it (RFC 2046, section 5.1.1): where it begins, if
/// there is one.
fn before_line_break(bytes: &[u8], at: usize) -> usize {
    let before = bytes.get(..at).unwrap_or_default();
    let before = before.strip_suffix(b"\n").unwrap_or(before);
    before.strip_suffix(b"\r").unwrap_or(before).len()
}

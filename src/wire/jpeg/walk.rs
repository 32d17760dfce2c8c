//! An incremental parser that finds the end of a JPEG.

use memchr::{memchr, memmem};

use super::{JpegError, Picture, START};

pub(super) const STUFFED: u8 = 0x00;
pub(super) const TEM: u8 = 0x01;
pub(super) const DHT: u8 = 0xc4;
const JPG: u8 = 0xc8;
const DAC: u8 = 0xcc;
pub(super) const RST0: u8 = 0xd0;
pub(super) const RST7: u8 = 0xd7;
pub(super) const SOI: u8 = 0xd8;
pub(super) const EOI: u8 = 0xd9;
pub(super) const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
pub(super) const DRI: u8 = 0xdd;
const DHP: u8 = 0xde;
const EXP: u8 = 0xdf;
pub(super) const APP0: u8 = 0xe0;
pub(super) const APP15: u8 = 0xef;
/// The frame header of JPEG-LS (ITU T.87).
const SOF55: u8 = 0xf7;
const COM: u8 = 0xfe;
pub(super) const FILL: u8 = 0xff;

/// The maximum length of a segment that is neither application data nor a comment. The largest one
/// that T.81 defines has eight Huffman tables (2,186 bytes). If a picture is truncated inside a
/// length, the parser notices it within 4 KiB instead of 64 KiB.
const TABLE_BYTES_MAX: usize = 4096;

/// The result of [`Walk::advance`].
#[derive(Debug)]
pub(in crate::wire) enum Step {
    /// More bytes are needed.
    More,
    /// The end-of-image marker was found: the picture has `length` bytes. The bytes are well formed
    /// even if `picture` is an error.
    End {
        picture: Result<Picture, JpegError>,
        length: usize,
    },
    /// The bytes are not a JPEG. The bytes before `end` have been parsed; the next picture begins
    /// there or later, or at [`Walk::inner_start`].
    Broken { flaw: JpegError, end: usize },
}

/// A parser that walks through one JPEG from segment to segment. It continues where it stopped:
/// even if the picture arrives byte by byte, no byte of a scan is examined twice, and of a segment
/// only the first four bytes are.
#[derive(Debug)]
pub(in crate::wire) struct Walk {
    /// The offset up to which the picture has been parsed.
    at: usize,
    /// Whether `at` is inside entropy-coded data.
    in_scan: bool,
    /// The offset of the length field of the last complete segment; at first, the end of the start
    /// marker.
    segment: usize,
    /// The offset of FF D8 inside a table or header: probably the picture was truncated and the
    /// next one begins there. In application data and comments FF D8 is valid, for example a
    /// thumbnail.
    suspect: Option<usize>,
    /// Height and width from the frame header.
    size: Option<(u16, u16)>,
    /// The error for a coding that no browser supports.
    unsupported: Option<JpegError>,
    first_scan: Option<usize>,
    huffman_tables: bool,
}

impl Walk {
    /// Creates a parser. The caller has checked the start-of-image marker.
    pub(in crate::wire) fn new() -> Self {
        Self {
            at: START.len(),
            in_scan: false,
            segment: START.len(),
            suspect: None,
            size: None,
            unsupported: None,
            first_scan: None,
            huffman_tables: false,
        }
    }

    /// Parses on. `jpeg` is the picture from its start marker on, with all bytes received so far.
    pub(in crate::wire) fn advance(&mut self, jpeg: &[u8]) -> Step {
        loop {
            let rest = jpeg.get(self.at..).unwrap_or_default();
            let step = if self.in_scan {
                self.skip_scan(rest)
            } else {
                self.skip_marker(rest)
            };
            match step {
                None => {}
                // A start marker may begin with the last parsed byte.
                Some(Step::Broken { flaw, end }) if jpeg.get(end - 1) == Some(&0xff) => {
                    return Step::Broken { flaw, end: end - 1 };
                }
                Some(step) => return step,
            }
        }
    }

    /// Whether at least one segment is complete. If the parser fails earlier, the bytes are hardly
    /// a picture.
    pub(in crate::wire) fn has_begun(&self) -> bool {
        self.segment > START.len()
    }

    /// Whether bytes that failed with `flaw` were no picture: garbage, or a start marker that is
    /// followed by another one before a frame header.
    pub(in crate::wire) fn is_false_start(&self, flaw: JpegError) -> bool {
        !self.has_begun() || (flaw == JpegError::Truncated && self.size.is_none())
    }

    /// Whether a scan has begun.
    pub(in crate::wire) fn has_scan(&self) -> bool {
        self.first_scan.is_some()
    }

    /// Returns the offset of the next picture if it begins inside this one, which failed before
    /// `end`: this picture was truncated inside a segment whose length reaches beyond the next
    /// start marker.
    pub(super) fn inner_start(&self, jpeg: &[u8], end: usize) -> Option<usize> {
        let last = jpeg.get(self.segment..end).unwrap_or_default();
        self.suspect
            .or_else(|| memmem::find(last, &START).map(|at| self.segment + at))
    }

    /// Returns the offset of the first scan, if no Huffman table precedes it.
    pub(super) fn bare_scan(&self) -> Option<usize> {
        self.first_scan.filter(|_| !self.huffman_tables)
    }

    /// Skips entropy-coded data up to the next marker other than a restart (T.81, B.1.1.5).
    fn skip_scan(&mut self, rest: &[u8]) -> Option<Step> {
        let Some(clear) = memchr(0xff, rest) else {
            self.at += rest.len();
            return Some(Step::More);
        };
        self.at += clear;
        match rest.get(clear + 1) {
            None => return Some(Step::More),
            Some(&(STUFFED | RST0..=RST7)) => self.at += 2,
            Some(&FILL) => self.at += 1,
            Some(_) => self.in_scan = false,
        }
        None
    }

    /// Skips one marker, with its segment if it has one.
    fn skip_marker(&mut self, rest: &[u8]) -> Option<Step> {
        let code = match rest {
            [] | [0xff] => return Some(Step::More),
            [0xff, code, ..] => *code,
            [_, ..] => return self.broken(1),
        };
        match code {
            FILL => self.at += 1,
            TEM => self.at += 2,
            SOI => {
                return Some(Step::Broken {
                    flaw: JpegError::Truncated,
                    end: self.at,
                });
            }
            EOI => {
                return Some(Step::End {
                    picture: self.picture(),
                    length: self.at + 2,
                });
            }
            0xc0..=0xcf if code != JPG => return self.skip_segment(code, rest),
            SOS..=EXP | SOF55 | APP0..=APP15 | COM => return self.skip_segment(code, rest),
            // Restart markers outside a scan, and reserved ones (T.81, table B.1).
            _ => return self.broken(2),
        }
        None
    }

    /// Parses the segment at the front of `rest`, once it is complete.
    fn skip_segment(&mut self, code: u8, rest: &[u8]) -> Option<Step> {
        let [_, _, high, low, ..] = *rest else {
            return Some(Step::More);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let application = matches!(code, APP0..=APP15 | COM);
        if length < 2 || (length > TABLE_BYTES_MAX && !application) {
            return self.broken(4);
        }
        // A segment is never the last one. The byte behind it may be the second of a start marker.
        let Some(segment) = rest.get(2..3 + length) else {
            return Some(Step::More);
        };
        let parameters = segment.get(2..length).unwrap_or_default();
        let is_valid = match code {
            SOS => self.begin_scan(parameters),
            DHT => {
                self.huffman_tables |= self.first_scan.is_none();
                true
            }
            DHP | EXP => {
                self.unsupported = Some(JpegError::Hierarchical);
                true
            }
            DAC | DQT..=DRI | APP0..=APP15 | COM => true,
            _ => self.read_frame_header(code, parameters),
        };
        if !is_valid {
            return self.broken(2 + length);
        }
        self.segment = self.at + 2;
        if !application && self.suspect.is_none() {
            self.suspect = memmem::find(segment, &START).map(|at| self.segment + at);
        }
        self.at += 2 + length;
        None
    }

    /// Parses a scan header: two bytes for each of one to four components, and four others (T.81,
    /// B.2.3). Returns whether it is valid.
    fn begin_scan(&mut self, parameters: &[u8]) -> bool {
        self.first_scan.get_or_insert(self.at);
        self.in_scan = true;
        matches!(parameters, [components @ 1..=4, rest @ ..] if rest.len() == 2 * usize::from(*components) + 3)
    }

    /// Parses the frame header: six bytes, and three for each component (T.81, B.2.2). Returns
    /// whether it is valid. A second one belongs to the next picture, unless the picture is
    /// hierarchical.
    fn read_frame_header(&mut self, code: u8, parameters: &[u8]) -> bool {
        let [precision, y1, y0, x1, x0, components, rest @ ..] = parameters else {
            return false;
        };
        let size = (
            u16::from_be_bytes([*y1, *y0]),
            u16::from_be_bytes([*x1, *x0]),
        );
        let is_second =
            self.size.replace(size).is_some() && self.unsupported != Some(JpegError::Hierarchical);
        self.unsupported = self.unsupported.or(unsupported(code, *precision));
        !is_second && *components > 0 && rest.len() == 3 * usize::from(*components)
    }

    /// Returns the properties of the picture.
    pub(in crate::wire) fn picture(&self) -> Result<Picture, JpegError> {
        match (self.size, self.first_scan, self.unsupported) {
            (None, ..) | (_, None, _) => Err(JpegError::NoFrame),
            (_, _, Some(flaw)) => Err(flaw),
            (Some((0, _) | (_, 0)), ..) => Err(JpegError::ZeroSize),
            (Some((height, width)), ..) => Ok(Picture {
                width,
                height,
                huffman_tables: self.huffman_tables,
            }),
        }
    }

    fn broken(&self, parsed: usize) -> Option<Step> {
        // JPEG-LS stuffs bits, not bytes, so its scans fail; the coding is the real reason.
        let flaw = self
            .unsupported
            .filter(|_| self.has_scan())
            .unwrap_or(JpegError::BadSegment);
        Some(Step::Broken {
            flaw,
            end: self.at + parsed,
        })
    }
}

/// Returns the error for a coding that browsers do not support (T.81, table B.1; ITU T.87, C.1.1).
/// They support sequential and progressive pictures with Huffman coding and 8 bits per sample.
fn unsupported(code: u8, precision: u8) -> Option<JpegError> {
    match code {
        0xc3 | SOF55 => Some(JpegError::Lossless),
        0xc5..=0xc7 | 0xcd..=0xcf => Some(JpegError::Hierarchical),
        0xc9..=0xcb => Some(JpegError::Arithmetic),
        _ => (precision != 8).then_some(JpegError::TwelveBit),
    }
}

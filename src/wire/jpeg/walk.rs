//! The walk through a JPEG that arrives piece by piece.

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

/// The longest segment that is neither application data nor a comment. The largest that T.81 gives
/// a meaning to are eight Huffman tables (2,186 bytes). Where a picture was cut within a length,
/// this tells it from the next 4 KiB rather than the next 64.
const TABLE_BYTES_MAX: usize = 4096;

/// What a walk has found.
#[derive(Debug)]
pub(in crate::wire) enum Step {
    /// No end yet, and nothing wrong.
    More,
    /// The end-of-image marker: the picture has `length` bytes. They are well formed even where
    /// what they say of the picture is flawed.
    End {
        picture: Result<Picture, JpegError>,
        length: usize,
    },
    /// The bytes are no JPEG. Those before `end` have been looked at; the next picture may begin
    /// there at the earliest, unless this one has swallowed its beginning ([`Walk::swallowed`]).
    Broken { flaw: JpegError, end: usize },
}

/// A walk through one JPEG. It remembers where it stopped: no byte of a scan is looked at twice,
/// and of a segment only the first four, however small the pieces in which the picture arrives.
#[derive(Debug)]
pub(in crate::wire) struct Walk {
    /// Everything before this has been walked.
    at: usize,
    /// Whether `at` is within entropy-coded data, where any byte but FF passes.
    in_scan: bool,
    /// Where the length field of the last whole segment is; just after the start marker while there
    /// was none.
    segment: usize,
    /// Where a table or header has FF D8 within, which is what a picture that was cut there and
    /// followed by the next one looks like. Application data and comments do not count: a thumbnail
    /// belongs there.
    suspect: Option<usize>,
    /// Height and width, as the frame header has them.
    size: Option<(u16, u16)>,
    /// A way of coding that no browser shows.
    unsupported: Option<JpegError>,
    first_scan: Option<usize>,
    huffman_tables: bool,
}

impl Walk {
    /// A walk that starts after the start-of-image marker, which the caller has seen.
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

    /// Goes on as far as `jpeg` reaches: the picture from its start marker on, with what has come
    /// since the last call.
    pub(in crate::wire) fn advance(&mut self, jpeg: &[u8]) -> Step {
        loop {
            let rest = jpeg.get(self.at..).unwrap_or_default();
            let step = if self.in_scan {
                self.cross_scan(rest)
            } else {
                self.cross_marker(rest)
            };
            match step {
                None => {}
                // A start marker may begin with the last byte looked at.
                Some(Step::Broken { flaw, end }) if jpeg.get(end - 1) == Some(&0xff) => {
                    return Step::Broken { flaw, end: end - 1 };
                }
                Some(step) => return step,
            }
        }
    }

    /// Whether at least one segment was whole. What breaks earlier is hardly a picture, but stray
    /// bytes.
    pub(in crate::wire) fn has_begun(&self) -> bool {
        self.segment > START.len()
    }

    /// Whether a picture that broke by `flaw` was none: stray bytes, or a start marker that another
    /// one follows before any frame header.
    pub(in crate::wire) fn is_false_start(&self, flaw: JpegError) -> bool {
        !self.has_begun() || (flaw == JpegError::Truncated && self.size.is_none())
    }

    /// Whether a scan has begun.
    pub(in crate::wire) fn has_scan(&self) -> bool {
        self.first_scan.is_some()
    }

    /// Where the next picture begins if this one, which broke before `end`, has swallowed its
    /// beginning: it was cut within a segment, and the length of that led past the next start
    /// marker.
    pub(super) fn swallowed(&self, jpeg: &[u8], end: usize) -> Option<usize> {
        let last = jpeg.get(self.segment..end).unwrap_or_default();
        self.suspect
            .or_else(|| memmem::find(last, &START).map(|at| self.segment + at))
    }

    /// Where the first scan begins, if no Huffman table precedes it.
    pub(super) fn bare_scan(&self) -> Option<usize> {
        self.first_scan.filter(|_| !self.huffman_tables)
    }

    /// Passes entropy-coded data up to the next marker that is not a restart (T.81, B.1.1.5).
    fn cross_scan(&mut self, rest: &[u8]) -> Option<Step> {
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

    /// Passes one marker, with its segment if it has one.
    fn cross_marker(&mut self, rest: &[u8]) -> Option<Step> {
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
            0xc0..=0xcf if code != JPG => return self.cross_segment(code, rest),
            SOS..=EXP | SOF55 | APP0..=APP15 | COM => return self.cross_segment(code, rest),
            // Restarts outside a scan, and what T.81 reserves (table B.1).
            _ => return self.broken(2),
        }
        None
    }

    /// Passes the segment at the head of `rest`, once it is there as a whole.
    fn cross_segment(&mut self, code: u8, rest: &[u8]) -> Option<Step> {
        let [_, _, high, low, ..] = *rest else {
            return Some(Step::More);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let application = matches!(code, APP0..=APP15 | COM);
        if length < 2 || (length > TABLE_BYTES_MAX && !application) {
            return self.broken(4);
        }
        // The byte behind it, which there always is, may be the second of a start marker.
        let Some(segment) = rest.get(2..3 + length) else {
            return Some(Step::More);
        };
        let parameters = segment.get(2..length).unwrap_or_default();
        let sound = match code {
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
        if !sound {
            return self.broken(2 + length);
        }
        self.segment = self.at + 2;
        if !application && self.suspect.is_none() {
            self.suspect = memmem::find(segment, &START).map(|at| self.segment + at);
        }
        self.at += 2 + length;
        None
    }

    /// A scan header holds two bytes for each of one to four components, and four more (T.81,
    /// B.2.3).
    fn begin_scan(&mut self, parameters: &[u8]) -> bool {
        self.first_scan.get_or_insert(self.at);
        self.in_scan = true;
        matches!(parameters, [components @ 1..=4, rest @ ..] if rest.len() == 2 * usize::from(*components) + 3)
    }

    /// There is one frame header, and it holds three bytes for each component (T.81, B.2.2). A
    /// second one is the next picture's, unless the picture is hierarchical.
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

    /// What the headers say of the picture.
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

    fn broken(&self, looked_at: usize) -> Option<Step> {
        // JPEG-LS stuffs bits where JPEG stuffs bytes, so its scans break.
        let flaw = self
            .unsupported
            .filter(|_| self.has_scan())
            .unwrap_or(JpegError::BadSegment);
        Some(Step::Broken {
            flaw,
            end: self.at + looked_at,
        })
    }
}

/// Why no browser shows a picture with this frame header (T.81, table B.1; ITU T.87, C.1.1), if so.
/// Sequential and progressive pictures with Huffman coding and eight bits a sample are shown.
fn unsupported(code: u8, precision: u8) -> Option<JpegError> {
    match code {
        0xc3 | SOF55 => Some(JpegError::Lossless),
        0xc5..=0xc7 | 0xcd..=0xcf => Some(JpegError::Hierarchical),
        0xc9..=0xcb => Some(JpegError::Arithmetic),
        _ => (precision != 8).then_some(JpegError::TwelveBit),
    }
}

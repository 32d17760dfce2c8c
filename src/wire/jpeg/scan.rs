//! Determines whether a picture without an end marker is whole: reads the Huffman codes of its last
//! scan and counts the blocks.
//!
//! Some cameras omit the end marker (FF D9). Their pictures look like truncated ones; only the
//! entropy-coded data show whether all blocks are there. The values of coefficients are skipped.

use memchr::memchr;

use super::walk::{DHT, DRI, EOI, FILL, RST0, RST7, SOI, SOS, STUFFED, TEM};
use super::{START, huffman};

/// The largest scan whose blocks are counted, in bytes: 1 MiB takes about 15 ms, in which the
/// server does nothing else.
const SCAN_BYTES_MAX: usize = 1024 * 1024;

/// The end of a JPEG without an end marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) enum Ending {
    /// The last block is complete: only the end marker is missing, at offset `length`.
    Whole { length: usize },
    /// Blocks are missing.
    Cut,
    /// The blocks cannot be counted: the picture is progressive, very large or damaged.
    Unknown,
}

/// Determines how `jpeg` ends, which begins with a start marker and has no end marker. Bytes behind
/// the last block, such as padding, are ignored. The work is linear in the number of bytes.
pub(in crate::wire) fn ending(jpeg: &[u8]) -> Ending {
    let mut headers = Headers::default();
    let mut at = START.len();
    while let Some(marker) = jpeg.get(at..) {
        let (code, parameters) = match *marker {
            [0xff, FILL, ..] => {
                at += 1;
                continue;
            }
            [0xff, TEM | RST0..=RST7, ..] => {
                at += 2;
                continue;
            }
            [0xff, EOI | SOI, ..] => return Ending::Unknown,
            [0xff, code, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                let Some(parameters) = marker.get(4..2 + length) else {
                    return Ending::Cut;
                };
                at += 2 + length;
                (code, parameters)
            }
            _ => return Ending::Cut,
        };
        if code != SOS {
            headers.read(code, parameters);
            continue;
        }
        let data = jpeg.get(at..).unwrap_or_default();
        match next_marker(data) {
            Some(next) => {
                headers.scanned += usize::from(parameters.first().copied().unwrap_or(0));
                at += next;
            }
            None => {
                return match headers.count(parameters, data) {
                    Ending::Whole { length } => Ending::Whole {
                        length: at + length,
                    },
                    other => other,
                };
            }
        }
    }
    Ending::Cut
}

/// Returns the offset of the first marker in entropy-coded `data` other than a restart.
fn next_marker(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr(0xff, data.get(at..)?)?;
        match data.get(at + 1) {
            None | Some(&(STUFFED | FILL | RST0..=RST7)) => at += 1,
            Some(_) => return Some(at),
        }
    }
}

/// The headers before a scan.
#[derive(Default)]
struct Headers<'a> {
    /// Height, width, and the three bytes of each component; `None` if the picture is not
    /// sequential.
    frame: Option<(usize, usize, &'a [u8])>,
    /// Macroblocks between two restart markers; 0 if there are none.
    restart_interval: usize,
    /// The Huffman tables by class (0 for DC, 1 for AC) and number.
    tables: [[Option<Table<'a>>; 4]; 2],
    /// The number of components in earlier scans.
    scanned: usize,
}

impl<'a> Headers<'a> {
    fn read(&mut self, code: u8, parameters: &'a [u8]) {
        match (code, parameters) {
            // Baseline and extended sequential (T.81, table B.1).
            (0xc0 | 0xc1, [8, y1, y0, x1, x0, _, components @ ..]) => {
                let [height, width] =
                    [[*y1, *y0], [*x1, *x0]].map(|side| usize::from(u16::from_be_bytes(side)));
                self.frame = Some((height, width, components));
            }
            (DHT, _) => self.read_tables(parameters),
            (DRI, [high, low]) => {
                self.restart_interval = usize::from(u16::from_be_bytes([*high, *low]))
            }
            _ => {}
        }
    }

    fn read_tables(&mut self, mut segment: &'a [u8]) {
        while let Some((&class_and_number, rest)) = segment.split_first() {
            let Some((lengths, rest)) = rest.split_first_chunk() else {
                return;
            };
            let count = lengths.iter().map(|&count| usize::from(count)).sum();
            let Some((values, rest)) = rest.split_at_checked(count) else {
                return;
            };
            segment = rest;
            let class = self.tables.get_mut(usize::from(class_and_number >> 4));
            if let Some(table) =
                class.and_then(|class| class.get_mut(usize::from(class_and_number & 15)))
            {
                *table = Table::new(lengths, values);
            }
        }
    }

    /// Counts the blocks of the last scan. `parameters` is the content of its header.
    fn count(&self, parameters: &[u8], data: &[u8]) -> Ending {
        if data.len() > SCAN_BYTES_MAX {
            return Ending::Unknown;
        }
        let Some((scan, macroblocks)) = self.plan(parameters) else {
            return Ending::Unknown;
        };
        let mut bits = Bits {
            data,
            at: 0,
            held: 0,
            count: 0,
        };
        for macroblock in 0..macroblocks {
            if self.restart_interval > 0
                && macroblock > 0
                && macroblock % self.restart_interval == 0
                && !bits.restart()
            {
                return if bits.is_short() {
                    Ending::Cut
                } else {
                    Ending::Unknown
                };
            }
            for Component { dc, ac, blocks } in &scan {
                for _ in 0..*blocks {
                    match bits.skip_block(dc, ac) {
                        Some(true) => {}
                        Some(false) => return Ending::Unknown,
                        None => return Ending::Cut,
                    }
                }
            }
        }
        Ending::Whole { length: bits.end() }
    }

    /// Returns the components of the last scan and its number of macroblocks (T.81, A.2); `None` if
    /// another scan must follow or the headers are invalid.
    fn plan(&self, parameters: &[u8]) -> Option<(Vec<Component<'_>>, usize)> {
        let (height, width, components) = self.frame?;
        let (&count, selectors) = parameters.split_first()?;
        let count = usize::from(count);
        if self.scanned + count != components.len() / 3 {
            return None;
        }
        let sampling = |component: &[u8]| {
            component
                .get(1)
                .map(|hv| (usize::from(hv >> 4), usize::from(hv & 15)))
        };
        let samplings: Vec<_> = components.chunks_exact(3).filter_map(sampling).collect();
        let (h_max, v_max) = (
            samplings.iter().map(|s| s.0).max()?,
            samplings.iter().map(|s| s.1).max()?,
        );
        if samplings
            .iter()
            .any(|&(h, v)| !(1..=4).contains(&h) || !(1..=4).contains(&v))
        {
            return None;
        }
        let mut scan = Vec::with_capacity(count);
        let mut macroblocks = width.div_ceil(8 * h_max) * height.div_ceil(8 * v_max);
        for selector in selectors.chunks_exact(2).take(count) {
            let [id, tables] = *selector else { return None };
            let component = components
                .chunks_exact(3)
                .find(|component| component.first() == Some(&id))?;
            let (h, v) = sampling(component)?;
            if count == 1 {
                let blocks =
                    |side: usize, own: usize, most: usize| (side * own).div_ceil(most).div_ceil(8);
                macroblocks = blocks(width, h, h_max) * blocks(height, v, v_max);
            }
            let table = |class: usize, number: u8| {
                let own = self.tables.get(class)?.get(usize::from(number))?.clone();
                own.or_else(|| self.standard(class, number))
            };
            let blocks = if count == 1 { 1 } else { h * v };
            scan.push(Component {
                dc: table(0, tables >> 4)?,
                ac: table(1, tables & 15)?,
                blocks,
            });
        }
        (scan.len() == count).then_some((scan, macroblocks))
    }

    /// Returns the standard table, if this picture has no tables at all.
    fn standard(&self, class: usize, number: u8) -> Option<Table<'static>> {
        let has_none = self.tables.iter().flatten().all(Option::is_none);
        let (lengths, values) = has_none
            .then(|| huffman::standard(class as u8, number))
            .flatten()?;
        Table::new(lengths, values)
    }
}

/// A component of a scan.
struct Component<'a> {
    dc: Table<'a>,
    ac: Table<'a>,
    /// The number of its blocks in a macroblock.
    blocks: usize,
}

/// A Huffman table, prepared for decoding (T.81, F.2.2.3).
#[derive(Clone)]
struct Table<'a> {
    /// For each length: the smallest 16-bit number that does not begin with a code of that length
    /// or a shorter one.
    limits: [u32; 16],
    /// For each length: the difference between a code and the index of its value.
    offsets: [i32; 16],
    values: &'a [u8],
}

impl<'a> Table<'a> {
    /// Returns `None` if a length has more codes than its bits allow.
    fn new(lengths: &[u8; 16], values: &'a [u8]) -> Option<Self> {
        let (mut limits, mut offsets) = ([0; 16], [0; 16]);
        let (mut code, mut place) = (0_u32, 0_u32);
        for (index, &count) in lengths.iter().enumerate() {
            offsets[index] = place as i32 - code as i32;
            code += u32::from(count);
            place += u32::from(count);
            limits[index] = code << (15 - index);
            if limits[index] > 0x1_0000 {
                return None;
            }
            code <<= 1;
        }
        Some(Self {
            limits,
            offsets,
            values,
        })
    }
}

/// A bit reader for entropy-coded data. Behind the end it returns ones, the padding of encoders
/// (T.81, F.1.2.3).
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    held: u64,
    /// The number of bits in `held`; negative if more have been taken than there were.
    count: i32,
}

impl Bits<'_> {
    /// Fills `held` with more than 32 bits, if there are as many.
    fn fill(&mut self) {
        while self.count <= 32 {
            let byte = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(&0xff), Some(&STUFFED)) => {
                    self.at += 2;
                    0xff
                }
                (None | Some(&0xff), _) => return,
                (Some(&byte), _) => {
                    self.at += 1;
                    byte
                }
            };
            self.held = self.held << 8 | u64::from(byte);
            self.count += 8;
        }
    }

    /// Returns the next `count` bits, at most 16, without taking them.
    fn peek(&self, count: i32) -> u32 {
        let spare = self.count - count;
        let bits = match spare {
            0.. => self.held >> spare,
            _ => self.held << -spare | ((1 << -spare) - 1),
        };
        bits as u32 & ((1 << count) - 1)
    }

    /// Skips one block. Returns whether its codes are valid; `None` if the data end inside it.
    fn skip_block(&mut self, dc: &Table, ac: &Table) -> Option<bool> {
        let Some(size) = self.symbol(dc)? else {
            return Some(false);
        };
        self.take(i32::from(size & 15))?;
        let mut coefficient = 1;
        while coefficient < 64 {
            let Some(symbol) = self.symbol(ac)? else {
                return Some(false);
            };
            let (run, size) = (symbol >> 4, symbol & 15);
            match size {
                0 if run == 15 => coefficient += 16,
                0 => break,
                _ => {
                    coefficient += 1 + i32::from(run);
                    self.take(i32::from(size))?;
                }
            }
        }
        Some(coefficient <= 64)
    }

    /// Takes one code. Returns its value, or `Some(None)` if the bits are no code; `None` if the
    /// data end.
    fn symbol(&mut self, table: &Table) -> Option<Option<u8>> {
        self.fill();
        let bits = self.peek(16);
        let Some(index) = table.limits.iter().position(|&limit| bits < limit) else {
            return (self.count >= 16).then_some(None);
        };
        let code = (bits >> (15 - index)) as i32;
        self.take(index as i32 + 1)?;
        Some(
            usize::try_from(code + table.offsets[index])
                .ok()
                .and_then(|place| table.values.get(place).copied()),
        )
    }

    /// Takes `count` bits. Returns `None` if there are fewer.
    fn take(&mut self, count: i32) -> Option<()> {
        if self.count < count {
            self.fill();
        }
        self.count -= count;
        (self.count >= 0).then_some(())
    }

    /// Skips a restart marker, which is aligned to a byte. Returns whether there is one.
    fn restart(&mut self) -> bool {
        self.fill();
        if self.count >= 8 {
            return false;
        }
        self.count = 0;
        while self.data.get(self.at..self.at + 2) == Some(&[0xff, FILL]) {
            self.at += 1;
        }
        match self.data.get(self.at..self.at + 2) {
            Some([0xff, RST0..=RST7]) => {
                self.at += 2;
                true
            }
            _ => false,
        }
    }

    /// Whether the data end here.
    fn is_short(&self) -> bool {
        self.at + 2 > self.data.len()
    }

    /// Returns the offset behind the byte that contains the last bit taken.
    fn end(&self) -> usize {
        let mut end = self.at;
        for _ in 0..self.count.max(0) / 8 {
            end -= 1;
            if self.data.get(end) == Some(&STUFFED)
                && end > 0
                && self.data.get(end - 1) == Some(&0xff)
            {
                end -= 1;
            }
        }
        end
    }
}

//! Pictures without compression, and JPEGs of them.
//!
//! The encoder takes a row of each of luma, Cb and Cr, which is how most cameras give them: only
//! the range of values is changed, and the matrix where it is another (see `color`).

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use super::color::{self, Colors, Conversion, Tables};
use super::format::{Packing, PixelFormat};

/// How the bytes of a picture lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    packing: Packing,
    width: u16,
    height: u16,
    /// From the start of one row to that of the next, in bytes; in the first plane if there are
    /// several.
    stride: usize,
    conversion: Conversion,
}

/// The picture has fewer bytes than its size asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the picture has {bytes} bytes instead of {needed}")]
pub struct TooShort {
    /// The bytes there are.
    pub bytes: usize,
    /// The bytes there should be.
    pub needed: usize,
}

impl Layout {
    /// Pictures of `format` with a size in pixels. `stride` is the distance of two rows in bytes
    /// (of luma, where that has a plane of its own), and 0 or any number that is too small stands
    /// for rows without a gap.
    ///
    /// `None` if `format` is a JPEG already, or if a side is 0 or more than a JPEG's can be.
    pub fn new(
        format: PixelFormat,
        width: u32,
        height: u32,
        stride: u32,
        colors: Colors,
    ) -> Option<Self> {
        let side = |side| u16::try_from(side).ok().filter(|side| *side > 0);
        let (width, height) = side(width).zip(side(height))?;
        let packing = format.packing();
        let pixel_bytes = match packing {
            Packing::Jpeg => return None,
            Packing::Pairs { .. } | Packing::Rgb565 => 2,
            Packing::Rgb { bytes, .. } => bytes,
            Packing::TwoPlanes { .. } | Packing::ThreePlanes { .. } | Packing::Grey => 1,
        };
        let stride = (stride as usize).max(usize::from(width) * pixel_bytes);
        Some(Self {
            packing,
            width,
            height,
            stride,
            conversion: colors.conversion(packing),
        })
    }

    /// The bytes of a picture that lies so.
    pub fn bytes(&self) -> usize {
        let (rows, planes) = (usize::from(self.height), self.chroma_planes());
        self.stride * rows + planes.map_or(0, |planes| planes.count * planes.stride * planes.rows)
    }

    /// The planes of chroma behind that of luma, if there are any. Where a side is odd, the last
    /// column or row has chroma of its own; a gap between rows is in proportion.
    fn chroma_planes(&self) -> Option<ChromaPlanes> {
        let rows = |shared| usize::from(self.height).div_ceil(shared);
        match self.packing {
            Packing::TwoPlanes { rows: shared, .. } => Some(ChromaPlanes {
                count: 1,
                stride: self.stride.next_multiple_of(2),
                rows: rows(shared),
            }),
            Packing::ThreePlanes { rows: shared, .. } => Some(ChromaPlanes {
                count: 2,
                stride: self.stride.div_ceil(2),
                rows: rows(shared),
            }),
            _ => None,
        }
    }

    /// The picture as a baseline JPEG with as much color as it has. `quality` is from 1 to 100.
    ///
    /// # Errors
    /// `picture` is cut short.
    pub fn encode(&self, picture: &[u8], quality: u8) -> Result<Vec<u8>, TooShort> {
        let (bytes, needed) = (picture.len(), self.bytes());
        let picture = picture.get(..needed).ok_or(TooShort { bytes, needed })?;
        let mut jpeg = Vec::with_capacity(needed / 8);
        let mut encoder = Encoder::new(&mut jpeg, quality);
        encoder.set_sampling_factor(match self.packing {
            Packing::Grey => SamplingFactor::F_1_1,
            _ if self.shared_rows() == 2 => SamplingFactor::F_2_2,
            _ => SamplingFactor::F_2_1,
        });
        let encoded = encoder.encode_image(Picture {
            layout: self,
            bytes: picture,
        });
        encoded.expect("both sides are above 0, and a Vec takes every byte");
        Ok(jpeg)
    }

    /// How many rows of the JPEG share a row of chroma.
    fn shared_rows(&self) -> usize {
        match self.packing {
            Packing::TwoPlanes { rows, .. } | Packing::ThreePlanes { rows, .. } => rows,
            Packing::Rgb { .. } | Packing::Rgb565 => 2,
            Packing::Pairs { .. } | Packing::Grey | Packing::Jpeg => 1,
        }
    }
}

/// Where chroma is, if not beside luma.
struct ChromaPlanes {
    count: usize,
    /// From the start of one row to that of the next, in bytes.
    stride: usize,
    /// The rows of each plane.
    rows: usize,
}

/// A picture with all the bytes that its layout asks for.
struct Picture<'a> {
    layout: &'a Layout,
    bytes: &'a [u8],
}

impl ImageBuffer for Picture<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        if self.layout.packing == Packing::Grey {
            JpegColorType::Luma
        } else {
            JpegColorType::Ycbcr
        }
    }

    fn width(&self) -> u16 {
        self.layout.width
    }

    fn height(&self) -> u16 {
        self.layout.height
    }

    /// The encoder wants a value of each kind for every pixel, and then skips those that the JPEG
    /// is not to have.
    fn fill_buffers(&self, y: u16, [luma, blue, red, _]: &mut [Vec<u8>; 4]) {
        let (y, width) = (usize::from(y), usize::from(self.layout.width));
        let Conversion {
            tables,
            turn,
            widen,
        } = self.layout.conversion;
        let luma = grow(luma, width);
        if self.layout.packing == Packing::Grey {
            return expand(luma, self.row(y), &tables.luma);
        }
        let (blue, red) = (grow(blue, width), grow(red, width));
        // The last row stands for those below it, which the encoder adds to fill a block.
        let is_skipped =
            y % self.layout.shared_rows() > 0 && y + 1 < usize::from(self.layout.height);
        let with_chroma = !is_skipped || turn.is_some();
        self.fill(y, luma, with_chroma.then_some([&mut *blue, &mut *red]));
        if let Some(turn) = turn {
            turn.apply(luma, blue, red);
        }
        if widen {
            color::widen(luma, 16, 0);
            if with_chroma {
                color::widen(blue, 128, 128);
                color::widen(red, 128, 128);
            }
        }
    }
}

impl Picture<'_> {
    /// The row `y`, and what is behind its pixels up to the next row.
    fn row(&self, y: usize) -> &[u8] {
        &self.bytes[y * self.layout.stride..][..self.layout.stride]
    }

    /// The row of plane `plane` of chroma that belongs to the row `y`.
    fn chroma_row(&self, y: usize, plane: usize) -> &[u8] {
        let Some(ChromaPlanes { stride, rows, .. }) = self.layout.chroma_planes() else {
            return &[];
        };
        let start = self.layout.stride * usize::from(self.layout.height);
        let row = plane * rows + y / self.layout.shared_rows();
        &self.bytes[start + row * stride..][..stride]
    }

    /// Fills in the row `y`; without chroma if that is not looked at.
    fn fill(&self, y: usize, luma: &mut [u8], chroma: Option<[&mut [u8]; 2]>) {
        let tables = self.layout.conversion.tables;
        match self.layout.packing {
            Packing::Pairs { luma: 0, swapped } => {
                pairs::<0>(self.row(y), luma, ordered(chroma, swapped), tables)
            }
            Packing::Pairs { swapped, .. } => {
                pairs::<1>(self.row(y), luma, ordered(chroma, swapped), tables)
            }
            Packing::TwoPlanes { swapped, .. } => {
                expand(luma, self.row(y), &tables.luma);
                let Some([first, second]) = ordered(chroma, swapped) else {
                    return;
                };
                let mixed = self.chroma_row(y, 0);
                double(first, mixed.iter().step_by(2), &tables.chroma);
                double(second, mixed.iter().skip(1).step_by(2), &tables.chroma);
            }
            Packing::ThreePlanes { swapped, .. } => {
                expand(luma, self.row(y), &tables.luma);
                let Some([first, second]) = ordered(chroma, swapped) else {
                    return;
                };
                double(first, self.chroma_row(y, 0).iter(), &tables.chroma);
                double(second, self.chroma_row(y, 1).iter(), &tables.chroma);
            }
            Packing::Rgb {
                bytes: 3,
                at: [0, ..],
            } => rgb(self.pixels(y), luma, chroma, of_bytes::<0, 1, 2>),
            Packing::Rgb { bytes: 3, .. } => rgb(self.pixels(y), luma, chroma, of_bytes::<2, 1, 0>),
            Packing::Rgb { at: [0, ..], .. } => {
                rgb(self.pixels(y), luma, chroma, of_word::<0, 1, 2>)
            }
            Packing::Rgb { at: [1, ..], .. } => {
                rgb(self.pixels(y), luma, chroma, of_word::<1, 2, 3>)
            }
            Packing::Rgb { at: [2, ..], .. } => {
                rgb(self.pixels(y), luma, chroma, of_word::<2, 1, 0>)
            }
            Packing::Rgb { .. } => rgb(self.pixels(y), luma, chroma, of_word::<3, 2, 1>),
            Packing::Rgb565 => rgb(self.pixels(y), luma, chroma, of_565),
            Packing::Grey | Packing::Jpeg => {}
        }
    }

    /// The pixels of the row `y`.
    fn pixels<const N: usize>(&self, y: usize) -> &[[u8; N]] {
        &self.row(y).as_chunks::<N>().0[..usize::from(self.layout.width)]
    }
}

/// Fills a row in from pixels that `unpack` makes red, green and blue of, a block of them after the
/// other: processors compute many values at once if each color has a place of its own.
#[inline(always)]
fn rgb<const N: usize>(
    pixels: &[[u8; N]],
    luma: &mut [u8],
    chroma: Option<[&mut [u8]; 2]>,
    unpack: impl Fn(&[u8; N]) -> [u16; 3],
) {
    const BLOCK: usize = 32;
    let mut colors = [[0; BLOCK]; 3];
    let mut split = |pixels: &[[u8; N]]| {
        for (at, pixel) in pixels.iter().enumerate() {
            let [red, green, blue] = unpack(pixel);
            (colors[0][at], colors[1][at], colors[2][at]) = (red, green, blue);
        }
        colors
    };
    let (pixels, rest) = pixels.as_chunks::<BLOCK>();
    let (luma, rest_luma) = luma.as_chunks_mut::<BLOCK>();
    let Some([blue, red]) = chroma else {
        luma.iter_mut()
            .zip(pixels)
            .for_each(|(luma, pixels)| fill_luma(luma, &split(pixels)));
        return fill_luma(rest_luma, &split(rest));
    };
    let (blue, rest_blue) = blue.as_chunks_mut::<BLOCK>();
    let (red, rest_red) = red.as_chunks_mut::<BLOCK>();
    for (((luma, blue), red), pixels) in luma.iter_mut().zip(blue).zip(red).zip(pixels) {
        let colors = split(pixels);
        fill_luma(luma, &colors);
        fill_chroma(blue, red, &colors);
    }
    let colors = split(rest);
    fill_luma(rest_luma, &colors);
    fill_chroma(rest_blue, rest_red, &colors);
}

#[inline(always)]
fn fill_luma<const N: usize>(to: &mut [u8], [red, green, blue]: &[[u16; N]; 3]) {
    for (((to, red), green), blue) in to.iter_mut().zip(red).zip(green).zip(blue) {
        *to = color::luma(*red, *green, *blue);
    }
}

#[inline(always)]
fn fill_chroma<const N: usize>(
    to_blue: &mut [u8],
    to_red: &mut [u8],
    [red, green, blue]: &[[u16; N]; 3],
) {
    for ((((to_blue, to_red), red), green), blue) in
        to_blue.iter_mut().zip(to_red).zip(red).zip(green).zip(blue)
    {
        (*to_blue, *to_red) = color::chroma(*red, *green, *blue);
    }
}

/// Red, green and blue in three bytes of a pixel, at these places.
#[inline(always)]
fn of_bytes<const RED: usize, const GREEN: usize, const BLUE: usize>(pixel: &[u8; 3]) -> [u16; 3] {
    [pixel[RED], pixel[GREEN], pixel[BLUE]].map(u16::from)
}

/// Red, green and blue in four bytes of a pixel, at these places.
#[inline(always)]
fn of_word<const RED: usize, const GREEN: usize, const BLUE: usize>(pixel: &[u8; 4]) -> [u16; 3] {
    let word = u32::from_le_bytes(*pixel);
    [RED, GREEN, BLUE].map(|at| (word >> (8 * at) & 0xff) as u16)
}

/// Five bits of red, six of green and five of blue, each spread to eight.
#[inline(always)]
fn of_565(pixel: &[u8; 2]) -> [u16; 3] {
    let bits = u16::from_le_bytes(*pixel);
    let (red, green, blue) = (bits >> 11, bits >> 5 & 63, bits & 31);
    [
        red << 3 | red >> 2,
        green << 2 | green >> 4,
        blue << 3 | blue >> 2,
    ]
}

/// Makes `buffer` longer by `more` bytes, which are given out.
fn grow(buffer: &mut Vec<u8>, more: usize) -> &mut [u8] {
    let start = buffer.len();
    buffer.resize(start + more, 0);
    &mut buffer[start..]
}

/// The rows of chroma in the order in which a device gives them.
fn ordered(chroma: Option<[&mut [u8]; 2]>, swapped: bool) -> Option<[&mut [u8]; 2]> {
    chroma.map(|[blue, red]| if swapped { [red, blue] } else { [blue, red] })
}

fn expand(to: &mut [u8], from: &[u8], table: &[u8; 256]) {
    to.iter_mut()
        .zip(from)
        .for_each(|(to, &from)| *to = table[usize::from(from)]);
}

/// Writes each value of `from` twice.
fn double<'a>(to: &mut [u8], mut from: impl Iterator<Item = &'a u8>, table: &[u8; 256]) {
    let (pairs, last) = to.as_chunks_mut::<2>();
    pairs
        .iter_mut()
        .zip(&mut from)
        .for_each(|(to, &from)| *to = [table[usize::from(from)]; 2]);
    last.iter_mut()
        .zip(from)
        .for_each(|(to, &from)| *to = table[usize::from(from)]);
}

/// Two pixels in four bytes, the first luma at `LUMA`. A last pixel without a partner takes its
/// chroma from before it: half of its own is missing.
fn pairs<const LUMA: usize>(
    row: &[u8],
    luma: &mut [u8],
    chroma: Option<[&mut [u8]; 2]>,
    tables: &Tables,
) {
    let Some([first, second]) = chroma else {
        return;
    };
    let end = luma.len() - 1;
    let mut last = [128; 2];
    let to = luma.as_chunks_mut::<2>().0.iter_mut();
    let to = to
        .zip(first.as_chunks_mut::<2>().0)
        .zip(second.as_chunks_mut::<2>().0);
    for (((luma, first), second), four) in to.zip(row.as_chunks::<4>().0) {
        *luma = [four[LUMA], four[LUMA + 2]].map(|value| tables.luma[usize::from(value)]);
        last = [four[1 - LUMA], four[3 - LUMA]].map(|value| tables.chroma[usize::from(value)]);
        (*first, *second) = ([last[0]; 2], [last[1]; 2]);
    }
    if end.is_multiple_of(2) {
        luma[end] = tables.luma[usize::from(row[2 * end + LUMA])];
        [first[end], second[end]] = last;
    }
}

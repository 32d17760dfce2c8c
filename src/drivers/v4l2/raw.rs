//! Encoding of uncompressed pictures as JPEG.
//!
//! The encoder takes one row each of luma, Cb and Cr. Most cameras give Y'CbCr too, so that only
//! the range, and for some devices the matrix, is converted (see `color`).

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use super::color::{self, Colors, Conversion, Tables};
use super::format::{Packing, PixelFormat};

/// The memory layout of a picture of a given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    packing: Packing,
    width: u16,
    height: u16,
    /// The distance of two rows in bytes, in the first plane if there are several.
    stride: usize,
    conversion: Conversion,
}

/// The picture has fewer bytes than its layout requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("truncated picture: {bytes} bytes, expected {expected}")]
pub struct TooShort {
    /// The bytes received.
    pub bytes: usize,
    /// The bytes expected.
    pub expected: usize,
}

impl Layout {
    /// The layout of pictures in `format`, with a size in pixels. `stride` is the distance of two
    /// rows in bytes, in the luma plane if there are several planes; 0 or a value that is too small
    /// means rows without padding.
    ///
    /// `None` if `format` is JPEG, or if a side is 0 or above 65,535.
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

    /// The size of a picture in bytes.
    pub fn bytes(&self) -> usize {
        let (rows, planes) = (usize::from(self.height), self.chroma_planes());
        self.stride * rows + planes.map_or(0, |planes| planes.count * planes.stride * planes.rows)
    }

    /// The chroma planes after the luma plane, if any. If a side is odd, the last column or row has
    /// its own chroma. The padding of rows is in proportion to the luma plane's.
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

    /// Encodes a picture as baseline JPEG with the picture's chroma resolution. `quality` is from 1
    /// to 100.
    ///
    /// # Errors
    /// `picture` is truncated.
    pub fn encode(&self, picture: &[u8], quality: u8) -> Result<Vec<u8>, TooShort> {
        let (bytes, expected) = (picture.len(), self.bytes());
        let picture = picture
            .get(..expected)
            .ok_or(TooShort { bytes, expected })?;
        let mut jpeg = Vec::with_capacity(expected / 8);
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
        encoded.expect("both sides are above 0, and writing to a Vec cannot fail");
        Ok(jpeg)
    }

    /// The number of rows of the JPEG that share a row of chroma.
    fn shared_rows(&self) -> usize {
        match self.packing {
            Packing::TwoPlanes { rows, .. } | Packing::ThreePlanes { rows, .. } => rows,
            Packing::Rgb { .. } | Packing::Rgb565 => 2,
            Packing::Pairs { .. } | Packing::Grey | Packing::Jpeg => 1,
        }
    }
}

/// The chroma planes of a picture.
struct ChromaPlanes {
    count: usize,
    /// The distance of two rows in bytes.
    stride: usize,
    /// The rows of each plane.
    rows: usize,
}

/// A picture with exactly the bytes of its layout.
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

    /// Fills one row. The encoder expects a value of each component for every pixel, and subsamples
    /// chroma itself: it skips the values that it does not need.
    fn fill_buffers(&self, y: u16, [luma, blue, red, _]: &mut [Vec<u8>; 4]) {
        let (y, width) = (usize::from(y), usize::from(self.layout.width));
        let Conversion {
            tables,
            matrix,
            expands_range,
        } = self.layout.conversion;
        let luma = grow(luma, width);
        if self.layout.packing == Packing::Grey {
            return convert(luma, self.row(y), &tables.luma);
        }
        let (blue, red) = (grow(blue, width), grow(red, width));
        // Chroma of these rows is skipped by the encoder. The last row is not: the encoder repeats
        // it to fill a block.
        let is_skipped =
            y % self.layout.shared_rows() > 0 && y + 1 < usize::from(self.layout.height);
        let with_chroma = !is_skipped || matrix.is_some();
        self.fill(y, luma, with_chroma.then_some([&mut *blue, &mut *red]));
        if let Some(matrix) = matrix {
            matrix.apply(luma, blue, red);
        }
        if expands_range {
            color::expand_range(luma, 16, 0);
            if with_chroma {
                color::expand_range(blue, 128, 128);
                color::expand_range(red, 128, 128);
            }
        }
    }
}

impl Picture<'_> {
    /// The row `y` with its padding.
    fn row(&self, y: usize) -> &[u8] {
        &self.bytes[y * self.layout.stride..][..self.layout.stride]
    }

    /// The row of the chroma plane `plane` for the row `y`.
    fn chroma_row(&self, y: usize, plane: usize) -> &[u8] {
        let Some(ChromaPlanes { stride, rows, .. }) = self.layout.chroma_planes() else {
            return &[];
        };
        let start = self.layout.stride * usize::from(self.layout.height);
        let row = plane * rows + y / self.layout.shared_rows();
        &self.bytes[start + row * stride..][..stride]
    }

    /// Fills the row `y`; `chroma` is `None` if the encoder skips it.
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
                convert(luma, self.row(y), &tables.luma);
                let Some([first, second]) = ordered(chroma, swapped) else {
                    return;
                };
                let interleaved = self.chroma_row(y, 0);
                double(first, interleaved.iter().step_by(2), &tables.chroma);
                double(
                    second,
                    interleaved.iter().skip(1).step_by(2),
                    &tables.chroma,
                );
            }
            Packing::ThreePlanes { swapped, .. } => {
                convert(luma, self.row(y), &tables.luma);
                let Some([first, second]) = ordered(chroma, swapped) else {
                    return;
                };
                double(first, self.chroma_row(y, 0).iter(), &tables.chroma);
                double(second, self.chroma_row(y, 1).iter(), &tables.chroma);
            }
            Packing::Rgb {
                bytes: 3,
                at: [0, ..],
            } => rgb(self.pixels(y), luma, chroma, rgb_of_bytes::<0, 1, 2>),
            Packing::Rgb { bytes: 3, .. } => {
                rgb(self.pixels(y), luma, chroma, rgb_of_bytes::<2, 1, 0>)
            }
            Packing::Rgb { at: [0, ..], .. } => {
                rgb(self.pixels(y), luma, chroma, rgb_of_word::<0, 1, 2>)
            }
            Packing::Rgb { at: [1, ..], .. } => {
                rgb(self.pixels(y), luma, chroma, rgb_of_word::<1, 2, 3>)
            }
            Packing::Rgb { at: [2, ..], .. } => {
                rgb(self.pixels(y), luma, chroma, rgb_of_word::<2, 1, 0>)
            }
            Packing::Rgb { .. } => rgb(self.pixels(y), luma, chroma, rgb_of_word::<3, 2, 1>),
            Packing::Rgb565 => rgb(self.pixels(y), luma, chroma, rgb_of_565),
            Packing::Grey | Packing::Jpeg => {}
        }
    }

    /// The pixels of the row `y`.
    fn pixels<const N: usize>(&self, y: usize) -> &[[u8; N]] {
        &self.row(y).as_chunks::<N>().0[..usize::from(self.layout.width)]
    }
}

/// Fills a row from pixels that `unpack` splits into red, green and blue. It works block by block,
/// with one array per color, so that the conversion compiles to SIMD instructions.
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

/// Red, green and blue of a three-byte pixel, at these offsets.
#[inline(always)]
fn rgb_of_bytes<const RED: usize, const GREEN: usize, const BLUE: usize>(
    pixel: &[u8; 3],
) -> [u16; 3] {
    [pixel[RED], pixel[GREEN], pixel[BLUE]].map(u16::from)
}

/// Red, green and blue of a four-byte pixel, at these offsets.
#[inline(always)]
fn rgb_of_word<const RED: usize, const GREEN: usize, const BLUE: usize>(
    pixel: &[u8; 4],
) -> [u16; 3] {
    let word = u32::from_le_bytes(*pixel);
    [RED, GREEN, BLUE].map(|at| (word >> (8 * at) & 0xff) as u16)
}

/// Red, green and blue of an RGB565 pixel, each expanded to eight bits.
#[inline(always)]
fn rgb_of_565(pixel: &[u8; 2]) -> [u16; 3] {
    let bits = u16::from_le_bytes(*pixel);
    let (red, green, blue) = (bits >> 11, bits >> 5 & 63, bits & 31);
    [
        red << 3 | red >> 2,
        green << 2 | green >> 4,
        blue << 3 | blue >> 2,
    ]
}

/// Appends `more` bytes to `buffer` and returns them.
fn grow(buffer: &mut Vec<u8>, more: usize) -> &mut [u8] {
    let start = buffer.len();
    buffer.resize(start + more, 0);
    &mut buffer[start..]
}

/// The rows of chroma in the device's order.
fn ordered(chroma: Option<[&mut [u8]; 2]>, swapped: bool) -> Option<[&mut [u8]; 2]> {
    chroma.map(|[blue, red]| if swapped { [red, blue] } else { [blue, red] })
}

/// Looks up each value of `from` in `table`.
fn convert(to: &mut [u8], from: &[u8], table: &[u8; 256]) {
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

/// Two pixels in four bytes, the first luma at `LUMA`. With an odd width, the last pixel takes the
/// chroma of the pair before it: half of its own is missing.
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

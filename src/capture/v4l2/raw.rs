//! Pictures without compression, and JPEGs of them.
//!
//! Cameras give luma and chroma apart, as JPEG wants them, so no colour is computed. Only the range differs: theirs
//! leaves room at both ends (ITU-R BT.601: 16 to 235 and 16 to 240), JFIF's does not (ITU T.871, section 7).

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor, rgb_to_ycbcr};

use super::offer::PixelFormat;

/// How the bytes of a picture lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    kind: Kind,
    width: u16,
    height: u16,
    /// From the start of one row to that of the next, in bytes.
    stride: usize,
    range: &'static Range,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Yuyv,
    Nv12,
    Rgb24,
    Grey,
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
    /// Pictures of `format` with a size in pixels. `stride` is the distance of two rows in bytes, and 0 or any number
    /// that is too small stands for rows without a gap. `full` says that values run from 0 to 255 already.
    ///
    /// `None` if `format` is a JPEG already, or if a side is 0 or more than a JPEG's can be. Where two pixels share
    /// their colour, a last column without a partner is left out.
    pub fn new(format: PixelFormat, width: u32, height: u32, stride: u32, full: bool) -> Option<Self> {
        let (kind, pixel_bytes, width) = match format {
            PixelFormat::Yuyv => (Kind::Yuyv, 2, width & !1),
            PixelFormat::Nv12 => (Kind::Nv12, 1, width & !1),
            PixelFormat::Rgb24 => (Kind::Rgb24, 3, width),
            PixelFormat::Grey => (Kind::Grey, 1, width),
            PixelFormat::Mjpg | PixelFormat::Jpeg => return None,
        };
        let side = |side| u16::try_from(side).ok().filter(|side| *side > 0);
        let (width, height) = side(width).zip(side(height))?;
        let stride = (stride as usize).max(usize::from(width) * pixel_bytes);
        Some(Self { kind, width, height, stride, range: if full { &FULL } else { &LIMITED } })
    }

    /// The bytes of a picture that lies so.
    pub fn bytes(&self) -> usize {
        let rows = usize::from(self.height);
        self.stride * if self.kind == Kind::Nv12 { rows + rows.div_ceil(2) } else { rows }
    }

    /// The picture as a baseline JPEG with as much colour as it has. `quality` is from 1 to 100.
    ///
    /// # Errors
    /// `picture` is cut short.
    pub fn encode(&self, picture: &[u8], quality: u8) -> Result<Vec<u8>, TooShort> {
        let (bytes, needed) = (picture.len(), self.bytes());
        let picture = picture.get(..needed).ok_or(TooShort { bytes, needed })?;
        let mut jpeg = Vec::with_capacity(needed / 8);
        let mut encoder = Encoder::new(&mut jpeg, quality);
        encoder.set_sampling_factor(match self.kind {
            Kind::Yuyv => SamplingFactor::F_2_1,
            Kind::Nv12 | Kind::Rgb24 => SamplingFactor::F_2_2,
            Kind::Grey => SamplingFactor::F_1_1,
        });
        let encoded = encoder.encode_image(Picture { layout: self, bytes: picture });
        encoded.expect("both sides are above 0, and a Vec takes every byte");
        Ok(jpeg)
    }
}

/// A picture with all the bytes that its layout asks for.
struct Picture<'a> {
    layout: &'a Layout,
    bytes: &'a [u8],
}

impl Picture<'_> {
    fn row(&self, row: usize) -> &[u8] {
        &self.bytes[row * self.layout.stride..][..self.layout.stride]
    }
}

impl ImageBuffer for Picture<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        if self.layout.kind == Kind::Grey { JpegColorType::Luma } else { JpegColorType::Ycbcr }
    }

    fn width(&self) -> u16 {
        self.layout.width
    }

    fn height(&self) -> u16 {
        self.layout.height
    }

    /// The encoder wants a value of each kind for every pixel, and then skips those that the JPEG is not to have.
    fn fill_buffers(&self, y: u16, [luma, blue, red, _]: &mut [Vec<u8>; 4]) {
        let Layout { kind, width, height, range, .. } = *self.layout;
        let (y, width) = (usize::from(y), usize::from(width));
        let luma = grow(luma, width);
        if kind == Kind::Grey {
            return expand(luma, self.row(y), &range.luma);
        }
        let (blue, red) = (grow(blue, width), grow(red, width));
        match kind {
            Kind::Yuyv => fill_from_yuyv(luma, blue, red, self.row(y), range),
            Kind::Nv12 => {
                expand(luma, self.row(y), &range.luma);
                fill_from_pairs(blue, red, self.row(usize::from(height) + y / 2), &range.chroma);
            }
            Kind::Rgb24 | Kind::Grey => fill_from_rgb(luma, blue, red, self.row(y)),
        }
    }
}

/// Makes `buffer` longer by `more` bytes, which are given out.
fn grow(buffer: &mut Vec<u8>, more: usize) -> &mut [u8] {
    let start = buffer.len();
    buffer.resize(start + more, 0);
    &mut buffer[start..]
}

fn expand(to: &mut [u8], from: &[u8], table: &[u8; 256]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = table[usize::from(from)]);
}

/// Two pixels are four bytes: Y, Cb, Y, Cr.
fn fill_from_yuyv(luma: &mut [u8], blue: &mut [u8], red: &mut [u8], row: &[u8], range: &Range) {
    let chroma = blue.chunks_exact_mut(2).zip(red.chunks_exact_mut(2));
    for ((luma, (blue, red)), pair) in luma.chunks_exact_mut(2).zip(chroma).zip(row.chunks_exact(4)) {
        luma[0] = range.luma[usize::from(pair[0])];
        luma[1] = range.luma[usize::from(pair[2])];
        blue.fill(range.chroma[usize::from(pair[1])]);
        red.fill(range.chroma[usize::from(pair[3])]);
    }
}

/// Two pixels share two bytes: Cb, Cr.
fn fill_from_pairs(blue: &mut [u8], red: &mut [u8], row: &[u8], table: &[u8; 256]) {
    let chroma = blue.chunks_exact_mut(2).zip(red.chunks_exact_mut(2));
    for ((blue, red), pair) in chroma.zip(row.chunks_exact(2)) {
        blue.fill(table[usize::from(pair[0])]);
        red.fill(table[usize::from(pair[1])]);
    }
}

fn fill_from_rgb(luma: &mut [u8], blue: &mut [u8], red: &mut [u8], row: &[u8]) {
    for (((luma, blue), red), pixel) in luma.iter_mut().zip(blue).zip(red).zip(row.chunks_exact(3)) {
        (*luma, *blue, *red) = rgb_to_ycbcr(pixel[0], pixel[1], pixel[2]);
    }
}

/// What each value of a camera is in a JPEG.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    luma: [u8; 256],
    chroma: [u8; 256],
}

static LIMITED: Range = Range { luma: table(16, 219, 0), chroma: table(128, 224, 128) };
static FULL: Range = Range { luma: table(0, 255, 0), chroma: table(128, 255, 128) };

/// Takes `zero` to `full_zero`, and a range `steps` wide from there to one 255 wide, rounded to the nearest.
const fn table(zero: i32, steps: i32, full_zero: i32) -> [u8; 256] {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 256 {
        let scaled = (2 * (value - zero) * 255 + steps).div_euclid(2 * steps) + full_zero;
        table[value as usize] = if scaled < 0 {
            0
        } else if scaled > 255 {
            255
        } else {
            scaled as u8
        };
        value += 1;
    }
    table
}

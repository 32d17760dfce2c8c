//! Colors of cameras and of JPEGs.
//!
//! JFIF has Y'CbCr by the matrix of ITU-R BT.601, with values from 0 to 255 (ITU T.871, section 7).
//! Cameras leave room at both ends (BT.601: 16 to 235 and 16 to 240), and those for television sets
//! have the matrix of BT.709.

use super::abi;
use super::format::{Packing, PixelFormat};

/// The colors that a device gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colors {
    /// Whether values run from 0 to 255 rather than from 16 to 235 (chroma: 240).
    pub full: bool,
    /// How Y'CbCr was made of RGB. Formats that are RGB have no use for it.
    pub matrix: Matrix,
}

/// The matrix between RGB and Y'CbCr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601, that of JPEG too.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
}

impl Colors {
    /// The colors of pictures in `format`, by what their driver says of them; what it leaves open
    /// follows from the color space (`V4L2_MAP_YCBCR_ENC_DEFAULT`, `V4L2_MAP_QUANTIZATION_DEFAULT`
    /// of `videodev2.h`).
    pub(super) fn new(format: PixelFormat, picture: &abi::PictureFormat) -> Self {
        // Cameras without color use all of a byte.
        let full_by_default = format.is_rgb() || format == PixelFormat::Grey;
        let full = match picture.quantization {
            abi::QUANTIZATION_DEFAULT => {
                full_by_default || picture.colorspace == abi::COLORSPACE_JPEG
            }
            quantization => quantization == abi::QUANTIZATION_FULL,
        };
        let matrix = match (picture.encoding, picture.colorspace) {
            (abi::ENCODING_709 | abi::ENCODING_XV709, _) => Matrix::Bt709,
            (abi::ENCODING_BT2020, _) => Matrix::Bt2020,
            (abi::ENCODING_DEFAULT, abi::COLORSPACE_REC709 | abi::COLORSPACE_DCI_P3) => {
                Matrix::Bt709
            }
            (abi::ENCODING_DEFAULT, abi::COLORSPACE_BT2020) => Matrix::Bt2020,
            _ => Matrix::Bt601,
        };
        Self { full, matrix }
    }

    /// How to make the colors of a JPEG of these, for pictures that are packed so.
    pub(super) fn conversion(self, packing: Packing) -> Conversion {
        let rgb = matches!(packing, Packing::Rgb { .. } | Packing::Rgb565);
        let tables = if self.full { &FULL } else { &LIMITED };
        let turn = match self.matrix {
            Matrix::Bt709 if !rgb => Some(&BT709),
            Matrix::Bt2020 if !rgb => Some(&BT2020),
            _ => None,
        };
        Conversion {
            tables,
            turn,
            widen: rgb && !self.full,
        }
    }
}

/// From a device's colors to those of a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conversion {
    /// For each value of Y'CbCr.
    pub(super) tables: &'static Tables,
    /// After that, if the matrix is another.
    pub(super) turn: Option<&'static Turn>,
    /// For RGB from 16 to 235, after it was made Y'CbCr as if of full range.
    pub(super) widen: bool,
}

/// What each value of a device is in a JPEG.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) luma: [u8; 256],
    pub(super) chroma: [u8; 256],
}

static LIMITED: Tables = Tables {
    luma: table(16, 219, 0),
    chroma: table(128, 224, 128),
};
static FULL: Tables = Tables {
    luma: table(0, 255, 0),
    chroma: table(128, 255, 128),
};
/// Takes `zero` to `full_zero`, and a range `steps` wide from there to one 255 wide, rounded to the
/// nearest.
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

/// Takes `zero` to `full_zero`, and a range 219 wide from there to one 255 wide, as [`table`] does:
/// but processors compute many of these at once.
pub(super) fn widen(values: &mut [u8], zero: i16, full_zero: i16) {
    // 255 / 219 is 1 and 42 256ths.
    for value in values {
        let above = i16::from(*value) - zero;
        *value = (above + ((above * 42 + 128) >> 8) + full_zero).clamp(0, 255) as u8;
    }
}

/// The way from one matrix to that of BT.601, as what is to be added to each value: so many 256ths
/// of Cb and of Cr.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turn {
    luma: [i16; 2],
    blue: [i16; 2],
    red: [i16; 2],
}

static BT709: Turn = Turn::new(0.2126, 0.0722);
static BT2020: Turn = Turn::new(0.2627, 0.0593);

impl Turn {
    /// From the matrix whose luma has so much of red and of blue.
    const fn new(red: f64, blue: f64) -> Self {
        const RED_601: f64 = 0.299;
        const BLUE_601: f64 = 0.114;
        // Luma' - luma, when R = Y + 2(1 - Kr)Cr, B = Y + 2(1 - Kb)Cb and Y = Kr R + Kg G + Kb B.
        let green_part = (1.0 - RED_601 - BLUE_601) / (1.0 - red - blue);
        let luma_of_blue = 2.0 * (1.0 - blue) * (BLUE_601 - green_part * blue);
        let luma_of_red = 2.0 * (1.0 - red) * (RED_601 - green_part * red);
        // Cb' = (B - Y') / 2(1 - Kb'), and the same for Cr'.
        let blue_scale = 2.0 * (1.0 - BLUE_601);
        let red_scale = 2.0 * (1.0 - RED_601);
        Self {
            luma: [parts(luma_of_blue), parts(luma_of_red)],
            blue: [
                parts((2.0 * (1.0 - blue) - luma_of_blue) / blue_scale - 1.0),
                parts(-luma_of_red / blue_scale),
            ],
            red: [
                parts(-luma_of_blue / red_scale),
                parts((2.0 * (1.0 - red) - luma_of_red) / red_scale - 1.0),
            ],
        }
    }

    /// Turns a row of full range.
    pub(super) fn apply(&self, luma: &mut [u8], blue: &mut [u8], red: &mut [u8]) {
        for ((luma, blue), red) in luma.iter_mut().zip(blue).zip(red) {
            let (cb, cr) = (i16::from(*blue) - 128, i16::from(*red) - 128);
            *luma = add(*luma, self.luma, cb, cr);
            *blue = add(*blue, self.blue, cb, cr);
            *red = add(*red, self.red, cb, cr);
        }
    }
}

/// `value` with so many 256ths of `cb` and `cr`. All of it fits into 16 bits, of which processors
/// do many at once.
fn add(value: u8, [of_blue, of_red]: [i16; 2], cb: i16, cr: i16) -> u8 {
    (i16::from(value) + ((of_blue * cb + of_red * cr + 128) >> 8)).clamp(0, 255) as u8
}

/// In 256ths, rounded to the nearest.
const fn parts(value: f64) -> i16 {
    (if value < 0.0 {
        value * 256.0 - 0.5
    } else {
        value * 256.0 + 0.5
    }) as i16
}

/// Luma of full range, as in JFIF, in 256ths and with a half added for rounding: never more than 16
/// bits, of which processors do many at once.
#[inline(always)]
pub(super) fn luma(red: u16, green: u16, blue: u16) -> u8 {
    ((red * 77 + green * 150 + blue * 29 + 128) >> 8) as u8
}

/// Cb and Cr of full range, in the same way.
#[inline(always)]
pub(super) fn chroma(red: u16, green: u16, blue: u16) -> (u8, u8) {
    // 128.5, less a 256th so that pure blue and pure red are 255.
    const MIDDLE: u16 = 32_895;
    let cb = (blue * 128 + MIDDLE - (red * 43 + green * 85)) >> 8;
    let cr = (red * 128 + MIDDLE - (green * 107 + blue * 21)) >> 8;
    (cb as u8, cr as u8)
}

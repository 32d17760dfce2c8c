//! Conversion of a camera's colors to those of a JPEG.
//!
//! JFIF is Y'CbCr with the matrix of ITU-R BT.601 and full range, 0 to 255 (ITU T.871, section 7).
//! Most cameras have limited range (BT.601: 16 to 235, chroma to 240), and HDTV devices have the
//! matrix of BT.709.

use super::abi;
use super::format::{Packing, PixelFormat};

/// The color encoding of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colors {
    /// Full range, 0 to 255, rather than limited range, 16 to 235 (chroma: 240).
    pub full: bool,
    /// The matrix from RGB to Y'CbCr. Unused for RGB formats.
    pub matrix: Matrix,
}

/// The matrix between RGB and Y'CbCr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601, as in JPEG.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
}

impl Colors {
    /// The colors of pictures in `format`, as the driver states them. Fields with the value
    /// "default" follow from the color space (`V4L2_MAP_YCBCR_ENC_DEFAULT`,
    /// `V4L2_MAP_QUANTIZATION_DEFAULT` of `videodev2.h`).
    pub(super) fn new(format: PixelFormat, pix: &abi::PixFormat) -> Self {
        // Monochrome cameras have full range.
        let full_by_default = format.is_rgb() || format == PixelFormat::Grey;
        let full = match pix.quantization {
            abi::QUANTIZATION_DEFAULT => full_by_default || pix.colorspace == abi::COLORSPACE_JPEG,
            quantization => quantization == abi::QUANTIZATION_FULL,
        };
        let matrix = match (pix.encoding, pix.colorspace) {
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

    /// The conversion from these colors to JPEG's, for pictures with this packing.
    pub(super) fn conversion(self, packing: Packing) -> Conversion {
        let rgb = matches!(packing, Packing::Rgb { .. } | Packing::Rgb565);
        let tables = if self.full { &FULL } else { &LIMITED };
        let matrix = match self.matrix {
            Matrix::Bt709 if !rgb => Some(&BT709),
            Matrix::Bt2020 if !rgb => Some(&BT2020),
            _ => None,
        };
        Conversion {
            tables,
            matrix,
            expands_range: rgb && !self.full,
        }
    }
}

/// The conversion from a device's colors to those of a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conversion {
    /// First step, for Y'CbCr: the range.
    pub(super) tables: &'static Tables,
    /// Second step: the matrix, unless it is BT.601.
    pub(super) matrix: Option<&'static MatrixChange>,
    /// For limited-range RGB: expand the range after the conversion to Y'CbCr.
    pub(super) expands_range: bool,
}

/// The full-range value for each value of a device.
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

/// Maps `zero` to `full_zero` and scales by 255 / `steps`, rounded to the nearest.
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

/// Maps `zero` to `full_zero` and scales by 255 / 219, as [`table`] does. Computed instead of
/// looked up, so that it compiles to SIMD instructions.
pub(super) fn expand_range(values: &mut [u8], zero: i16, full_zero: i16) {
    // 255 / 219 is 1 and 42 256ths.
    for value in values {
        let above = i16::from(*value) - zero;
        *value = (above + ((above * 42 + 128) >> 8) + full_zero).clamp(0, 255) as u8;
    }
}

/// The change from one matrix to that of BT.601. To each value it adds a multiple of Cb and one of
/// Cr, in 1/256.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MatrixChange {
    luma: [i16; 2],
    blue: [i16; 2],
    red: [i16; 2],
}

static BT709: MatrixChange = MatrixChange::new(0.2126, 0.0722);
static BT2020: MatrixChange = MatrixChange::new(0.2627, 0.0593);

impl MatrixChange {
    /// From the matrix with the luma coefficients Kr = `red` and Kb = `blue`.
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
            luma: [in_256ths(luma_of_blue), in_256ths(luma_of_red)],
            blue: [
                in_256ths((2.0 * (1.0 - blue) - luma_of_blue) / blue_scale - 1.0),
                in_256ths(-luma_of_red / blue_scale),
            ],
            red: [
                in_256ths(-luma_of_blue / red_scale),
                in_256ths((2.0 * (1.0 - red) - luma_of_red) / red_scale - 1.0),
            ],
        }
    }

    /// Converts a row of full-range values in place.
    pub(super) fn apply(&self, luma: &mut [u8], blue: &mut [u8], red: &mut [u8]) {
        for ((luma, blue), red) in luma.iter_mut().zip(blue).zip(red) {
            let (cb, cr) = (i16::from(*blue) - 128, i16::from(*red) - 128);
            *luma = add(*luma, self.luma, cb, cr);
            *blue = add(*blue, self.blue, cb, cr);
            *red = add(*red, self.red, cb, cr);
        }
    }
}

/// Adds `of_blue` / 256 times `cb` and `of_red` / 256 times `cr` to `value`. All intermediate
/// values fit into 16 bits, so that it compiles to SIMD instructions.
fn add(value: u8, [of_blue, of_red]: [i16; 2], cb: i16, cr: i16) -> u8 {
    (i16::from(value) + ((of_blue * cb + of_red * cr + 128) >> 8)).clamp(0, 255) as u8
}

/// `value` in 1/256, rounded to the nearest.
const fn in_256ths(value: f64) -> i16 {
    (if value < 0.0 {
        value * 256.0 - 0.5
    } else {
        value * 256.0 + 0.5
    }) as i16
}

/// Full-range luma as in JFIF, rounded. All intermediate values fit into 16 bits, so that it
/// compiles to SIMD instructions.
#[inline(always)]
pub(super) fn luma(red: u16, green: u16, blue: u16) -> u8 {
    ((red * 77 + green * 150 + blue * 29 + 128) >> 8) as u8
}

/// Full-range Cb and Cr as in JFIF, rounded, in 16 bits as [`luma`].
#[inline(always)]
pub(super) fn chroma(red: u16, green: u16, blue: u16) -> (u8, u8) {
    // 128.5 minus 1/256, so that pure blue and pure red are 255.
    const MIDDLE: u16 = 32_895;
    let cb = (blue * 128 + MIDDLE - (red * 43 + green * 85)) >> 8;
    let cr = (red * 128 + MIDDLE - (green * 107 + blue * 21)) >> 8;
    (cb as u8, cr as u8)
}

//! Encoding of raw pictures.

use crate::drivers::v4l2::color::{Colors, Matrix};
use crate::drivers::v4l2::modes::PixelFormat::{self, *};
use crate::drivers::v4l2::raw::{Layout, TooShort};
use crate::wire::jpeg::check;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::pack::{FULL, LIMITED, pack, tight};

const QUALITY: u8 = 98;

fn raw() -> impl Iterator<Item = PixelFormat> {
    PixelFormat::ALL
        .into_iter()
        .filter(|format| !format.is_jpeg())
}

fn rgb() -> impl Iterator<Item = PixelFormat> {
    raw().filter(|format| format.is_rgb())
}

fn ycbcr() -> impl Iterator<Item = PixelFormat> {
    raw().filter(|format| !format.is_rgb() && *format != Grey)
}

/// The JPEG of a picture in `format`.
fn encode(
    format: PixelFormat,
    width: usize,
    height: usize,
    gap: usize,
    colors: Colors,
    color: impl Fn(usize, usize) -> [u8; 3],
) -> Vec<u8> {
    let stride = tight(format, width) + gap;
    let layout = Layout::new(format, width as u32, height as u32, stride as u32, colors).unwrap();
    let picture = pack(format, width, height, stride, color);
    assert_eq!(picture.len(), layout.bytes(), "{format:?} {width}x{height}");
    let jpeg = layout.encode(&picture, QUALITY).unwrap();
    let checked = check(&jpeg).unwrap();
    assert_eq!(
        (usize::from(checked.width), usize::from(checked.height)),
        (width, height)
    );
    jpeg
}

/// The first pixel of a picture of one color, as Y, Cb, Cr in the JPEG.
fn pixel(format: PixelFormat, color: [u8; 3], colors: Colors) -> [u8; 3] {
    let jpeg = encode(format, 38, 10, 0, colors, |_, _| color);
    decode(&jpeg, ColorSpace::YCbCr)[..3].try_into().unwrap()
}

fn decode(jpeg: &[u8], colors: ColorSpace) -> Vec<u8> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(colors);
    JpegDecoder::new_with_options(ZCursor::new(jpeg), options)
        .decode()
        .unwrap()
}

fn assert_near(format: PixelFormat, found: [u8; 3], wanted: [u8; 3]) {
    let near = found
        .iter()
        .zip(wanted)
        .all(|(&found, wanted)| found.abs_diff(wanted) <= 1);
    assert!(near, "{format:?}: {found:?} is not {wanted:?}");
}

#[test]
fn limited_range_is_expanded() {
    for format in ycbcr() {
        for (limited, full) in [
            ([16, 128, 128], [0, 128, 128]),
            ([235, 128, 128], [255, 128, 128]),
            ([126, 16, 240], [128, 0, 255]),
            ([81, 90, 184], [76, 85, 192]),
            // Values out of range occur in practice.
            ([0, 0, 255], [0, 0, 255]),
            ([255, 255, 0], [255, 255, 0]),
        ] {
            assert_near(format, pixel(format, limited, LIMITED), full);
        }
    }
}

#[test]
fn full_range_is_unchanged() {
    for color in [
        [0, 128, 128],
        [255, 128, 128],
        [16, 16, 235],
        [128, 200, 40],
    ] {
        for format in ycbcr() {
            assert_near(format, pixel(format, color, FULL), color);
        }
    }
}

/// The values of the color bars in BT.709, and the same colors in BT.601.
#[test]
fn other_matrix_is_converted_to_bt601() {
    let colors = Colors {
        full: false,
        matrix: Matrix::Bt709,
    };
    for format in ycbcr() {
        for (bt709, jpeg) in [
            ([235, 128, 128], [255, 128, 128]),
            ([16, 128, 128], [0, 128, 128]),
            ([63, 102, 240], [76, 85, 255]),
            ([173, 42, 26], [150, 44, 21]),
            ([32, 240, 118], [29, 255, 107]),
        ] {
            let found = pixel(format, bt709, colors);
            let near = found
                .iter()
                .zip(jpeg)
                .all(|(&found, wanted)| found.abs_diff(wanted) <= 2);
            assert!(near, "{format:?}: {bt709:?} is {found:?}, not {jpeg:?}");
        }
    }
    // RGB has no matrix.
    assert_eq!(
        pixel(
            Rgb24,
            [255, 0, 0],
            Colors {
                full: true,
                matrix: Matrix::Bt709
            }
        ),
        pixel(Rgb24, [255, 0, 0], FULL)
    );
}

#[test]
fn rgb_is_converted_as_in_jfif() {
    for format in rgb() {
        for (rgb, ycbcr) in [
            ([255, 255, 255], [255, 128, 128]),
            ([0, 0, 0], [0, 128, 128]),
            ([255, 0, 0], [76, 85, 255]),
            ([0, 255, 0], [150, 44, 21]),
            ([0, 0, 255], [29, 255, 107]),
        ] {
            assert_near(format, pixel(format, rgb, FULL), ycbcr);
        }
    }
}

#[test]
fn limited_range_rgb_is_expanded() {
    for format in rgb().filter(|format| *format != Rgb565) {
        for (rgb, ycbcr) in [
            ([235, 235, 235], [255, 128, 128]),
            ([16, 16, 16], [0, 128, 128]),
            ([235, 16, 16], [76, 85, 255]),
            ([16, 16, 235], [29, 255, 107]),
            // Values out of range.
            ([255, 255, 255], [255, 128, 128]),
            ([0, 0, 0], [0, 128, 128]),
        ] {
            assert_near(format, pixel(format, rgb, LIMITED), ycbcr);
        }
    }
}

#[test]
fn grey_is_encoded_without_chroma() {
    let layout = Layout::new(Grey, 16, 16, 0, FULL).unwrap();
    for luma in [0, 16, 100, 255] {
        let jpeg = layout.encode(&[luma; 256], QUALITY).unwrap();
        assert!(
            decode(&jpeg, ColorSpace::Luma)
                .iter()
                .all(|found| found.abs_diff(luma) <= 1)
        );
    }
}

/// Gradients: each pair of columns and of rows has its own chroma.
fn slope(x: usize, y: usize) -> [u8; 3] {
    [
        60 + 2 * x + y,
        40 + 3 * (x / 2) + 2 * (y / 2),
        190 - 2 * (x / 2) - (y / 2),
    ]
    .map(|value| value as u8)
}

/// Covers whole blocks and their remainders, with and without padding of rows.
#[test]
fn pixels_keep_their_position_at_odd_sizes_and_strides() {
    for format in raw().filter(|format| *format != Rgb565) {
        for (width, height) in [(48, 20), (47, 19), (33, 1), (2, 2), (1, 3), (1, 1)] {
            for gap in [0, 1, 6, 64] {
                let jpeg = encode(format, width, height, gap, FULL, slope);
                let luma = decode(&jpeg, ColorSpace::Luma);
                for (index, found) in luma.iter().enumerate() {
                    let [a, b, c] = slope(index % width, index / width).map(f64::from);
                    let wanted = if format.is_rgb() {
                        0.299 * a + 0.587 * b + 0.114 * c
                    } else {
                        a
                    };
                    let off = (f64::from(*found) - wanted).abs();
                    assert!(
                        off < 5.0,
                        "{format:?} {width}x{height}, gap {gap}: pixel {index} is {found}, not {wanted}"
                    );
                }
                // The last pixel of an odd row has no chroma of its own.
                if format.is_rgb() || format == Grey || width == 1 {
                    continue;
                }
                let picture = decode(&jpeg, ColorSpace::YCbCr);
                for (index, found) in picture.chunks_exact(3).enumerate() {
                    let wanted = slope(index % width, index / width);
                    // A decoder may interpolate between two values of chroma.
                    let near = found
                        .iter()
                        .zip(wanted)
                        .all(|(found, wanted)| found.abs_diff(wanted) <= 8);
                    assert!(
                        near,
                        "{format:?} {width}x{height}, gap {gap}: pixel {index} is {found:?}, not {wanted:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn truncated_pictures_are_rejected() {
    for (format, expected) in [
        (Yuyv, 640),
        (Uyvy, 640),
        (Nv12, 480),
        (Yvu420, 480),
        (Nv16, 640),
        (Rgb24, 960),
        (Xbgr32, 1280),
        (Grey, 320),
    ] {
        let layout = Layout::new(format, 20, 16, 0, LIMITED).unwrap();
        assert_eq!(layout.bytes(), expected);
        for bytes in [0, 1, expected - 1] {
            assert_eq!(
                layout.encode(&vec![0; bytes], QUALITY),
                Err(TooShort { bytes, expected })
            );
        }
        assert!(layout.encode(&vec![0; expected], QUALITY).is_ok());
    }
}

#[test]
fn layout_requires_a_valid_jpeg_size() {
    for (format, width, height) in [
        (Mjpg, 16, 16),
        (Jpeg, 16, 16),
        (Grey, 0, 1),
        (Grey, 1, 0),
        (Rgb24, 65_536, 1),
        (Nv12, 2, 65_536),
    ] {
        assert_eq!(
            Layout::new(format, width, height, 0, LIMITED),
            None,
            "{format:?} {width}x{height}"
        );
    }
    let layout = Layout::new(Rgb24, 65_535, 1, 0, FULL).unwrap();
    assert!(layout.encode(&vec![0; layout.bytes()], QUALITY).is_ok());
}

//! Pictures without compression.

use framecast::capture::v4l2::offer::PixelFormat::{self, Grey, Jpeg, Mjpg, Nv12, Rgb24, Yuyv};
use framecast::capture::v4l2::raw::{Layout, TooShort};
use framecast::wire::jpeg::check;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

const QUALITY: u8 = 98;

/// The first pixel of a picture of one colour: Y, Cb, Cr as the JPEG has them.
fn pixel(format: PixelFormat, colour: [u8; 3], full: bool) -> [u8; 3] {
    let (width, height) = (22, 10);
    let layout = Layout::new(format, width, height, 0, full).unwrap();
    let pixels = (width * height) as usize;
    let [y, cb, cr] = colour;
    let bytes = match format {
        Yuyv => [y, cb, y, cr].repeat(pixels / 2),
        Nv12 => [vec![y; pixels], [cb, cr].repeat(pixels / 4)].concat(),
        Rgb24 => colour.repeat(pixels),
        _ => vec![y; pixels],
    };
    let jpeg = layout.encode(&bytes, QUALITY).unwrap();
    let picture = check(&jpeg).unwrap();
    assert_eq!((u32::from(picture.width), u32::from(picture.height)), (width, height));
    decode(&jpeg, ColorSpace::YCbCr)[..3].try_into().unwrap()
}

fn decode(jpeg: &[u8], colours: ColorSpace) -> Vec<u8> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(colours);
    JpegDecoder::new_with_options(ZCursor::new(jpeg), options).decode().unwrap()
}

fn assert_near(found: [u8; 3], wanted: [u8; 3]) {
    let near = found.iter().zip(wanted).all(|(&found, wanted)| found.abs_diff(wanted) <= 1);
    assert!(near, "{found:?} is not {wanted:?}");
}

#[test]
fn limited_range_becomes_full() {
    for format in [Yuyv, Nv12] {
        for (limited, full) in [
            ([16, 128, 128], [0, 128, 128]),
            ([235, 128, 128], [255, 128, 128]),
            ([126, 16, 240], [128, 0, 255]),
            ([81, 90, 184], [76, 85, 192]),
            // Beyond the limits, which cameras overstep.
            ([0, 0, 255], [0, 0, 255]),
            ([255, 255, 0], [255, 255, 0]),
        ] {
            assert_near(pixel(format, limited, false), full);
        }
    }
}

#[test]
fn full_range_stays_as_it_is() {
    for colour in [[0, 128, 128], [255, 128, 128], [16, 16, 235], [128, 200, 40]] {
        for format in [Yuyv, Nv12] {
            assert_near(pixel(format, colour, true), colour);
        }
    }
}

#[test]
fn rgb_becomes_what_jfif_makes_of_it() {
    for (rgb, ycbcr) in
        [([255, 255, 255], [255, 128, 128]), ([255, 0, 0], [76, 85, 255]), ([0, 0, 255], [29, 255, 107])]
    {
        assert_near(pixel(Rgb24, rgb, true), ycbcr);
    }
}

#[test]
fn grey_stays_without_colour() {
    let layout = Layout::new(Grey, 16, 16, 0, true).unwrap();
    for luma in [0, 16, 100, 255] {
        let jpeg = layout.encode(&[luma; 256], QUALITY).unwrap();
        assert!(decode(&jpeg, ColorSpace::Luma).iter().all(|found| found.abs_diff(luma) <= 1));
    }
}

/// What lies between two rows, or behind the last one, is no part of the picture.
#[test]
fn gaps_between_rows_are_left_out() {
    let (width, height) = (16, 8);
    for (format, row, rows) in [(Yuyv, 32, 8), (Nv12, 16, 12), (Rgb24, 48, 8), (Grey, 16, 8)] {
        let tight: Vec<u8> = (0..row * rows).map(|n| 60 + (n * 7 % 120) as u8).collect();
        let gaps: Vec<u8> = tight.chunks(row).flat_map(|row| [row, &[0xee; 5]].concat()).chain([0xee; 99]).collect();
        let tight = Layout::new(format, width, height, 0, false).unwrap().encode(&tight, QUALITY);
        let gaps = Layout::new(format, width, height, row as u32 + 5, false).unwrap().encode(&gaps, QUALITY);
        assert_eq!(tight, gaps, "{format:?}");
    }
}

#[test]
fn pictures_that_are_cut_short_are_refused() {
    for (format, needed) in [(Yuyv, 640), (Nv12, 480), (Rgb24, 960), (Grey, 320)] {
        let layout = Layout::new(format, 20, 16, 0, false).unwrap();
        assert_eq!(layout.bytes(), needed);
        for bytes in [0, 1, needed - 1] {
            assert_eq!(layout.encode(&vec![0; bytes], QUALITY), Err(TooShort { bytes, needed }));
        }
        assert!(layout.encode(&vec![0; needed], QUALITY).is_ok());
    }
}

#[test]
fn only_what_a_jpeg_can_hold_is_laid_out() {
    for (format, width, height) in [
        (Mjpg, 16, 16),
        (Jpeg, 16, 16),
        (Yuyv, 1, 16),
        (Grey, 0, 1),
        (Grey, 1, 0),
        (Rgb24, 65_536, 1),
        (Nv12, 2, 65_536),
    ] {
        assert_eq!(Layout::new(format, width, height, 0, false), None, "{format:?} {width}x{height}");
    }
    for (format, width, height) in [(Yuyv, 3, 1), (Nv12, 5, 3), (Grey, 1, 1), (Rgb24, 65_535, 1)] {
        let layout = Layout::new(format, width, height, 0, false).unwrap();
        let picture = check(&layout.encode(&vec![128; layout.bytes()], QUALITY).unwrap()).unwrap();
        let width = if matches!(format, Yuyv | Nv12) { width & !1 } else { width };
        assert_eq!((u32::from(picture.width), u32::from(picture.height)), (width, height));
    }
}

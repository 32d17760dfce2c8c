//! Pictures in each raw format. The bench `raw` includes this file too.

use super::PixelFormat::{self, *};
use super::{Colors, Matrix};

/// BT.601 with limited range: most cameras.
pub const LIMITED: Colors = Colors {
    full: false,
    matrix: Matrix::Bt601,
};
/// BT.601 with full range: JPEG.
pub const FULL: Colors = Colors {
    full: true,
    matrix: Matrix::Bt601,
};

/// A picture in `format`. `color` returns the color at x and y: Y', Cb, Cr, or red, green, blue if
/// the format is RGB. `stride` is the distance of two rows of the first plane in bytes; padding is
/// 0xee.
pub fn pack(
    format: PixelFormat,
    width: usize,
    height: usize,
    stride: usize,
    color: impl Fn(usize, usize) -> [u8; 3],
) -> Vec<u8> {
    let plane =
        |stride: usize, width: usize, height: usize, pixel: &dyn Fn(usize, usize) -> Vec<u8>| {
            let mut bytes = Vec::new();
            for y in 0..height {
                let mut row: Vec<u8> = (0..width).flat_map(|x| pixel(x, y)).collect();
                assert!(
                    row.len() <= stride,
                    "{format:?}: a row has {} bytes, not {stride}",
                    row.len()
                );
                row.resize(stride, 0xee);
                bytes.extend(row);
            }
            bytes
        };
    let (half, half_rows) = (width.div_ceil(2), height.div_ceil(2));
    let one = |pixel: &dyn Fn([u8; 3], usize) -> Vec<u8>| {
        plane(stride, width, height, &|x, y| pixel(color(x, y), x % 2))
    };
    let luma = one(&|[luma, ..], _| vec![luma]);
    let two = |rows: usize, order: [usize; 2]| {
        let height = if rows == 2 { half_rows } else { height };
        plane(stride.next_multiple_of(2), half, height, &|x, y| {
            order.map(|at| color(2 * x, rows * y)[at]).to_vec()
        })
    };
    let third = |rows: usize, at: usize| {
        let height = if rows == 2 { half_rows } else { height };
        plane(stride.div_ceil(2), half, height, &|x, y| {
            vec![color(2 * x, rows * y)[at]]
        })
    };
    match format {
        Yuyv => one(&|color, odd| vec![color[0], color[1 + odd]]),
        Yvyu => one(&|color, odd| vec![color[0], color[2 - odd]]),
        Uyvy => one(&|color, odd| vec![color[1 + odd], color[0]]),
        Vyuy => one(&|color, odd| vec![color[2 - odd], color[0]]),
        Nv16 => [luma, two(1, [1, 2])].concat(),
        Nv61 => [luma, two(1, [2, 1])].concat(),
        Nv12 => [luma, two(2, [1, 2])].concat(),
        Nv21 => [luma, two(2, [2, 1])].concat(),
        Yuv422p => [luma, third(1, 1), third(1, 2)].concat(),
        Yuv420 => [luma, third(2, 1), third(2, 2)].concat(),
        Yvu420 => [luma, third(2, 2), third(2, 1)].concat(),
        Rgb24 => one(&|[r, g, b], _| vec![r, g, b]),
        Bgr24 => one(&|[r, g, b], _| vec![b, g, r]),
        Xbgr32 | Abgr32 | Bgr32 => one(&|[r, g, b], _| vec![b, g, r, 0]),
        Rgbx32 | Rgba32 => one(&|[r, g, b], _| vec![r, g, b, 0]),
        Xrgb32 | Argb32 | Rgb32 => one(&|[r, g, b], _| vec![0, r, g, b]),
        Bgrx32 | Bgra32 => one(&|[r, g, b], _| vec![0, b, g, r]),
        Rgb565 => one(&|[r, g, b], _| vec![g << 3 & 0xe0 | b >> 3, r & 0xf8 | g >> 5]),
        Grey => luma,
        Mjpg | Jpeg => panic!("{format:?} is compressed"),
    }
}

/// The distance of two rows without padding, in bytes.
pub fn tight(format: PixelFormat, width: usize) -> usize {
    match format {
        Yuyv | Yvyu | Uyvy | Vyuy | Rgb565 => 2 * width,
        Rgb24 | Bgr24 => 3 * width,
        format if format.is_rgb() => 4 * width,
        _ => width,
    }
}

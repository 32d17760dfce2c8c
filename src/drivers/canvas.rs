//! An RGB picture that `embedded-graphics` draws into and that is encoded as JPEG.
//!
//! `embedded-graphics` has no antialiasing. For smooth edges, draw a multiple of the final size and
//! call [`Canvas::shrunk`], which averages the pixels.

use std::convert::Infallible;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

const PIXEL_BYTES: usize = 3;

/// A picture of RGB pixels, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    width: u16,
    height: u16,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A picture of one color. A side of 0 counts as 1: a JPEG has no side of 0.
    pub fn new(width: u16, height: u16, color: Rgb888) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let pixels = rgb(color).repeat(usize::from(width) * usize::from(height));
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Encodes the picture as baseline JPEG (ITU T.81) with 4:2:0 chroma subsampling. `quality` is
    /// from 1 to 100.
    pub fn to_jpeg(&self, quality: u8) -> Vec<u8> {
        let mut jpeg = Vec::with_capacity(self.pixels.len() / 16);
        let mut encoder = Encoder::new(&mut jpeg, quality);
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        encoder
            .encode(&self.pixels, self.width, self.height, ColorType::Rgb)
            .expect("a canvas has all pixels of its size, and writing to a Vec cannot fail");
        jpeg
    }

    /// The picture scaled by 1 / `factor`, each pixel the mean of `factor` x `factor` pixels. Rows
    /// and columns that do not fill a square are cut off.
    pub fn shrunk(&self, factor: u16) -> Self {
        let factor = factor.max(1);
        let mut small = Self::new(self.width / factor, self.height / factor, Rgb888::BLACK);
        let side = usize::from(factor);
        let row_bytes = usize::from(self.width) * PIXEL_BYTES;
        let small_row_bytes = usize::from(small.width) * PIXEL_BYTES;
        let rows = self.pixels.chunks_exact(row_bytes * side);
        for (small_row, rows) in small.pixels.chunks_exact_mut(small_row_bytes).zip(rows) {
            let mut sums = vec![0; small_row_bytes];
            rows.chunks_exact(row_bytes)
                .for_each(|row| add_row(&mut sums, row, side));
            let count = u32::from(factor) * u32::from(factor);
            small_row
                .iter_mut()
                .zip(&sums)
                .for_each(|(mean, sum)| *mean = ((sum + count / 2) / count) as u8);
        }
        small
    }

    /// Copies `tile` onto this picture, its top left corner at `corner`, and clips it.
    pub fn paste(&mut self, tile: &Self, corner: Point) {
        self.paste_part(tile, tile.bounding_box(), corner);
    }

    /// Copies the inscribed disc of the square `tile` onto this picture, the square's top left
    /// corner at `corner`.
    pub fn paste_disc(&mut self, tile: &Self, corner: Point) {
        let radius = f32::from(tile.width) / 2.0;
        for row in 0..tile.height {
            let from_center = f32::from(row) + 0.5 - radius;
            let half = (radius * radius - from_center * from_center)
                .max(0.0)
                .sqrt();
            let left = (radius - half).round() as i32;
            let chord = Size::new((half * 2.0) as u32, 1);
            self.paste_part(
                tile,
                Rectangle::new(Point::new(left, row.into()), chord),
                corner,
            );
        }
    }

    /// Copies `part` of `tile`, which must lie inside of it, to the position that it has when the
    /// tile is at `corner`.
    fn paste_part(&mut self, tile: &Self, part: Rectangle, corner: Point) {
        let seen = part.translate(corner).intersection(&self.bounding_box());
        let bytes = seen.size.width as usize * PIXEL_BYTES;
        for row in 0..seen.size.height as i32 {
            let point = seen.top_left + Point::new(0, row);
            let (from, to) = (tile.offset(point - corner), self.offset(point));
            self.pixels[to..to + bytes].copy_from_slice(&tile.pixels[from..from + bytes]);
        }
    }

    /// The index in `pixels` of the pixel at `point`, which must lie inside.
    fn offset(&self, point: Point) -> usize {
        (point.y as usize * usize::from(self.width) + point.x as usize) * PIXEL_BYTES
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width.into(), self.height.into())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        let bounds = self.bounding_box();
        for Pixel(point, color) in pixels {
            if bounds.contains(point) {
                let start = self.offset(point);
                self.pixels[start..start + PIXEL_BYTES].copy_from_slice(&rgb(color));
            }
        }
        Ok(())
    }

    /// Writes whole rows: faster than pixel by pixel, which is the default.
    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), Infallible> {
        let seen = area.intersection(&self.bounding_box());
        for row in 0..seen.size.height as i32 {
            let start = self.offset(seen.top_left + Point::new(0, row));
            let run = &mut self.pixels[start..start + seen.size.width as usize * PIXEL_BYTES];
            run.chunks_exact_mut(PIXEL_BYTES)
                .for_each(|pixel| pixel.copy_from_slice(&rgb(color)));
        }
        Ok(())
    }
}

fn rgb(color: Rgb888) -> [u8; PIXEL_BYTES] {
    [color.r(), color.g(), color.b()]
}

/// Adds up `side` pixels of `row` for each pixel of `sums`.
fn add_row(sums: &mut [u32], row: &[u8], side: usize) {
    for (sum, run) in sums
        .chunks_exact_mut(PIXEL_BYTES)
        .zip(row.chunks_exact(side * PIXEL_BYTES))
    {
        for pixel in run.chunks_exact(PIXEL_BYTES) {
            sum.iter_mut()
                .zip(pixel)
                .for_each(|(sum, &value)| *sum += u32::from(value));
        }
    }
}

//! Draws the emulated camera's pictures.

use std::convert::Infallible;

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_10X20;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};

use crate::drivers::canvas::Canvas;
use crate::drivers::pen::Pen;

const WIDTH: u16 = 640;
const HEIGHT: u16 = 480;
const QUALITY: u8 = 82;

/// A picture is drawn this many times as large and then shrunk, to smooth its edges.
const SMOOTHING: u16 = 4;

/// Draws the picture of the digit `number` (1 to 3) as a JPEG. The embedded pictures were made with
/// this function; to change them, change it.
pub fn draw(number: u8) -> Vec<u8> {
    let hue = match number {
        1 => Rgb888::new(0xd9, 0x3a, 0x3f),
        2 => Rgb888::new(0x0b, 0x8f, 0x6a),
        _ => Rgb888::new(0x2f, 0x5f, 0xd0),
    };
    let mut canvas = Canvas::new(WIDTH * SMOOTHING, HEIGHT * SMOOTHING, hue);
    let side = i32::from(HEIGHT * SMOOTHING);
    let center = canvas.bounding_box().center() - Point::new(0, side / 24);
    leader(&mut canvas, center, side, hue);
    let (height, weight) = (side as f32 * 0.46, side as f32 * 0.088);
    let shadow = Pen {
        height,
        weight,
        color: shade(hue, Rgb888::BLACK, 0.22),
    };
    shadow.write(
        &mut canvas,
        &number.to_string(),
        center + Point::new(side / 110, side / 80),
    );
    Pen {
        color: Rgb888::WHITE,
        ..shadow
    }
    .write(&mut canvas, &number.to_string(), center);

    let mut picture = canvas.shrunk(SMOOTHING);
    let caption = Point::new(i32::from(WIDTH) / 2, i32::from(HEIGHT) - 24);
    write_text(
        &mut picture,
        "framecast \u{b7} emulated camera",
        caption,
        1,
        shade(hue, Rgb888::WHITE, 0.85),
    );
    picture.to_jpeg(QUALITY)
}

/// The rings and the cross hairs of a film leader, in tints of `hue`.
fn leader(canvas: &mut Canvas, center: Point, side: i32, hue: Rgb888) {
    let thin = side / 160;
    let whole = canvas.size();
    for hair in [
        Rectangle::new(
            Point::new(0, center.y - thin / 2),
            Size::new(whole.width, thin as u32),
        ),
        Rectangle::new(
            Point::new(center.x - thin / 2, 0),
            Size::new(thin as u32, whole.height),
        ),
    ] {
        let Ok(()) = canvas.fill_solid(&hair, shade(hue, Rgb888::WHITE, 0.22));
    }
    for (diameter, whiteness) in [(0.84, 0.10), (0.70, 0.20)] {
        let disc = Circle::with_center(center, (side as f32 * diameter) as u32);
        let Ok(()) = disc
            .into_styled(PrimitiveStyle::with_fill(shade(
                hue,
                Rgb888::WHITE,
                whiteness,
            )))
            .draw(canvas);
    }
    for diameter in [0.84, 0.70] {
        let ring = Circle::with_center(center, (side as f32 * diameter) as u32);
        let style = PrimitiveStyle::with_stroke(shade(hue, Rgb888::WHITE, 0.75), thin as u32);
        let Ok(()) = ring.into_styled(style).draw(canvas);
    }
    let caption = Rectangle::new(
        Point::new(0, side * 9 / 10),
        Size::new(whole.width, side as u32 / 10),
    );
    let Ok(()) = canvas.fill_solid(&caption, shade(hue, Rgb888::BLACK, 0.25));
}

/// `color` mixed with `part` (0 to 1) of `other`.
fn shade(color: Rgb888, other: Rgb888, part: f32) -> Rgb888 {
    let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * part).round() as u8;
    Rgb888::new(
        mix(color.r(), other.r()),
        mix(color.g(), other.g()),
        mix(color.b(), other.b()),
    )
}

/// Writes one line of text in the built-in 10x20 font (ISO 8859-1), each of its pixels `scale`
/// pixels wide and high, with its middle at `center`.
fn write_text(canvas: &mut Canvas, text: &str, center: Point, scale: u16, color: Rgb888) {
    let style = TextStyleBuilder::new()
        .alignment(Alignment::Center)
        .baseline(Baseline::Middle)
        .build();
    let text = Text::with_text_style(
        text,
        Point::zero(),
        MonoTextStyle::new(&FONT_10X20, color),
        style,
    );
    let Ok(_) = text.draw(&mut Scaled {
        canvas,
        origin: center,
        scale: scale.max(1),
    });
}

/// Draws each pixel as a square of `scale` pixels, the point (0, 0) at `origin`.
struct Scaled<'a> {
    canvas: &'a mut Canvas,
    origin: Point,
    scale: u16,
}

impl Dimensions for Scaled<'_> {
    fn bounding_box(&self) -> Rectangle {
        let scale = i32::from(self.scale);
        let bounds = self.canvas.bounding_box();
        Rectangle::new(
            (bounds.top_left - self.origin) / scale,
            bounds.size / u32::from(self.scale),
        )
    }
}

impl DrawTarget for Scaled<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(point, color) in pixels {
            let corner = self.origin + point * i32::from(self.scale);
            self.canvas.fill_solid(
                &Rectangle::new(corner, Size::new_equal(self.scale.into())),
                color,
            )?;
        }
        Ok(())
    }
}

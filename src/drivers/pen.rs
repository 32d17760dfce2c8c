//! A vector font: characters are lines and arcs, drawn by stamping a disc along them.
//!
//! The built-in fonts of `embedded-graphics` are bitmaps of at most 10 x 20 pixels. This font covers
//! ASCII and is smooth at every size.

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, PrimitiveStyle};

use super::canvas::Canvas;
use Stroke::{Arc, Line};

/// The distance of two stamps, relative to the width of the pen. The edge then deviates by at most
/// 1/1000 of the width.
const STEP: f32 = 1.0 / 16.0;

/// The space between two characters, from middle of stroke to middle of stroke, in units of the
/// height of a digit.
const GAP: f32 = 0.26;

/// A round pen that writes text.
#[derive(Clone, Copy, Debug)]
pub struct Pen {
    /// The height of a digit, in pixels, from the middle of its upper stroke to the middle of its
    /// lower one.
    pub height: f32,
    /// The width of a stroke, in pixels.
    pub weight: f32,
    /// The color of the strokes.
    pub color: Rgb888,
}

impl Pen {
    /// Writes one line, centered at `center`. Unsupported characters become spaces.
    pub fn write(&self, canvas: &mut Canvas, text: &str, center: Point) {
        let mut x = center.x as f32 - self.width(text) / 2.0;
        let y = center.y as f32 - self.height / 2.0;
        for (width, strokes) in text.chars().map(glyph) {
            strokes
                .iter()
                .for_each(|stroke| self.trace(canvas, stroke, x, y));
            x += (width + GAP) * self.height;
        }
    }

    /// Whether the font has `character`.
    pub fn supports(character: char) -> bool {
        character == ' ' || GLYPHS.iter().any(|(known, ..)| *known == character)
    }

    /// The width of `text` in pixels, without the half stroke at either side.
    pub fn width(&self, text: &str) -> f32 {
        let advances: f32 = text.chars().map(|character| self.advance(character)).sum();
        (advances - GAP * self.height).max(0.0)
    }

    /// The distance from `character` to the next one, in pixels.
    pub fn advance(&self, character: char) -> f32 {
        (glyph(character).0 + GAP) * self.height
    }

    /// Draws one stroke, its point (0, 0) at (`left`, `top`).
    pub fn trace(&self, canvas: &mut Canvas, stroke: &Stroke, left: f32, top: f32) {
        let stamps = (stroke.length() * self.height / (self.weight * STEP))
            .ceil()
            .max(1.0);
        let diameter = self.weight.round().max(1.0);
        let style = PrimitiveStyle::with_fill(self.color);
        for stamp in 0..=stamps as u32 {
            let (x, y) = stroke.at(stamp as f32 / stamps);
            let corner = |start: f32, along: f32| {
                (start + along * self.height - diameter / 2.0).round() as i32
            };
            let disc = Circle::new(Point::new(corner(left, x), corner(top, y)), diameter as u32);
            let Ok(()) = disc.into_styled(style).draw(canvas);
        }
    }
}

/// One stroke. The unit is the pen's `height`; x grows to the right and y downwards.
#[derive(Clone, Copy, Debug)]
pub enum Stroke {
    /// From (x, y) to (x, y).
    Line(f32, f32, f32, f32),
    /// Center (x, y), radius, start angle, end angle: in degrees, clockwise from the positive x
    /// axis.
    Arc(f32, f32, f32, f32, f32),
}

impl Stroke {
    fn length(&self) -> f32 {
        match *self {
            Line(x0, y0, x1, y1) => (x1 - x0).hypot(y1 - y0),
            Arc(_, _, radius, from, to) => (to - from).to_radians().abs() * radius,
        }
    }

    /// The point at the fraction `part` (0 to 1) of the stroke.
    fn at(&self, part: f32) -> (f32, f32) {
        match *self {
            Line(x0, y0, x1, y1) => (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part),
            Arc(x, y, radius, from, to) => {
                let (sin, cos) = (from + (to - from) * part).to_radians().sin_cos();
                (x + radius * cos, y + radius * sin)
            }
        }
    }
}

/// The width and the strokes of a character.
fn glyph(character: char) -> (f32, &'static [Stroke]) {
    let found = GLYPHS.iter().find(|(known, ..)| *known == character);
    found.map_or((SPACE, &[]), |&(_, width, strokes)| (width, strokes))
}

/// The width of a space without the gaps around it, in units of the height of a digit.
const SPACE: f32 = 0.10;

/// Each character with its width and strokes. All digits have the same width, so that a running
/// clock does not move.
#[rustfmt::skip]
const GLYPHS: &[(char, f32, &[Stroke])] = &[
    ('0', 0.56, &[Arc(0.28, 0.28, 0.28, 180.0, 360.0), Line(0.56, 0.28, 0.56, 0.72),
                 Arc(0.28, 0.72, 0.28, 0.0, 180.0), Line(0.0, 0.72, 0.0, 0.28)]),
    ('1', 0.56, &[Line(0.08, 0.24, 0.34, 0.0), Line(0.34, 0.0, 0.34, 1.0)]),
    ('2', 0.56, &[Arc(0.28, 0.28, 0.28, 190.0, 400.0), Line(0.494, 0.46, 0.04, 1.0),
                 Line(0.04, 1.0, 0.56, 1.0)]),
    ('3', 0.56, &[Arc(0.27, 0.24, 0.24, 200.0, 450.0), Arc(0.27, 0.73, 0.27, -90.0, 160.0)]),
    ('4', 0.56, &[Line(0.40, 0.0, 0.0, 0.72), Line(0.0, 0.72, 0.58, 0.72), Line(0.42, 0.45, 0.42, 1.0)]),
    ('5', 0.56, &[Line(0.50, 0.0, 0.10, 0.0), Line(0.10, 0.0, 0.06, 0.44),
                 Arc(0.26, 0.69, 0.31, 229.0, 510.0)]),
    ('6', 0.56, &[Line(0.361, 0.0, 0.038, 0.56), Arc(0.28, 0.72, 0.28, 0.0, 360.0)]),
    ('7', 0.56, &[Line(0.0, 0.0, 0.56, 0.0), Line(0.56, 0.0, 0.18, 1.0)]),
    ('8', 0.56, &[Arc(0.28, 0.235, 0.235, 0.0, 360.0), Arc(0.28, 0.735, 0.265, 0.0, 360.0)]),
    ('9', 0.56, &[Line(0.199, 1.0, 0.522, 0.44), Arc(0.28, 0.28, 0.28, 0.0, 360.0)]),
    ('!', 0.00, &[Line(0.0, 0.0, 0.0, 0.66), Line(0.0, 1.0, 0.0, 1.0)]),
    ('"', 0.18, &[Line(0.0, 0.0, 0.0, 0.2), Line(0.18, 0.0, 0.18, 0.2)]),
    ('#', 0.56, &[Line(0.22, 0.1, 0.12, 0.9), Line(0.46, 0.1, 0.36, 0.9), Line(0.06, 0.36, 0.56, 0.36),
                 Line(0.0, 0.64, 0.5, 0.64)]),
    ('%', 0.66, &[Arc(0.14, 0.18, 0.14, 0.0, 360.0), Arc(0.52, 0.82, 0.14, 0.0, 360.0),
                 Line(0.56, 0.02, 0.1, 0.98)]),
    ('&', 0.60, &[Line(0.58, 1.0, 0.11, 0.36), Arc(0.27, 0.21, 0.21, 143.0, 405.0), Line(0.42, 0.36, 0.09, 0.6),
                 Arc(0.25, 0.76, 0.24, 45.0, 225.0), Line(0.42, 0.93, 0.60, 0.62)]),
    ('\'', 0.00, &[Line(0.0, 0.0, 0.0, 0.2)]),
    ('(', 0.22, &[Arc(0.70, 0.53, 0.70, 133.0, 227.0)]),
    (')', 0.22, &[Arc(-0.48, 0.53, 0.70, -47.0, 47.0)]),
    ('*', 0.34, &[Line(0.17, 0.12, 0.17, 0.52), Line(0.0, 0.22, 0.34, 0.42), Line(0.0, 0.42, 0.34, 0.22)]),
    ('+', 0.44, &[Line(0.0, 0.6, 0.44, 0.6), Line(0.22, 0.38, 0.22, 0.82)]),
    (',', 0.04, &[Line(0.04, 1.0, 0.0, 1.16)]),
    ('-', 0.32, &[Line(0.0, 0.62, 0.32, 0.62)]),
    ('.', 0.00, &[Line(0.0, 1.0, 0.0, 1.0)]),
    ('/', 0.42, &[Line(0.42, -0.04, 0.0, 1.08)]),
    (':', 0.00, &[Line(0.0, 0.28, 0.0, 0.28), Line(0.0, 0.78, 0.0, 0.78)]),
    (';', 0.04, &[Line(0.04, 0.5, 0.04, 0.5), Line(0.04, 1.0, 0.0, 1.16)]),
    ('<', 0.38, &[Line(0.38, 0.34, 0.0, 0.6), Line(0.0, 0.6, 0.38, 0.86)]),
    ('=', 0.44, &[Line(0.0, 0.5, 0.44, 0.5), Line(0.0, 0.74, 0.44, 0.74)]),
    ('>', 0.38, &[Line(0.0, 0.34, 0.38, 0.6), Line(0.38, 0.6, 0.0, 0.86)]),
    ('?', 0.48, &[Arc(0.24, 0.24, 0.24, 180.0, 410.0), Line(0.394, 0.424, 0.24, 0.58),
                 Line(0.24, 0.58, 0.24, 0.68), Line(0.24, 1.0, 0.24, 1.0)]),
    ('@', 0.90, &[Arc(0.42, 0.58, 0.19, 0.0, 360.0), Line(0.61, 0.4, 0.61, 0.64), Arc(0.755, 0.64, 0.145, 0.0, 180.0),
                 Line(0.90, 0.64, 0.90, 0.58), Arc(0.45, 0.58, 0.45, 60.0, 360.0)]),
    ('[', 0.16, &[Line(0.16, 0.0, 0.0, 0.0), Line(0.0, 0.0, 0.0, 1.08), Line(0.0, 1.08, 0.16, 1.08)]),
    ('\\', 0.42, &[Line(0.0, -0.04, 0.42, 1.08)]),
    (']', 0.16, &[Line(0.0, 0.0, 0.16, 0.0), Line(0.16, 0.0, 0.16, 1.08), Line(0.16, 1.08, 0.0, 1.08)]),
    ('_', 0.50, &[Line(0.0, 1.14, 0.5, 1.14)]),
    ('|', 0.00, &[Line(0.0, 0.0, 0.0, 1.16)]),
    ('a', 0.58, &[Arc(0.29, 0.71, 0.29, 0.0, 360.0), Line(0.58, 0.42, 0.58, 1.0)]),
    ('b', 0.58, &[Arc(0.29, 0.71, 0.29, 0.0, 360.0), Line(0.0, 0.0, 0.0, 1.0)]),
    ('c', 0.50, &[Arc(0.29, 0.71, 0.29, 50.0, 310.0)]),
    ('d', 0.58, &[Arc(0.29, 0.71, 0.29, 0.0, 360.0), Line(0.58, 0.0, 0.58, 1.0)]),
    ('e', 0.58, &[Line(0.0, 0.71, 0.58, 0.71), Arc(0.29, 0.71, 0.29, 50.0, 360.0)]),
    ('f', 0.38, &[Line(0.14, 0.22, 0.14, 1.0), Arc(0.36, 0.22, 0.22, 180.0, 290.0),
                 Line(0.0, 0.42, 0.36, 0.42)]),
    ('g', 0.58, &[Arc(0.29, 0.71, 0.29, 0.0, 360.0), Line(0.58, 0.42, 0.58, 1.06),
                 Arc(0.31, 1.06, 0.27, 0.0, 140.0)]),
    ('h', 0.50, &[Line(0.0, 0.0, 0.0, 1.0), Arc(0.25, 0.67, 0.25, 180.0, 360.0), Line(0.50, 0.67, 0.50, 1.0)]),
    ('i', 0.00, &[Line(0.0, 0.42, 0.0, 1.0), Line(0.0, 0.14, 0.0, 0.14)]),
    ('j', 0.12, &[Line(0.12, 0.42, 0.12, 1.12), Arc(-0.08, 1.12, 0.20, 0.0, 90.0), Line(0.12, 0.14, 0.12, 0.14)]),
    ('k', 0.46, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.42, 0.42, 0.0, 0.78), Line(0.17, 0.64, 0.46, 1.0)]),
    ('l', 0.00, &[Line(0.0, 0.0, 0.0, 1.0)]),
    ('m', 0.84, &[Line(0.0, 0.42, 0.0, 1.0), Arc(0.21, 0.63, 0.21, 180.0, 360.0), Line(0.42, 0.63, 0.42, 1.0),
                 Arc(0.63, 0.63, 0.21, 180.0, 360.0), Line(0.84, 0.63, 0.84, 1.0)]),
    ('n', 0.50, &[Line(0.0, 0.42, 0.0, 1.0), Arc(0.25, 0.67, 0.25, 180.0, 360.0), Line(0.50, 0.67, 0.50, 1.0)]),
    ('o', 0.58, &[Arc(0.29, 0.71, 0.29, 0.0, 360.0)]),
    ('p', 0.58, &[Arc(0.29, 0.71, 0.29, 0.0, 360.0), Line(0.0, 0.42, 0.0, 1.32)]),
    ('q', 0.58, &[Arc(0.29, 0.71, 0.29, 0.0, 360.0), Line(0.58, 0.42, 0.58, 1.32)]),
    ('r', 0.34, &[Line(0.0, 0.42, 0.0, 1.0), Arc(0.25, 0.67, 0.25, 180.0, 300.0)]),
    ('s', 0.34, &[Arc(0.17, 0.565, 0.145, 90.0, 325.0), Arc(0.17, 0.855, 0.145, -90.0, 145.0)]),
    ('t', 0.38, &[Line(0.14, 0.14, 0.14, 0.78), Arc(0.36, 0.78, 0.22, 90.0, 180.0),
                 Line(0.0, 0.42, 0.36, 0.42)]),
    ('u', 0.50, &[Line(0.0, 0.42, 0.0, 0.75), Arc(0.25, 0.75, 0.25, 0.0, 180.0),
                 Line(0.50, 0.42, 0.50, 1.0)]),
    ('v', 0.50, &[Line(0.0, 0.42, 0.25, 1.0), Line(0.25, 1.0, 0.50, 0.42)]),
    ('w', 0.76, &[Line(0.0, 0.42, 0.19, 1.0), Line(0.19, 1.0, 0.38, 0.42), Line(0.38, 0.42, 0.57, 1.0),
                 Line(0.57, 1.0, 0.76, 0.42)]),
    ('x', 0.46, &[Line(0.0, 0.42, 0.46, 1.0), Line(0.46, 0.42, 0.0, 1.0)]),
    ('y', 0.50, &[Line(0.0, 0.42, 0.25, 1.0), Line(0.50, 0.42, 0.112, 1.32)]),
    ('z', 0.46, &[Line(0.0, 0.42, 0.46, 0.42), Line(0.46, 0.42, 0.0, 1.0), Line(0.0, 1.0, 0.46, 1.0)]),
    ('A', 0.68, &[Line(0.0, 1.0, 0.34, 0.0), Line(0.34, 0.0, 0.68, 1.0), Line(0.116, 0.66, 0.564, 0.66)]),
    ('B', 0.54, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.0, 0.0, 0.27, 0.0), Arc(0.27, 0.235, 0.235, -90.0, 90.0),
                 Line(0.0, 0.47, 0.27, 0.47), Arc(0.275, 0.735, 0.265, -90.0, 90.0), Line(0.0, 1.0, 0.27, 1.0)]),
    ('C', 0.62, &[Arc(0.33, 0.33, 0.33, 180.0, 325.0), Line(0.0, 0.33, 0.0, 0.67), Arc(0.33, 0.67, 0.33, 35.0, 180.0)]),
    ('D', 0.64, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.0, 0.0, 0.26, 0.0), Arc(0.26, 0.38, 0.38, -90.0, 0.0),
                 Line(0.64, 0.38, 0.64, 0.62), Arc(0.26, 0.62, 0.38, 0.0, 90.0), Line(0.26, 1.0, 0.0, 1.0)]),
    ('E', 0.50, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.0, 0.0, 0.50, 0.0), Line(0.0, 0.48, 0.44, 0.48),
                 Line(0.0, 1.0, 0.50, 1.0)]),
    ('F', 0.48, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.0, 0.0, 0.48, 0.0), Line(0.0, 0.48, 0.42, 0.48)]),
    ('G', 0.66, &[Arc(0.33, 0.33, 0.33, 180.0, 325.0), Line(0.0, 0.33, 0.0, 0.67), Arc(0.33, 0.67, 0.33, 0.0, 180.0),
                 Line(0.66, 0.67, 0.66, 0.56), Line(0.66, 0.56, 0.38, 0.56)]),
    ('H', 0.60, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.60, 0.0, 0.60, 1.0), Line(0.0, 0.48, 0.60, 0.48)]),
    ('I', 0.00, &[Line(0.0, 0.0, 0.0, 1.0)]),
    ('J', 0.42, &[Line(0.42, 0.0, 0.42, 0.78), Arc(0.20, 0.78, 0.22, 0.0, 160.0)]),
    ('K', 0.56, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.54, 0.0, 0.0, 0.62), Line(0.19, 0.41, 0.56, 1.0)]),
    ('L', 0.46, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.0, 1.0, 0.46, 1.0)]),
    ('M', 0.74, &[Line(0.0, 1.0, 0.0, 0.0), Line(0.0, 0.0, 0.37, 0.64), Line(0.37, 0.64, 0.74, 0.0),
                 Line(0.74, 0.0, 0.74, 1.0)]),
    ('N', 0.62, &[Line(0.0, 1.0, 0.0, 0.0), Line(0.0, 0.0, 0.62, 1.0), Line(0.62, 1.0, 0.62, 0.0)]),
    ('O', 0.66, &[Arc(0.33, 0.33, 0.33, 180.0, 360.0), Line(0.66, 0.33, 0.66, 0.67), Arc(0.33, 0.67, 0.33, 0.0, 180.0),
                 Line(0.0, 0.67, 0.0, 0.33)]),
    ('P', 0.54, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.0, 0.0, 0.26, 0.0), Arc(0.26, 0.28, 0.28, -90.0, 90.0),
                 Line(0.0, 0.56, 0.26, 0.56)]),
    ('Q', 0.66, &[Arc(0.33, 0.33, 0.33, 180.0, 360.0), Line(0.66, 0.33, 0.66, 0.67), Arc(0.33, 0.67, 0.33, 0.0, 180.0),
                 Line(0.0, 0.67, 0.0, 0.33), Line(0.40, 0.76, 0.66, 1.06)]),
    ('R', 0.54, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.0, 0.0, 0.26, 0.0), Arc(0.26, 0.28, 0.28, -90.0, 90.0),
                 Line(0.0, 0.56, 0.26, 0.56), Line(0.26, 0.56, 0.54, 1.0)]),
    ('S', 0.54, &[Arc(0.27, 0.245, 0.245, 90.0, 325.0), Arc(0.27, 0.745, 0.255, -90.0, 145.0)]),
    ('T', 0.58, &[Line(0.0, 0.0, 0.58, 0.0), Line(0.29, 0.0, 0.29, 1.0)]),
    ('U', 0.60, &[Line(0.0, 0.0, 0.0, 0.70), Arc(0.30, 0.70, 0.30, 0.0, 180.0), Line(0.60, 0.70, 0.60, 0.0)]),
    ('V', 0.66, &[Line(0.0, 0.0, 0.33, 1.0), Line(0.33, 1.0, 0.66, 0.0)]),
    ('W', 0.92, &[Line(0.0, 0.0, 0.23, 1.0), Line(0.23, 1.0, 0.46, 0.0), Line(0.46, 0.0, 0.69, 1.0),
                 Line(0.69, 1.0, 0.92, 0.0)]),
    ('X', 0.58, &[Line(0.0, 0.0, 0.58, 1.0), Line(0.58, 0.0, 0.0, 1.0)]),
    ('Y', 0.60, &[Line(0.0, 0.0, 0.30, 0.50), Line(0.60, 0.0, 0.30, 0.50), Line(0.30, 0.50, 0.30, 1.0)]),
    ('Z', 0.54, &[Line(0.0, 0.0, 0.54, 0.0), Line(0.54, 0.0, 0.0, 1.0), Line(0.0, 1.0, 0.54, 1.0)]),
];

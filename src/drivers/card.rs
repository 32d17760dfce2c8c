//! The test card of the source `pattern`, modelled on those of television broadcasters.
//!
//! The static background is drawn once and copied for each frame. The moving parts are drawn over
//! it: the clock, the frame number, and a sweep and four hands that advance one step per tick, so
//! that a lost frame is visible as a skipped step.

use std::f32::consts::TAU;
use std::time::Duration;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, PrimitiveStyle, Rectangle};

use super::canvas::Canvas;
use super::pen::{Pen, Stroke};

const SLATE: Rgb888 = Rgb888::new(0x3a, 0x44, 0x52);
const GRID: Rgb888 = Rgb888::new(0x6b, 0x78, 0x89);
const NAVY: Rgb888 = Rgb888::new(0x12, 0x1c, 0x2e);
const NIGHT: Rgb888 = Rgb888::new(0x08, 0x0b, 0x12);
const TRACK: Rgb888 = Rgb888::new(0x22, 0x2c, 0x3e);
const AMBER: Rgb888 = Rgb888::new(0xff, 0xb0, 0x20);
const PALE: Rgb888 = Rgb888::new(0xb8, 0xc4, 0xd6);

/// Color bars at 75 %, in the order of their brightness.
const BARS: [Rgb888; 8] = [
    Rgb888::new(191, 191, 191),
    Rgb888::new(191, 191, 0),
    Rgb888::new(0, 191, 191),
    Rgb888::new(0, 191, 0),
    Rgb888::new(191, 0, 191),
    Rgb888::new(191, 0, 0),
    Rgb888::new(0, 0, 191),
    Rgb888::new(0, 0, 0),
];

/// The number of steps from black to white.
const GREYS: i32 = 11;

/// The number of steps of a full turn of a hand, and of the sweep from left to right.
const HAND_STEPS: u64 = 60;
const SWEEP_STEPS: u64 = 30;

/// Shapes are drawn this many times as large and then shrunk, to smooth their edges. The factor is
/// lower for large pictures: a side has at most `SMOOTH_SIDE_PIXELS_MAX`, which bounds the memory.
const SMOOTHING_MAX: u16 = 4;
const SMOOTH_SIDE_PIXELS_MAX: u16 = 8192;

/// `pattern:1280x720?fps=30&quality=80`: every part is optional, and these are the defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// The width in pixels, 16 to 8192.
    pub width: u16,
    /// The height in pixels, 16 to 8192.
    pub height: u16,
    /// Frames per second, above 0 and at most 240. A machine that is too slow skips frames.
    pub fps: f64,
    /// The quality of the JPEGs, 1 to 100.
    pub quality: u8,
}

/// A test card of one size.
#[derive(Debug)]
pub struct Card {
    layout: Layout,
    background: Canvas,
    clock: Digits,
    number: Digits,
    smoothing: u16,
}

impl Card {
    /// Draws the static parts of the card of `pattern`.
    pub fn new(pattern: &Pattern) -> Self {
        let (width, height) = (pattern.width, pattern.height);
        let smoothing = (SMOOTH_SIDE_PIXELS_MAX / width.max(height)).clamp(1, SMOOTHING_MAX);
        let large = Layout::new(width * smoothing, height * smoothing);
        let layout = Layout::new(width, height);
        let digits = |height: f32, color, ground| {
            let height = large.radius * height;
            let pen = Pen {
                height,
                weight: height * 0.17,
                color,
            };
            Digits::new(&pen, ground, smoothing)
        };
        Self {
            background: large.background(pattern).shrunk(smoothing),
            clock: digits(CLOCK_HEIGHT, Rgb888::WHITE, NIGHT),
            number: digits(SMALL_HEIGHT, AMBER, NAVY),
            layout,
            smoothing,
        }
    }

    /// Draws the frame `number` of a stream, captured at `unix`, the time since the Unix epoch, and
    /// at `tick` of its clock.
    pub fn frame(&self, number: u64, tick: u64, unix: Duration) -> Canvas {
        let mut canvas = self.background.clone();
        let second = unix.as_secs();
        let (hours, minutes, seconds) = (second / 3600 % 24, second / 60 % 60, second % 60);
        let clock = format!(
            "{hours:02}:{minutes:02}:{seconds:02}.{:03}",
            unix.subsec_millis()
        );
        self.clock
            .write(&mut canvas, &clock, self.layout.at(-0.12, CLOCK_Y));
        self.number.write(
            &mut canvas,
            &format!("{number:06}"),
            self.layout.at(0.2, NUMBER_Y),
        );
        let Ok(()) = canvas.fill_solid(&self.layout.sweep(tick % SWEEP_STEPS), AMBER);
        let hand = self.hand(tick % HAND_STEPS);
        for corner in self.layout.corners() {
            let half = hand.size() / 2;
            canvas.paste_disc(
                &hand,
                corner - Point::new(half.width as i32, half.height as i32),
            );
        }
        canvas
    }

    /// Draws the face of a dial with its hand after `step` steps.
    fn hand(&self, step: u64) -> Canvas {
        let radius = self.layout.dial_radius() * FACE * f32::from(self.smoothing);
        let mut face = Canvas::new((radius * 2.0) as u16, (radius * 2.0) as u16, NAVY);
        let (sin, cos) = (step as f32 / HAND_STEPS as f32 * TAU).sin_cos();
        let pen = Pen {
            height: radius,
            weight: radius * 0.09,
            color: AMBER,
        };
        pen.trace(
            &mut face,
            &Stroke::Line(0.0, 0.0, sin * 0.84, -cos * 0.84),
            radius,
            radius,
        );
        Pen {
            weight: radius * 0.2,
            ..pen
        }
        .trace(&mut face, &Stroke::Line(0.0, 0.0, 0.0, 0.0), radius, radius);
        face.shrunk(self.smoothing)
    }
}

/// The radius of a dial's face, inside its marks, relative to the dial's radius.
const FACE: f32 = 0.74;

/// Heights and vertical positions of text on the disc, in units of its radius, from its center.
const NAME_HEIGHT: f32 = 0.14;
const NAME_Y: f32 = -0.75;
const CLOCK_HEIGHT: f32 = 0.187;
const CLOCK_Y: f32 = 0.02;
const ZONE_HEIGHT: f32 = 0.07;
const SMALL_HEIGHT: f32 = 0.085;
const SIZE_Y: f32 = 0.65;
const NUMBER_Y: f32 = 0.81;

/// The layout of a card of one size.
#[derive(Clone, Copy, Debug)]
struct Layout {
    size: Size,
    center: Point,
    /// The radius of the disc in the middle, in pixels: the unit of all other lengths.
    radius: f32,
}

impl Layout {
    fn new(width: u16, height: u16) -> Self {
        let size = Size::new(width.into(), height.into());
        let center = Point::new(i32::from(width) / 2, i32::from(height) / 2);
        Self {
            size,
            center,
            radius: f32::from(width.min(height)) * 0.45,
        }
    }

    fn length(&self, radii: f32) -> i32 {
        (self.radius * radii).round() as i32
    }

    fn at(&self, x: f32, y: f32) -> Point {
        self.center + Point::new(self.length(x), self.length(y))
    }

    fn area(&self, left: f32, top: f32, right: f32, bottom: f32) -> Rectangle {
        let corner = self.at(left, top);
        let size = self.at(right, bottom) - corner;
        Rectangle::new(
            corner,
            Size::new(size.x.max(1) as u32, size.y.max(1) as u32),
        )
    }

    /// The side of a square of the grid, in pixels: sixteen along the longer side.
    fn cell(&self) -> i32 {
        (self.size.width.max(self.size.height) as i32 / 16).max(1)
    }

    fn dial_radius(&self) -> f32 {
        self.radius * 0.22
    }

    /// The centers of the four dials.
    fn corners(&self) -> [Point; 4] {
        let inset = self.length(0.36);
        let (right, bottom) = (
            self.size.width as i32 - inset,
            self.size.height as i32 - inset,
        );
        [
            (inset, inset),
            (right, inset),
            (inset, bottom),
            (right, bottom),
        ]
        .map(|(x, y)| Point::new(x, y))
    }

    /// The cell of the sweep at `step`.
    fn sweep(&self, step: u64) -> Rectangle {
        let x = |step: u64| (step as f32 / SWEEP_STEPS as f32 - 0.5) * 1.72;
        self.area(x(step), 0.21, x(step + 1), 0.25)
    }

    fn background(&self, pattern: &Pattern) -> Canvas {
        let mut canvas = Canvas::new(self.size.width as u16, self.size.height as u16, SLATE);
        self.grid(&mut canvas);
        self.border(&mut canvas);
        for corner in self.corners() {
            self.dial(&mut canvas, corner);
        }
        let mut disc = Canvas::new(self.length(2.0) as u16, self.length(2.0) as u16, NAVY);
        Self {
            size: disc.size(),
            center: disc.bounding_box().center(),
            ..*self
        }
        .bands(&mut disc, pattern);
        canvas.paste_disc(&disc, self.at(-1.0, -1.0));
        let ring = PrimitiveStyle::with_stroke(Rgb888::WHITE, self.length(0.018).max(1) as u32);
        let Ok(()) = Circle::with_center(self.center, self.length(2.0) as u32)
            .into_styled(ring)
            .draw(&mut canvas);
        canvas
    }

    /// Draws a dial without its hand, with twelve marks.
    fn dial(&self, canvas: &mut Canvas, center: Point) {
        let radius = self.dial_radius();
        let face = Circle::with_center(center, (radius * 2.0) as u32);
        let Ok(()) = face
            .into_styled(PrimitiveStyle::with_fill(NAVY))
            .draw(canvas);
        let ring = PrimitiveStyle::with_stroke(Rgb888::WHITE, self.length(0.014).max(1) as u32);
        let Ok(()) = face.into_styled(ring).draw(canvas);
        let pen = Pen {
            height: radius,
            weight: radius * 0.06,
            color: PALE,
        };
        for mark in 0_u8..12 {
            let (sin, cos) = (f32::from(mark) / 12.0 * TAU).sin_cos();
            let stroke = Stroke::Line(sin * 0.80, cos * 0.80, sin * 0.87, cos * 0.87);
            pen.trace(canvas, &stroke, center.x as f32, center.y as f32);
        }
    }

    fn grid(&self, canvas: &mut Canvas) {
        let cell = self.cell();
        let thin = self.length(0.008).max(1);
        for step in -8..=8 {
            let (x, y) = (
                self.center.x + step * cell - thin / 2,
                self.center.y + step * cell - thin / 2,
            );
            let column = Rectangle::new(Point::new(x, 0), Size::new(thin as u32, self.size.height));
            let row = Rectangle::new(Point::new(0, y), Size::new(self.size.width, thin as u32));
            let Ok(()) = canvas.fill_solid(&column, GRID);
            let Ok(()) = canvas.fill_solid(&row, GRID);
        }
    }

    /// Draws black and white blocks along the edges: they show whether the picture is cropped.
    fn border(&self, canvas: &mut Canvas) {
        let cell = self.cell();
        let deep = self.length(0.06).max(1);
        let (width, height) = (self.size.width as i32, self.size.height as i32);
        let color = |step: i32| {
            if step % 2 == 0 {
                Rgb888::WHITE
            } else {
                Rgb888::BLACK
            }
        };
        for step in -8..8 {
            let (x, y) = (self.center.x + step * cell, self.center.y + step * cell);
            for (corner, size) in [
                (Point::new(x, 0), Size::new(cell as u32, deep as u32)),
                (
                    Point::new(x, height - deep),
                    Size::new(cell as u32, deep as u32),
                ),
                (Point::new(0, y), Size::new(deep as u32, cell as u32)),
                (
                    Point::new(width - deep, y),
                    Size::new(deep as u32, cell as u32),
                ),
            ] {
                let Ok(()) = canvas.fill_solid(&Rectangle::new(corner, size), color(step));
            }
        }
    }

    /// Draws the contents of the disc, from top to bottom.
    fn bands(&self, canvas: &mut Canvas, pattern: &Pattern) {
        for (bar, &color) in (0_u8..).zip(&BARS) {
            let left = f32::from(bar) / 4.0 - 1.0;
            let Ok(()) = canvas.fill_solid(&self.area(left, -0.56, left + 0.25, -0.18), color);
        }
        let Ok(()) = canvas.fill_solid(&self.area(-1.0, -0.18, 1.0, 0.31), NIGHT);
        for step in 0..SWEEP_STEPS {
            let Ok(()) = canvas.fill_solid(&self.sweep(step), TRACK);
        }
        for step in 0..GREYS {
            let left = step as f32 / GREYS as f32 * 2.0 - 1.0;
            let grey = (255 * step / (GREYS - 1)) as u8;
            let area = self.area(left, 0.31, left + 2.0 / GREYS as f32, 0.52);
            let Ok(()) = canvas.fill_solid(&area, Rgb888::new(grey, grey, grey));
        }
        let pen = |height: f32, color| {
            let height = height * self.radius;
            Pen {
                height,
                weight: height * 0.15,
                color,
            }
        };
        pen(NAME_HEIGHT, Rgb888::WHITE).write(canvas, "framecast", self.at(0.0, NAME_Y));
        let foot_of_clock = CLOCK_Y + (CLOCK_HEIGHT - ZONE_HEIGHT) / 2.0;
        pen(ZONE_HEIGHT, PALE).write(canvas, "utc", self.at(0.785, foot_of_clock));
        let Pattern {
            width, height, fps, ..
        } = pattern;
        pen(SMALL_HEIGHT, PALE).write(
            canvas,
            &format!("{width}x{height}  {fps} fps"),
            self.at(0.0, SIZE_Y),
        );
        pen(SMALL_HEIGHT, PALE).write(canvas, "frame", self.at(-0.27, NUMBER_Y));
    }
}

/// The characters of a clock: drawn once, and copied for each frame.
#[derive(Debug)]
struct Digits {
    tiles: Vec<(char, Canvas)>,
}

impl Digits {
    /// Draws the characters with `pen`, and shrinks them by the factor `smoothing`.
    fn new(pen: &Pen, ground: Rgb888, smoothing: u16) -> Self {
        let factor = f32::from(smoothing);
        let tile = |character: char| {
            let width = pen.advance(character) / factor;
            let height = (pen.height + pen.weight * 2.0) / factor;
            let mut tile = Canvas::new(
                width.round() as u16 * smoothing,
                height.round() as u16 * smoothing,
                ground,
            );
            let middle = tile.bounding_box().center();
            pen.write(&mut tile, character.encode_utf8(&mut [0; 4]), middle);
            (character, tile.shrunk(smoothing))
        };
        Self {
            tiles: "0123456789:.".chars().map(tile).collect(),
        }
    }

    /// Writes one line, centered at `center`.
    fn write(&self, canvas: &mut Canvas, text: &str, center: Point) {
        let tiles = || {
            text.chars().filter_map(|wanted| {
                self.tiles
                    .iter()
                    .find(|(character, _)| *character == wanted)
            })
        };
        let width: u32 = tiles().map(|(_, tile)| tile.size().width).sum();
        let mut x = center.x - width as i32 / 2;
        for (_, tile) in tiles() {
            canvas.paste(
                tile,
                Point::new(x, center.y - tile.size().height as i32 / 2),
            );
            x += tile.size().width as i32;
        }
    }
}

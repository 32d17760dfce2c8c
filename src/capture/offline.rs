//! The picture that is shown while a camera is down.

use std::time::{Duration, UNIX_EPOCH};

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, PrimitiveStyle, Rectangle};

use super::canvas::Canvas;
use super::pen::Pen;

const GROUND: Rgb888 = Rgb888::new(0x11, 0x15, 0x1c);
const RULE: Rgb888 = Rgb888::new(0x2b, 0x33, 0x40);
const NAME: Rgb888 = Rgb888::new(0xf2, 0xf5, 0xf9);
const SIGNAL: Rgb888 = Rgb888::new(0xe0, 0x6a, 0x4e);
const REASON: Rgb888 = Rgb888::new(0xa9, 0xb4, 0xc4);
const SINCE: Rgb888 = Rgb888::new(0x7f, 0x8b, 0x9d);

const QUALITY: u8 = 85;

/// A smaller or larger picture is no camera's, and what a camera claims must not decide how much memory is taken.
const SIDE_PIXELS_MIN: u16 = 16;
const SIDE_PIXELS_MAX: u16 = 8192;

/// The lines of a reason, and what is looked at of it at all.
const REASON_LINES_MAX: usize = 3;
const REASON_CHARACTERS_MAX: usize = 400;
const NAME_CHARACTERS_MAX: usize = 60;

/// The last second whose year has four digits.
const UNIX_SECONDS_MAX: u64 = 253_402_300_799;

/// The part of the picture's width that a line may take.
const LINE_WIDTH: f32 = 0.88;

/// Heights of digits and places of middles, in units of the layout, from the middle of the picture down.
const SIGNAL_HEIGHT: f32 = 0.058;
const SIGNAL_Y: f32 = -0.31;
const NAME_HEIGHT: f32 = 0.13;
const NAME_Y: f32 = -0.14;
const RULE_Y: f32 = -0.005;
const REASON_HEIGHT: f32 = 0.045;
const REASON_Y: f32 = 0.095;
const REASON_STEP: f32 = 0.085;
const SINCE_HEIGHT: f32 = 0.040;
const SINCE_Y: f32 = 0.385;

/// How many times as large a line is drawn before it is shrunk to smooth its edges.
const SMOOTHING: u16 = 4;

/// Draws the picture of the camera `name`, which is offline for `reason` since `since`, a time since the Unix epoch, as
/// a JPEG of `width` x `height` pixels, each side from 16 to 8192 or else the nearest of these.
pub fn draw(name: &str, reason: &str, since: Duration, width: u16, height: u16) -> Vec<u8> {
    let [width, height] = [width, height].map(|side| side.clamp(SIDE_PIXELS_MIN, SIDE_PIXELS_MAX));
    let mut card = Card::new(width, height);
    card.name(name);
    card.signal();
    card.rule();
    card.reason(reason);
    card.write(&format!("since {} UTC", spell(since)), card.unit * SINCE_HEIGHT, card.at(SINCE_Y), SINCE);
    card.canvas.to_jpeg(QUALITY)
}

/// The picture, and the measures that fit everything into it, wide or high.
struct Card {
    canvas: Canvas,
    centre: Point,
    /// The unit of the layout, in pixels.
    unit: f32,
    line_width: f32,
}

impl Card {
    fn new(width: u16, height: u16) -> Self {
        let canvas = Canvas::new(width, height, GROUND);
        Self {
            centre: canvas.bounding_box().center(),
            canvas,
            unit: f32::from(height).min(f32::from(width) * 0.75),
            line_width: f32::from(width) * LINE_WIDTH,
        }
    }

    /// The word "offline" behind a red light, which is as high as the small letters.
    fn signal(&mut self) {
        let pen = pen(self.unit * SIGNAL_HEIGHT, SIGNAL);
        let (light, gap) = (pen.height * 0.6, pen.height * 0.5);
        let aside = |distance: f32| Point::new((distance / 2.0).round() as i32, 0);
        let middle = self.at(SIGNAL_Y);
        self.write("offline", pen.height, middle + aside(light + gap), SIGNAL);

        let side = light * f32::from(SMOOTHING);
        let mut tile = Canvas::new(side as u16 + SMOOTHING, side as u16 + SMOOTHING, GROUND);
        let lamp = Circle::with_center(tile.bounding_box().center(), side as u32);
        let Ok(()) = lamp.into_styled(PrimitiveStyle::with_fill(SIGNAL)).draw(&mut tile);
        let lower = Point::new(0, (pen.height * 0.21).round() as i32);
        self.paste(&tile.shrunk(SMOOTHING), middle - aside(pen.width("offline") + gap) + lower);
    }

    /// The name as large as there is room for it.
    fn name(&mut self, name: &str) {
        let name: String = plain(name).take(NAME_CHARACTERS_MAX).collect();
        let height = self.unit * NAME_HEIGHT;
        let room = self.line_width / pen(height, NAME).width(&name).max(1.0);
        self.write(&name, height * room.min(1.0), self.at(NAME_Y), NAME);
    }

    fn rule(&mut self) {
        let size = Size::new((self.unit * 0.16) as u32, (self.unit * 0.006).round().max(1.0) as u32);
        let Ok(()) = self.canvas.fill_solid(&Rectangle::with_center(self.at(RULE_Y), size), RULE);
    }

    fn reason(&mut self, reason: &str) {
        let reason: String = plain(reason).take(REASON_CHARACTERS_MAX).collect();
        let pen = pen(self.unit * REASON_HEIGHT, REASON);
        let lines = wrap(&reason, |line| pen.width(line) <= self.line_width);
        for (line, y) in lines.iter().zip((0_u8..).map(|line| REASON_Y + REASON_STEP * f32::from(line))) {
            self.write(line, pen.height, self.at(y), REASON);
        }
    }

    /// Writes one line with its middle at `centre`, its digits `height` pixels high.
    fn write(&mut self, text: &str, height: f32, centre: Point, color: Rgb888) {
        let large = pen(height * f32::from(SMOOTHING), color);
        // Half a stroke stands out at either side, and a letter reaches below its line by a third of a digit.
        let width = (large.width(text) + large.weight * 2.0) as u16 / SMOOTHING * SMOOTHING;
        let height = (large.height * 1.8) as u16 / SMOOTHING * SMOOTHING;
        let mut tile = Canvas::new(width.max(SMOOTHING), height.max(SMOOTHING), GROUND);
        let middle = tile.bounding_box().center();
        large.write(&mut tile, text, middle);
        self.paste(&tile.shrunk(SMOOTHING), centre);
    }

    fn paste(&mut self, tile: &Canvas, centre: Point) {
        let half = tile.size() / 2;
        self.canvas.paste(tile, centre - Point::new(half.width as i32, half.height as i32));
    }

    fn at(&self, y: f32) -> Point {
        self.centre + Point::new(0, (self.unit * y).round() as i32)
    }
}

fn pen(height: f32, color: Rgb888) -> Pen {
    Pen { height, weight: height * 0.125, color }
}

/// `text` in the characters that can be written: control characters become spaces, accents are lost, and what is left
/// becomes a question mark.
fn plain(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|character| match character {
        _ if character.is_control() || character.is_whitespace() => ' ',
        'À'..='Å' => 'A',
        'Ç' => 'C',
        'È'..='Ë' => 'E',
        'Ì'..='Ï' => 'I',
        'Ñ' => 'N',
        'Ò'..='Ö' | 'Ø' => 'O',
        'Ù'..='Ü' => 'U',
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'ù'..='ü' => 'u',
        'ß' => 's',
        '`' | '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        '\u{2013}' | '\u{2014}' => '-',
        _ if Pen::knows(character) => character,
        _ => '?',
    })
}

/// `text` in a few lines that fit. What does not fit into the last of them is replaced by dots.
fn wrap(text: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().map(|line| format!("{line} {word}")).filter(|line| fits(line)) {
            Some(longer) => {
                lines.pop();
                lines.push(longer);
            }
            None => lines.push(word.to_owned()),
        }
        // A path may be longer than a line.
        while let Some(end) = lines.last().and_then(|line| overflow(line, &fits)) {
            let rest = lines.last_mut().map(|line| line.split_off(end)).unwrap_or_default();
            lines.push(rest);
        }
    }
    if lines.len() > REASON_LINES_MAX {
        lines.truncate(REASON_LINES_MAX);
        let mut last = lines.pop().unwrap_or_default();
        while !last.is_empty() && !fits(&format!("{last}...")) {
            last.pop();
        }
        lines.push(last + "...");
    }
    lines
}

/// Where the first character begins that has no room on the line any more; a line has room for one at least.
fn overflow(line: &str, fits: impl Fn(&str) -> bool) -> Option<usize> {
    let mut ends = line.char_indices().map(|(at, character)| at + character.len_utf8());
    let first = ends.next()?;
    ends.find(|&end| !fits(&line[..end])).map(|end| {
        let last = line[..end].char_indices().last().map_or(first, |(at, _)| at);
        last.max(first)
    })
}

/// The date and time that `unix` is, as in `2026-11-23 14:05:09`.
fn spell(unix: Duration) -> String {
    let whole = Duration::from_secs(unix.as_secs().min(UNIX_SECONDS_MAX));
    let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + whole).to_string();
    time.replace('T', " ").replace('Z', "")
}

//! The placeholder: the picture that viewers see while a camera is offline.

use std::time::Duration;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, PrimitiveStyle, Rectangle};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::canvas::Canvas;
use super::pen::Pen;

const GROUND: Rgb888 = Rgb888::new(0x11, 0x15, 0x1c);
const RULE: Rgb888 = Rgb888::new(0x2b, 0x33, 0x40);
const NAME: Rgb888 = Rgb888::new(0xf2, 0xf5, 0xf9);
const SIGNAL: Rgb888 = Rgb888::new(0xe0, 0x6a, 0x4e);
const REASON: Rgb888 = Rgb888::new(0xa9, 0xb4, 0xc4);
const SINCE: Rgb888 = Rgb888::new(0x7f, 0x8b, 0x9d);

const QUALITY: u8 = 85;

/// The range of a side. It bounds the memory, since the size is the one that the camera had.
const SIDE_PIXELS_MIN: u16 = 16;
const SIDE_PIXELS_MAX: u16 = 8192;

/// The maximum number of characters drawn of a reason and of a name.
const REASON_CHARACTERS_MAX: usize = 1000;
const NAME_CHARACTERS_MAX: usize = 60;

/// The last second whose year has four digits.
const UNIX_SECONDS_MAX: i64 = 253_402_207_200;

/// The maximum width of a line, relative to the width of the picture.
const LINE_WIDTH: f32 = 0.88;

/// The heights of the digits and of the lines (`STEP`), in units of the layout.
const SIGNAL_HEIGHT: f32 = 0.050;
const SIGNAL_STEP: f32 = 0.120;
const NAME_HEIGHT: f32 = 0.110;
const NAME_STEP: f32 = 0.190;
const RULE_STEP: f32 = 0.075;
const SINCE_HEIGHT: f32 = 0.036;
const SINCE_STEP: f32 = 0.130;
/// The free space above and below.
const MARGIN: f32 = 0.06;

/// The range of the digit height of a reason, which is as large as fits: in units of the layout,
/// the minimum also in pixels.
const REASON_HEIGHT_MAX: f32 = 0.055;
const REASON_HEIGHT_MIN: f32 = 0.022;
const REASON_PIXELS_MIN: f32 = 6.0;
const REASON_SHRINK: f32 = 0.93;
/// The height of a line of a reason, in units of its digit height.
const LINE_STEP: f32 = 1.9;

/// A line is drawn this many times as large and then shrunk, to smooth its edges.
const SMOOTHING: u16 = 4;

/// Draws the placeholder of the camera `name` as a JPEG. The camera is offline for `reason` since
/// `since`, the time since the Unix epoch. `width` and `height` are in pixels and are clamped to 16
/// to 8192. The time is shown in the time zone of this machine (`TZ`, else `/etc/localtime`), or in
/// UTC if it has none.
pub fn draw(name: &str, reason: &str, since: Duration, width: u16, height: u16) -> Vec<u8> {
    let [width, height] = [width, height].map(|side| side.clamp(SIDE_PIXELS_MIN, SIDE_PIXELS_MAX));
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let mut card = Card::new(width, height);
    let (cause, subject) = cause_first(reason);
    let since = format!("since {}", format_time(since, &zone));

    let head = SIGNAL_STEP + NAME_STEP + RULE_STEP;
    let room = f32::from(height) - card.unit * (head + SINCE_STEP + 2.0 * MARGIN);
    let text = card.fit(&cause, subject, room);
    // Center the text vertically.
    let all = card.unit * (head + SINCE_STEP) + text.height();
    card.y = ((f32::from(height) - all) / 2.0).max(0.0);
    card.signal();
    card.name(name);
    card.rule();
    card.text(&text);
    let (step, at) = (card.unit * SINCE_STEP, card.unit * SINCE_HEIGHT);
    card.line(&since, at, step, SINCE);
    card.canvas.to_jpeg(QUALITY)
}

/// The picture, its layout, and the position of the next line.
struct Card {
    canvas: Canvas,
    center: Point,
    /// The unit of the layout, in pixels.
    unit: f32,
    line_width: f32,
    /// The top of the next line, in pixels.
    y: f32,
}

/// Wrapped lines, and the digit height at which they fit.
struct Text {
    digit_height: f32,
    lines: Vec<(String, Rgb888)>,
}

impl Text {
    fn height(&self) -> f32 {
        self.lines.len() as f32 * self.digit_height * LINE_STEP
    }
}

impl Card {
    fn new(width: u16, height: u16) -> Self {
        let canvas = Canvas::new(width, height, GROUND);
        Self {
            center: canvas.bounding_box().center(),
            canvas,
            unit: f32::from(height).min(f32::from(width) * 0.75),
            line_width: f32::from(width) * LINE_WIDTH,
            y: 0.0,
        }
    }

    /// Draws a red dot and the word "offline".
    fn signal(&mut self) {
        let pen = pen(self.unit * SIGNAL_HEIGHT, SIGNAL);
        let (light, gap) = (pen.height * 0.6, pen.height * 0.5);
        let aside = |distance: f32| Point::new((distance / 2.0).round() as i32, 0);
        let middle = self.advance(self.unit * SIGNAL_STEP);
        self.write("offline", pen.height, middle + aside(light + gap), SIGNAL);

        let side = light * f32::from(SMOOTHING);
        let mut tile = Canvas::new(side as u16 + SMOOTHING, side as u16 + SMOOTHING, GROUND);
        let lamp = Circle::with_center(tile.bounding_box().center(), side as u32);
        let Ok(()) = lamp
            .into_styled(PrimitiveStyle::with_fill(SIGNAL))
            .draw(&mut tile);
        let lower = Point::new(0, (pen.height * 0.21).round() as i32);
        self.paste(
            &tile.shrunk(SMOOTHING),
            middle - aside(pen.width("offline") + gap) + lower,
        );
    }

    fn name(&mut self, name: &str) {
        let name: String = drawable(name).take(NAME_CHARACTERS_MAX).collect();
        self.line(&name, self.unit * NAME_HEIGHT, self.unit * NAME_STEP, NAME);
    }

    fn rule(&mut self) {
        let middle = self.advance(self.unit * RULE_STEP);
        let size = Size::new(
            (self.unit * 0.16) as u32,
            (self.unit * 0.006).round().max(1.0) as u32,
        );
        let Ok(()) = self
            .canvas
            .fill_solid(&Rectangle::with_center(middle, size), RULE);
    }

    /// Wraps the cause, and below it the subject, with the largest digits that fit into `room`
    /// pixels of height. Text that does not fit at the minimum size is cut off with dots.
    fn fit(&self, cause: &str, subject: &str, room: f32) -> Text {
        let min = (self.unit * REASON_HEIGHT_MIN).max(REASON_PIXELS_MIN);
        let mut digit_height = (self.unit * REASON_HEIGHT_MAX).max(min);
        loop {
            let fits = |line: &str| pen(digit_height, REASON).width(line) <= self.line_width;
            let colored = |text: &str, color| {
                let text: String = drawable(text).take(REASON_CHARACTERS_MAX).collect();
                wrap(&text, fits).into_iter().map(move |line| (line, color))
            };
            let mut lines: Vec<_> = colored(cause, REASON)
                .chain(colored(subject, SINCE))
                .collect();
            let room_for = (room / (digit_height * LINE_STEP)) as usize;
            if lines.len() > room_for && digit_height > min {
                digit_height = (digit_height * REASON_SHRINK).max(min);
                continue;
            }
            if lines.len() > room_for {
                lines.truncate(room_for);
                if let Some((last, _)) = lines.last_mut() {
                    cut(last, fits);
                }
            }
            return Text {
                digit_height,
                lines,
            };
        }
    }

    fn text(&mut self, text: &Text) {
        for (line, color) in &text.lines {
            self.line(
                line,
                text.digit_height,
                text.digit_height * LINE_STEP,
                *color,
            );
        }
    }

    /// Writes the next line, `step` pixels high; with smaller digits if it is too long.
    fn line(&mut self, text: &str, height: f32, step: f32, color: Rgb888) {
        let middle = self.advance(step);
        let room = self.line_width / pen(height, color).width(text).max(1.0);
        self.write(text, height * room.min(1.0), middle, color);
    }

    /// Moves down by `step` pixels, and returns the middle of the line passed.
    fn advance(&mut self, step: f32) -> Point {
        let middle = (self.y + step / 2.0).round() as i32;
        self.y += step;
        Point::new(self.center.x, middle)
    }

    /// Writes one line centered at `center`, with digits of `height` pixels.
    fn write(&mut self, text: &str, height: f32, center: Point, color: Rgb888) {
        let large = pen(height * f32::from(SMOOTHING), color);
        // Add half a stroke at either side, and a third of a digit below the line for descenders.
        let width = (large.width(text) + large.weight * 2.0) as u16 / SMOOTHING * SMOOTHING;
        let height = (large.height * 1.8) as u16 / SMOOTHING * SMOOTHING;
        let mut tile = Canvas::new(width.max(SMOOTHING), height.max(SMOOTHING), GROUND);
        let middle = tile.bounding_box().center();
        large.write(&mut tile, text, middle);
        self.paste(&tile.shrunk(SMOOTHING), center);
    }

    fn paste(&mut self, tile: &Canvas, center: Point) {
        let half = tile.size() / 2;
        self.canvas.paste(
            tile,
            center - Point::new(half.width as i32, half.height as i32),
        );
    }
}

/// Splits a reason that begins with an address or a path (`http://cam/x: no data; check ...`) into
/// the cause and the subject. The placeholder shows the cause first: an address may be long.
fn cause_first(reason: &str) -> (String, &str) {
    match reason.split_once(": ") {
        Some((subject, cause))
            if !subject.contains(char::is_whitespace) && subject.contains(['/', ':', '.']) =>
        {
            let mut letters = cause.chars();
            let first = letters
                .next()
                .map(|first| first.to_uppercase().collect::<String>())
                .unwrap_or_default();
            (first + letters.as_str(), subject)
        }
        _ => (reason.to_owned(), ""),
    }
}

fn pen(height: f32, color: Rgb888) -> Pen {
    Pen {
        height,
        weight: height * 0.125,
        color,
    }
}

/// Replaces the characters that the font does not have: control characters by spaces, letters with
/// accents by the plain letter, and others by a question mark.
fn drawable(text: &str) -> impl Iterator<Item = char> + '_ {
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
        _ if Pen::supports(character) => character,
        _ => '?',
    })
}

/// Wraps `text` into lines that fit. A word longer than a line, such as an address, is broken after
/// a punctuation mark if possible, else at the end of the line.
fn wrap(text: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines
            .last_mut()
            .map(|line| format!("{line} {word}"))
            .filter(|line| fits(line))
        {
            Some(longer) => {
                lines.pop();
                lines.push(longer);
            }
            None => lines.push(word.to_owned()),
        }
        while let Some(end) = lines.last().and_then(|line| overflow(line, &fits)) {
            let rest = lines
                .last_mut()
                .map(|line| line.split_off(end))
                .unwrap_or_default();
            lines.push(rest);
        }
    }
    lines
}

/// The position at which to break a line that does not fit. A line has at least one character.
fn overflow(line: &str, fits: impl Fn(&str) -> bool) -> Option<usize> {
    let mut ends = line
        .char_indices()
        .map(|(at, character)| at + character.len_utf8());
    let mut end = ends.next()?;
    if fits(line) {
        return None;
    }
    end = ends
        .take_while(|&end| fits(&line[..end]))
        .last()
        .unwrap_or(end);
    let mark = line[..end]
        .rfind(['/', '?', '&', '=', '.', ',', ':', ';', '_', '-'])
        .map(|mark| mark + 1);
    // Do not break after a few characters only.
    let at = mark.filter(|&mark| mark > end / 2).unwrap_or(end);
    (at < line.len()).then_some(at)
}

/// Ends `line` with dots, and shortens it until it fits.
fn cut(line: &mut String, fits: impl Fn(&str) -> bool) {
    while !line.is_empty() && !fits(&format!("{line}...")) {
        line.pop();
    }
    line.push_str("...");
}

/// Formats `unix`, the time since the Unix epoch, as in `2026-11-23 14:05:09 CET`.
fn format_time(unix: Duration, zone: &TimeZone) -> String {
    let seconds = i64::try_from(unix.as_secs())
        .unwrap_or(UNIX_SECONDS_MAX)
        .min(UNIX_SECONDS_MAX);
    let time = Timestamp::from_second(seconds)
        .unwrap_or_default()
        .to_zoned(zone.clone());
    let text = time.strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    // A zone without a name is shown as its offset.
    text.replace(" +", " UTC+").replace(" -", " UTC-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_formatted_with_its_zone() {
        let format = |zone: &str, seconds| {
            format_time(
                Duration::from_secs(seconds),
                &TimeZone::posix(zone).unwrap(),
            )
        };
        assert_eq!(
            format("CET-1CEST,M3.5.0,M10.5.0/3", 1_795_788_309),
            "2026-11-27 15:05:09 CET"
        );
        assert_eq!(
            format("CET-1CEST,M3.5.0,M10.5.0/3", 1_782_568_800),
            "2026-06-27 16:00:00 CEST"
        );
        assert_eq!(
            format("<-03>3", 1_795_788_309),
            "2026-11-27 11:05:09 UTC-03"
        );
        assert_eq!(format("UTC0", u64::MAX), "9999-12-30 22:00:00 UTC");
    }

    #[test]
    fn reason_with_address_is_split_into_cause_and_subject() {
        let (cause, subject) = cause_first("http://cam/a?b=c: no answer; check the address");
        assert_eq!(
            (cause.as_str(), subject),
            ("No answer; check the address", "http://cam/a?b=c")
        );
        let (cause, subject) = cause_first("/dev/video9: no such device: plug it in");
        assert_eq!(
            (cause.as_str(), subject),
            ("No such device: plug it in", "/dev/video9")
        );
        for whole in [
            "cannot open /dev/video0: no such file",
            "ended: exit status 1",
            "",
            ": ",
            "x: ",
        ] {
            assert_eq!(cause_first(whole), (whole.to_owned(), ""));
        }
    }

    #[test]
    fn wrapped_lines_hold_all_words_and_break_addresses_after_a_mark() {
        let fits = |line: &str| line.chars().count() <= 20;
        let address = "http://camera.example.org/video/stream.cgi?user=admin";
        let lines = wrap(&format!("no answer from {address}; check it"), fits);
        assert!(lines.iter().all(|line| fits(line)), "{lines:?}");
        assert_eq!(
            lines.concat().replace(' ', ""),
            format!("noanswerfrom{address};checkit")
        );
        assert!(lines.iter().any(|line| line.ends_with('/')), "{lines:?}");
        assert_eq!(wrap(&"\u{e4}".repeat(41), fits).len(), 3);
    }

    #[test]
    fn long_reason_fits_at_common_sizes() {
        let reason =
            "http://camera.example.org/cgi-bin/mjpg/video.cgi?channel=1&subtype=1&user=***: "
                .to_owned()
                + &"the camera does not answer, so try another address, please; ".repeat(5);
        for (width, height) in [(640, 480), (480, 640), (1280, 720), (720, 1280), (320, 240)] {
            let card = Card::new(width, height);
            let room = f32::from(height)
                - card.unit * (SIGNAL_STEP + NAME_STEP + RULE_STEP + SINCE_STEP + 2.0 * MARGIN);
            let (cause, subject) = cause_first(&reason);
            let text = card.fit(&cause, subject, room);
            let written: String = text
                .lines
                .iter()
                .map(|(line, _)| line.replace(' ', ""))
                .collect();
            assert_eq!(
                written,
                (cause + subject).replace(' ', ""),
                "{width}x{height}"
            );
            assert!(text.height() <= room);
        }
    }
}

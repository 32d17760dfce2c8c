//! What a camera offers, and what of it to take. Nothing here knows a device.

use std::fmt;
use std::str::FromStr;

pub use super::format::PixelFormat;

/// Rates closer than this, as a part of the wanted one, are the same: 29.97 is 30.
const SAME_RATE: f64 = 0.01;

const WIDTH_DEFAULT: u32 = 1280;
const HEIGHT_DEFAULT: u32 = 720;

/// The least size that a driver is taken to mean when it starts with it, and not with what it had
/// to name.
const WIDTH_SENSIBLE_MIN: u32 = 320;
const HEIGHT_SENSIBLE_MIN: u32 = 240;

/// The longest side, in pixels, of a baseline JPEG (ITU T.81, B.2.2).
pub(super) const SIDE_PIXELS_MAX: u32 = 65_535;

/// A width and a height, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

impl Size {
    /// Whether somebody may have chosen it, rather than a driver that had to begin with some size.
    pub fn is_sensible(self) -> bool {
        (WIDTH_SENSIBLE_MIN..=SIDE_PIXELS_MAX).contains(&self.width)
            && (HEIGHT_SENSIBLE_MIN..=SIDE_PIXELS_MAX).contains(&self.height)
    }

    fn distance(self, other: Self) -> u32 {
        self.width
            .abs_diff(other.width)
            .saturating_add(self.height.abs_diff(other.height))
    }
}

/// What most cameras have.
impl Default for Size {
    fn default() -> Self {
        Self {
            width: WIDTH_DEFAULT,
            height: HEIGHT_DEFAULT,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = ();

    /// `WIDTHxHEIGHT`, neither of them 0 or above 65,535.
    fn from_str(text: &str) -> Result<Self, ()> {
        let side = |text: &str| {
            text.parse()
                .ok()
                .filter(|side| (1..=SIDE_PIXELS_MAX).contains(side))
        };
        let (width, height) = text.split_once('x').ok_or(())?;
        Ok(Self {
            width: side(width).ok_or(())?,
            height: side(height).ok_or(())?,
        })
    }
}

/// Values from `least` to `greatest` in steps; a single one where the two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The least value.
    pub least: u32,
    /// The greatest value.
    pub greatest: u32,
    /// From one value to the next; 0 is taken as 1.
    pub step: u32,
}

impl Steps {
    /// The one value `value`.
    pub fn only(value: u32) -> Self {
        Self {
            least: value,
            greatest: value,
            step: 1,
        }
    }

    fn nearest(self, wanted: u32) -> u32 {
        let step = self.step.max(1);
        let above = wanted.saturating_sub(self.least);
        let steps = above / step + u32::from(above % step > step / 2);
        self.least + step * steps.min(self.greatest.saturating_sub(self.least) / step)
    }
}

/// Sizes that are offered: one, or all with these widths and heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The widths, in pixels.
    pub width: Steps,
    /// The heights, in pixels.
    pub height: Steps,
}

impl Sizes {
    fn nearest(&self, wanted: Size) -> Size {
        Size {
            width: self.width.nearest(wanted.width),
            height: self.height.nearest(wanted.height),
        }
    }
}

/// Rates that are offered, in frames a second: all from the slowest to the fastest, or one if they
/// are equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// The slowest.
    pub slowest: f64,
    /// The fastest.
    pub fastest: f64,
}

/// A format that a camera offers, and the sizes it comes in. Without any, only trying tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The format.
    pub format: PixelFormat,
    /// The sizes.
    pub sizes: Vec<Sizes>,
}

/// What to take of an offer, or what was got.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// What the pictures are made of.
    pub format: PixelFormat,
    /// Their size.
    pub size: Size,
    /// Frames a second.
    pub fps: f64,
}

impl Mode {
    /// Whether size and rate are what was wanted, as far as anybody can see.
    pub fn is_like(&self, size: Size, fps: f64) -> bool {
        self.size == size && rate_distance(self.fps, fps) == 0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{} {} at {} fps",
            self.format.name(),
            self.size,
            rate(self.fps)
        )
    }
}

/// The mode whose size is nearest to the wanted one; of several, the one whose rate is; of several,
/// the one of the best format. `rates` tells the rates of a format at a size; none means that only
/// trying tells.
pub fn choose(
    offers: &[Offer],
    size: Size,
    fps: f64,
    rates: impl Fn(PixelFormat, Size) -> Vec<Rates>,
) -> Option<Mode> {
    let modes = offers.iter().map(|offer| {
        let sizes = offer.sizes.iter().map(|sizes| sizes.nearest(size));
        let size = sizes
            .min_by_key(|offered| offered.distance(size))
            .unwrap_or(size);
        let rates = rates(offer.format, size)
            .into_iter()
            .map(|rates| fps.max(rates.slowest).min(rates.fastest));
        let fps = rates
            .min_by(|a, b| (a - fps).abs().total_cmp(&(b - fps).abs()))
            .unwrap_or(fps);
        Mode {
            format: offer.format,
            size,
            fps,
        }
    });
    modes.min_by_key(|mode| {
        (
            mode.size.distance(size),
            rate_distance(mode.fps, fps),
            mode.format,
        )
    })
}

/// A rate as people write it: 30, 29.97, 7.5.
pub fn rate(fps: f64) -> String {
    let text = format!("{fps:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How far two rates are apart, in hundredths of the wanted one.
fn rate_distance(fps: f64, wanted: f64) -> u64 {
    ((fps - wanted).abs() / wanted / SAME_RATE) as u64
}

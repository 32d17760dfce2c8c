//! The modes of a camera (format, frame size, frame rate) and the choice among them. Pure code: it
//! accesses no device.

use std::fmt;
use std::str::FromStr;

pub use super::format::PixelFormat;

/// Rates that differ by less than this fraction of the wanted one are equal: 29.97 is 30.
const RATE_TOLERANCE: f64 = 0.01;

const WIDTH_DEFAULT: u32 = 1280;
const HEIGHT_DEFAULT: u32 = 720;

/// The minimum for the current size of a device to be used: some drivers start with a tiny one.
const WIDTH_SENSIBLE_MIN: u32 = 320;
const HEIGHT_SENSIBLE_MIN: u32 = 240;

/// The maximum width and height of a baseline JPEG, in pixels (ITU T.81, B.2.2).
pub(super) const SIDE_PIXELS_MAX: u32 = 65_535;

/// A frame size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
}

impl Size {
    /// Whether it is at least 320x240 and fits a JPEG, so that it may be a user's choice.
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

/// 1280x720, which most cameras support.
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

    /// Parses `WIDTHxHEIGHT`, each from 1 to 65,535.
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

/// The values from `min` to `max` in steps; a single value if the two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stepwise {
    /// The minimum.
    pub min: u32,
    /// The maximum.
    pub max: u32,
    /// The distance of two values; 0 counts as 1.
    pub step: u32,
}

impl Stepwise {
    /// The single value `value`.
    pub fn only(value: u32) -> Self {
        Self {
            min: value,
            max: value,
            step: 1,
        }
    }

    fn nearest(self, wanted: u32) -> u32 {
        let step = self.step.max(1);
        let above = wanted.saturating_sub(self.min);
        let steps = above / step + u32::from(above % step > step / 2);
        self.min + step * steps.min(self.max.saturating_sub(self.min) / step)
    }
}

/// A frame size, or a range of them (`v4l2_frmsizeenum`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSizes {
    /// The widths, in pixels.
    pub width: Stepwise,
    /// The heights, in pixels.
    pub height: Stepwise,
}

impl FrameSizes {
    fn nearest(&self, wanted: Size) -> Size {
        Size {
            width: self.width.nearest(wanted.width),
            height: self.height.nearest(wanted.height),
        }
    }
}

/// A frame rate, or a range of them, in frames per second (`v4l2_frmivalenum`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameRates {
    /// The minimum.
    pub min: f64,
    /// The maximum.
    pub max: f64,
}

/// A format that a camera supports, and its frame sizes; none if the driver does not enumerate
/// them.
#[derive(Clone, Debug, PartialEq)]
pub struct SupportedFormat {
    /// The format.
    pub format: PixelFormat,
    /// The sizes.
    pub sizes: Vec<FrameSizes>,
}

/// A mode to set, or the mode that is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// The pixel format.
    pub format: PixelFormat,
    /// The frame size.
    pub size: Size,
    /// The frame rate, in frames per second.
    pub fps: f64,
}

impl Mode {
    /// Whether the size equals the wanted one, and the rate within 1 %.
    pub fn matches(&self, size: Size, fps: f64) -> bool {
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

/// Returns the mode whose size is nearest to the wanted one; among equals, the one with the nearest
/// rate; among equals, the one with the best format. `rates` returns the frame rates of a format
/// and size; none if the driver does not enumerate them.
pub fn choose(
    formats: &[SupportedFormat],
    size: Size,
    fps: f64,
    rates: impl Fn(PixelFormat, Size) -> Vec<FrameRates>,
) -> Option<Mode> {
    let modes = formats.iter().map(|supported| {
        let sizes = supported.sizes.iter().map(|sizes| sizes.nearest(size));
        let size = sizes
            .min_by_key(|nearest| nearest.distance(size))
            .unwrap_or(size);
        let rates = rates(supported.format, size)
            .into_iter()
            .map(|rates| fps.max(rates.min).min(rates.max));
        let fps = rates
            .min_by(|a, b| (a - fps).abs().total_cmp(&(b - fps).abs()))
            .unwrap_or(fps);
        Mode {
            format: supported.format,
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

/// Formats a rate with at most two decimals: 30, 29.97, 7.5.
pub fn rate(fps: f64) -> String {
    let text = format!("{fps:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The distance of two rates, in multiples of the tolerance.
fn rate_distance(fps: f64, wanted: f64) -> u64 {
    ((fps - wanted).abs() / wanted / RATE_TOLERANCE) as u64
}

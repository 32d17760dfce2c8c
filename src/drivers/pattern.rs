//! The source `pattern`: a moving test card with a clock, at the size and rate of any camera.

use std::time::Duration;

use super::card::Card;
use super::clock::Ticks;
use super::size::Size;
use super::source::{Parameters, SourceError};
use super::{CaptureError, Driver, Parts, patience};

const SIZE_DEFAULT: Size = Size { width: 1280, height: 720 };
const FPS_DEFAULT: f64 = 30.0;
const QUALITY_DEFAULT: u8 = 80;

/// `pattern:1280x720?fps=30&quality=80`: every part may be left out, and these are the defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Pixels from left to right, 16 to 8192.
    pub width: u16,
    /// Pixels from top to bottom, 16 to 8192.
    pub height: u16,
    /// Frames a second, above 0 and at most 240. A machine that cannot keep up sends fewer, never late ones.
    pub fps: f64,
    /// The quality of the JPEGs, 1 to 100.
    pub quality: u8,
}

impl Pattern {
    pub(crate) fn parse(rest: &str) -> Result<Self, SourceError> {
        let (size, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
        let parameters = Parameters::parse("pattern", query, &["fps", "quality"])?;
        let Size { width, height } = if size.is_empty() { SIZE_DEFAULT } else { parse_size(size)? };
        Ok(Self { width, height, fps: parameters.fps(FPS_DEFAULT)?, quality: parameters.quality(QUALITY_DEFAULT)? })
    }
}

impl Driver for Pattern {
    fn patience(&self) -> Option<Duration> {
        Some(patience(None, Some(self.fps)))
    }

    /// A test card needs nothing.
    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn run(&self, parts: &mut Parts) -> Result<(), CaptureError> {
        let card = Card::new(self);
        for (number, (tick, now)) in (1..).zip(Ticks::new(self.fps)) {
            parts.send(now, &card.frame(number, tick, now).to_jpeg(self.quality))?;
        }
        Ok(())
    }
}

fn parse_size(size: &str) -> Result<Size, SourceError> {
    size.parse().map_err(|rule| SourceError::Value { scheme: "pattern", what: "size", value: size.to_owned(), rule })
}

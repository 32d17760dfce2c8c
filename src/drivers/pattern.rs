//! The source `pattern`: a moving test card with a clock, at the size and rate of any camera.

use std::time::Duration;

use super::card::Card;
pub use super::card::Pattern;
use super::clock::Ticks;
use super::driver::{Driver, FrameWriter, frame_timeout};
use super::error::{CaptureError, SourceError};
use super::parameters::Parameters;
use super::size::Size;

const SIZE_DEFAULT: Size = Size {
    width: 1280,
    height: 720,
};
const FPS_DEFAULT: f64 = 30.0;
const QUALITY_DEFAULT: u8 = 80;

impl Pattern {
    pub(crate) fn parse(rest: &str) -> Result<Self, SourceError> {
        let (size, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
        let parameters = Parameters::parse("pattern", query, &["fps", "quality"])?;
        let Size { width, height } = if size.is_empty() {
            SIZE_DEFAULT
        } else {
            parse_size(size)?
        };
        Ok(Self {
            width,
            height,
            fps: parameters.fps(FPS_DEFAULT)?,
            quality: parameters.quality(QUALITY_DEFAULT)?,
        })
    }
}

impl Driver for Pattern {
    fn frame_timeout(&self) -> Option<Duration> {
        Some(frame_timeout(None, Some(self.fps)))
    }

    /// Always succeeds: a test card needs no device.
    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn run(&self, writer: &mut FrameWriter) -> Result<(), CaptureError> {
        let card = Card::new(self);
        for (number, (tick, now)) in (1..).zip(Ticks::new(self.fps)) {
            writer.send(now, &card.frame(number, tick, now).to_jpeg(self.quality))?;
        }
        Ok(())
    }
}

fn parse_size(size: &str) -> Result<Size, SourceError> {
    size.parse().map_err(|expected| SourceError::Value {
        scheme: "pattern",
        what: "size",
        value: size.to_owned(),
        expected,
    })
}

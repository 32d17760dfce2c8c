//! The source `stills`: the JPEG files of a directory as the pictures of a camera.

use std::path::PathBuf;
use std::time::Duration;

use super::clock::{Ticks, picture_at};
use super::driver::{Driver, FrameWriter, frame_timeout};
use super::error::{CaptureError, SourceError};
use super::parameters::Parameters;
use super::{directory, numbers, slideshow, watch};

const FPS_DEFAULT: f64 = 1.0;
const WATCH_FPS_DEFAULT: f64 = 10.0;

/// `stills:DIR?fps=1`: the `.jpg` and `.jpeg` files of `DIR` in the order of their names. Without
/// `DIR`: the embedded pictures of an emulated camera.
///
/// `stills:DIR?watch=1&fps=10`: the newest of those files, by its modification time, and then each
/// new file. The directory is listed `fps` times per second.
///
/// Parameters follow the last `?`. If the name of the directory contains a `?`, append another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Stills {
    /// The directory; `None` for the embedded pictures.
    pub directory: Option<PathBuf>,
    /// Pictures, or listings of the directory, per second; above 0 and at most 240.
    pub fps: f64,
    /// Whether to show the newest picture, instead of one after the other.
    pub watch: bool,
}

/// The embedded pictures, one per second.
impl Default for Stills {
    fn default() -> Self {
        Self {
            directory: None,
            fps: FPS_DEFAULT,
            watch: false,
        }
    }
}

impl Stills {
    pub(crate) fn parse(rest: &str) -> Result<Self, SourceError> {
        let (directory, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
        let parameters = Parameters::parse("stills", query, &["fps", "watch"])?;
        let directory = (!directory.is_empty()).then(|| PathBuf::from(directory));
        let watch = parameters.flag("watch")?;
        if watch && directory.is_none() {
            return Err(SourceError::WatchWithoutDirectory);
        }
        let fps_default = if watch {
            WATCH_FPS_DEFAULT
        } else {
            FPS_DEFAULT
        };
        Ok(Self {
            directory,
            fps: parameters.fps(fps_default)?,
            watch,
        })
    }
}

impl Driver for Stills {
    fn frame_timeout(&self) -> Option<Duration> {
        (!self.watch).then(|| frame_timeout(None, Some(self.fps)))
    }

    fn check(&self) -> Result<(), SourceError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        // A watched directory may be empty. The contents of the files are checked when they are
        // shown.
        let is_empty = directory::list(directory)?.is_empty();
        if is_empty && !self.watch {
            Err(SourceError::NoJpeg(directory.clone()))
        } else {
            Ok(())
        }
    }

    fn run(&self, writer: &mut FrameWriter) -> Result<(), CaptureError> {
        match &self.directory {
            Some(directory) if self.watch => return watch::run(directory, self.fps, writer),
            Some(directory) => return slideshow::run(directory, self.fps, writer),
            None => {}
        }
        for (_, now) in Ticks::new(self.fps) {
            let pictures = numbers::PICTURES;
            writer.send(now, pictures[picture_at(now, self.fps, pictures.len())])?;
        }
        Ok(())
    }
}

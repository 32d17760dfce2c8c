//! The source `stills`: the JPEG files of a directory, shown one after the other like the pictures
//! of a camera.

use std::path::PathBuf;
use std::time::Duration;

use super::clock::{Ticks, picture_at};
use super::driver::{Driver, Parts, frame_timeout};
use super::error::{CaptureError, SourceError};
use super::parameters::Parameters;
use super::{folder, numbers, turn, watch};

const FPS_DEFAULT: f64 = 1.0;
const WATCH_FPS_DEFAULT: f64 = 10.0;

/// `stills:DIR?fps=1`: the `.jpg` and `.jpeg` files of `DIR` in the order of their names. Without
/// `DIR`: the embedded pictures of an emulated camera.
///
/// `stills:DIR?watch=1&fps=10`: the newest of those files, by the time of its last change, and then
/// each that comes to the directory. `fps` is how often the directory is looked at.
///
/// Parameters begin at the last `?`. A directory whose own name holds one is written with another
/// `?` after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stills {
    /// The directory, or none for the embedded pictures.
    pub directory: Option<PathBuf>,
    /// Pictures, or looks at the directory, a second; above 0 and at most 240.
    pub fps: f64,
    /// Whether the newest picture is shown rather than one after the other.
    pub watch: bool,
}

/// The embedded pictures, one a second.
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
            return Err(SourceError::NothingToWatch);
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
        // A directory that is watched may be empty: pictures are to come. What is in the files is
        // seen when they are shown.
        let is_empty = folder::list(directory)?.is_empty();
        if is_empty && !self.watch {
            Err(SourceError::NoJpeg(directory.clone()))
        } else {
            Ok(())
        }
    }

    fn run(&self, parts: &mut Parts) -> Result<(), CaptureError> {
        match &self.directory {
            Some(directory) if self.watch => return watch::run(directory, self.fps, parts),
            Some(directory) => return turn::run(directory, self.fps, parts),
            None => {}
        }
        for (_, now) in Ticks::new(self.fps) {
            let pictures = numbers::PICTURES;
            parts.send(now, pictures[picture_at(now, self.fps, pictures.len())])?;
        }
        Ok(())
    }
}

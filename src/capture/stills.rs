//! The source `stills`: the JPEG files of a directory, shown one after the other like the pictures of a camera.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::clock::{Ticks, tick_at};
use super::source::{Parameters, SourceError};
use super::{CaptureError, Driver, Parts, numbers, patience, watch};
use crate::wire::jpeg::{FRAME_BYTES_MAX, Flaw, Splitter, check};

const FPS_DEFAULT: f64 = 1.0;
const WATCH_FPS_DEFAULT: f64 = 10.0;

/// `stills:DIR?fps=1`: the `.jpg` and `.jpeg` files of `DIR` in the order of their names. Without `DIR`: the
/// embedded pictures of an emulated camera.
///
/// `stills:DIR?watch=1&fps=10`: the newest of those files, by the time of its last change, and each newer one when it
/// comes. `fps` is how often the directory is looked at.
///
/// Parameters begin at the last `?`. A directory whose own name holds one is written with another `?` after it.
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
        Self { directory: None, fps: FPS_DEFAULT, watch: false }
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
        let fps_default = if watch { WATCH_FPS_DEFAULT } else { FPS_DEFAULT };
        Ok(Self { directory, fps: parameters.fps(fps_default)?, watch })
    }

    fn pictures(&self) -> Result<Vec<Bytes>, SourceError> {
        let Some(directory) = &self.directory else {
            return Ok(numbers::PICTURES.map(Bytes::from_static).to_vec());
        };
        let mut pictures = Vec::new();
        for path in jpeg_files(directory)? {
            match read_picture(&path) {
                Ok(picture) => pictures.push(picture),
                // Nobody may be listening, and that is no reason to stop showing pictures.
                Err(error) => drop(writeln!(io::stderr(), "left out {path:?}: {error}")),
            }
        }
        if pictures.is_empty() { Err(SourceError::NoJpeg(directory.clone())) } else { Ok(pictures) }
    }
}

impl Driver for Stills {
    fn patience(&self) -> Option<Duration> {
        (!self.watch).then(|| patience(None, Some(self.fps)))
    }

    fn check(&self) -> Result<(), SourceError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let files = jpeg_files(directory)?;
        // A directory that is watched may be empty: pictures are to come.
        let whole = self.watch || files.iter().any(|path| read_picture(path).is_ok());
        if whole { Ok(()) } else { Err(SourceError::NoJpeg(directory.clone())) }
    }

    fn run(&self, parts: &mut Parts) -> Result<(), CaptureError> {
        if let Some(directory) = self.directory.as_ref().filter(|_| self.watch) {
            return watch::run(directory, self.fps, parts);
        }
        let pictures = self.pictures()?;
        for (_, now) in Ticks::new(self.fps) {
            parts.send(now, &pictures[picture_at(now, self.fps, pictures.len())])?;
        }
        Ok(())
    }
}

/// Which of `count` pictures (at least one) a camera of `fps` pictures a second shows at `unix`, a time since the
/// Unix epoch. The clock alone decides, so every process that shows them shows the same one.
pub fn picture_at(unix: Duration, fps: f64, count: usize) -> usize {
    (tick_at(unix, fps) % count as u64) as usize
}

/// The files of `directory` that are JPEGs by their names, in the order in which people count: 2 before 10.
///
/// # Errors
/// The directory cannot be listed.
pub fn jpeg_files(directory: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let failed = |error| SourceError::Directory { directory: directory.to_owned(), error };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is = |wanted| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted));
        if is("jpg") || is("jpeg") {
            paths.push(path);
        }
    }
    paths.sort_by(|a, b| by_name(a, b));
    Ok(paths)
}

/// The order of two files in which people count.
pub(super) fn by_name(a: &Path, b: &Path) -> Ordering {
    let [a, b] = [a, b].map(|path| path.file_name().unwrap_or_default().as_encoded_bytes());
    runs(a).cmp(runs(b)).then_with(|| a.cmp(b))
}

/// Reads one picture. Cameras and phones append data of their own to a JPEG: it is cut off.
pub(super) fn read_picture(path: &Path) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FRAME_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    match check(&bytes) {
        Ok(_) => Ok(bytes.into()),
        Err(Flaw::Truncated) if bytes.len() == FRAME_BYTES_MAX => Err(ErrorKind::FileTooLarge.into()),
        Err(flaw) => {
            let cut = Splitter::new(FRAME_BYTES_MAX).decode(&mut BytesMut::from(&*bytes)).ok().flatten();
            let cut = cut.filter(|_| flaw == Flaw::TrailingBytes);
            cut.map(|part| part.jpeg).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, flaw))
        }
    }
}

/// A stretch of a file's name. The order of the variants and fields is the order of the names.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Run<'a> {
    /// The number of digits without leading zeros, then those digits: the longer number is the greater one.
    Number(usize, &'a [u8]),
    Text(&'a [u8]),
}

fn runs(name: &[u8]) -> impl Iterator<Item = Run<'_>> {
    name.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).map(|run| {
        if !run[0].is_ascii_digit() {
            return Run::Text(run);
        }
        let zeros = run.iter().take_while(|&&digit| digit == b'0').count();
        Run::Number(run.len() - zeros, &run[zeros..])
    })
}

//! `stills:DIR`: the pictures of a directory, one after the other by the clock. Each is read when
//! it is shown, so that only one is in memory.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use super::clock::{Ticks, picture_at};
use super::directory::{FileError, FileVersion, Still, list, read};
use super::driver::FrameWriter;
use super::error::{CaptureError, SourceError};
use super::stderr::log_line;

/// The interval of listing the directory. A large directory is listed less often: after a listing,
/// the driver waits at least `REST_PER_LIST` times as long as it took.
const LIST_INTERVAL: Duration = Duration::from_secs(1);
const REST_PER_LIST: u32 = 9;

/// Sends the pictures of `directory` in the order of their names, `fps` per second. New and deleted
/// files are noticed at the next listing.
pub(super) fn run(
    directory: &Path,
    fps: f64,
    writer: &mut FrameWriter,
) -> Result<(), CaptureError> {
    let mut slideshow = Slideshow {
        directory,
        files: Vec::new(),
        next_list_at: Instant::now(),
        rejected: HashMap::new(),
        shown: None,
    };
    for (_, now) in Ticks::new(fps) {
        slideshow.list()?;
        let next = picture_at(now, fps, slideshow.files.len());
        let still = slideshow.picture(next, writer.frame_bytes_max())?;
        writer.send_repaired(now, &still.jpeg, still.repair)?;
    }
    Ok(())
}

struct Slideshow<'a> {
    directory: &'a Path,
    files: Vec<FileVersion>,
    next_list_at: Instant,
    /// The errors of invalid files, which have been logged.
    rejected: HashMap<(u64, (i64, i64)), String>,
    /// The newest picture sent: if it is the only one, it is not read again each time.
    shown: Option<(FileVersion, Still)>,
}

impl Slideshow<'_> {
    /// Lists the directory if it is due.
    ///
    /// # Errors
    /// The directory cannot be listed, or has no JPEG file.
    fn list(&mut self) -> Result<(), SourceError> {
        let began = Instant::now();
        if !self.files.is_empty() && began < self.next_list_at {
            return Ok(());
        }
        self.files = list(self.directory)?;
        self.next_list_at = Instant::now() + LIST_INTERVAL.max(began.elapsed() * REST_PER_LIST);
        let states: HashSet<_> = self.files.iter().map(FileVersion::state).collect();
        self.rejected.retain(|state, _| states.contains(state));
        if self.files.is_empty() {
            Err(SourceError::NoJpeg(self.directory.to_owned()))
        } else {
            Ok(())
        }
    }

    /// Reads the picture at index `first`, or the next valid one.
    fn picture(&mut self, first: usize, frame_bytes_max: usize) -> Result<Still, SourceError> {
        let mut problem = None;
        for version in self.files.iter().cycle().skip(first).take(self.files.len()) {
            if let Some((_, still)) = self.shown.as_ref().filter(|(shown, _)| shown == version) {
                return Ok(still.clone());
            }
            if let Some(known) = self.rejected.get(&version.state()) {
                problem.get_or_insert_with(|| (version.path.clone(), known.clone()));
                continue;
            }
            match read(version, frame_bytes_max) {
                Ok(still) => {
                    self.shown = Some((version.clone(), still.clone()));
                    return Ok(still);
                }
                // It was deleted after the listing.
                Err(FileError::Io(error)) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    if version.is_settled() {
                        log_line(format_args!("{:?}: skipped: {error}", version.path));
                        self.rejected.insert(version.state(), error.to_string());
                    }
                    problem.get_or_insert_with(|| (version.path.clone(), error.to_string()));
                }
            }
        }
        self.files.clear();
        Err(match problem {
            None => SourceError::NoJpeg(self.directory.to_owned()),
            Some((file, problem)) => SourceError::NoValidJpeg { file, problem },
        })
    }
}

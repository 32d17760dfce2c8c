//! A folder whose pictures are shown one after the other, by the clock. Each is read when its turn
//! comes, so one is in memory at a time.

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::clock::{Ticks, picture_at};
use super::driver::Parts;
use super::error::{CaptureError, SourceError};
use super::folder::{Still, Unshown, Version, list, read};

/// The folder is listed so often, or a tenth of the time if listing takes longer.
const LIST_EVERY: Duration = Duration::from_secs(1);
const REST_PER_LIST: u32 = 9;

/// Sends the pictures of `directory` in the order of their names, `fps` a second. New files join
/// in, and those that are deleted leave.
pub(super) fn run(directory: &Path, fps: f64, parts: &mut Parts) -> Result<(), CaptureError> {
    let mut turn = Turn {
        directory,
        files: Vec::new(),
        list_at: Instant::now(),
        left_out: HashMap::new(),
        shown: None,
    };
    for (_, now) in Ticks::new(fps) {
        turn.list()?;
        let next = picture_at(now, fps, turn.files.len());
        let still = turn.picture(next, parts.frame_bytes_max())?;
        parts.send_repaired(now, &still.jpeg, still.repair)?;
    }
    Ok(())
}

struct Turn<'a> {
    directory: &'a Path,
    files: Vec<Version>,
    list_at: Instant,
    /// What is wrong with files that are no pictures, which has been logged.
    left_out: HashMap<(u64, (i64, i64)), String>,
    /// The newest picture sent: the only one of a folder is not read again each time.
    shown: Option<(Version, Still)>,
}

impl Turn<'_> {
    /// Looks which files there are, if it is time for that. There is at least one.
    fn list(&mut self) -> Result<(), SourceError> {
        let began = Instant::now();
        if !self.files.is_empty() && began < self.list_at {
            return Ok(());
        }
        self.files = list(self.directory)?;
        self.list_at = Instant::now() + LIST_EVERY.max(began.elapsed() * REST_PER_LIST);
        let states: HashSet<_> = self.files.iter().map(Version::state).collect();
        self.left_out.retain(|state, _| states.contains(state));
        if self.files.is_empty() {
            Err(SourceError::NoJpeg(self.directory.to_owned()))
        } else {
            Ok(())
        }
    }

    /// The picture of file number `first`, or the next one that is a picture.
    fn picture(&mut self, first: usize, frame_bytes_max: usize) -> Result<Still, SourceError> {
        let mut problem = None;
        for version in self.files.iter().cycle().skip(first).take(self.files.len()) {
            if let Some((_, still)) = self.shown.as_ref().filter(|(shown, _)| shown == version) {
                return Ok(still.clone());
            }
            if let Some(known) = self.left_out.get(&version.state()) {
                problem.get_or_insert_with(|| (version.path.clone(), known.clone()));
                continue;
            }
            match read(version, frame_bytes_max) {
                Ok(still) => {
                    self.shown = Some((version.clone(), still.clone()));
                    return Ok(still);
                }
                // It was deleted since the folder was listed.
                Err(Unshown::Unread(error)) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    if version.is_settled() {
                        say(&version.path, &error);
                        self.left_out.insert(version.state(), error.to_string());
                    }
                    problem.get_or_insert_with(|| (version.path.clone(), error.to_string()));
                }
            }
        }
        self.files.clear();
        Err(match problem {
            None => SourceError::NoJpeg(self.directory.to_owned()),
            Some((file, problem)) => SourceError::NotShown { file, problem },
        })
    }
}

/// The reader of standard error may be gone, and that is no reason to stop.
fn say(path: &Path, error: &Unshown) {
    let _ = writeln!(io::stderr(), "left out {path:?}: {error}");
}

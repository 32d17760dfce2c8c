//! `stills:DIR?watch=1`: the newest picture of a directory into which another program writes.
//!
//! The directory is listed periodically. inotify(7) would not suffice: it reports no changes on
//! network file systems, ends when the directory is deleted, and drops events when its queue
//! overflows. The processor time of listing is bounded instead ([`REST_PER_LIST`]).

use std::collections::HashSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::clock::Ticks;
use super::directory::{FileVersion, Still, list, read};
use super::driver::FrameWriter;
use super::error::{CaptureError, SourceError};
use super::stderr::log_line;
use crate::clock::wall_time;

/// After a listing, the driver sleeps this many times as long as it took. A directory of a hundred
/// thousand files is listed less often, and uses at most a tenth of one processor.
const REST_PER_LIST: u32 = 9;

/// The directory may be missing for this long, for example while it is replaced. After it the
/// driver exits with the error, and the server restarts it until the directory is back.
const MISSING_MAX: Duration = Duration::from_secs(2);

/// Sends the newest picture in `directory` and then each new one, listing it `fps` times per
/// second.
pub(super) fn run(
    directory: &Path,
    fps: f64,
    writer: &mut FrameWriter,
) -> Result<(), CaptureError> {
    let mut watched = WatchedDirectory {
        directory,
        known: HashSet::new(),
        invalid: HashSet::new(),
        missing_since: None,
    };
    for _ in Ticks::new(fps) {
        let began = Instant::now();
        let newer = watched.newer_picture(writer.frame_bytes_max())?;
        let rest = began.elapsed() * REST_PER_LIST;
        if let Some((modified, still)) = newer {
            let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            // The clock of a file server may be ahead: a capture time in the future becomes now.
            writer.send_repaired(modified.min(wall_time()), &still.jpeg, still.repair)?;
        }
        thread::sleep(rest);
    }
    Ok(())
}

/// The state of the directory between two listings.
///
/// A file is new if it was not listed before, whatever its modification time: the clock of a camera
/// may be wrong, and a file from the future would otherwise stay the newest for ever.
struct WatchedDirectory<'a> {
    directory: &'a Path,
    /// The files of the listing in which the newest picture was found.
    known: HashSet<(u64, SystemTime, u64)>,
    /// Complete files without a valid picture: they are not read again.
    invalid: HashSet<(u64, (i64, i64))>,
    /// When the directory could first not be listed. The error has been logged.
    missing_since: Option<Instant>,
}

impl WatchedDirectory<'_> {
    /// Returns the newest new picture, and its modification time.
    fn newer_picture(
        &mut self,
        frame_bytes_max: usize,
    ) -> Result<Option<(SystemTime, Still)>, SourceError> {
        let versions = self.list()?;
        let now = SystemTime::now();
        let is_new = |version: &&FileVersion| {
            !self.known.contains(&version.identity()) && !self.invalid.contains(&version.state())
        };
        let mut new: Vec<_> = versions.iter().filter(is_new).collect();
        new.sort_unstable_by(|a, b| b.by_age(a, now));
        let mut pending = HashSet::new();
        let mut found = None;
        for version in new {
            match read(version, frame_bytes_max) {
                Ok(still) => {
                    found = Some((version.modified, still));
                    break;
                }
                Err(error) if version.is_settled() => {
                    log_line(format_args!("{:?}: skipped: {error}", version.path));
                    self.invalid.insert(version.state());
                }
                // The file may still be written: read it again after the next listing.
                Err(_) => drop(pending.insert(version.identity())),
            }
        }
        let states: HashSet<_> = versions.iter().map(FileVersion::state).collect();
        self.invalid.retain(|state| states.contains(state));
        let seen = versions
            .iter()
            .map(FileVersion::identity)
            .filter(|identity| !pending.contains(identity));
        match found {
            Some(_) => self.known = seen.collect(),
            None => {
                let there: HashSet<_> = seen.collect();
                self.known.retain(|identity| there.contains(identity));
            }
        }
        Ok(found)
    }

    /// Lists the directory. Returns no files for up to [`MISSING_MAX`] while that fails, then the
    /// error.
    fn list(&mut self) -> Result<Vec<FileVersion>, SourceError> {
        match list(self.directory) {
            Ok(versions) => {
                self.missing_since = None;
                Ok(versions)
            }
            Err(error) => {
                let now = Instant::now();
                if self.missing_since.is_none() {
                    log_line(format_args!("{error}; retrying"));
                }
                if now >= *self.missing_since.get_or_insert(now) + MISSING_MAX {
                    Err(error)
                } else {
                    Ok(Vec::new())
                }
            }
        }
    }
}

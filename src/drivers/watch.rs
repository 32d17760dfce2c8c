//! A folder whose newest picture is what a camera shows: motion, a timelapse or an upload writes
//! there.
//!
//! The folder is looked at again and again rather than watched by inotify(7): that says nothing of
//! a folder on a file server, ends when the folder goes away, and loses events when there are too
//! many of them, so that the look at everything would be needed all the same. What looking costs is
//! bounded instead ([`REST_PER_LOOK`]).

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::clock::Ticks;
use super::driver::Parts;
use super::error::{CaptureError, SourceError};
use super::folder::{Still, Version, list, read};
use crate::clock::wall_time;

/// After a look, this many times as long as it took is rested: a folder of a hundred thousand files
/// is looked at less often, and takes a tenth of one processor at most.
const REST_PER_LOOK: u32 = 9;

/// A folder may be gone for this long, as when another one takes its place. Then the driver ends
/// with the reason, and the server starts it again until the folder is back.
const GONE_MAX: Duration = Duration::from_secs(2);

/// Sends the newest picture in `directory` and then each that comes into it, looking `fps` times a
/// second.
pub(super) fn run(directory: &Path, fps: f64, parts: &mut Parts) -> Result<(), CaptureError> {
    let mut folder = Folder {
        directory,
        known: HashSet::new(),
        flawed: HashSet::new(),
        gone_since: None,
    };
    for _ in Ticks::new(fps) {
        let began = Instant::now();
        let newer = folder.newer_picture(parts.frame_bytes_max())?;
        let rest = began.elapsed() * REST_PER_LOOK;
        if let Some((modified, still)) = newer {
            let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            // The clock of a file server may be ahead of ours, but nothing was captured after now.
            parts.send_repaired(modified.min(wall_time()), &still.jpeg, still.repair)?;
        }
        thread::sleep(rest);
    }
    Ok(())
}

/// What is known of the folder from one look to the next.
///
/// What comes into it is new, whatever time it bears: a camera's clock may be wrong, an archive is
/// older than what was shown before, and a file from the future would otherwise be the newest for
/// ever.
struct Folder<'a> {
    directory: &'a Path,
    /// The files that were there when a picture was shown, and those that have come since and are
    /// older than it.
    known: HashSet<(u64, SystemTime, u64)>,
    /// Files that are settled and no pictures: they are not read again.
    flawed: HashSet<(u64, (i64, i64))>,
    /// Since when the directory cannot be read, which has been logged.
    gone_since: Option<Instant>,
}

impl Folder<'_> {
    /// The newest picture that has come since the one before, and when it was written.
    fn newer_picture(
        &mut self,
        frame_bytes_max: usize,
    ) -> Result<Option<(SystemTime, Still)>, SourceError> {
        let versions = self.list()?;
        let now = SystemTime::now();
        let is_new = |version: &&Version| {
            !self.known.contains(&version.identity()) && !self.flawed.contains(&version.state())
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
                // What is no whole picture may be about to become one, so it is read again at the
                // next look; given up is only what has stayed as it is for a while.
                Err(error) if version.is_settled() => {
                    say(&format!("left out {:?}: {error}", version.path));
                    self.flawed.insert(version.state());
                }
                Err(_) => drop(pending.insert(version.identity())),
            }
        }
        let states: HashSet<_> = versions.iter().map(Version::state).collect();
        self.flawed.retain(|state| states.contains(state));
        let seen = versions
            .iter()
            .map(Version::identity)
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

    /// The files there are now. None while the directory cannot be read, for a short time.
    fn list(&mut self) -> Result<Vec<Version>, SourceError> {
        match list(self.directory) {
            Ok(versions) => {
                self.gone_since = None;
                Ok(versions)
            }
            Err(error) => {
                let now = Instant::now();
                if self.gone_since.is_none() {
                    say(&format!("{error}; waiting for it"));
                }
                if now >= *self.gone_since.get_or_insert(now) + GONE_MAX {
                    Err(error)
                } else {
                    Ok(Vec::new())
                }
            }
        }
    }
}

/// The reader of standard error may be gone, and that is no reason to stop.
fn say(words: &str) {
    let _ = writeln!(io::stderr(), "{words}");
}

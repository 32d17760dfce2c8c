//! A folder whose newest picture is what a camera shows: motion, a timelapse or an upload writes there.
//!
//! The folder is looked at again and again rather than watched by inotify(7): that says nothing of a folder on a file
//! server, ends when the folder goes away, and loses events when there are too many of them, so that the look at
//! everything would be needed all the same. What looking costs is bounded instead ([`REST_PER_LOOK`]).

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::clock::{Ticks, wall_time};
use super::stills::{by_name, jpeg_files, read_picture};
use super::{CaptureError, Parts};

/// After a look, this many times as long as it took is rested: a folder of a hundred thousand files is looked at less
/// often, and takes a tenth of one processor at most.
const REST_PER_LOOK: u32 = 9;

/// A file that was left alone for this long is no longer being written.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// Sends the newest picture in `directory` and then each that is newer than the one sent before, looking `fps` times a
/// second. A directory that cannot be read is waited for.
pub(super) fn run(directory: &Path, fps: f64, parts: &mut Parts) -> Result<(), CaptureError> {
    let mut folder = Folder { directory, shown: None, flawed: HashSet::new(), gone: false };
    for _ in Ticks::new(fps) {
        let began = Instant::now();
        let newer = folder.newer_picture();
        let rest = began.elapsed() * REST_PER_LOOK;
        if let Some((modified, jpeg)) = newer {
            let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            // The clock of a file server may be ahead of ours, but nothing was captured after now.
            parts.send(modified.min(wall_time()), &jpeg)?;
        }
        thread::sleep(rest);
    }
    Ok(())
}

/// What is known of the folder from one look to the next.
struct Folder<'a> {
    directory: &'a Path,
    /// The newest picture that was sent.
    shown: Option<Version>,
    /// Newer files that are settled and no pictures: they are not read again.
    flawed: HashSet<Version>,
    /// The directory could not be read, which has been said.
    gone: bool,
}

impl Folder<'_> {
    /// The newest whole picture, if it is newer than the one before, and when it was written.
    fn newer_picture(&mut self) -> Option<(SystemTime, Bytes)> {
        let versions = self.list();
        if versions.is_empty() {
            // Whatever comes into an empty folder is news, even files that are older than those that were there.
            self.shown = None;
        }
        let is_newer = |version: &Version| self.shown.as_ref().is_none_or(|shown| version.by_age(shown).is_gt());
        let newer = versions.into_iter().filter(is_newer);
        let (flawed, mut newer): (_, Vec<_>) = newer.partition(|version| self.flawed.contains(version));
        self.flawed = HashSet::from_iter::<Vec<_>>(flawed);
        newer.sort_unstable_by(|a, b| b.by_age(a));
        newer.into_iter().find_map(|version| self.read(version))
    }

    /// Reads one file. What is no whole picture may be about to become one, so it is tried again at the next look;
    /// given up is only what has stayed as it is for a while.
    fn read(&mut self, version: Version) -> Option<(SystemTime, Bytes)> {
        match read_picture(&version.path) {
            Ok(jpeg) => {
                let modified = version.modified;
                self.shown = Some(version);
                Some((modified, jpeg))
            }
            Err(error) => {
                if version.modified.elapsed().is_ok_and(|age| age >= SETTLED_AFTER) {
                    say(&format!("left out {:?}: {error}", version.path));
                    self.flawed.insert(version);
                }
                None
            }
        }
    }

    /// The files there are now.
    fn list(&mut self) -> Vec<Version> {
        match jpeg_files(self.directory) {
            Ok(paths) => {
                self.gone = false;
                paths.into_iter().filter_map(Version::of).collect()
            }
            Err(error) => {
                if !std::mem::replace(&mut self.gone, true) {
                    say(&format!("{error}; waiting for it"));
                }
                Vec::new()
            }
        }
    }
}

/// One state of a file: written anew, it is another version.
#[derive(PartialEq, Eq, Hash)]
struct Version {
    path: PathBuf,
    modified: SystemTime,
    bytes: u64,
}

impl Version {
    /// What there is at `path`, if it is a file: opening a pipe would wait for somebody to write into it.
    fn of(path: PathBuf) -> Option<Self> {
        let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        Some(Self { path, modified: metadata.modified().ok()?, bytes: metadata.len() })
    }

    /// The older one first. Some file systems count in steps of 2 s: of two files of one time, the later name is newer.
    fn by_age(&self, other: &Self) -> Ordering {
        let by_time = self.modified.cmp(&other.modified);
        by_time.then_with(|| by_name(&self.path, &other.path)).then(self.bytes.cmp(&other.bytes))
    }
}

/// Nobody may be listening, and that is no reason to stop showing pictures.
fn say(words: &str) {
    let _ = writeln!(io::stderr(), "{words}");
}

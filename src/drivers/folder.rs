//! The JPEG files of a folder: which there are, and what is in them.

use std::cmp::Ordering;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::fs::OFlags;

use super::error::SourceError;
use crate::wire::jpeg::{JpegError, repair, with_standard_tables};
use crate::wire::part::{Repair, too_large};

/// A file that was left alone for this long is no longer being written.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// One state of a file: written once more, it is another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) path: PathBuf,
    pub(super) modified: SystemTime,
    /// When anything of the file changed last, by the clock of the file system.
    changed: (i64, i64),
    bytes: u64,
    inode: u64,
}

impl Version {
    /// The file at `path`, or at the end of its links. A pipe, a socket or a device is none:
    /// opening it might block.
    pub(super) fn of(path: PathBuf) -> Option<Self> {
        let metadata = fs::metadata(&path).ok().filter(Metadata::is_file)?;
        Some(Self {
            modified: metadata.modified().ok()?,
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            bytes: metadata.len(),
            inode: metadata.ino(),
            path,
        })
    }

    /// What stays when a file is renamed.
    pub(super) fn identity(&self) -> (u64, SystemTime, u64) {
        (self.inode, self.modified, self.bytes)
    }

    /// What also changes with the permissions.
    pub(super) fn state(&self) -> (u64, (i64, i64)) {
        (self.inode, self.changed)
    }

    /// The older one first; a time in the future is `now`. Some file systems count in steps of 2 s:
    /// of two files of one time, the later name is newer.
    pub(super) fn by_age(&self, other: &Self, now: SystemTime) -> Ordering {
        let by_time = self.modified.min(now).cmp(&other.modified.min(now));
        by_time.then_with(|| by_name(&self.path, &other.path))
    }

    /// Whether nothing is being written into the file. If its time is in the future, its last
    /// change counts.
    pub(super) fn is_settled(&self) -> bool {
        let changed =
            UNIX_EPOCH + Duration::from_secs(u64::try_from(self.changed.0).unwrap_or_default());
        let age = self.modified.elapsed().or_else(|_| changed.elapsed());
        age.is_ok_and(|age| age >= SETTLED_AFTER)
    }
}

/// One picture that was read from a file.
#[derive(Clone, Debug)]
pub(super) struct Still {
    pub(super) jpeg: Bytes,
    pub(super) repair: Option<Repair>,
}

/// Why a file is left out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unshown {
    #[error(transparent)]
    Unread(#[from] io::Error),
    #[error("it is no file")]
    NoFile,
    #[error("{}", too_large(*.0))]
    TooLarge(usize),
    #[error(transparent)]
    Flawed(#[from] JpegError),
}

/// Reads the first picture of a file: cameras and phones append data of their own, previews and
/// further views. A file that may still be being written is not repaired.
pub(super) fn read(version: &Version, frame_bytes_max: usize) -> Result<Still, Unshown> {
    // Without this flag, opening a pipe that has just taken the place of the file would block.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = File::options()
        .read(true)
        .custom_flags(flags)
        .open(&version.path)?;
    if !file.metadata()?.is_file() {
        return Err(Unshown::NoFile);
    }
    let mut bytes = Vec::new();
    file.take(frame_bytes_max as u64 + 1)
        .read_to_end(&mut bytes)?;
    let is_cut = bytes.len() > frame_bytes_max;
    bytes.truncate(frame_bytes_max);
    let mended = match repair(&bytes) {
        Err(JpegError::Truncated) if is_cut => return Err(Unshown::TooLarge(frame_bytes_max)),
        mended => mended?,
    };
    if mended.repair == Some(Repair::EndMarker) && (is_cut || !version.is_settled()) {
        return Err(if is_cut {
            Unshown::TooLarge(frame_bytes_max)
        } else {
            JpegError::Truncated.into()
        });
    }
    let (repair, length) = (mended.repair, mended.jpeg.len());
    let is_whole_file = repair.is_none() && length == bytes.len();
    let jpeg: Bytes = match mended.picture.huffman_tables {
        false => with_standard_tables(&mended.jpeg).into(),
        true if is_whole_file => bytes.into(),
        true => mended.jpeg.into_owned().into(),
    };
    Ok(Still { jpeg, repair })
}

/// The files of `directory` that are JPEGs by their names, in the order in which people count: 2
/// before 10. What is no file, nor a link to one, is left out.
///
/// # Errors
/// The directory cannot be listed.
pub(super) fn list(directory: &Path) -> Result<Vec<Version>, SourceError> {
    let failed = |error| SourceError::Directory {
        directory: directory.to_owned(),
        error,
    };
    let mut versions = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is = |wanted| {
            path.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
        };
        if ["jpg", "jpeg", "jpe", "jfif"].into_iter().any(is) {
            versions.extend(Version::of(path));
        }
    }
    versions.sort_by(|a, b| by_name(&a.path, &b.path));
    Ok(versions)
}

/// The order of two files in which people count.
fn by_name(a: &Path, b: &Path) -> Ordering {
    let [a, b] = [a, b].map(|path| path.file_name().unwrap_or_default().as_encoded_bytes());
    runs(a).cmp(runs(b)).then_with(|| a.cmp(b))
}

/// A stretch of a file's name. The order of the variants and fields is the order of the names.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Run<'a> {
    /// The number of digits without leading zeros, then those digits: the longer number is the
    /// greater one.
    Number(usize, &'a [u8]),
    Text(&'a [u8]),
}

fn runs(name: &[u8]) -> impl Iterator<Item = Run<'_>> {
    name.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        .map(|run| {
            if !run[0].is_ascii_digit() {
                return Run::Text(run);
            }
            let zeros = run.iter().take_while(|&&digit| digit == b'0').count();
            Run::Number(run.len() - zeros, &run[zeros..])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_follow_each_other_as_people_count() {
        let directory = tempfile::tempdir().unwrap();
        let sorted = [
            "2.jpg",
            "02b.JPG",
            "10.jpeg",
            "99999999999999999999999.jpg",
            "a1.jpg",
            "a01c.jpg",
            "a2.Jpeg",
            "b.jpg",
        ];
        for name in sorted.iter().rev().chain(&["3.png", "jpg", "notes.txt"]) {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let versions = list(directory.path()).unwrap();
        let names: Vec<_> = versions
            .iter()
            .map(|version| version.path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, sorted);
    }
}

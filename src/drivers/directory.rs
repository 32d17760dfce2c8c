//! The JPEG files of a directory: listing and reading them.

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

/// A file that was unchanged for this long is no longer being written.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// One version of a file. A file that is written again is another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileVersion {
    pub(super) path: PathBuf,
    pub(super) modified: SystemTime,
    /// The time of the last status change (`st_ctime`), in seconds and nanoseconds.
    changed: (i64, i64),
    bytes: u64,
    inode: u64,
}

impl FileVersion {
    /// The file at `path`; symbolic links are followed. `None` if it is not a regular file: opening
    /// a pipe or a device might block.
    pub(super) fn from_path(path: PathBuf) -> Option<Self> {
        let metadata = fs::metadata(&path).ok().filter(Metadata::is_file)?;
        Some(Self {
            modified: metadata.modified().ok()?,
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            bytes: metadata.len(),
            inode: metadata.ino(),
            path,
        })
    }

    /// Identifies the version, whatever its name: unchanged when the file is renamed.
    pub(super) fn identity(&self) -> (u64, SystemTime, u64) {
        (self.inode, self.modified, self.bytes)
    }

    /// Changes with the contents, the name and the permissions of the file.
    pub(super) fn state(&self) -> (u64, (i64, i64)) {
        (self.inode, self.changed)
    }

    /// Orders by modification time, then by name: some file systems store times in steps of 2 s. A
    /// time in the future counts as `now`.
    pub(super) fn by_age(&self, other: &Self, now: SystemTime) -> Ordering {
        let by_time = self.modified.min(now).cmp(&other.modified.min(now));
        by_time.then_with(|| by_name(&self.path, &other.path))
    }

    /// Whether the file is no longer being written. If its modification time is in the future, its
    /// last status change counts.
    pub(super) fn is_settled(&self) -> bool {
        let changed =
            UNIX_EPOCH + Duration::from_secs(u64::try_from(self.changed.0).unwrap_or_default());
        let age = self.modified.elapsed().or_else(|_| changed.elapsed());
        age.is_ok_and(|age| age >= SETTLED_AFTER)
    }
}

/// A picture read from a file.
#[derive(Clone, Debug)]
pub(super) struct Still {
    pub(super) jpeg: Bytes,
    pub(super) repair: Option<Repair>,
}

/// Why a file is skipped.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("not a regular file")]
    NotRegular,
    #[error("{}", too_large(*.0))]
    TooLarge(usize),
    #[error(transparent)]
    InvalidJpeg(#[from] JpegError),
}

/// Reads the first picture of a file: cameras and phones append previews and other data. A file
/// that may still be written is not repaired.
pub(super) fn read(version: &FileVersion, frame_bytes_max: usize) -> Result<Still, FileError> {
    // Without this flag, opening a pipe that has just replaced the file would block.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = File::options()
        .read(true)
        .custom_flags(flags)
        .open(&version.path)?;
    if !file.metadata()?.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut bytes = Vec::new();
    file.take(frame_bytes_max as u64 + 1)
        .read_to_end(&mut bytes)?;
    let exceeds_max = bytes.len() > frame_bytes_max;
    bytes.truncate(frame_bytes_max);
    let repaired = match repair(&bytes) {
        Err(JpegError::Truncated) if exceeds_max => {
            return Err(FileError::TooLarge(frame_bytes_max));
        }
        repaired => repaired?,
    };
    if repaired.repair == Some(Repair::EndMarker) && (exceeds_max || !version.is_settled()) {
        return Err(if exceeds_max {
            FileError::TooLarge(frame_bytes_max)
        } else {
            JpegError::Truncated.into()
        });
    }
    let (repair, length) = (repaired.repair, repaired.jpeg.len());
    let is_whole_file = repair.is_none() && length == bytes.len();
    let jpeg: Bytes = match repaired.picture.huffman_tables {
        false => with_standard_tables(&repaired.jpeg).into(),
        true if is_whole_file => bytes.into(),
        true => repaired.jpeg.into_owned().into(),
    };
    Ok(Still { jpeg, repair })
}

/// Lists the regular files of `directory` with the extension of a JPEG, in natural order: 2 before
/// 10.
///
/// # Errors
/// The directory cannot be listed.
pub(super) fn list(directory: &Path) -> Result<Vec<FileVersion>, SourceError> {
    let failed = |error| SourceError::Directory {
        directory: directory.to_owned(),
        error,
    };
    let mut versions = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let has_extension = |wanted| {
            path.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
        };
        if ["jpg", "jpeg", "jpe", "jfif"]
            .into_iter()
            .any(has_extension)
        {
            versions.extend(FileVersion::from_path(path));
        }
    }
    versions.sort_by(|a, b| by_name(&a.path, &b.path));
    Ok(versions)
}

/// The natural order of two file names.
fn by_name(a: &Path, b: &Path) -> Ordering {
    let [a, b] = [a, b].map(|path| path.file_name().unwrap_or_default().as_encoded_bytes());
    runs(a).cmp(runs(b)).then_with(|| a.cmp(b))
}

/// A run of digits or of other characters in a file name. The derived order is the natural order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Run<'a> {
    /// The number of digits without leading zeros, then those digits: a longer number is greater.
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
    fn files_are_listed_in_natural_order() {
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

//! What can be wrong with a camera, in words that say what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::camera;
use super::controls::Control;
use super::offer::{PixelFormat, Size};
use crate::capture::{CaptureError, SourceError};

/// Why a camera gives no frames: a sentence that begins with its device.
#[derive(Debug, thiserror::Error)]
#[error("{} {problem}", device.display())]
pub struct CameraError {
    /// The device's file.
    pub device: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a camera.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Nothing has that name; these cameras are there, each with what it is called.
    #[error("is not there; {}", Others(.0))]
    NotThere(Vec<(PathBuf, String)>),
    /// Nothing has that name yet, and the other cameras have not been looked at.
    #[error("is not there; plug it in, or name one that \"framecast cameras\" lists")]
    Absent,
    /// Another program captures from it.
    #[error("is busy: another program holds it; end that program, which fuser -v names")]
    Busy,
    /// This user may not open it.
    #[error("may not be opened by this user: permission denied; add the user to the group video and log in again")]
    Denied,
    /// It is no device that pictures in a single plane can be captured from.
    #[error("is not a capture device; name one that framecast cameras lists")]
    NotCapture,
    /// It offers other formats than the wanted one.
    #[error("does not give {} but {offered}; name another format, or leave it out", .wanted.name())]
    NoFormat {
        /// The wanted format.
        wanted: PixelFormat,
        /// V4L2's names of what there is.
        offered: String,
    },
    /// It offers nothing that we can make a JPEG of.
    #[error("gives {0}, which framecast cannot show; use another camera")]
    NoKnownFormat(String),
    /// No JPEG has that size.
    #[error("gives pictures of {0}, which no JPEG can have; ask for another size")]
    NoSuchSize(Size),
    /// It has no such control.
    #[error("has no control {name:?}; choose from {}", Controls(controls))]
    NoControl {
        /// The control that was named.
        name: String,
        /// Those there are.
        controls: Vec<Control>,
    },
    /// A control does not take that value.
    #[error("takes no {value} for {}; write a whole number from {} to {}", .control.name, .control.minimum,
        .control.maximum)]
    OutOfRange {
        /// The control.
        control: Control,
        /// The value that was given.
        value: i64,
    },
    /// A control cannot be set although the value is in its range.
    #[error("refuses {name}={value}: {error}; first set what it depends on, such as exposure to manual")]
    Refused {
        /// The control.
        name: String,
        /// The value that was given.
        value: i64,
        /// What the system said.
        error: io::Error,
    },
    /// It has gone.
    #[error("was unplugged; plug it in again")]
    Unplugged,
    /// It captures, but for so many seconds nothing came that could be shown.
    #[error("gave no whole picture for {0} s; plug it in anew, or ask for another size or format")]
    Silent(u64),
    /// The system refuses something else.
    #[error("cannot {task}: {error}; plug it in anew, or ask for another size or format")]
    Failed {
        /// What it was to do.
        task: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl CameraError {
    pub(super) fn new(device: &Path, problem: Problem) -> Self {
        Self { device: device.to_owned(), problem }
    }

    /// Why `device` could not do its `task`.
    pub(super) fn failed(device: &Path, task: &'static str, error: io::Error) -> Self {
        let problem = match Errno::from_io_error(&error) {
            Some(Errno::BUSY) => Problem::Busy,
            Some(Errno::ACCESS | Errno::PERM) => Problem::Denied,
            Some(Errno::NODEV | Errno::NXIO) => Problem::Unplugged,
            Some(Errno::NOTTY) => Problem::NotCapture,
            _ => Problem::Failed { task, error },
        };
        Self::new(device, problem)
    }

    /// Why `device` could not be opened.
    pub(super) fn opening(device: &Path, error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::NXIO) => {
                let others = camera::all().0.into_iter().map(|camera| (camera.path, camera.name));
                Self::new(device, Problem::NotThere(others.collect()))
            }
            Some(Errno::ISDIR) => Self::new(device, Problem::NotCapture),
            _ => Self::failed(device, "be opened", error),
        }
    }

    /// Whether there is nothing to capture from.
    pub(super) fn is_no_camera(&self) -> bool {
        matches!(self.problem, Problem::NotThere(_) | Problem::NotCapture | Problem::Unplugged)
    }
}

impl From<CameraError> for CaptureError {
    fn from(error: CameraError) -> Self {
        Self::Source(SourceError::Camera(error))
    }
}

/// What to name instead of a camera that is not there.
struct Others<'a>(&'a [(PathBuf, String)]);

impl fmt::Display for Others<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut words = self.0.iter().map(|(path, name)| format!("{} ({name})", path.display()));
        match words.next() {
            None => f.write_str("nor is any other camera: plug one in"),
            Some(first) => write!(f, "name one that is: {}", words.fold(first, |list, next| list + ", " + &next)),
        }
    }
}

/// What to name instead of a control that is not there.
struct Controls<'a>(&'a [Control]);

impl fmt::Display for Controls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut words = self.0.iter().map(Control::to_string);
        match words.next() {
            None => f.write_str("none, for it has no controls"),
            Some(first) => f.write_str(&words.fold(first, |list, next| list + ", " + &next)),
        }
    }
}

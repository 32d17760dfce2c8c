//! What can be wrong with a camera, in words that say what to do about it.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::controls::Control;
use super::offer::{PixelFormat, Size};

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
    #[error(
        "may not be opened by this user: permission denied; add the user to the group video and log in again"
    )]
    Denied,
    /// It is no device that pictures can be captured from.
    #[error("is not a capture device; name one that framecast cameras lists")]
    NotCapture,
    /// It captures, but not into buffers that are shared with it.
    #[error(
        "has no streaming interface (V4L2_CAP_STREAMING), only read(); if it gives JPEGs, use exec:cat and its path"
    )]
    NotStreaming,
    /// It is a part of the Raspberry Pi's camera interface.
    #[error(
        "is a part of the Raspberry Pi's ribbon camera, which gives pictures through libcamera alone; use rpicam:"
    )]
    Ribbon,
    /// It gives what an image sensor does, in these formats.
    #[error(
        "gives raw sensor data ({0}), no pictures: if this is the Raspberry Pi's ribbon camera, use rpicam:; else use \
         libcamera, as in exec:gst-launch-1.0 -q libcamerasrc ! videoconvert ! jpegenc ! fdsink"
    )]
    Sensor(String),
    /// It offers other formats than the wanted one.
    #[error("does not give {} but {offered}; name another format, or leave it out", .wanted.name())]
    NoFormat {
        /// The wanted format.
        wanted: PixelFormat,
        /// V4L2's names of what there is.
        offered: String,
    },
    /// It offers nothing that we can make a JPEG of.
    #[error("gives {offered}, which framecast does not encode; use {command}")]
    NoKnownFormat {
        /// V4L2's names of what there is.
        offered: String,
        /// A source that shows it by way of another program.
        command: String,
    },
    /// It offers no format.
    #[error(
        "offers no format; a loopback device has none until a program writes frames to it, so start that first"
    )]
    NoFormats,
    /// No JPEG has that size.
    #[error("gives pictures of {0}, which no JPEG can have; ask for another size")]
    NoSuchSize(Size),
    /// It has no such input.
    #[error("has no input {wanted:?}; choose from {}", Inputs(inputs))]
    NoInput {
        /// The number or name that was given.
        wanted: String,
        /// The numbers and names there are.
        inputs: Vec<(u32, String)>,
    },
    /// Its digital input has no signal.
    #[error(
        "has no signal on its input; connect a source and switch it on, or select another input with input="
    )]
    NoSignal,
    /// Its digital input cannot lock to the signal.
    #[error(
        "has no stable signal on its input; check the cable, or wait until its source has settled"
    )]
    UnstableSignal,
    /// Its digital input has a signal that it does not take.
    #[error(
        "has a signal that it does not take (its size or rate is out of range); set its source to another mode"
    )]
    SignalOutOfRange,
    /// It has no such control.
    #[error("has no control {name:?}; choose from {}", Controls(controls))]
    NoControl {
        /// The control that was named.
        name: String,
        /// Those there are.
        controls: Vec<Control>,
    },
    /// A control does not take that value.
    #[error("takes no {value} for {}; write a whole number from {} to {}; its controls are {}", .control.name,
        .control.minimum, .control.maximum, Controls(controls))]
    OutOfRange {
        /// The control.
        control: Control,
        /// The value that was given.
        value: i64,
        /// Those there are.
        controls: Vec<Control>,
    },
    /// A control cannot be set although the value is in its range.
    #[error(
        "refuses {name}={value}: {error}; leave it out, or set what it depends on, such as exposure to manual; its \
         controls are {}",
        Controls(controls)
    )]
    Refused {
        /// The control.
        name: String,
        /// The value that was given.
        value: i64,
        /// What the system said.
        error: io::Error,
        /// Those there are.
        controls: Vec<Control>,
    },
    /// It has gone.
    #[error("was unplugged; plug it in again")]
    Unplugged,
    /// The bus it is connected by has no room for its pictures.
    #[error(
        "gets no USB bandwidth for its pictures ({0}); ask for a smaller size, fewer fps or format=mjpg, or plug it \
         into a port of another bus"
    )]
    NoBandwidth(io::Error),
    /// There is no memory for its buffers.
    #[error(
        "gets no memory for its buffers ({0}); ask for a smaller size, or give the kernel more (cma=)"
    )]
    NoMemory(io::Error),
    /// It is a part of a pipeline that nothing has connected.
    #[error(
        "is a part of a media pipeline that is not set up ({0}); use rpicam: on a Raspberry Pi, else media-ctl"
    )]
    NoPipeline(io::Error),
    /// It captures, but for so long nothing came that could be shown.
    #[error(
        "gave no whole picture for {} s; unplug it and plug it in again, ask for another size or format, or allow it \
         more time with timeout=", .0.as_secs_f64()
    )]
    Silent(Duration),
    /// The system refuses something else.
    #[error(
        "cannot {task}: {error}; unplug it and plug it in again, or ask for another size or format"
    )]
    Failed {
        /// What it was to do.
        task: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// It lacks a request that capturing takes.
    #[error(
        "cannot {task}: its driver has no such request ({error}); update its driver, or use another device"
    )]
    Unsupported {
        /// What it was to do.
        task: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl CameraError {
    pub(super) fn new(device: &Path, problem: Problem) -> Self {
        Self {
            device: device.to_owned(),
            problem,
        }
    }

    /// Why `device` could not do its `task`.
    pub(super) fn failed(device: &Path, task: &'static str, error: io::Error) -> Self {
        let problem = match Errno::from_io_error(&error) {
            Some(Errno::BUSY) => Problem::Busy,
            Some(Errno::ACCESS | Errno::PERM) => Problem::Denied,
            Some(Errno::NODEV | Errno::NXIO | Errno::SHUTDOWN) => Problem::Unplugged,
            Some(Errno::NOTTY) => Problem::Unsupported { task, error },
            _ => Problem::Failed { task, error },
        };
        Self::new(device, problem)
    }

    /// Why `device` does not begin to capture.
    pub(super) fn starting(device: &Path, task: &'static str, error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOSPC) => Self::new(device, Problem::NoBandwidth(error)),
            Some(Errno::NOMEM) => Self::new(device, Problem::NoMemory(error)),
            Some(Errno::PIPE | Errno::NOLINK) => Self::new(device, Problem::NoPipeline(error)),
            _ => Self::failed(device, task, error),
        }
    }

    /// Why `device` could not be opened. `others` returns the paths and names of the cameras there
    /// are.
    pub(super) fn opening(
        device: &Path,
        error: io::Error,
        others: impl FnOnce() -> Vec<(PathBuf, String)>,
    ) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::NXIO) => {
                Self::new(device, Problem::NotThere(others()))
            }
            Some(Errno::ISDIR) => Self::new(device, Problem::NotCapture),
            _ => Self::failed(device, "be opened", error),
        }
    }

    /// Whether there is nothing to capture from.
    pub(super) fn is_no_camera(&self) -> bool {
        matches!(
            self.problem,
            Problem::NotThere(_) | Problem::NotCapture | Problem::Unplugged
        )
    }

    /// Whether this is a part of the Raspberry Pi's camera interface.
    pub(super) fn is_ribbon(&self) -> bool {
        matches!(self.problem, Problem::Ribbon)
    }
}

/// What to name instead of a camera that is not there.
struct Others<'a>(&'a [(PathBuf, String)]);

impl fmt::Display for Others<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut words = self
            .0
            .iter()
            .map(|(path, name)| format!("{} ({name})", path.display()));
        match words.next() {
            None => f.write_str("nor is any other camera: plug one in"),
            Some(first) => write!(
                f,
                "name one that is: {}",
                words.fold(first, |list, next| list + ", " + &next)
            ),
        }
    }
}

/// What to name instead of an input that is not there.
struct Inputs<'a>(&'a [(u32, String)]);

impl fmt::Display for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut words = self
            .0
            .iter()
            .map(|(index, name)| format!("{index} ({name})"));
        match words.next() {
            None => f.write_str("none, for it has no inputs: leave input= out"),
            Some(first) => f.write_str(&words.fold(first, |list, next| list + ", " + &next)),
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

/// Logs a line. Standard error may be closed, which is no reason to stop.
pub(super) fn say(words: fmt::Arguments) {
    drop(writeln!(io::stderr(), "{words}"));
}

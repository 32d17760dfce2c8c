//! Why a V4L2 camera gives no frames: each message names the device, the problem and the remedy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::controls::Control;
use super::modes::{PixelFormat, Size};

/// Why a camera gives no frames.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", device.display())]
pub struct CameraError {
    /// The device file.
    pub device: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a camera.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The device file does not exist; the cameras of this machine, by path and name.
    #[error("no such device; {}", Cameras(.0))]
    NotFound(Vec<(PathBuf, String)>),
    /// The device file does not exist; other cameras were not searched for.
    #[error("no such device; connect it, or run \"framecast cameras\" to list cameras")]
    Absent,
    /// Another program captures from it.
    #[error("device busy: another program uses it; find that program with fuser -v and stop it")]
    Busy,
    /// This user may not open it.
    #[error("permission denied; add the user to the group video and log in again")]
    Denied,
    /// It is not a video capture device.
    #[error("not a video capture device; run \"framecast cameras\" to list cameras")]
    NotCapture,
    /// It has read() I/O only.
    #[error(
        "no streaming I/O (V4L2_CAP_STREAMING), only read(); if it returns JPEGs, use exec:cat and its path"
    )]
    NotStreaming,
    /// It is part of the Raspberry Pi's camera interface.
    #[error("part of the Raspberry Pi's camera interface, which needs libcamera; use rpicam:")]
    RaspberryPi,
    /// It gives raw sensor data, in these formats.
    #[error(
        "raw sensor data only ({0}); on a Raspberry Pi use rpicam:, elsewhere libcamera, as in \
         exec:gst-launch-1.0 -q libcamerasrc ! videoconvert ! jpegenc ! fdsink"
    )]
    Sensor(String),
    /// It does not support the wanted format.
    #[error("no format {}, only {supported}; use another format= or none", .wanted.name())]
    NoFormat {
        /// The wanted format.
        wanted: PixelFormat,
        /// The FourCC names of its formats.
        supported: String,
    },
    /// None of its formats can be converted to JPEG.
    #[error("unsupported formats ({supported}); use {command}")]
    NoKnownFormat {
        /// The FourCC names of its formats.
        supported: String,
        /// An `exec:` source whose program converts one of them.
        command: String,
    },
    /// It lists no format.
    #[error(
        "no pixel format; a loopback device has none until a program writes to it, so start that program first"
    )]
    NoFormats,
    /// A JPEG cannot have that size.
    #[error("frame size {0} is invalid for a JPEG; use another size=")]
    InvalidSize(Size),
    /// It has no such input.
    #[error("no input {wanted:?}; {}", Inputs(inputs))]
    NoInput {
        /// The given number or name.
        wanted: String,
        /// The numbers and names of its inputs.
        inputs: Vec<(u32, String)>,
    },
    /// Its input has no signal.
    #[error("no signal on its input; switch the video source on, or select another input=")]
    NoSignal,
    /// Its digital input cannot lock to the signal.
    #[error("no stable signal on its input; check the cable and the video source")]
    UnstableSignal,
    /// Its digital input does not support the signal.
    #[error("signal out of range (size or rate); set the video source to another mode")]
    SignalOutOfRange,
    /// It has no such control.
    #[error("no control {name:?}; {}", Controls(controls))]
    NoControl {
        /// The given name.
        name: String,
        /// The controls of the camera.
        controls: Vec<Control>,
    },
    /// The value is out of the control's range.
    #[error("invalid {}={value}; expected {} to {}", .control.name, .control.minimum, .control.maximum)]
    OutOfRange {
        /// The control.
        control: Control,
        /// The given value.
        value: i64,
    },
    /// The driver rejects a value in the control's range.
    #[error(
        "cannot set {name}={value}: {error}; leave it out, or first set the control that it depends on, such as \
         exposure to manual; {}",
        Controls(controls)
    )]
    Refused {
        /// The control.
        name: String,
        /// The given value.
        value: i64,
        /// The error of the system call.
        error: io::Error,
        /// The controls of the camera.
        controls: Vec<Control>,
    },
    /// It was unplugged.
    #[error("disconnected; connect it again")]
    Disconnected,
    /// The USB bus has not enough bandwidth left.
    #[error(
        "not enough USB bandwidth ({0}); use a smaller size=, a lower fps= or format=mjpg, or a port of another bus"
    )]
    NoBandwidth(io::Error),
    /// The kernel has not enough memory for its buffers.
    #[error(
        "not enough memory for its buffers ({0}); use a smaller size=, or reserve more with the kernel parameter cma="
    )]
    NoMemory(io::Error),
    /// Its media pipeline is not configured.
    #[error(
        "media pipeline not configured ({0}); on a Raspberry Pi use rpicam:, elsewhere run media-ctl"
    )]
    NoPipeline(io::Error),
    /// No valid picture for this time.
    #[error(
        "no complete picture for {} s; connect it again, use another size= or format=, or raise timeout=",
        .0.as_secs_f64()
    )]
    Silent(Duration),
    /// Any other error of a system call.
    #[error("cannot {task}: {error}; connect it again, or use another size= or format=")]
    Failed {
        /// What failed.
        task: &'static str,
        /// The error of the system call.
        error: io::Error,
    },
    /// Its driver does not implement a request that capturing needs.
    #[error(
        "cannot {task}: not supported by its driver ({error}); update the driver, or use another device"
    )]
    Unsupported {
        /// What failed.
        task: &'static str,
        /// The error of the system call.
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

    /// The error of a `task` that failed with `error`.
    pub(super) fn failed(device: &Path, task: &'static str, error: io::Error) -> Self {
        let problem = match Errno::from_io_error(&error) {
            Some(Errno::BUSY) => Problem::Busy,
            Some(Errno::ACCESS | Errno::PERM) => Problem::Denied,
            Some(Errno::NODEV | Errno::NXIO | Errno::SHUTDOWN) => Problem::Disconnected,
            Some(Errno::NOTTY) => Problem::Unsupported { task, error },
            _ => Problem::Failed { task, error },
        };
        Self::new(device, problem)
    }

    /// The error of a `task` on the way to streaming that failed with `error`.
    pub(super) fn starting(device: &Path, task: &'static str, error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOSPC) => Self::new(device, Problem::NoBandwidth(error)),
            Some(Errno::NOMEM) => Self::new(device, Problem::NoMemory(error)),
            Some(Errno::PIPE | Errno::NOLINK) => Self::new(device, Problem::NoPipeline(error)),
            _ => Self::failed(device, task, error),
        }
    }

    /// The error of an open(2) that failed with `error`. `cameras` returns the paths and names of
    /// the cameras of this machine.
    pub(super) fn opening(
        device: &Path,
        error: io::Error,
        cameras: impl FnOnce() -> Vec<(PathBuf, String)>,
    ) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::NXIO) => {
                Self::new(device, Problem::NotFound(cameras()))
            }
            Some(Errno::ISDIR) => Self::new(device, Problem::NotCapture),
            _ => Self::failed(device, OPEN, error),
        }
    }

    /// Whether there is no capture device.
    pub(super) fn is_no_camera(&self) -> bool {
        matches!(
            self.problem,
            Problem::NotFound(_) | Problem::NotCapture | Problem::Disconnected
        )
    }

    /// Whether the device is part of the Raspberry Pi's camera interface.
    pub(super) fn is_raspberry_pi(&self) -> bool {
        matches!(self.problem, Problem::RaspberryPi)
    }
}

/// The task of opening a device, see [`CameraError::failed`].
pub(super) const OPEN: &str = "open the device";

/// The remedy for a camera that does not exist.
struct Cameras<'a>(&'a [(PathBuf, String)]);

impl fmt::Display for Cameras<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let cameras = self
            .0
            .iter()
            .map(|(path, name)| format!("{} ({name})", path.display()));
        write_choices(f, "connect a camera: there is none", "use ", cameras)
    }
}

/// The remedy for an input that does not exist.
struct Inputs<'a>(&'a [(u32, String)]);

impl fmt::Display for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let inputs = self
            .0
            .iter()
            .map(|(index, name)| format!("{index} ({name})"));
        write_choices(
            f,
            "leave input= out: the device has none",
            "its inputs are ",
            inputs,
        )
    }
}

/// The remedy for a control that does not exist.
struct Controls<'a>(&'a [Control]);

impl fmt::Display for Controls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let controls = self.0.iter().map(Control::to_string);
        write_choices(
            f,
            "the camera has no controls",
            "its controls are ",
            controls,
        )
    }
}

/// Writes `lead` and the `choices`, or `none` if there are none.
fn write_choices(
    f: &mut fmt::Formatter,
    none: &str,
    lead: &str,
    choices: impl Iterator<Item = String>,
) -> fmt::Result {
    let choices: Vec<_> = choices.collect();
    if choices.is_empty() {
        f.write_str(none)
    } else {
        write!(f, "{lead}{}", choices.join(", "))
    }
}

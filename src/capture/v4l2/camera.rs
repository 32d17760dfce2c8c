//! A camera at hand: what it offers, and how it is made to give pictures.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::abi::{self, Capability, ControlAt, Format, FormatAt, Fraction, IntervalAt, PictureFormat, SizeAt};
use super::controls::{Control, spell};
use super::error::{CameraError, Problem};
use super::kernel::{self, Device, Frame, Request, Stream};
use super::offer::{Mode, Offer, PixelFormat, Rates, Size, Sizes, Steps};
use crate::capture::clock::wall_time;

/// As many `/dev/videoN` as Linux has (`VIDEO_NUM_DEVICES`).
const DEVICES_MAX: u32 = 256;

/// No driver has a list as long as this; one that gives the same entry for ever is left after so many.
const ENTRIES_MAX: u32 = 1024;

/// The oldest a picture can be when it is fetched. A timestamp that says otherwise is from another clock.
const FRAME_AGE_MAX: Duration = Duration::from_secs(10);

/// An open capture device.
#[derive(Debug)]
pub(super) struct Camera {
    pub(super) path: PathBuf,
    /// What its maker or driver calls it.
    pub(super) name: String,
    device: Device,
}

/// The cameras of this machine in the order of their numbers, and what is wrong with devices that may be cameras too.
///
/// The names are tried one after another, which costs less than it looks: most are not there.
pub(super) fn all() -> (Vec<Camera>, Vec<CameraError>) {
    let (mut cameras, mut failures) = (Vec::new(), Vec::new());
    for path in (0..DEVICES_MAX).map(|number| PathBuf::from(format!("/dev/video{number}"))) {
        let opened = match Device::open(&path) {
            Ok(device) => Camera::new(&path, device),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => Err(CameraError::failed(&path, "be opened", error)),
        };
        match opened {
            Ok(camera) => cameras.push(camera),
            Err(error) if error.is_no_camera() => {}
            Err(error) => failures.push(error),
        }
    }
    (cameras, failures)
}

impl Camera {
    /// Opens the camera `path`.
    pub(super) fn open(path: &Path) -> Result<Self, CameraError> {
        let device = Device::open(path).map_err(|error| CameraError::opening(path, error))?;
        Self::new(path, device)
    }

    fn new(path: &Path, device: Device) -> Result<Self, CameraError> {
        let capability = device.ask(&kernel::QUERY_CAPABILITY, Capability::default());
        let capability = capability.map_err(|error| CameraError::failed(path, "say what it can do", error))?;
        let own = capability.capabilities & abi::CAP_DEVICE_CAPS != 0;
        let bits = if own { capability.device_caps } else { capability.capabilities };
        let needed = abi::CAP_VIDEO_CAPTURE | abi::CAP_STREAMING;
        match bits & needed == needed {
            true => Ok(Self { path: path.to_owned(), name: abi::text(&capability.card), device }),
            false => Err(CameraError::new(path, Problem::NotCapture)),
        }
    }

    /// V4L2's numbers of the formats it gives, known to us or not.
    pub(super) fn formats(&self) -> Vec<u32> {
        let entry = |index| FormatAt { index, kind: abi::VIDEO_CAPTURE, ..FormatAt::default() };
        self.list(&kernel::ENUMERATE_FORMATS, entry).map(|entry| entry.pixel_format).collect()
    }

    /// The formats it gives that we can make JPEGs of, with their sizes.
    pub(super) fn offers(&self) -> Vec<Offer> {
        let known = self.formats().into_iter().filter_map(PixelFormat::of);
        known.map(|format| Offer { format, sizes: self.sizes(format.fourcc()) }).collect()
    }

    /// The sizes it gives a format in; none if only trying tells.
    pub(super) fn sizes(&self, pixel_format: u32) -> Vec<Sizes> {
        let entry = |index| SizeAt { index, pixel_format, ..SizeAt::default() };
        let sizes = self.list(&kernel::ENUMERATE_SIZES, entry).map(|entry| match (entry.kind, entry.size) {
            (abi::DISCRETE, [width, height, ..]) => Sizes { width: Steps::only(width), height: Steps::only(height) },
            (_, [w0, w1, w, h0, h1, h]) => Sizes {
                width: Steps { least: w0, greatest: w1, step: w },
                height: Steps { least: h0, greatest: h1, step: h },
            },
        });
        sizes.collect()
    }

    /// The rates it gives a format and size at; none if only trying tells.
    pub(super) fn rates(&self, pixel_format: u32, size: Size) -> Vec<Rates> {
        let Size { width, height } = size;
        let entry = |index| IntervalAt { index, pixel_format, width, height, ..IntervalAt::default() };
        let rates = self.list(&kernel::ENUMERATE_INTERVALS, entry).filter_map(|entry| {
            let [shortest, longest, _] = entry.interval;
            let slowest = if entry.kind == abi::DISCRETE { shortest } else { longest };
            Some(Rates { slowest: rate(slowest)?, fastest: rate(shortest)? })
        });
        rates.collect()
    }

    /// The size it is set to.
    pub(super) fn size(&self) -> Option<Size> {
        let asked = Format { kind: abi::VIDEO_CAPTURE, ..Format::default() };
        let PictureFormat { width, height, .. } = self.device.ask(&kernel::GET_FORMAT, asked).ok()?.picture;
        Some(Size { width, height })
    }

    /// Its controls that can be set to a number.
    pub(super) fn controls(&self) -> Vec<Control> {
        let mut controls = Vec::new();
        let mut last = 0;
        while controls.len() < ENTRIES_MAX as usize {
            let asked = ControlAt { id: last | abi::NEXT_CONTROL, ..ControlAt::default() };
            let Ok(entry) = self.device.ask(&kernel::QUERY_CONTROL, asked) else { break };
            if entry.id <= last {
                break;
            }
            last = entry.id;
            let settable = entry.flags & (abi::CONTROL_DISABLED | abi::CONTROL_READ_ONLY) == 0;
            if settable && abi::NUMERIC_CONTROLS.contains(&entry.kind) {
                let ControlAt { id, minimum, maximum, .. } = entry;
                controls.push(Control { id, name: spell(&abi::text(&entry.name)), minimum, maximum });
            }
        }
        controls
    }

    /// Sets controls, given by their names, one after another.
    pub(super) fn set_controls(&self, values: &[(String, i64)]) -> Result<(), CameraError> {
        let controls = if values.is_empty() { Vec::new() } else { self.controls() };
        values.iter().try_for_each(|(name, value)| {
            self.set_control(&controls, name, *value).map_err(|problem| self.error(problem))
        })
    }

    fn set_control(&self, controls: &[Control], name: &str, value: i64) -> Result<(), Problem> {
        let Some(control) = controls.iter().find(|control| control.name == name) else {
            return Err(Problem::NoControl { name: name.to_owned(), controls: controls.to_vec() });
        };
        let Some(number) = control.value(value) else {
            return Err(Problem::OutOfRange { control: control.clone(), value });
        };
        match self.device.ask(&kernel::SET_CONTROL, abi::Control { id: control.id, value: number }) {
            Ok(_) => Ok(()),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => Err(Problem::Unplugged),
            Err(error) => Err(Problem::Refused { name: name.to_owned(), value, error }),
        }
    }

    /// Sets a mode; gives back the one that the driver has made of it, and how its pictures are laid out.
    pub(super) fn set_mode(&self, mode: Mode) -> Result<(Mode, PictureFormat), CameraError> {
        let Size { width, height } = mode.size;
        let picture = PictureFormat { width, height, pixel_format: mode.format.fourcc(), ..PictureFormat::default() };
        let asked = Format { kind: abi::VIDEO_CAPTURE, picture, ..Format::default() };
        let picture = self.device.ask(&kernel::SET_FORMAT, asked).map_err(|error| self.cannot("be set up", error))?;
        let picture = picture.picture;
        let format = PixelFormat::of(picture.pixel_format).filter(|format| *format == mode.format);
        let format = format.ok_or_else(|| self.no_format(Some(mode.format)))?;
        let size = Size { width: picture.width, height: picture.height };
        let fps = self.set_rate(mode.fps)?.unwrap_or(mode.fps);
        Ok((Mode { format, size, fps }, picture))
    }

    /// The rate the driver has made of `fps`, if it knows.
    fn set_rate(&self, fps: f64) -> Result<Option<f64>, CameraError> {
        let interval = Fraction { numerator: 1000, denominator: (fps * 1000.0).round() as u32 };
        let asked = abi::StreamParameters { kind: abi::VIDEO_CAPTURE, interval, ..abi::StreamParameters::default() };
        match self.device.ask(&kernel::SET_PARAMETERS, asked) {
            Ok(got) => Ok(rate(got.interval)),
            Err(error) => match Errno::from_io_error(&error) {
                // Many drivers know one rate only, and no request about it.
                Some(Errno::NOTTY | Errno::INVAL) => Ok(None),
                _ => Err(self.cannot("be set to a rate", error)),
            },
        }
    }

    /// The complaint that it gives no pictures of the `wanted` format, or of none that we know.
    pub(super) fn no_format(&self, wanted: Option<PixelFormat>) -> CameraError {
        let offered: Vec<_> = self.formats().into_iter().map(|fourcc| abi::text(&fourcc.to_le_bytes())).collect();
        let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
        self.error(match wanted {
            Some(wanted) => Problem::NoFormat { wanted, offered },
            None => Problem::NoKnownFormat(offered),
        })
    }

    /// The complaint about this camera that `problem` stands for.
    pub(super) fn error(&self, problem: Problem) -> CameraError {
        CameraError::new(&self.path, problem)
    }

    /// Lets it begin to capture.
    pub(super) fn start(self) -> Result<Recording, CameraError> {
        let Self { path, device, .. } = self;
        match Stream::start(device) {
            Ok(stream) => Ok(Recording { path, stream }),
            Err(error) => Err(CameraError::failed(&path, "begin to capture", error)),
        }
    }

    /// The entries of a list that is asked for by index until there is none.
    fn list<T>(&self, request: &'static Request<T>, entry: impl Fn(u32) -> T) -> impl Iterator<Item = T> {
        (0..ENTRIES_MAX).map_while(move |index| self.device.ask(request, entry(index)).ok())
    }

    fn cannot(&self, task: &'static str, error: io::Error) -> CameraError {
        CameraError::failed(&self.path, task, error)
    }
}

/// A camera that captures.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    stream: Stream,
}

impl Recording {
    /// Waits until there may be a picture, at most as long as `patience`. Whether it was worth it.
    pub(super) fn wait(&self, patience: Duration) -> Result<bool, CameraError> {
        let timeout = Timespec::try_from(patience).unwrap_or_default();
        match poll(&mut [PollFd::new(&self.stream, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(CameraError::failed(&self.path, "be waited for", error.into())),
        }
    }

    /// The next picture, or the `newest` there is; `None` if there is none yet.
    pub(super) fn next(&mut self, newest: bool) -> Result<Option<Frame<'_>>, CameraError> {
        self.stream.next(newest).map_err(|error| CameraError::failed(&self.path, "give a picture", error))
    }
}

/// The wall time of the capture of `frame`: its driver notes it by the monotonic clock.
pub(super) fn captured_at(frame: &Frame) -> Duration {
    let wall = wall_time();
    if frame.buffer.flags & abi::TIMESTAMP_MASK != abi::TIMESTAMP_MONOTONIC {
        return wall;
    }
    let [seconds, micros] = frame.buffer.timestamp.map(|part| u64::try_from(part).unwrap_or_default());
    let captured = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
    let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
    let age = now.checked_sub(captured).filter(|age| *age <= FRAME_AGE_MAX);
    wall.saturating_sub(age.unwrap_or_default())
}

/// Frames a second.
fn rate(interval: Fraction) -> Option<f64> {
    let Fraction { numerator, denominator } = interval;
    (numerator > 0 && denominator > 0).then(|| f64::from(denominator) / f64::from(numerator))
}

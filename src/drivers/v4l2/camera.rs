//! An open camera: its formats, frame sizes, rates and controls, and how they are set.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::abi::{
    self, Capability, Format, FormatDescription, FormatMplane, Fraction, FrameInterval, FrameSize,
    PixFormat, QueryControl,
};
use super::controls::{Control, control_name, find};
use super::error::{CameraError, OPEN, Problem};
use super::format::is_bayer;
use super::kernel::{self, Device, Frame, Planes, Request, StartError, Stream};
use super::modes::{FrameRates, FrameSizes, Mode, PixelFormat, Size, Stepwise, SupportedFormat};
use crate::clock::wall_time;
use crate::drivers::stderr::log_line;

/// The kernel's maximum number of `/dev/videoN` (`VIDEO_NUM_DEVICES`).
const DEVICES_MAX: u32 = 256;

/// The maximum number of entries read from a driver's list. Longer than any real list: it ends the
/// loop if a driver returns the same entry for ever.
const ENTRIES_MAX: u32 = 1024;

/// The maximum age of a frame when it is dequeued. An older timestamp is from another clock.
const FRAME_AGE_MAX: Duration = Duration::from_secs(10);

/// The drivers of the Raspberry Pi's camera interface: its receivers and image signal processors.
/// None of them gives pictures without the others, and only libcamera configures all of them.
const RASPBERRY_PI_DRIVERS: [&str; 4] = ["unicam", "rp1-cfe", "bcm2835-isp", "pispbe"];

/// An open capture device.
#[derive(Debug)]
pub(super) struct Camera {
    pub(super) path: PathBuf,
    /// The name from its driver (`v4l2_capability.card`).
    pub(super) name: String,
    pub(super) device: Device,
    planes: Planes,
    /// Whether it reports changes of its signal as events.
    pub(super) reports_changes: bool,
}

/// Opens all cameras of this machine, in the order of their numbers. Also returns the errors of
/// devices that may be cameras but cannot be used.
///
/// It tries every possible name. This is fast: opening a file that does not exist costs little.
pub(super) fn all() -> (Vec<Camera>, Vec<CameraError>) {
    let (mut cameras, mut failures) = (Vec::new(), Vec::new());
    for path in (0..DEVICES_MAX).map(|number| PathBuf::from(format!("/dev/video{number}"))) {
        let opened = match Device::open(&path) {
            Ok(device) => Camera::new(&path, device),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => Err(CameraError::failed(&path, OPEN, error)),
        };
        match opened {
            Ok(camera) if camera.is_sensor() => failures.push(camera.no_format(None)),
            Ok(camera) => cameras.push(camera),
            Err(error) if error.is_no_camera() => {}
            // One Raspberry Pi camera has a dozen devices: report the first.
            Err(error)
                if error.is_raspberry_pi() && failures.iter().any(CameraError::is_raspberry_pi) => {
            }
            Err(error) => failures.push(error),
        }
    }
    (cameras, failures)
}

impl Camera {
    /// Opens the camera `path`.
    pub(super) fn open(path: &Path) -> Result<Self, CameraError> {
        let device = Device::open(path).map_err(|error| {
            CameraError::opening(path, error, || {
                all()
                    .0
                    .into_iter()
                    .map(|camera| (camera.path, camera.name))
                    .collect()
            })
        })?;
        Self::new(path, device)
    }

    fn new(path: &Path, device: Device) -> Result<Self, CameraError> {
        let capability = device.ioctl(&kernel::QUERYCAP, Capability::default());
        let capability = capability.map_err(|error| match Errno::from_io_error(&error) {
            // Not a V4L2 device.
            Some(Errno::NOTTY | Errno::INVAL) => CameraError::new(path, Problem::NotCapture),
            _ => CameraError::failed(path, "query its capabilities (VIDIOC_QUERYCAP)", error),
        })?;
        let (driver, name) = (abi::text(&capability.driver), abi::text(&capability.card));
        if RASPBERRY_PI_DRIVERS
            .iter()
            .any(|known| driver.starts_with(known) || name.starts_with(known))
        {
            return Err(CameraError::new(path, Problem::RaspberryPi));
        }
        let has_device_caps = capability.capabilities & abi::CAP_DEVICE_CAPS != 0;
        let bits = if has_device_caps {
            capability.device_caps
        } else {
            capability.capabilities
        };
        let planes = match bits {
            bits if bits & abi::CAP_VIDEO_CAPTURE != 0 => Planes::Single,
            bits if bits & abi::CAP_VIDEO_CAPTURE_MPLANE != 0 => Planes::Multiple,
            _ => return Err(CameraError::new(path, Problem::NotCapture)),
        };
        if bits & abi::CAP_STREAMING == 0 {
            return Err(CameraError::new(path, Problem::NotStreaming));
        }
        Ok(Self {
            path: path.to_owned(),
            name,
            device,
            planes,
            reports_changes: false,
        })
    }

    /// Whether it gives raw sensor data only.
    fn is_sensor(&self) -> bool {
        let formats = self.formats();
        !formats.is_empty() && formats.into_iter().all(is_bayer)
    }

    /// Lists the FourCC codes of its pixel formats, known ones and others.
    pub(super) fn formats(&self) -> Vec<u32> {
        let entry = |index| FormatDescription {
            index,
            kind: self.planes.buffer_type(),
            ..FormatDescription::default()
        };
        self.list(&kernel::ENUM_FMT, entry)
            .map(|entry| entry.pixel_format)
            .collect()
    }

    /// Lists its formats that can be converted to JPEG, with their frame sizes.
    pub(super) fn supported_formats(&self) -> Vec<SupportedFormat> {
        let known = self
            .formats()
            .into_iter()
            .filter_map(PixelFormat::from_fourcc);
        known
            .map(|format| SupportedFormat {
                format,
                sizes: self.sizes(format.fourcc()),
            })
            .collect()
    }

    /// Lists the frame sizes of a format; empty if its driver does not enumerate them.
    pub(super) fn sizes(&self, pixel_format: u32) -> Vec<FrameSizes> {
        let entry = |index| FrameSize {
            index,
            pixel_format,
            ..FrameSize::default()
        };
        let sizes = self.list(&kernel::ENUM_FRAMESIZES, entry).map(|entry| {
            match (entry.kind, entry.size) {
                (abi::DISCRETE, [width, height, ..]) => FrameSizes {
                    width: Stepwise::only(width),
                    height: Stepwise::only(height),
                },
                (_, [w0, w1, w, h0, h1, h]) => FrameSizes {
                    width: Stepwise {
                        min: w0,
                        max: w1,
                        step: w,
                    },
                    height: Stepwise {
                        min: h0,
                        max: h1,
                        step: h,
                    },
                },
            }
        });
        // Some drivers return empty entries.
        sizes
            .filter(|sizes| sizes.width.max > 0 && sizes.height.max > 0)
            .collect()
    }

    /// Lists the frame rates of a format and size; empty if its driver does not enumerate them.
    pub(super) fn rates(&self, pixel_format: u32, size: Size) -> Vec<FrameRates> {
        let Size { width, height } = size;
        let entry = |index| FrameInterval {
            index,
            pixel_format,
            width,
            height,
            ..FrameInterval::default()
        };
        let rates = self
            .list(&kernel::ENUM_FRAMEINTERVALS, entry)
            .filter_map(|entry| {
                // The longest interval is the lowest rate.
                let [shortest, longest, _] = entry.interval;
                let longest = if entry.kind == abi::DISCRETE {
                    shortest
                } else {
                    longest
                };
                Some(FrameRates {
                    min: rate(longest)?,
                    max: rate(shortest)?,
                })
            });
        rates.collect()
    }

    /// The current frame size.
    pub(super) fn size(&self) -> Option<Size> {
        let kind = self.planes.buffer_type();
        let (width, height) = match self.planes {
            Planes::Single => {
                let current = self
                    .device
                    .ioctl(
                        &kernel::G_FMT,
                        Format {
                            kind,
                            ..Format::default()
                        },
                    )
                    .ok()?
                    .pix;
                (current.width, current.height)
            }
            Planes::Multiple => {
                let argument = FormatMplane {
                    kind,
                    ..FormatMplane::default()
                };
                let current = self.device.ioctl(&kernel::G_FMT_MPLANE, argument).ok()?;
                (current.width, current.height)
            }
        };
        Some(Size { width, height })
    }

    /// Lists its controls that can be set to an integer.
    pub(super) fn controls(&self) -> Vec<Control> {
        let mut controls = Vec::new();
        let mut last = 0;
        while controls.len() < ENTRIES_MAX as usize {
            let argument = QueryControl {
                id: last | abi::CTRL_FLAG_NEXT,
                ..QueryControl::default()
            };
            let Ok(entry) = self.device.ioctl(&kernel::QUERYCTRL, argument) else {
                break;
            };
            if entry.id <= last {
                break;
            }
            last = entry.id;
            let settable = entry.flags & (abi::CONTROL_DISABLED | abi::CONTROL_READ_ONLY) == 0;
            if settable && abi::NUMERIC_CONTROLS.contains(&entry.kind) {
                let QueryControl {
                    id,
                    minimum,
                    maximum,
                    ..
                } = entry;
                controls.push(Control {
                    id,
                    name: control_name(&abi::text(&entry.name)),
                    minimum,
                    maximum,
                });
            }
        }
        controls
    }

    /// Sets controls by name, in order. A control that cannot be set is logged, and the next one is
    /// set.
    ///
    /// # Errors
    /// The camera was disconnected.
    pub(super) fn set_controls(&self, values: &[(String, i64)]) -> Result<(), CameraError> {
        let controls = if values.is_empty() {
            Vec::new()
        } else {
            self.controls()
        };
        let fails = |&&(ref name, value): &&(String, i64)| {
            self.set_control(&controls, name, value).is_err()
        };
        let failed: Vec<_> = values.iter().filter(fails).collect();
        // A second attempt: a control may depend on one that comes later in the list, such as the
        // exposure time on manual exposure.
        for (name, value) in failed {
            match self.set_control(&controls, name, *value) {
                Ok(()) => {}
                Err(problem @ Problem::Disconnected) => return Err(self.error(problem)),
                Err(problem) => log_line(self.error(problem)),
            }
        }
        Ok(())
    }

    fn set_control(&self, controls: &[Control], name: &str, value: i64) -> Result<(), Problem> {
        let (name, controls_of_camera) = (name.to_owned(), || controls.to_vec());
        let Some(control) = find(controls, &name) else {
            return Err(Problem::NoControl {
                name,
                controls: controls_of_camera(),
            });
        };
        let Some(number) = control.value(value) else {
            return Err(Problem::OutOfRange {
                control: control.clone(),
                value,
            });
        };
        match self.device.ioctl(
            &kernel::S_CTRL,
            abi::Control {
                id: control.id,
                value: number,
            },
        ) {
            Ok(_) => Ok(()),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => {
                Err(Problem::Disconnected)
            }
            Err(error) => Err(Problem::Refused {
                name,
                value,
                error,
                controls: controls_of_camera(),
            }),
        }
    }

    /// Sets a mode; returns the mode as the driver has adjusted it, and the layout of its pictures.
    /// `logs_rate` is whether to log that the driver sets no rate.
    pub(super) fn set_mode(
        &self,
        mode: Mode,
        logs_rate: bool,
    ) -> Result<(Mode, PixFormat), CameraError> {
        let pix = self.set_format(mode)?;
        // The driver may have changed the format: any known one will do.
        let format = PixelFormat::from_fourcc(pix.pixel_format);
        let format = format.ok_or_else(|| self.unsupported(&[pix.pixel_format]))?;
        let size = Size {
            width: pix.width,
            height: pix.height,
        };
        let fps = self.set_rate(mode.fps, logs_rate).unwrap_or(mode.fps);
        Ok((Mode { format, size, fps }, pix))
    }

    fn set_format(&self, mode: Mode) -> Result<PixFormat, CameraError> {
        let (kind, pixel_format) = (self.planes.buffer_type(), mode.format.fourcc());
        let Size { width, height } = mode.size;
        let failed = |error| self.failed("set the format (VIDIOC_S_FMT)", error);
        if self.planes == Planes::Single {
            let pix = PixFormat {
                width,
                height,
                pixel_format,
                ..PixFormat::default()
            };
            let argument = Format {
                kind,
                pix,
                ..Format::default()
            };
            return Ok(self
                .device
                .ioctl(&kernel::S_FMT, argument)
                .map_err(failed)?
                .pix);
        }
        let argument = FormatMplane {
            kind,
            width,
            height,
            pixel_format,
            planes_used: 1,
            ..FormatMplane::default()
        };
        let set = self
            .device
            .ioctl(&kernel::S_FMT_MPLANE, argument)
            .map_err(failed)?;
        let [plane, ..] = set.planes;
        if set.planes_used != 1 {
            return Err(self.unsupported(&[set.pixel_format]));
        }
        Ok(PixFormat {
            width: set.width,
            height: set.height,
            pixel_format: set.pixel_format,
            field: set.field,
            bytes_per_line: plane.bytes_per_line,
            image_bytes: plane.image_bytes,
            colorspace: set.colorspace,
            encoding: set.encoding.into(),
            quantization: set.quantization.into(),
            ..PixFormat::default()
        })
    }

    /// Sets the frame rate; returns it as the driver has adjusted it, or `None` if the driver has a
    /// fixed rate.
    fn set_rate(&self, fps: f64, logs_rate: bool) -> Option<f64> {
        let interval = Fraction {
            numerator: 1000,
            denominator: (fps * 1000.0).round() as u32,
        };
        let kind = self.planes.buffer_type();
        let argument = abi::StreamParameters {
            kind,
            interval,
            ..abi::StreamParameters::default()
        };
        match self.device.ioctl(&kernel::S_PARM, argument) {
            Ok(set) => rate(set.interval),
            Err(error) => {
                // Many drivers do not implement this request.
                if logs_rate || Errno::from_io_error(&error) != Some(Errno::NOTTY) {
                    let device = self.path.display();
                    log_line(format_args!(
                        "{device}: cannot set the frame rate (VIDIOC_S_PARM: {error}); using its own"
                    ));
                }
                None
            }
        }
    }

    /// The error that it does not support the `wanted` format, or no known format at all.
    pub(super) fn no_format(&self, wanted: Option<PixelFormat>) -> CameraError {
        let formats = self.formats();
        match wanted {
            _ if formats.is_empty() => self.error(Problem::NoFormats),
            Some(wanted) if !formats.iter().all(|&format| is_bayer(format)) => {
                self.error(Problem::NoFormat {
                    wanted,
                    supported: format_names(&formats),
                })
            }
            _ => self.unsupported(&formats),
        }
    }

    /// The error that none of its `formats` is known.
    fn unsupported(&self, formats: &[u32]) -> CameraError {
        let (device, supported) = (self.path.display(), format_names(formats));
        self.error(match self.planes {
            _ if formats.iter().all(|&format| is_bayer(format)) => Problem::Sensor(supported),
            Planes::Single => {
                let command = format!("exec:ffmpeg -f v4l2 -i {device} -f mjpeg -");
                Problem::NoKnownFormat { supported, command }
            }
            // ffmpeg does not support the multi-planar API.
            Planes::Multiple => {
                let pipeline = format!("v4l2src device={device} ! videoconvert ! jpegenc ! fdsink");
                Problem::NoKnownFormat {
                    supported,
                    command: format!("exec:gst-launch-1.0 -q {pipeline}"),
                }
            }
        })
    }

    /// An error of this camera.
    pub(super) fn error(&self, problem: Problem) -> CameraError {
        CameraError::new(&self.path, problem)
    }

    /// Starts streaming.
    pub(super) fn start(self) -> Result<StreamingCamera, CameraError> {
        let Self {
            path,
            device,
            planes,
            reports_changes,
            ..
        } = self;
        match Stream::start(device, planes) {
            Ok(stream) => Ok(StreamingCamera {
                path,
                stream,
                reports_changes,
            }),
            Err(StartError { task, error }) => Err(CameraError::starting(&path, task, error)),
        }
    }

    /// The entries that `request` returns for increasing indexes, until it fails.
    fn list<T>(
        &self,
        request: &'static Request<T>,
        entry: impl Fn(u32) -> T,
    ) -> impl Iterator<Item = T> {
        (0..ENTRIES_MAX).map_while(move |index| self.device.ioctl(request, entry(index)).ok())
    }

    pub(super) fn failed(&self, task: &'static str, error: io::Error) -> CameraError {
        CameraError::failed(&self.path, task, error)
    }
}

/// A camera that is streaming.
#[derive(Debug)]
pub(super) struct StreamingCamera {
    path: PathBuf,
    pub(super) stream: Stream,
    pub(super) reports_changes: bool,
}

impl StreamingCamera {
    /// Waits for a frame or an event, at most for `timeout`. Returns `false` after the timeout.
    pub(super) fn wait(&self, timeout: Duration) -> Result<bool, CameraError> {
        let timeout = Timespec::try_from(timeout).unwrap_or_default();
        // V4L2 reports events as POLLPRI.
        match poll(
            &mut [PollFd::new(&self.stream, PollFlags::IN | PollFlags::PRI)],
            Some(&timeout),
        ) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(CameraError::failed(
                &self.path,
                "wait for a frame (poll)",
                error.into(),
            )),
        }
    }

    /// Dequeues the next frame, or the `newest` one; `None` if none is ready.
    pub(super) fn next(&mut self, newest: bool) -> io::Result<Option<Frame<'_>>> {
        self.stream.next(newest)
    }
}

/// The FourCC names of `formats`.
fn format_names(formats: &[u32]) -> String {
    formats
        .iter()
        .copied()
        .map(abi::format_name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The wall time of the capture of `frame`, from the monotonic timestamp of its driver; now, if the
/// timestamp is from another clock.
pub(super) fn captured_at(frame: &Frame) -> Duration {
    let wall = wall_time();
    if frame.buffer.flags & abi::TIMESTAMP_MASK != abi::TIMESTAMP_MONOTONIC {
        return wall;
    }
    let [seconds, micros] = frame
        .buffer
        .timestamp
        .map(|part| u64::try_from(part).unwrap_or_default());
    let captured = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
    let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
    let age = now
        .checked_sub(captured)
        .filter(|age| *age <= FRAME_AGE_MAX);
    wall.saturating_sub(age.unwrap_or_default())
}

/// The rate in frames per second of a frame interval.
fn rate(interval: Fraction) -> Option<f64> {
    let Fraction {
        numerator,
        denominator,
    } = interval;
    (numerator > 0 && denominator > 0).then(|| f64::from(denominator) / f64::from(numerator))
}

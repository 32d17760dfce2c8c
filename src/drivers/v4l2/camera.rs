//! A camera at hand: what it offers, and how it is made to give pictures.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::abi::{
    self, Capability, ControlAt, Format, FormatAt, FormatMulti, Fraction, IntervalAt,
    PictureFormat, SizeAt,
};
use super::controls::{Control, find, spell};
use super::error::{CameraError, Problem, say};
use super::format::is_bayer;
use super::kernel::{self, Device, Frame, Planes, Request, StartError, Stream};
use super::offer::{Mode, Offer, PixelFormat, Rates, Size, Sizes, Steps};
use crate::clock::wall_time;

/// As many `/dev/videoN` as Linux has (`VIDEO_NUM_DEVICES`).
const DEVICES_MAX: u32 = 256;

/// No driver has a list as long as this; one that gives the same entry for ever is left after so
/// many.
const ENTRIES_MAX: u32 = 1024;

/// The oldest a picture can be when it is fetched. A timestamp that says otherwise is from another
/// clock.
const FRAME_AGE_MAX: Duration = Duration::from_secs(10);

/// The drivers of the Raspberry Pi's ribbon camera: its receivers, and its picture processors. None
/// of them gives pictures without the others, which only libcamera sets up.
const RIBBON_DRIVERS: [&str; 4] = ["unicam", "rp1-cfe", "bcm2835-isp", "pispbe"];

/// An open capture device.
#[derive(Debug)]
pub(super) struct Camera {
    pub(super) path: PathBuf,
    /// What its maker or driver calls it.
    pub(super) name: String,
    pub(super) device: Device,
    planes: Planes,
    /// Whether it reports when its signal changes.
    pub(super) reports_changes: bool,
}

/// The cameras of this machine in the order of their numbers, and what is wrong with devices that
/// may be cameras too.
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
            Ok(camera) if camera.is_sensor() => failures.push(camera.no_format(None)),
            Ok(camera) => cameras.push(camera),
            Err(error) if error.is_no_camera() => {}
            // One camera has a dozen of them.
            Err(error) if error.is_ribbon() && failures.iter().any(CameraError::is_ribbon) => {}
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
        let capability = device.ask(&kernel::QUERY_CAPABILITY, Capability::default());
        let capability = capability.map_err(|error| match Errno::from_io_error(&error) {
            // This is not a V4L2 device.
            Some(Errno::NOTTY | Errno::INVAL) => CameraError::new(path, Problem::NotCapture),
            _ => CameraError::failed(path, "describe itself (VIDIOC_QUERYCAP)", error),
        })?;
        let (driver, name) = (abi::text(&capability.driver), abi::text(&capability.card));
        if RIBBON_DRIVERS
            .iter()
            .any(|ribbon| driver.starts_with(ribbon) || name.starts_with(ribbon))
        {
            return Err(CameraError::new(path, Problem::Ribbon));
        }
        let own = capability.capabilities & abi::CAP_DEVICE_CAPS != 0;
        let bits = if own {
            capability.device_caps
        } else {
            capability.capabilities
        };
        let planes = match bits {
            bits if bits & abi::CAP_VIDEO_CAPTURE != 0 => Planes::Single,
            bits if bits & abi::CAP_VIDEO_CAPTURE_MULTI != 0 => Planes::Multi,
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

    /// Whether all it gives is the raw data of an image sensor.
    fn is_sensor(&self) -> bool {
        let formats = self.formats();
        !formats.is_empty() && formats.into_iter().all(is_bayer)
    }

    /// V4L2's numbers of the formats it gives, known to us or not.
    pub(super) fn formats(&self) -> Vec<u32> {
        let entry = |index| FormatAt {
            index,
            kind: self.planes.buffer_type(),
            ..FormatAt::default()
        };
        self.list(&kernel::ENUMERATE_FORMATS, entry)
            .map(|entry| entry.pixel_format)
            .collect()
    }

    /// The formats it gives that we can make JPEGs of, with their sizes.
    pub(super) fn offers(&self) -> Vec<Offer> {
        let known = self.formats().into_iter().filter_map(PixelFormat::of);
        known
            .map(|format| Offer {
                format,
                sizes: self.sizes(format.fourcc()),
            })
            .collect()
    }

    /// The sizes it gives a format in; none if only trying tells.
    pub(super) fn sizes(&self, pixel_format: u32) -> Vec<Sizes> {
        let entry = |index| SizeAt {
            index,
            pixel_format,
            ..SizeAt::default()
        };
        let sizes = self.list(&kernel::ENUMERATE_SIZES, entry).map(|entry| {
            match (entry.kind, entry.size) {
                (abi::DISCRETE, [width, height, ..]) => Sizes {
                    width: Steps::only(width),
                    height: Steps::only(height),
                },
                (_, [w0, w1, w, h0, h1, h]) => Sizes {
                    width: Steps {
                        least: w0,
                        greatest: w1,
                        step: w,
                    },
                    height: Steps {
                        least: h0,
                        greatest: h1,
                        step: h,
                    },
                },
            }
        });
        // Some drivers have an entry with nothing in it.
        sizes
            .filter(|sizes| sizes.width.greatest > 0 && sizes.height.greatest > 0)
            .collect()
    }

    /// The rates it gives a format and size at; none if only trying tells.
    pub(super) fn rates(&self, pixel_format: u32, size: Size) -> Vec<Rates> {
        let Size { width, height } = size;
        let entry = |index| IntervalAt {
            index,
            pixel_format,
            width,
            height,
            ..IntervalAt::default()
        };
        let rates = self
            .list(&kernel::ENUMERATE_INTERVALS, entry)
            .filter_map(|entry| {
                let [shortest, longest, _] = entry.interval;
                let slowest = if entry.kind == abi::DISCRETE {
                    shortest
                } else {
                    longest
                };
                Some(Rates {
                    slowest: rate(slowest)?,
                    fastest: rate(shortest)?,
                })
            });
        rates.collect()
    }

    /// The size it is set to.
    pub(super) fn size(&self) -> Option<Size> {
        let kind = self.planes.buffer_type();
        let (width, height) = match self.planes {
            Planes::Single => {
                let got = self
                    .device
                    .ask(
                        &kernel::GET_FORMAT,
                        Format {
                            kind,
                            ..Format::default()
                        },
                    )
                    .ok()?
                    .picture;
                (got.width, got.height)
            }
            Planes::Multi => {
                let asked = FormatMulti {
                    kind,
                    ..FormatMulti::default()
                };
                let got = self.device.ask(&kernel::GET_FORMAT_MULTI, asked).ok()?;
                (got.width, got.height)
            }
        };
        Some(Size { width, height })
    }

    /// Its controls that can be set to a number.
    pub(super) fn controls(&self) -> Vec<Control> {
        let mut controls = Vec::new();
        let mut last = 0;
        while controls.len() < ENTRIES_MAX as usize {
            let asked = ControlAt {
                id: last | abi::NEXT_CONTROL,
                ..ControlAt::default()
            };
            let Ok(entry) = self.device.ask(&kernel::QUERY_CONTROL, asked) else {
                break;
            };
            if entry.id <= last {
                break;
            }
            last = entry.id;
            let settable = entry.flags & (abi::CONTROL_DISABLED | abi::CONTROL_READ_ONLY) == 0;
            if settable && abi::NUMERIC_CONTROLS.contains(&entry.kind) {
                let ControlAt {
                    id,
                    minimum,
                    maximum,
                    ..
                } = entry;
                controls.push(Control {
                    id,
                    name: spell(&abi::text(&entry.name)),
                    minimum,
                    maximum,
                });
            }
        }
        controls
    }

    /// Sets controls, given by their names, one after another. One that cannot be set is logged;
    /// the others are set.
    ///
    /// # Errors
    /// The camera has gone.
    pub(super) fn set_controls(&self, values: &[(String, i64)]) -> Result<(), CameraError> {
        let controls = if values.is_empty() {
            Vec::new()
        } else {
            self.controls()
        };
        let is_refused = |&&(ref name, value): &&(String, i64)| {
            self.set_control(&controls, name, value).is_err()
        };
        let refused: Vec<_> = values.iter().filter(is_refused).collect();
        // What a control depends on may have been set after it: exposure to manual, for one.
        for (name, value) in refused {
            match self.set_control(&controls, name, *value) {
                Ok(()) => {}
                Err(problem @ Problem::Unplugged) => return Err(self.error(problem)),
                Err(problem) => say(format_args!("{}", self.error(problem))),
            }
        }
        Ok(())
    }

    fn set_control(&self, controls: &[Control], name: &str, value: i64) -> Result<(), Problem> {
        let (name, all) = (name.to_owned(), || controls.to_vec());
        let Some(control) = find(controls, &name) else {
            return Err(Problem::NoControl {
                name,
                controls: all(),
            });
        };
        let Some(number) = control.value(value) else {
            return Err(Problem::OutOfRange {
                control: control.clone(),
                value,
                controls: all(),
            });
        };
        match self.device.ask(
            &kernel::SET_CONTROL,
            abi::Control {
                id: control.id,
                value: number,
            },
        ) {
            Ok(_) => Ok(()),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => {
                Err(Problem::Unplugged)
            }
            Err(error) => Err(Problem::Refused {
                name,
                value,
                error,
                controls: all(),
            }),
        }
    }

    /// Sets a mode; returns the one that the driver has made of it, and how its pictures are laid
    /// out. A rate that is not taken is logged if it `is_asked` for.
    pub(super) fn set_mode(
        &self,
        mode: Mode,
        is_asked: bool,
    ) -> Result<(Mode, PictureFormat), CameraError> {
        let picture = self.set_format(mode)?;
        // Another format than the wanted one is as good, if it is known.
        let format = PixelFormat::of(picture.pixel_format);
        let format = format.ok_or_else(|| self.cannot_show(&[picture.pixel_format]))?;
        let size = Size {
            width: picture.width,
            height: picture.height,
        };
        let fps = self.set_rate(mode.fps, is_asked).unwrap_or(mode.fps);
        Ok((Mode { format, size, fps }, picture))
    }

    fn set_format(&self, mode: Mode) -> Result<PictureFormat, CameraError> {
        let (kind, pixel_format) = (self.planes.buffer_type(), mode.format.fourcc());
        let Size { width, height } = mode.size;
        let failed = |error| self.cannot("be set to a format (VIDIOC_S_FMT)", error);
        if self.planes == Planes::Single {
            let picture = PictureFormat {
                width,
                height,
                pixel_format,
                ..PictureFormat::default()
            };
            let asked = Format {
                kind,
                picture,
                ..Format::default()
            };
            return Ok(self
                .device
                .ask(&kernel::SET_FORMAT, asked)
                .map_err(failed)?
                .picture);
        }
        let asked = FormatMulti {
            kind,
            width,
            height,
            pixel_format,
            planes_used: 1,
            ..FormatMulti::default()
        };
        let got = self
            .device
            .ask(&kernel::SET_FORMAT_MULTI, asked)
            .map_err(failed)?;
        let [plane, ..] = got.planes;
        if got.planes_used != 1 {
            return Err(self.cannot_show(&[got.pixel_format]));
        }
        Ok(PictureFormat {
            width: got.width,
            height: got.height,
            pixel_format: got.pixel_format,
            field: got.field,
            bytes_per_line: plane.bytes_per_line,
            image_bytes: plane.image_bytes,
            colorspace: got.colorspace,
            encoding: got.encoding.into(),
            quantization: got.quantization.into(),
            ..PictureFormat::default()
        })
    }

    /// The rate the driver has made of `fps`, if it reports one. A driver that takes none has one
    /// of its own.
    fn set_rate(&self, fps: f64, is_asked: bool) -> Option<f64> {
        let interval = Fraction {
            numerator: 1000,
            denominator: (fps * 1000.0).round() as u32,
        };
        let kind = self.planes.buffer_type();
        let asked = abi::StreamParameters {
            kind,
            interval,
            ..abi::StreamParameters::default()
        };
        match self.device.ask(&kernel::SET_PARAMETERS, asked) {
            Ok(got) => rate(got.interval),
            Err(error) => {
                // Many drivers know no such request, which is of interest only if a rate was asked
                // for.
                if is_asked || Errno::from_io_error(&error) != Some(Errno::NOTTY) {
                    let device = self.path.display();
                    say(format_args!(
                        "{device} takes no rate (VIDIOC_S_PARM: {error}); it gives frames at its own"
                    ));
                }
                None
            }
        }
    }

    /// The error that it gives no pictures of the `wanted` format, or of none that we know.
    pub(super) fn no_format(&self, wanted: Option<PixelFormat>) -> CameraError {
        let formats = self.formats();
        match wanted {
            _ if formats.is_empty() => self.error(Problem::NoFormats),
            Some(wanted) if !formats.iter().all(|&format| is_bayer(format)) => {
                self.error(Problem::NoFormat {
                    wanted,
                    offered: words(&formats),
                })
            }
            _ => self.cannot_show(&formats),
        }
    }

    /// The error that it gives nothing but `formats`, none of which we know.
    fn cannot_show(&self, formats: &[u32]) -> CameraError {
        let (device, offered) = (self.path.display(), words(formats));
        self.error(match self.planes {
            _ if formats.iter().all(|&format| is_bayer(format)) => Problem::Sensor(offered),
            Planes::Single => {
                let command = format!("exec:ffmpeg -f v4l2 -i {device} -f mjpeg -");
                Problem::NoKnownFormat { offered, command }
            }
            // ffmpeg does not capture from such devices.
            Planes::Multi => {
                let pipeline = format!("v4l2src device={device} ! videoconvert ! jpegenc ! fdsink");
                Problem::NoKnownFormat {
                    offered,
                    command: format!("exec:gst-launch-1.0 -q {pipeline}"),
                }
            }
        })
    }

    /// The error of this camera that `problem` stands for.
    pub(super) fn error(&self, problem: Problem) -> CameraError {
        CameraError::new(&self.path, problem)
    }

    /// Lets it begin to capture.
    pub(super) fn start(self) -> Result<Recording, CameraError> {
        let Self {
            path,
            device,
            planes,
            reports_changes,
            ..
        } = self;
        match Stream::start(device, planes) {
            Ok(stream) => Ok(Recording {
                path,
                stream,
                reports_changes,
            }),
            Err(StartError { task, error }) => Err(CameraError::starting(&path, task, error)),
        }
    }

    /// The entries of a list that is asked for by index until there is none.
    fn list<T>(
        &self,
        request: &'static Request<T>,
        entry: impl Fn(u32) -> T,
    ) -> impl Iterator<Item = T> {
        (0..ENTRIES_MAX).map_while(move |index| self.device.ask(request, entry(index)).ok())
    }

    pub(super) fn cannot(&self, task: &'static str, error: io::Error) -> CameraError {
        CameraError::failed(&self.path, task, error)
    }
}

/// A camera that captures.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    pub(super) stream: Stream,
    pub(super) reports_changes: bool,
}

impl Recording {
    /// Waits until there may be a picture, at most as long as `patience`. Whether it was worth it.
    pub(super) fn wait(&self, frame_timeout: Duration) -> Result<bool, CameraError> {
        let timeout = Timespec::try_from(frame_timeout).unwrap_or_default();
        // An event is out-of-band data.
        match poll(
            &mut [PollFd::new(&self.stream, PollFlags::IN | PollFlags::PRI)],
            Some(&timeout),
        ) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(CameraError::failed(
                &self.path,
                "be waited for",
                error.into(),
            )),
        }
    }

    /// The next picture, or the `newest` there is; `None` if there is none yet.
    pub(super) fn next(&mut self, newest: bool) -> io::Result<Option<Frame<'_>>> {
        self.stream.next(newest)
    }
}

/// V4L2's names of formats.
fn words(formats: &[u32]) -> String {
    formats
        .iter()
        .copied()
        .map(abi::format_name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The wall time of the capture of `frame`: its driver notes it by the monotonic clock.
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

/// Frames a second.
fn rate(interval: Fraction) -> Option<f64> {
    let Fraction {
        numerator,
        denominator,
    } = interval;
    (numerator > 0 && denominator > 0).then(|| f64::from(denominator) / f64::from(numerator))
}

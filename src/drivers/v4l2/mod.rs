//! The source `v4l2`: a camera that Linux knows, by the Video4Linux2 API.
//!
//! What the camera compresses itself is passed through; everything else is encoded here.
//!
//! The requests to the kernel are our own, in one file (`kernel`), because no crate makes them as a
//! live server needs them: `linuxvideo` gives a picture without the time of its capture, can only
//! wait without end, and panics when a driver answers oddly; `v4l2r` builds only where libclang is.
//! They go through the C library, so that a camera made of software can be put in a real one's
//! place with `LD_PRELOAD`.
//!
//! Reading order: [`offer`] (what to take of what there is), `camera` (how to get it), [`signal`]
//! (inputs, HDMI), [`raw`] and [`color`] (pictures that are no JPEGs yet), `kernel` and `abi`.

mod abi;
mod camera;
pub mod color;
pub mod controls;
pub mod error;
mod format;
mod kernel;
mod list;
pub mod offer;
pub mod raw;
pub mod signal;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::driver::{Driver, Parts, frame_timeout};
use super::error::{CaptureError, SourceError};
use super::parameters::Parameters;
use crate::wire::jpeg::{self, Repaired};
use crate::wire::part::{Reason, Repair};
use abi::PictureFormat;
use camera::{Camera, Recording, captured_at};
use color::Colors;
use error::{CameraError, Problem, say};
use kernel::Frame;
pub use list::table;
use offer::{Mode, PixelFormat, SIDE_PIXELS_MAX, Size, choose};
use raw::Layout;
use signal::Standard;

const DEVICE_DEFAULT: &str = "/dev/video0";
const FPS_DEFAULT: f64 = 30.0;
const QUALITY_DEFAULT: u8 = 80;

/// The parameters that are no controls.
const PARAMETERS: [&str; 8] = [
    "size",
    "resolution",
    "fps",
    "format",
    "quality",
    "timeout",
    "input",
    "standard",
];

/// A device that fails to give a picture for as long as this, and does nothing else, is opened
/// again.
const FAILING_MAX: Duration = Duration::from_secs(2);

/// The time between two attempts to fetch a picture from a device that fails to give one.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Warnings about single frames come no closer than this, and in the end no closer than that.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);
const COMPLAINT_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// `v4l2:/dev/video0?size=1280x720&fps=30&format=auto&quality=80`, or the device's path alone.
/// Every part may be left out. All parameters but these, `timeout`, `input` and `standard` are
/// controls of the camera, such as `brightness=128`.
#[derive(Clone, Debug, PartialEq)]
pub struct V4l2 {
    /// The device's file.
    pub device: PathBuf,
    /// The size of the pictures; without one, that which the camera is set to, or 1280x720.
    pub size: Option<Size>,
    /// Frames a second, above 0 and at most 240; 30 by default.
    pub fps: Option<f64>,
    /// What the camera is to give; without one, what costs least.
    pub format: Option<PixelFormat>,
    /// The quality of JPEGs that are encoded here, 1 to 100. Those of the camera stay as they are.
    pub quality: u8,
    /// How long the camera may be silent, above 0 and at most an hour; 5 s by default.
    pub timeout: Option<Duration>,
    /// The number or name of the input to capture from, of those that the device has.
    pub input: Option<String>,
    /// The television standard of an analog input.
    pub standard: Option<Standard>,
    /// Controls by their names, in the order in which they are set.
    pub controls: Vec<(String, i64)>,
}

impl V4l2 {
    /// Whether `text` is the name of a device and thereby of a source.
    pub(crate) fn is_device(text: &str) -> bool {
        text.starts_with("/dev/video") || text.starts_with("/dev/v4l/")
    }

    pub(crate) fn parse(rest: &str) -> Result<Self, SourceError> {
        let (device, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
        let parameters = Parameters::open("v4l2", query);
        let mut controls = Vec::new();
        for (name, value) in parameters.others(&PARAMETERS) {
            controls.push(parse_control(name.into_owned(), value.into_owned())?);
        }
        let size_rule =
            || format!("WIDTHxHEIGHT, each from 1 to {SIDE_PIXELS_MAX}, such as 1280x720");
        let format_rule = || {
            format!(
                "auto, {}",
                PixelFormat::ALL.map(PixelFormat::name).join(", ")
            )
        };
        let size = parameters.optional("size", |_| true, size_rule)?;
        Ok(Self {
            device: PathBuf::from(if device.is_empty() {
                DEVICE_DEFAULT
            } else {
                device
            }),
            size: size.map_or_else(
                || parameters.optional("resolution", |_| true, size_rule),
                |size| Ok(Some(size)),
            )?,
            fps: parameters.given_fps()?,
            format: parameters
                .optional::<Choice>("format", |_| true, format_rule)?
                .and_then(|Choice(format)| format),
            quality: parameters.quality(QUALITY_DEFAULT)?,
            timeout: parameters.timeout()?,
            input: parameters.optional(
                "input",
                |_| true,
                || "the number or name of an input".to_owned(),
            )?,
            standard: parameters.optional("standard", |_| true, Standard::rule)?,
            controls,
        })
    }

    /// What to take of what `camera` offers.
    fn choose(&self, camera: &Camera) -> Result<Mode, CameraError> {
        let wanted = |format| self.format.is_none_or(|wanted| wanted == format);
        let offers: Vec<_> = camera
            .offers()
            .into_iter()
            .filter(|offer| wanted(offer.format))
            .collect();
        let size = self
            .size
            .or_else(|| camera.size().filter(|size| size.is_sensible()))
            .unwrap_or_default();
        let fps = self.fps.unwrap_or(FPS_DEFAULT);
        let mode = choose(&offers, size, fps, |format, size| {
            camera.rates(format.fourcc(), size)
        });
        mode.ok_or_else(|| camera.no_format(self.format))
    }

    /// Sets up `camera`; logs it if that does not give what was asked for.
    fn set_up(&self, camera: &mut Camera) -> Result<Setup, CameraError> {
        if let Some(input) = &self.input {
            camera.select_input(input)?;
        }
        if let Some(standard) = self.standard {
            camera.set_standard(standard);
        }
        camera.lock_signal()?;
        camera.set_controls(&self.controls)?;
        let (mode, picture) = camera.set_mode(self.choose(camera)?, self.fps.is_some())?;
        let is_format = self.format.is_none_or(|format| format == mode.format);
        if !is_format
            || !mode.is_like(
                self.size.unwrap_or(mode.size),
                self.fps.unwrap_or(FPS_DEFAULT),
            )
        {
            let device = self.device.display();
            say(format_args!(
                "{device} gives {mode}, which is the nearest to what was asked for"
            ));
        }
        let encoding = Encoding::new(&picture, self.quality);
        let encoding = encoding.ok_or_else(|| camera.error(Problem::NoSuchSize(mode.size)))?;
        // A camera may be slower than it was asked to be, or than it reports.
        let fps = self.fps.map_or(mode.fps, |fps| fps.min(mode.fps));
        Ok(Setup {
            encoding,
            frame_timeout: self.patience_at(fps),
        })
    }

    /// The patience with a camera that gives pictures at this rate, or at the one that its exposure
    /// leaves.
    fn patience_at(&self, fps: f64) -> Duration {
        let exposures = self
            .controls
            .iter()
            .filter_map(|(name, value)| controls::rate_limit(name, *value));
        frame_timeout(self.timeout, Some(exposures.fold(fps, f64::min)))
    }

    fn cannot_give(&self, error: io::Error) -> CameraError {
        CameraError::failed(&self.device, "give a picture (VIDIOC_DQBUF)", error)
    }

    /// Sends frames until the signal changes, for which the camera has to be set up again.
    fn record(
        &self,
        mut recording: Recording,
        setup: &Setup,
        parts: &mut Parts,
    ) -> Result<(), CaptureError> {
        let Setup {
            encoding,
            frame_timeout,
        } = setup;
        let mut complaints = Complaints::default();
        let mut last_picture = Instant::now();
        let mut failing_since = None;
        loop {
            let left = frame_timeout.saturating_sub(last_picture.elapsed());
            if left.is_zero() || !recording.wait(left)? {
                let problem = if recording.has_no_signal() {
                    Problem::NoSignal
                } else {
                    Problem::Silent(*frame_timeout)
                };
                return Err(CameraError::new(&self.device, problem).into());
            }
            if recording.has_other_signal() {
                return Ok(());
            }
            // Of what an encoder is too slow for, the newest is worth its time. Passing on costs
            // none.
            let outcome = match recording.next(encoding.is_work()) {
                Ok(None) => continue,
                Ok(Some(frame)) => {
                    let jpeg = encoding.jpeg(&frame);
                    jpeg.map(|(jpeg, repair)| {
                        parts.send_repaired(captured_at(&frame), &jpeg, repair)
                    })
                }
                // One picture is lost; the device goes on, says the manual of VIDIOC_DQBUF. If it
                // does not:
                Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => {
                    if failing_since.get_or_insert_with(Instant::now).elapsed() > FAILING_MAX {
                        return Err(self.cannot_give(error).into());
                    }
                    thread::sleep(RETRY_INTERVAL);
                    Err(FrameError::Lost(error))
                }
                Err(error) => return Err(self.cannot_give(error).into()),
            };
            match outcome {
                Ok(sent) => {
                    sent?;
                    last_picture = Instant::now();
                    failing_since = None;
                }
                Err(flaw) => {
                    complaints.add(&self.device, &flaw);
                    parts.report_rejected(flaw.reason())?;
                }
            }
        }
    }
}

/// How a camera is set up.
struct Setup {
    encoding: Encoding,
    /// How long it may give no picture.
    frame_timeout: Duration,
}

impl Driver for V4l2 {
    /// Opening a camera may be heard or seen, so only its file is looked at.
    fn check(&self) -> Result<(), SourceError> {
        let problem = match access(&self.device, Access::READ_OK | Access::WRITE_OK) {
            Err(Errno::NOENT | Errno::NOTDIR) => Problem::Absent,
            Err(Errno::ACCESS) => Problem::Denied,
            Ok(()) | Err(_) => return Ok(()),
        };
        Err(CameraError::new(&self.device, problem).into())
    }

    fn run(&self, parts: &mut Parts) -> Result<(), CaptureError> {
        loop {
            let mut camera = Camera::open(&self.device)?;
            let setup = self.set_up(&mut camera)?;
            self.record(camera.start()?, &setup, parts)?;
            say(format_args!(
                "{}: the signal on its input has changed; starting again",
                self.device.display()
            ));
        }
    }

    fn frame_timeout(&self) -> Option<Duration> {
        Some(self.patience_at(self.fps.unwrap_or(FPS_DEFAULT)))
    }
}

/// The parameter `format`.
struct Choice(Option<PixelFormat>);

impl std::str::FromStr for Choice {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match PixelFormat::named(text) {
            None if !text.eq_ignore_ascii_case("auto") => Err(()),
            format => Ok(Self(format)),
        }
    }
}

/// Which controls there are only the camera knows. Their names are written as they like: "White
/// Balance" is `white_balance`.
fn parse_control(name: String, value: String) -> Result<(String, i64), SourceError> {
    let name = match controls::spell(&name) {
        spelled if spelled.is_empty() => {
            let known = format!(
                "{} and the camera's controls, such as brightness",
                PARAMETERS.join(", ")
            );
            return Err(SourceError::Parameter {
                scheme: "v4l2",
                name: Some(name),
                known,
            });
        }
        spelled => spelled,
    };
    match value.parse() {
        Ok(number) => Ok((name, number)),
        Err(_) => {
            let rule = format!("{name}=NUMBER, a whole one");
            Err(SourceError::Value {
                scheme: "v4l2",
                what: "value of a control",
                value,
                rule,
            })
        }
    }
}

/// How JPEGs are made of what the camera gives.
enum Encoding {
    /// It gives JPEGs.
    Passed,
    /// It gives pictures that lie so, to be encoded at this quality.
    Encoded(Layout, u8),
}

impl Encoding {
    fn new(picture: &PictureFormat, quality: u8) -> Option<Self> {
        let format = PixelFormat::of(picture.pixel_format)?;
        if format.is_jpeg() {
            return Some(Self::Passed);
        }
        let layout = Layout::new(
            format,
            picture.width,
            picture.height,
            picture.bytes_per_line,
            Colors::new(format, picture),
        )?;
        Some(Self::Encoded(layout, quality))
    }

    fn is_work(&self) -> bool {
        matches!(self, Self::Encoded(..))
    }

    fn jpeg<'a>(&self, frame: &'a Frame) -> Result<(Cow<'a, [u8]>, Option<Repair>), FrameError> {
        if frame.buffer.flags & abi::BUFFER_ERROR != 0 {
            return Err(FrameError::Damaged);
        }
        Ok(match self {
            Self::Passed => tidy(frame.bytes)?,
            Self::Encoded(layout, quality) => (layout.encode(frame.bytes, *quality)?.into(), None),
        })
    }
}

/// A camera's JPEG as a browser wants it: nothing before or behind it, no picture within it, and
/// with its end marker and Huffman tables. Also what was mended.
fn tidy(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, Option<Repair>), jpeg::JpegError> {
    let Repaired {
        jpeg,
        picture,
        repair,
    } = jpeg::repair(bytes)?;
    let stripped = match jpeg::without_thumbnails(&jpeg) {
        Cow::Owned(stripped) => Some(stripped),
        Cow::Borrowed(_) => None,
    };
    let plain = stripped.map_or(jpeg, Cow::Owned);
    let complete = if picture.huffman_tables {
        plain
    } else {
        jpeg::with_standard_tables(&plain).into()
    };
    Ok((complete, repair))
}

/// Why a frame is not shown.
#[derive(Debug, thiserror::Error)]
enum FrameError {
    #[error("its driver reports that it is damaged")]
    Damaged,
    #[error("its driver lost it ({0})")]
    Lost(io::Error),
    #[error(transparent)]
    Flawed(#[from] jpeg::JpegError),
    #[error(transparent)]
    Short(#[from] raw::TooShort),
}

impl FrameError {
    /// Under which reason it is counted.
    fn reason(&self) -> Reason {
        match self {
            Self::Damaged | Self::Lost(_) | Self::Short(_) => Reason::Truncated,
            Self::Flawed(flaw) => (*flaw).into(),
        }
    }
}

/// Warnings about frames that are not shown: the more there are, the fewer of them are logged.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    /// From the last warning to the next.
    interval: Duration,
    unsaid: u64,
}

impl Complaints {
    fn add(&mut self, device: &Path, flaw: &FrameError) {
        let now = Instant::now();
        let since = self.last.map(|last| now - last);
        if since.is_some_and(|since| since < self.interval) {
            self.unsaid += 1;
            return;
        }
        // Nothing for long: it was well in between.
        let is_new = since.is_none_or(|since| since > self.interval + COMPLAINT_INTERVAL_MAX);
        self.interval = if is_new {
            COMPLAINT_INTERVAL
        } else {
            (self.interval * 2).min(COMPLAINT_INTERVAL_MAX)
        };
        let more = match std::mem::take(&mut self.unsaid) {
            0 => String::new(),
            more => format!(", as {more} before it"),
        };
        self.last = Some(now);
        say(format_args!(
            "left out a frame of {}: {flaw}{more}",
            device.display()
        ));
    }
}

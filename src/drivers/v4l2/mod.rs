//! The source `v4l2`: a camera with a Linux driver, through the Video4Linux2 API.
//!
//! JPEGs of the camera are passed through; other formats are encoded here.
//!
//! The file `kernel` makes the ioctl(2) requests itself, because no crate fits a live server:
//! `linuxvideo` returns frames without their capture time, waits without a timeout, and panics on
//! unexpected replies of a driver; `v4l2r` needs libclang to build. The requests go through the C
//! library, so that a test can replace the camera by a fake one with `LD_PRELOAD`.
//!
//! Reading order: [`modes`] (the choice of format, size and rate), `camera` (device access),
//! [`signal`] (inputs, HDMI), [`raw`] and [`color`] (encoding), `kernel` and `abi`.

mod abi;
mod camera;
pub mod color;
pub mod controls;
pub mod error;
mod format;
mod kernel;
mod list;
pub mod modes;
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

use super::driver::{Driver, FrameWriter, frame_timeout};
use super::error::{CaptureError, SourceError};
use super::parameters::Parameters;
use super::stderr::log_line;
use crate::wire::jpeg::{self, Repaired};
use crate::wire::part::{Reason, Repair};
use abi::PixFormat;
use camera::{Camera, StreamingCamera, captured_at};
use color::Colors;
use error::{CameraError, Problem};
use kernel::Frame;
pub use list::table;
use modes::{Mode, PixelFormat, SIDE_PIXELS_MAX, Size, choose};
use raw::Layout;
use signal::Standard;

const DEVICE_DEFAULT: &str = "/dev/video0";
const FPS_DEFAULT: f64 = 30.0;
const QUALITY_DEFAULT: u8 = 80;

/// The parameters of the source; all others are controls of the camera.
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

/// The driver ends, and the server restarts it, if the device returns only errors for this time.
const FAILING_MAX: Duration = Duration::from_secs(2);

/// The time between two attempts to dequeue a frame from a device that returns an error.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// The minimum time between two warnings about frames. It doubles with each warning, up to the
/// maximum.
const WARNING_INTERVAL: Duration = Duration::from_secs(1);
const WARNING_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// `v4l2:/dev/video0?size=1280x720&fps=30&format=auto&quality=80`, or the path of the device alone.
/// Every part is optional. Besides these, the parameters `timeout`, `input` and `standard` exist;
/// any other one is a control of the camera, such as `brightness=128`.
#[derive(Clone, Debug, PartialEq)]
pub struct V4l2 {
    /// The device file.
    pub device: PathBuf,
    /// The frame size; by default the camera's current one, or 1280x720.
    pub size: Option<Size>,
    /// The frame rate, in frames per second, above 0 and at most 240; 30 by default.
    pub fps: Option<f64>,
    /// The pixel format; by default the one that needs the least work.
    pub format: Option<PixelFormat>,
    /// The quality of JPEGs that are encoded here, 1 to 100. JPEGs of the camera are unchanged.
    pub quality: u8,
    /// The frame timeout, above 0 and at most an hour; 5 s by default.
    pub timeout: Option<Duration>,
    /// The number or name of the input.
    pub input: Option<String>,
    /// The television standard of an analog input.
    pub standard: Option<Standard>,
    /// Names and values of controls, in the order in which they are set.
    pub controls: Vec<(String, i64)>,
}

impl V4l2 {
    /// Whether `text` is the path of a video device, which is a source without a scheme.
    pub(crate) fn is_device(text: &str) -> bool {
        text.starts_with("/dev/video") || text.starts_with("/dev/v4l/")
    }

    pub(crate) fn parse(rest: &str) -> Result<Self, SourceError> {
        let (device, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
        let parameters = Parameters::with_others("v4l2", query);
        let mut controls = Vec::new();
        for (name, value) in parameters.others(&PARAMETERS) {
            controls.push(parse_control(name.into_owned(), value.into_owned())?);
        }
        let sizes = || format!("WIDTHxHEIGHT, each from 1 to {SIDE_PIXELS_MAX}, such as 1280x720");
        let formats = || {
            format!(
                "auto, {}",
                PixelFormat::ALL.map(PixelFormat::name).join(", ")
            )
        };
        let size = parameters.optional("size", |_| true, sizes)?;
        Ok(Self {
            device: PathBuf::from(if device.is_empty() {
                DEVICE_DEFAULT
            } else {
                device
            }),
            size: size.map_or_else(
                || parameters.optional("resolution", |_| true, sizes),
                |size| Ok(Some(size)),
            )?,
            fps: parameters.optional_fps()?,
            format: parameters
                .optional::<FormatParameter>("format", |_| true, formats)?
                .and_then(|FormatParameter(format)| format),
            quality: parameters.quality(QUALITY_DEFAULT)?,
            timeout: parameters.timeout()?,
            input: parameters.optional(
                "input",
                |_| true,
                || "the number or name of an input".to_owned(),
            )?,
            standard: parameters.optional("standard", |_| true, Standard::expected)?,
            controls,
        })
    }

    /// Chooses the mode to set, among those that `camera` supports.
    fn choose(&self, camera: &Camera) -> Result<Mode, CameraError> {
        let is_wanted = |format| self.format.is_none_or(|wanted| wanted == format);
        let formats: Vec<_> = camera
            .supported_formats()
            .into_iter()
            .filter(|supported| is_wanted(supported.format))
            .collect();
        let size = self
            .size
            .or_else(|| camera.size().filter(|size| size.is_sensible()))
            .unwrap_or_default();
        let fps = self.fps.unwrap_or(FPS_DEFAULT);
        let mode = choose(&formats, size, fps, |format, size| {
            camera.rates(format.fourcc(), size)
        });
        mode.ok_or_else(|| camera.no_format(self.format))
    }

    /// Configures `camera`; logs the mode if it differs from the requested one.
    fn set_up(&self, camera: &mut Camera) -> Result<Setup, CameraError> {
        if let Some(input) = &self.input {
            camera.select_input(input)?;
        }
        if let Some(standard) = self.standard {
            camera.set_standard(standard);
        }
        camera.lock_signal()?;
        camera.set_controls(&self.controls)?;
        let (mode, pix) = camera.set_mode(self.choose(camera)?, self.fps.is_some())?;
        let has_wanted_format = self.format.is_none_or(|format| format == mode.format);
        if !has_wanted_format
            || !mode.matches(
                self.size.unwrap_or(mode.size),
                self.fps.unwrap_or(FPS_DEFAULT),
            )
        {
            let device = self.device.display();
            log_line(format_args!(
                "{device}: requested mode not supported; using the nearest, {mode}"
            ));
        }
        let encoding = Encoding::new(&pix, self.quality);
        let encoding = encoding.ok_or_else(|| camera.error(Problem::InvalidSize(mode.size)))?;
        // A camera may be slower than the requested rate, or than the rate that it reports.
        let fps = self.fps.map_or(mode.fps, |fps| fps.min(mode.fps));
        Ok(Setup {
            encoding,
            frame_timeout: self.frame_timeout_at(fps),
        })
    }

    /// The frame timeout at this frame rate. A long exposure time lowers the rate.
    fn frame_timeout_at(&self, fps: f64) -> Duration {
        let exposures = self
            .controls
            .iter()
            .filter_map(|(name, value)| controls::rate_limit(name, *value));
        frame_timeout(self.timeout, Some(exposures.fold(fps, f64::min)))
    }

    fn dequeue_error(&self, error: io::Error) -> CameraError {
        CameraError::failed(&self.device, "dequeue a frame (VIDIOC_DQBUF)", error)
    }

    /// Sends frames until the signal changes: then the camera must be configured again.
    fn capture(
        &self,
        mut camera: StreamingCamera,
        setup: &Setup,
        writer: &mut FrameWriter,
    ) -> Result<(), CaptureError> {
        let Setup {
            encoding,
            frame_timeout,
        } = setup;
        let mut warnings = Warnings::default();
        let mut newest_at = Instant::now();
        let mut failing_since = None;
        loop {
            let left = frame_timeout.saturating_sub(newest_at.elapsed());
            if left.is_zero() || !camera.wait(left)? {
                let problem = if camera.has_no_signal() {
                    Problem::NoSignal
                } else {
                    Problem::Silent(*frame_timeout)
                };
                return Err(CameraError::new(&self.device, problem).into());
            }
            if camera.has_signal_changed() {
                return Ok(());
            }
            // If the encoder is slower than the camera, only the newest frame is encoded. JPEGs are
            // all passed through.
            let outcome = match camera.next(encoding.needs_encoder()) {
                Ok(None) => continue,
                Ok(Some(frame)) => {
                    let jpeg = encoding.jpeg(&frame);
                    jpeg.map(|(jpeg, repair)| {
                        writer.send_repaired(captured_at(&frame), &jpeg, repair)
                    })
                }
                // EIO: one frame is lost and the device goes on (VIDIOC_DQBUF(2)), unless it fails
                // all the time.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => {
                    if failing_since.get_or_insert_with(Instant::now).elapsed() > FAILING_MAX {
                        return Err(self.dequeue_error(error).into());
                    }
                    thread::sleep(RETRY_INTERVAL);
                    Err(FrameError::Lost(error))
                }
                Err(error) => return Err(self.dequeue_error(error).into()),
            };
            match outcome {
                Ok(sent) => {
                    sent?;
                    newest_at = Instant::now();
                    failing_since = None;
                }
                Err(error) => {
                    warnings.add(&self.device, &error);
                    writer.report_rejected(error.reason())?;
                }
            }
        }
    }
}

/// The configuration of a camera.
struct Setup {
    encoding: Encoding,
    frame_timeout: Duration,
}

impl Driver for V4l2 {
    /// Checks the permissions of the file. It does not open the device: that may move a lens or
    /// switch a light on.
    fn check(&self) -> Result<(), SourceError> {
        let problem = match access(&self.device, Access::READ_OK | Access::WRITE_OK) {
            Err(Errno::NOENT | Errno::NOTDIR) => Problem::Absent,
            Err(Errno::ACCESS) => Problem::Denied,
            Ok(()) | Err(_) => return Ok(()),
        };
        Err(CameraError::new(&self.device, problem).into())
    }

    fn run(&self, writer: &mut FrameWriter) -> Result<(), CaptureError> {
        loop {
            let mut camera = Camera::open(&self.device)?;
            let setup = self.set_up(&mut camera)?;
            self.capture(camera.start()?, &setup, writer)?;
            log_line(format_args!(
                "{}: the input signal has changed; restarting the capture",
                self.device.display()
            ));
        }
    }

    fn frame_timeout(&self) -> Option<Duration> {
        Some(self.frame_timeout_at(self.fps.unwrap_or(FPS_DEFAULT)))
    }
}

/// The parameter `format`; `None` for `auto`.
struct FormatParameter(Option<PixelFormat>);

impl std::str::FromStr for FormatParameter {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match PixelFormat::from_name(text) {
            None if !text.eq_ignore_ascii_case("auto") => Err(()),
            format => Ok(Self(format)),
        }
    }
}

/// Parses a control. Its name is normalized, "White Balance" to `white_balance`, and compared with
/// the camera's controls when the camera is opened.
fn parse_control(name: String, value: String) -> Result<(String, i64), SourceError> {
    let name = match controls::control_name(&name) {
        normalized if normalized.is_empty() => {
            return Err(SourceError::Parameter {
                scheme: "v4l2",
                name: Some(name),
                expected: format!(
                    "{} or a control of the camera, such as brightness",
                    PARAMETERS.join(", ")
                ),
            });
        }
        normalized => normalized,
    };
    match value.parse() {
        Ok(number) => Ok((name, number)),
        Err(_) => Err(SourceError::Value {
            scheme: "v4l2",
            what: "control value",
            value,
            expected: format!("{name}= and a whole number"),
        }),
    }
}

/// How the frames of the camera become JPEGs.
enum Encoding {
    /// The camera gives JPEGs.
    PassThrough,
    /// The camera gives pictures of this layout, which are encoded at this quality.
    Encode(Layout, u8),
}

impl Encoding {
    fn new(pix: &PixFormat, quality: u8) -> Option<Self> {
        let format = PixelFormat::from_fourcc(pix.pixel_format)?;
        if format.is_jpeg() {
            return Some(Self::PassThrough);
        }
        let layout = Layout::new(
            format,
            pix.width,
            pix.height,
            pix.bytes_per_line,
            Colors::new(format, pix),
        )?;
        Some(Self::Encode(layout, quality))
    }

    fn needs_encoder(&self) -> bool {
        matches!(self, Self::Encode(..))
    }

    fn jpeg<'a>(&self, frame: &'a Frame) -> Result<(Cow<'a, [u8]>, Option<Repair>), FrameError> {
        if frame.buffer.flags & abi::BUFFER_ERROR != 0 {
            return Err(FrameError::Damaged);
        }
        Ok(match self {
            Self::PassThrough => normalize(frame.bytes)?,
            Self::Encode(layout, quality) => (layout.encode(frame.bytes, *quality)?.into(), None),
        })
    }
}

/// Makes a camera's JPEG acceptable to browsers: removes bytes before and after it and embedded
/// thumbnails, adds a missing end marker and missing Huffman tables. Also returns what was
/// repaired.
fn normalize(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, Option<Repair>), jpeg::JpegError> {
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

/// Why a frame is rejected.
#[derive(Debug, thiserror::Error)]
enum FrameError {
    #[error("marked as damaged by the camera's driver")]
    Damaged,
    #[error("lost by the camera's driver ({0})")]
    Lost(io::Error),
    #[error(transparent)]
    Flawed(#[from] jpeg::JpegError),
    #[error(transparent)]
    Short(#[from] raw::TooShort),
}

impl FrameError {
    /// The reason under which the server counts it.
    fn reason(&self) -> Reason {
        match self {
            Self::Damaged | Self::Lost(_) | Self::Short(_) => Reason::Truncated,
            Self::Flawed(flaw) => (*flaw).into(),
        }
    }
}

/// Rate-limited warnings about rejected frames.
#[derive(Default)]
struct Warnings {
    last: Option<Instant>,
    /// The minimum time from the last warning to the next.
    interval: Duration,
    /// Warnings that were not logged since the last one.
    suppressed: u64,
}

impl Warnings {
    fn add(&mut self, device: &Path, error: &FrameError) {
        let now = Instant::now();
        let since = self.last.map(|last| now - last);
        if since.is_some_and(|since| since < self.interval) {
            self.suppressed += 1;
            return;
        }
        // After a long time without warnings, the interval starts from the minimum again.
        let is_new = since.is_none_or(|since| since > self.interval + WARNING_INTERVAL_MAX);
        self.interval = if is_new {
            WARNING_INTERVAL
        } else {
            (self.interval * 2).min(WARNING_INTERVAL_MAX)
        };
        let more = match std::mem::take(&mut self.suppressed) {
            0 => String::new(),
            more => format!("; {more} more before it"),
        };
        self.last = Some(now);
        log_line(format_args!(
            "{}: frame rejected: {error}{more}",
            device.display()
        ));
    }
}

//! The source `v4l2`: a camera that Linux knows, by the Video4Linux2 API.
//!
//! What the camera compresses itself is passed through; everything else is encoded here.
//!
//! The requests to the kernel are our own, in one file (`kernel`), because no crate makes them as a live server needs
//! them: `linuxvideo` gives a picture without the time of its capture, can only wait without end, and panics when a
//! driver answers oddly; `v4l2r` builds only where libclang is. They go through the C library, so that a camera made
//! of software can be put in a real one's place with `LD_PRELOAD`.
//!
//! Reading order: [`offer`] (what to take of what there is), `camera` (how to get it), [`raw`] (pictures that are no
//! JPEGs yet), `kernel` and `abi`.

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

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::source::{Parameters, SourceError};
use super::{CaptureError, Driver, Parts};
use crate::wire::jpeg::{self, Mended};
use crate::wire::source::Repair;
use abi::PictureFormat;
use camera::{Camera, captured_at};
use color::Colors;
use error::{CameraError, Problem};
use kernel::Frame;
pub use list::{ListError, table};
use offer::{Mode, PixelFormat, SIDE_PIXELS_MAX, Size, choose};
use raw::Layout;

const DEVICE_DEFAULT: &str = "/dev/video0";
const FPS_DEFAULT: f64 = 30.0;
const QUALITY_DEFAULT: u8 = 80;

/// The parameters that are no controls.
const PARAMETERS: [&str; 4] = ["size", "fps", "format", "quality"];

/// A camera that gives nothing for as long as this hangs. Long exposures take a second or two.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Complaints about single frames come no closer than this.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// `v4l2:/dev/video0?size=1280x720&fps=30&format=auto&quality=80`, or the device's path alone. Every part may be left
/// out. All other parameters are controls of the camera, such as `brightness=128`.
#[derive(Clone, Debug, PartialEq)]
pub struct V4l2 {
    /// The device's file.
    pub device: PathBuf,
    /// The size of the pictures; without one, that which the camera is set to, or 1280x720.
    pub size: Option<Size>,
    /// Frames a second, above 0 and at most 240.
    pub fps: f64,
    /// What the camera is to give; without one, what costs least.
    pub format: Option<PixelFormat>,
    /// The quality of JPEGs that are encoded here, 1 to 100. Those of the camera stay as they are.
    pub quality: u8,
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
        let size_rule = || format!("WIDTHxHEIGHT, each from 1 to {SIDE_PIXELS_MAX}, such as 1280x720");
        let format_rule = || format!("auto, {}", PixelFormat::ALL.map(PixelFormat::name).join(", "));
        Ok(Self {
            device: PathBuf::from(if device.is_empty() { DEVICE_DEFAULT } else { device }),
            size: parameters.optional("size", |_| true, size_rule)?,
            fps: parameters.fps(FPS_DEFAULT)?,
            format: parameters.optional::<Choice>("format", |_| true, format_rule)?.and_then(|Choice(format)| format),
            quality: parameters.quality(QUALITY_DEFAULT)?,
            controls,
        })
    }

    /// What to take of what `camera` offers.
    fn choose(&self, camera: &Camera) -> Result<Mode, CameraError> {
        let wanted = |format| self.format.is_none_or(|wanted| wanted == format);
        let offers: Vec<_> = camera.offers().into_iter().filter(|offer| wanted(offer.format)).collect();
        let size = self.size.or_else(|| camera.size().filter(|size| size.is_sensible())).unwrap_or_default();
        let mode = choose(&offers, size, self.fps, |format, size| camera.rates(format.fourcc(), size));
        mode.ok_or_else(|| camera.no_format(self.format))
    }

    /// Sets up `camera`; says so if it does not give what was asked for.
    fn set_up(&self, camera: &Camera) -> Result<Encoding, CameraError> {
        camera.set_controls(&self.controls)?;
        let (mode, picture) = camera.set_mode(self.choose(camera)?)?;
        if !mode.is_like(self.size.unwrap_or(mode.size), self.fps) {
            let device = self.device.display();
            say(format_args!("{device} gives {mode}, which is the nearest to what was asked for"));
        }
        Encoding::new(&picture, self.quality).ok_or_else(|| camera.error(Problem::NoSuchSize(mode.size)))
    }
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
        let camera = Camera::open(&self.device)?;
        let encoding = self.set_up(&camera)?;
        let mut recording = camera.start()?;
        let mut complaints = Complaints::default();
        let mut last_picture = Instant::now();
        loop {
            let patience = SILENCE_MAX.saturating_sub(last_picture.elapsed());
            if patience.is_zero() || !recording.wait(patience)? {
                return Err(CameraError::new(&self.device, Problem::Silent(SILENCE_MAX.as_secs())).into());
            }
            // Of what an encoder is too slow for, the newest is worth its time. Passing on costs none.
            let Some(frame) = recording.next(encoding.is_work())? else { continue };
            match encoding.jpeg(&frame) {
                Ok((jpeg, repair)) => {
                    parts.send_repaired(captured_at(&frame), &jpeg, repair)?;
                    last_picture = Instant::now();
                }
                Err(flaw) => complaints.add(&self.device, &flaw),
            }
        }
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

/// Which controls there are only the camera knows; what could not be one is refused before.
fn parse_control(name: String, value: String) -> Result<(String, i64), SourceError> {
    if !controls::is_spelled(&name) {
        let known = format!("{} and the camera's controls, such as brightness", PARAMETERS.join(", "));
        return Err(SourceError::Parameter { scheme: "v4l2", name: Some(name), known });
    }
    match value.parse() {
        Ok(number) => Ok((name, number)),
        Err(_) => {
            let rule = format!("{name}=NUMBER, a whole one");
            Err(SourceError::Value { scheme: "v4l2", what: "value of a control", value, rule })
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
        let layout =
            Layout::new(format, picture.width, picture.height, picture.bytes_per_line, Colors::new(format, picture))?;
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

/// A camera's JPEG as a browser wants it: nothing before or behind it, no picture within it, and with its end marker
/// and Huffman tables. Also what was mended.
fn tidy(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, Option<Repair>), jpeg::Flaw> {
    let Mended { jpeg, picture, repair } = jpeg::mend(bytes)?;
    let stripped = match jpeg::without_thumbnails(&jpeg) {
        Cow::Owned(stripped) => Some(stripped),
        Cow::Borrowed(_) => None,
    };
    let plain = stripped.map_or(jpeg, Cow::Owned);
    let complete = if picture.huffman_tables { plain } else { jpeg::with_standard_tables(&plain).into() };
    Ok((complete, repair))
}

/// Why a frame is not shown.
#[derive(Debug, thiserror::Error)]
enum FrameError {
    #[error("its driver says that it is damaged")]
    Damaged,
    #[error(transparent)]
    Flawed(#[from] jpeg::Flaw),
    #[error(transparent)]
    Short(#[from] raw::TooShort),
}

/// What is said about frames that are not shown: not too often.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    unsaid: u64,
}

impl Complaints {
    fn add(&mut self, device: &Path, flaw: &FrameError) {
        let now = Instant::now();
        if self.last.is_some_and(|last| now - last < COMPLAINT_INTERVAL) {
            self.unsaid += 1;
            return;
        }
        let more = match std::mem::take(&mut self.unsaid) {
            0 => String::new(),
            more => format!(", as {more} before it"),
        };
        self.last = Some(now);
        say(format_args!("left out a frame of {}: {flaw}{more}", device.display()));
    }
}

/// Nobody may be listening, and that is no reason to stop showing pictures.
fn say(words: fmt::Arguments) {
    drop(writeln!(io::stderr(), "{words}"));
}

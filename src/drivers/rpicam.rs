//! The source `rpicam`: the camera of a Raspberry Pi, through the program `rpicam-vid` of its
//! vendor.

use std::time::Duration;

use super::driver::{Driver, FrameWriter, frame_timeout};
use super::error::{CaptureError, SourceError};
use super::parameters::Parameters;
use super::program::{exec, find};
use super::size::Size;

/// The name of the program, and its older name.
const PROGRAMS: [&str; 2] = ["rpicam-vid", "libcamera-vid"];

const SIZE_DEFAULT: Size = Size {
    width: 1280,
    height: 720,
};
const FPS_DEFAULT: f64 = 30.0;
const QUALITY_DEFAULT: u8 = 80;

/// libcamera rotates by 180 degrees, but not by 90.
const ROTATIONS: [u16; 2] = [0, 180];
const CAMERA_MAX: u8 = 9;

/// `rpicam:?size=1280x720&fps=30&quality=80&hflip=0&vflip=0&rotation=0&camera=0`: every parameter
/// is optional, and these are the defaults. For other options of the program, use `exec:rpicam-vid
/// ...`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rpicam {
    /// The size of the pictures.
    pub size: Size,
    /// Frames per second, above 0 and at most 240.
    pub fps: f64,
    /// The quality of the JPEGs, 1 to 100.
    pub quality: u8,
    /// Whether to mirror the picture horizontally.
    pub hflip: bool,
    /// Whether to mirror the picture vertically.
    pub vflip: bool,
    /// The rotation in degrees: 0 or 180.
    pub rotation: u16,
    /// The number of the camera, 0 to 9.
    pub camera: u8,
}

impl Rpicam {
    pub(crate) fn parse(rest: &str) -> Result<Self, SourceError> {
        let query = rest.strip_prefix('?').unwrap_or(rest);
        let known = [
            "size", "fps", "quality", "hflip", "vflip", "rotation", "camera",
        ];
        let parameters = Parameters::parse("rpicam", query, &known)?;
        let rotation = |degrees: &u16| ROTATIONS.contains(degrees);
        Ok(Self {
            size: parameters.size(SIZE_DEFAULT)?,
            fps: parameters.fps(FPS_DEFAULT)?,
            quality: parameters.quality(QUALITY_DEFAULT)?,
            hflip: parameters.flag("hflip")?,
            vflip: parameters.flag("vflip")?,
            rotation: parameters.value("rotation", 0, rotation, || "0 or 180".to_owned())?,
            camera: parameters.value(
                "camera",
                0,
                |&camera| camera <= CAMERA_MAX,
                || {
                    format!(
                        "a whole number from 0 to {CAMERA_MAX}; rpicam-vid --list-cameras lists them"
                    )
                },
            )?,
        })
    }

    /// The arguments of the program. Defaults are left out: older versions have fewer options.
    fn arguments(&self) -> Vec<String> {
        let Self {
            size, fps, quality, ..
        } = self;
        let mut arguments = vec![
            // Without a time limit, and without a window.
            "--timeout=0".to_owned(),
            "--nopreview".to_owned(),
            "--codec=mjpeg".to_owned(),
            "--output=-".to_owned(),
            // Without this, the end of each picture stays in a buffer until the next one.
            "--flush".to_owned(),
            format!("--width={}", size.width),
            format!("--height={}", size.height),
            format!("--framerate={fps}"),
            format!("--quality={quality}"),
        ];
        arguments.extend(self.hflip.then(|| "--hflip".to_owned()));
        arguments.extend(self.vflip.then(|| "--vflip".to_owned()));
        arguments.extend((self.rotation != 0).then(|| format!("--rotation={}", self.rotation)));
        arguments.extend((self.camera != 0).then(|| format!("--camera={}", self.camera)));
        arguments
    }
}

impl Driver for Rpicam {
    fn frame_timeout(&self) -> Option<Duration> {
        Some(frame_timeout(None, Some(self.fps)))
    }

    fn check(&self) -> Result<(), SourceError> {
        program().map(drop)
    }

    fn run(&self, _: &mut FrameWriter) -> Result<(), CaptureError> {
        Err(exec(program()?, &self.arguments()).into())
    }
}

fn program() -> Result<&'static str, SourceError> {
    PROGRAMS
        .into_iter()
        .find(|program| find(program).is_ok())
        .ok_or(SourceError::NoRpicam)
}

//! The source `rpicam`: the camera of a Raspberry Pi, through the program that its makers give with
//! it.

use std::time::Duration;

use super::driver::{Driver, Parts, frame_timeout};
use super::error::{CaptureError, SourceError};
use super::parameters::Parameters;
use super::program::{become_program, find};
use super::size::Size;

/// The program, by its name and by its older one.
const PROGRAMS: [&str; 2] = ["rpicam-vid", "libcamera-vid"];

const SIZE_DEFAULT: Size = Size {
    width: 1280,
    height: 720,
};
const FPS_DEFAULT: f64 = 30.0;
const QUALITY_DEFAULT: u8 = 80;

/// libcamera turns a picture upside down, but not on its side.
const ROTATIONS: [u16; 2] = [0, 180];
const CAMERA_MAX: u8 = 9;

/// `rpicam:?size=1280x720&fps=30&quality=80&hflip=0&vflip=0&rotation=0&camera=0`: every parameter
/// may be left out, and these are the defaults. For whatever else the program can do, there is
/// `exec:rpicam-vid ...`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rpicam {
    /// The size of the pictures.
    pub size: Size,
    /// Pictures a second, above 0 and at most 240.
    pub fps: f64,
    /// The quality of the JPEGs, 1 to 100.
    pub quality: u8,
    /// Whether left and right are exchanged.
    pub hflip: bool,
    /// Whether top and bottom are exchanged.
    pub vflip: bool,
    /// Degrees by which the picture is turned: 0 or 180.
    pub rotation: u16,
    /// Which camera it is, where there are several: 0 to 9.
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
                || format!("a whole number from 0 to {CAMERA_MAX}; rpicam-vid --list-cameras lists them"),
            )?,
        })
    }

    /// What the program is told. What it does unasked is left out, so that older ones, which know
    /// fewer options, do too.
    fn arguments(&self) -> Vec<String> {
        let Self {
            size, fps, quality, ..
        } = self;
        let mut arguments = vec![
            // Until it is told to end, and without a window.
            "--timeout=0".to_owned(),
            "--nopreview".to_owned(),
            "--codec=mjpeg".to_owned(),
            "--output=-".to_owned(),
            // Or else the end of each picture waits in a buffer for the next one.
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

    fn run(&self, _: &mut Parts) -> Result<(), CaptureError> {
        Err(become_program(program()?, &self.arguments()).into())
    }
}

fn program() -> Result<&'static str, SourceError> {
    PROGRAMS
        .into_iter()
        .find(|program| find(program).is_ok())
        .ok_or(SourceError::NoRpicam)
}

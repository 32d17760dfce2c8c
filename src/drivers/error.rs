//! Why a source gives no frames, and why a driver ends.
//!
//! Every message names the thing, the problem and the remedy: `THING: PROBLEM; REMEDY`.

use std::io;
use std::path::PathBuf;

use super::hints::UnknownSource;
use super::http::HttpError;
#[cfg(feature = "redis")]
use super::redis::RedisSourceError;
use super::v4l2::error::CameraError;

/// Why there are no frames from a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The text does not name a source.
    #[error("{0}")]
    Unknown(UnknownSource),
    /// The source has no parameter of that name.
    #[error("{scheme}: unknown parameter{}; expected {expected}", quoted(name))]
    Parameter {
        /// The scheme of the source.
        scheme: &'static str,
        /// The given name; `None` in a URL, where it may be part of a password.
        name: Option<String>,
        /// The names of the parameters that the source has.
        expected: String,
    },
    /// A value cannot be parsed or is out of range.
    #[error("{scheme}: invalid {what} {value:?}; expected {expected}")]
    Value {
        /// The scheme of the source.
        scheme: &'static str,
        /// The name of the parameter.
        what: &'static str,
        /// The given value.
        value: String,
        /// The valid values.
        expected: String,
    },
    /// The directory cannot be listed.
    #[error("{}: cannot list the directory: {error}; name a directory of JPEG files", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// The error of the system call.
        error: io::Error,
    },
    /// The directory holds no JPEG file.
    #[error("{}: no JPEG file; put at least one .jpg or .jpeg file into the directory", .0.display())]
    NoJpeg(PathBuf),
    /// The directory holds JPEG files by name, but none with a valid picture.
    #[error("{}: {problem}; the directory holds no valid JPEG file", file.display())]
    NoValidJpeg {
        /// One of the files.
        file: PathBuf,
        /// Why it was rejected.
        problem: String,
    },
    /// The URL of a network camera is invalid. It is not shown: any part of it may be a secret.
    #[error(
        "invalid camera address; expected http://USER:PASSWORD@HOST:PORT/PATH; within USER and PASSWORD, \
         write %40 for @, %3A for :, %2F for /, %3F for ?, %23 for # and %25 for %"
    )]
    Address,
    /// The network camera gives no frames.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The URL of a Redis channel or list is invalid. It is not shown: any part of it may be a
    /// secret.
    #[error(
        "invalid Redis address; expected redis://USER:PASSWORD@HOST:PORT/CHANNEL or redis+list://HOST:PORT/KEY, \
         with a database number before the name if needed, as in redis://HOST/1/CHANNEL; within USER, \
         PASSWORD and names, write %40 for @, %3A for :, %2F for /, %3F for ?, %23 for # and %25 for %"
    )]
    #[cfg(feature = "redis")]
    RedisAddress,
    /// The program cannot speak to Redis.
    #[cfg(not(feature = "redis"))]
    #[error("redis: this framecast was built without Redis; build it with --features redis")]
    WithoutRedis,
    /// Redis gives no frames.
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] RedisSourceError),
    /// `watch=1` without a directory.
    #[error("stills: watch=1 needs a directory; name one, as in stills:/srv/pictures?watch=1")]
    WatchWithoutDirectory,
    /// The command is empty, or a quote in it is not closed.
    #[error("exec: expected a command; write exec:PROGRAM ARGUMENTS, and close every quote")]
    Command,
    /// A program cannot be run.
    #[error("cannot run {program}: {problem}; {remedy}")]
    Program {
        /// The program.
        program: String,
        /// Why it cannot be run.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A command contains shell syntax: an operator, a redirection, a variable.
    #[error(
        "exec: {0:?} needs a shell; write exec:sh -c 'COMMAND', or quote it to pass it to the program"
    )]
    ShellSyntax(String),
    /// Neither of the programs for the camera of a Raspberry Pi is in `PATH`.
    #[error(
        "rpicam: neither rpicam-vid nor libcamera-vid is in PATH; install the package rpicam-apps"
    )]
    NoRpicam,
    /// Standard input is a terminal.
    #[error(
        "standard input is a terminal; pipe frames into it, as in ffmpeg ... -f mjpeg - | framecast --camera -"
    )]
    Terminal,
    /// The writer of standard input has closed it.
    #[error("standard input: end of file")]
    StdinEnded,
    /// Standard input cannot be read.
    #[error("standard input: cannot read: {0}")]
    Stdin(io::Error),
    /// The V4L2 camera gives no frames.
    #[error(transparent)]
    Camera(#[from] CameraError),
}

fn quoted(name: &Option<String>) -> String {
    name.as_ref()
        .map(|name| format!(" {name:?}"))
        .unwrap_or_default()
}

impl SourceError {
    /// Whether the source can never give frames, whatever is connected, mounted or installed
    /// later.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Terminal)
    }
}

/// Why a driver ended.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The source gives no frames.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The frames cannot be written.
    #[error("standard output: cannot write frames: {0}")]
    Output(io::Error),
}

impl From<HttpError> for CaptureError {
    fn from(error: HttpError) -> Self {
        Self::Source(SourceError::Http(error))
    }
}

impl From<CameraError> for CaptureError {
    fn from(error: CameraError) -> Self {
        Self::Source(SourceError::Camera(error))
    }
}

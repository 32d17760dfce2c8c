//! Why a source gives no frames, and why a driver ends.

use std::io;
use std::path::PathBuf;

use super::hints::Unknown;
use super::http::HttpError;
use super::redis::FromRedisError;
use super::v4l2::error::CameraError;

/// Why there are no frames from a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The text is no source.
    #[error("{0}")]
    Unknown(Unknown),
    /// The source takes no parameter of that name.
    #[error("{scheme} has no {}; it takes {known}", unknown_parameter(name))]
    Parameter {
        /// The name of the source.
        scheme: &'static str,
        /// The parameter that was given; `None` in a URL, where it may be a piece of a password.
        name: Option<String>,
        /// Those that could have been.
        known: String,
    },
    /// A value cannot be read or is out of range.
    #[error("{value:?} is no {what} for {scheme}; write {rule}")]
    Value {
        /// The name of the source.
        scheme: &'static str,
        /// What the value stands for.
        what: &'static str,
        /// The value that was given.
        value: String,
        /// The values there are.
        rule: String,
    },
    /// The directory cannot be listed.
    #[error("cannot read the directory {}: {error}; name a directory that holds JPEG pictures", directory.display())]
    Directory {
        /// The directory that was named.
        directory: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The directory holds no picture.
    #[error("no JPEG in {}: put at least one whole .jpg or .jpeg file there", .0.display())]
    NoJpeg(PathBuf),
    /// The directory holds files, but none that can be shown.
    #[error("no JPEG can be shown: {}: {problem}", file.display())]
    NotShown {
        /// One of the files.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The address of a camera on the network cannot be read. It is not shown, as any part of it
    /// may be a secret.
    #[error(
        "that is no address of a camera; write http://USER:PASSWORD@HOST:PORT/PATH, and within USER and PASSWORD %40 \
         for @, %3A for :, %2F for /, %3F for ?, %23 for # and %25 for %"
    )]
    Address,
    /// The camera on the network gives no frames.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An address in Redis cannot be read. It is not shown, as any part of it may be a secret.
    #[error(
        "that is no address in Redis; write redis://USER:PASSWORD@HOST:PORT/CHANNEL or redis+list://HOST:PORT/KEY, \
         with the number of a database before the name if need be, as in redis://HOST/1/CHANNEL, and within USER, \
         PASSWORD and names %40 for @, %3A for :, %2F for /, %3F for ?, %23 for # and %25 for %"
    )]
    RedisAddress,
    /// Redis gives no frames.
    #[error(transparent)]
    Redis(#[from] FromRedisError),
    /// The emulated camera has no folder to be watched.
    #[error("there is no directory to watch; name one, as in stills:/srv/pictures?watch=1")]
    NothingToWatch,
    /// A command that is no row of words.
    #[error(
        "exec: expected a command; write exec:PROGRAM ARGUMENTS, and close every quote, as for a shell"
    )]
    Command,
    /// A program cannot be run.
    #[error("cannot run {program}: {problem}; {remedy}")]
    Program {
        /// The program that was named.
        program: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A command has a word that only a shell understands: an operator, a redirection, a variable.
    #[error(
        "exec: there is no shell for {0:?}; write exec:sh -c 'COMMAND', or quote it if the program is to get it"
    )]
    NoShell(String),
    /// Neither of the programs that know the camera of a Raspberry Pi is in `PATH`.
    #[error("there is no rpicam-vid and no libcamera-vid; install the package rpicam-apps")]
    NoRpicam,
    /// Frames cannot be typed.
    #[error(
        "standard input is a terminal; pipe frames into it, as in ffmpeg ... -f mjpeg - | framecast --camera -"
    )]
    Terminal,
    /// The writer of standard input has closed it.
    #[error("standard input has ended")]
    StdinEnded,
    /// Standard input cannot be read.
    #[error("cannot read standard input: {0}")]
    Stdin(io::Error),
    /// The camera gives none.
    #[error(transparent)]
    Camera(#[from] CameraError),
}

fn unknown_parameter(name: &Option<String>) -> String {
    name.as_ref().map_or("such parameter".to_owned(), |name| {
        format!("parameter {name:?}")
    })
}

impl SourceError {
    /// Whether the source can never give frames, whatever is plugged in, mounted or installed
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
    /// The frames cannot be handed on.
    #[error("cannot write frames to standard output: {0}")]
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

//! What frames are captured from, as it is named on the command line: `SCHEME`, `SCHEME:REST` or
//! `SCHEME:REST?NAME=VALUE&NAME=VALUE`.
//!
//! Every source reads its own `REST`: the query of a relayed URL belongs to that URL, and its parameters follow a `#`.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::Driver;
use super::exec::Exec;
use super::hints::Unknown;
use super::http::{Http, HttpError};
use super::pattern::Pattern;
use super::redis::{Address, FromRedisError, Redis};
use super::rpicam::Rpicam;
use super::size::Size;
use super::stdin::Stdin;
use super::stills::Stills;
use super::v4l2::V4l2;
use super::v4l2::error::CameraError;
use crate::wire::secret::SecretAddress;

/// How each source is written: the list in the message about a source that does not exist.
pub const SOURCES: [&str; 10] = [
    "v4l2:/dev/video0?size=1280x720&fps=30",
    "rpicam:?size=1280x720&fps=30",
    "http://USER:PASSWORD@HOST/PATH#fps=1",
    "redis://USER:PASSWORD@HOST/CHANNEL#timeout=5s",
    "redis+list://USER:PASSWORD@HOST/KEY#timeout=5s",
    "exec:COMMAND ARGUMENTS#every=1s",
    "- (standard input)",
    "stills:DIR?fps=1",
    "stills:DIR?watch=1",
    "pattern:1280x720?fps=30&quality=80",
];

const FPS_MAX: f64 = 240.0;
const QUALITY_MAX: u8 = 100;
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// What frames are captured from. `Display` and `Debug` show it as the user wrote it, with credentials masked.
#[derive(Clone)]
pub struct Source {
    address: SecretAddress,
    kind: Kind,
}

/// What frames are captured from, by the driver that captures them.
#[derive(Clone, PartialEq)]
pub enum Kind {
    /// JPEG files, shown one after the other by the clock.
    Stills(Stills),
    /// A moving test card.
    Pattern(Pattern),
    /// A camera or server on the network.
    Http(Http),
    /// Frames published in Redis.
    Redis(Redis),
    /// The camera of a Raspberry Pi.
    Rpicam(Rpicam),
    /// A command that writes frames.
    Exec(Exec),
    /// Standard input.
    Stdin(Stdin),
    /// A camera of this machine.
    V4l2(V4l2),
}

impl Source {
    /// The checks that a server wants before it starts: whether the source can be expected to give frames.
    ///
    /// # Errors
    /// It cannot, for the reason given.
    pub fn check(&self) -> Result<(), SourceError> {
        self.driver().check()
    }

    /// Whether its driver reads standard input: one of them can, and only as long as what is written there is taken
    /// off.
    pub fn reads_stdin(&self) -> bool {
        matches!(self.kind, Kind::Stdin(_))
    }

    /// Whether starting its driver starts a sensor, whose first pictures may be dark or out of focus.
    pub fn has_cold_sensor(&self) -> bool {
        matches!(self.kind, Kind::V4l2(_) | Kind::Rpicam(_))
    }

    /// How long the source may give no frame while all is well, which `timeout=` and `fps=` set where it takes them;
    /// `None` for one that may be silent for ever. Driver, server and `/healthz` all go by it.
    pub fn patience(&self) -> Option<Duration> {
        self.driver().patience()
    }

    /// Whether its driver gets over it by itself when the source gives nothing for a while.
    pub fn heals(&self) -> bool {
        self.driver().heals()
    }

    /// How often, from start to start, its driver is run again when it gives a picture and ends with exit status 0.
    pub fn repeats_every(&self) -> Option<Duration> {
        self.driver().repeats_every()
    }

    /// The source as the user wrote it, for its driver and for masking it in text that mentions it.
    pub fn address(&self) -> &SecretAddress {
        &self.address
    }

    /// What captures it.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    pub(crate) fn driver(&self) -> &dyn Driver {
        match &self.kind {
            Kind::Stills(stills) => stills,
            Kind::Pattern(pattern) => pattern,
            Kind::Http(http) => http,
            Kind::Redis(redis) => redis,
            Kind::Rpicam(rpicam) => rpicam,
            Kind::Exec(exec) => exec,
            Kind::Stdin(stdin) => stdin,
            Kind::V4l2(camera) => camera,
        }
    }
}

/// The emulated camera: the three numbered pictures.
impl Default for Source {
    fn default() -> Self {
        Self { address: SecretAddress::new("stills:"), kind: Kind::Stills(Stills::default()) }
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let text = with_lower_scheme(text);
        Ok(Self { kind: text.parse()?, address: SecretAddress::new(text) })
    }
}

/// `text` with its scheme in small letters: in capitals it is the same (RFC 3986, section 3.1).
fn with_lower_scheme(text: &str) -> String {
    let (scheme, rest) = text.split_at(text.find([':', '?']).unwrap_or(text.len()));
    let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if is_scheme { scheme.to_ascii_lowercase() + rest } else { text.to_owned() }
}

impl FromStr for Kind {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if V4l2::is_device(text) {
            return V4l2::parse(text).map(Self::V4l2);
        }
        let (scheme, rest) = text.split_at(text.find([':', '?']).unwrap_or(text.len()));
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        match scheme {
            "stills" => Stills::parse(rest).map(Self::Stills),
            "pattern" => Pattern::parse(rest).map(Self::Pattern),
            "http" | "https" => Http::parse(text).map(Self::Http),
            scheme if Address::SCHEMES.contains(&scheme) => Redis::parse(text).map(Self::Redis),
            "rpicam" => Rpicam::parse(rest).map(Self::Rpicam),
            "exec" => Exec::parse(rest).map(Self::Exec),
            "-" if rest.is_empty() => Ok(Self::Stdin(Stdin)),
            "v4l2" => V4l2::parse(rest).map(Self::V4l2),
            _ => Err(SourceError::Unknown(Unknown::new(text))),
        }
    }
}

/// Sources are equal if they capture the same in the same way, however they are written.
impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The source as the user wrote it, with credentials masked.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// As `Display`, in quotes.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&self.address, f)
    }
}

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
    /// The address of a camera on the network cannot be read. It is not shown, as any part of it may be a secret.
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
    #[error("exec: expected a command; write exec:PROGRAM ARGUMENTS, and close every quote, as for a shell")]
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
    #[error("exec: there is no shell for {0:?}; write exec:sh -c 'COMMAND', or quote it if the program is to get it")]
    NoShell(String),
    /// Neither of the programs that know the camera of a Raspberry Pi is in `PATH`.
    #[error("there is no rpicam-vid and no libcamera-vid; install the package rpicam-apps")]
    NoRpicam,
    /// Frames cannot be typed.
    #[error("standard input is a terminal; pipe frames into it, as in ffmpeg ... -f mjpeg - | framecast --camera -")]
    Terminal,
    /// Whoever wrote to standard input has closed it.
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
    name.as_ref().map_or("such parameter".to_owned(), |name| format!("parameter {name:?}"))
}

impl SourceError {
    /// Whether the source can never give frames, whatever is plugged in, mounted or installed later.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Terminal)
    }
}

fn known_words(known: &[&str]) -> String {
    if known.is_empty() { "none here".to_owned() } else { known.join(" and ") }
}

/// The parameters of a source: `NAME=VALUE`, joined by `&` and percent-encoded. Of two with one name the last counts.
pub(crate) struct Parameters<'a> {
    scheme: &'static str,
    query: &'a str,
}

impl<'a> Parameters<'a> {
    /// Reads the parameters of the source `scheme`, which takes those that are `known`.
    pub(crate) fn parse(scheme: &'static str, query: &'a str, known: &[&str]) -> Result<Self, SourceError> {
        for (name, _) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                // Behind the unescaped `#` of a password stands the rest of it.
                let is_url = scheme == "http" || Address::SCHEMES.contains(&scheme);
                let name = (!is_url).then(|| name.into_owned());
                return Err(SourceError::Parameter { scheme, name, known: known_words(known) });
            }
        }
        Ok(Self { scheme, query })
    }

    /// Reads the parameters of the source `scheme`, which looks at the [others](Self::others) itself.
    pub(crate) fn open(scheme: &'static str, query: &'a str) -> Self {
        Self { scheme, query }
    }

    /// The parameters that are not `known`, in the order in which they are given.
    pub(crate) fn others(&self, known: &[&str]) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        form_urlencoded::parse(self.query.as_bytes()).filter(|(name, _)| !known.contains(&name.as_ref()))
    }

    /// The parameter `fps` (above 0, at most 240), or `default`.
    pub(crate) fn fps(&self, default: f64) -> Result<f64, SourceError> {
        Ok(self.given_fps()?.unwrap_or(default))
    }

    /// The parameter `fps` (above 0, at most 240), if it is given.
    pub(crate) fn given_fps(&self) -> Result<Option<f64>, SourceError> {
        let in_range = |&fps: &f64| fps > 0.0 && fps <= FPS_MAX;
        self.optional("fps", in_range, || format!("a number above 0 and at most {FPS_MAX}, such as 30 or 0.5"))
    }

    /// The parameter `timeout` (above 0, at most an hour), if it is given: the patience with the source.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, SourceError> {
        let in_range = |time: &humantime::Duration| !time.is_zero() && **time <= TIMEOUT_MAX;
        let rule = || "a time with its unit, above 0 and at most 1h, such as 10s".to_owned();
        Ok(self.optional("timeout", in_range, rule)?.map(Into::into))
    }

    /// The parameter `quality` of a JPEG (1 to 100), or `default`.
    pub(crate) fn quality(&self, default: u8) -> Result<u8, SourceError> {
        let in_range = |quality: &u8| (1..=QUALITY_MAX).contains(quality);
        self.value("quality", default, in_range, || format!("a whole number from 1 to {QUALITY_MAX}"))
    }

    /// The parameter `size` (each side from 16 to 8192), or `default`.
    pub(crate) fn size(&self, default: Size) -> Result<Size, SourceError> {
        self.value("size", default, |_| true, Size::rule)
    }

    /// The parameter `name`, 0 or 1, or not given.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, SourceError> {
        Ok(self.value(name, 0_u8, |&flag| flag <= 1, || "0 or 1".to_owned())? == 1)
    }

    /// The parameter `name`, or `default`. `rule` says which values there are.
    pub(crate) fn value<T: FromStr>(
        &self,
        name: &'static str,
        default: T,
        in_range: impl Fn(&T) -> bool,
        rule: impl Fn() -> String,
    ) -> Result<T, SourceError> {
        Ok(self.optional(name, in_range, rule)?.unwrap_or(default))
    }

    /// The parameter `name`, if it is given. `rule` says what it may be.
    pub(crate) fn optional<T: FromStr>(
        &self,
        name: &'static str,
        in_range: impl Fn(&T) -> bool,
        rule: impl Fn() -> String,
    ) -> Result<Option<T>, SourceError> {
        let Some((_, value)) = form_urlencoded::parse(self.query.as_bytes()).filter(|(key, _)| key == name).last()
        else {
            return Ok(None);
        };
        let wrong =
            || SourceError::Value { scheme: self.scheme, what: name, value: value.clone().into_owned(), rule: rule() };
        value.parse().ok().filter(in_range).ok_or_else(wrong).map(Some)
    }
}

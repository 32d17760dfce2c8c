//! The source of a camera's frames, as written on the command line: `SCHEME`, `SCHEME:REST` or
//! `SCHEME:REST?NAME=VALUE&NAME=VALUE`.
//!
//! Each kind of source parses its own `REST`: in a URL, the query belongs to the camera, and
//! framecast's parameters follow a `#`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::driver::Driver;
use super::error::SourceError;
use super::exec::Exec;
use super::hints::UnknownSource;
use super::http::Http;
use super::pattern::Pattern;
use super::redis::{Address, Redis};
use super::rpicam::Rpicam;
use super::stdin::Stdin;
use super::stills::Stills;
use super::v4l2::V4l2;
use crate::text::secret::SecretAddress;

/// A source of frames. `Display` and `Debug` show it as written by the user, with credentials
/// masked.
#[derive(Clone)]
pub struct Source {
    address: SecretAddress,
    kind: Kind,
}

/// A source, by the driver that captures it.
#[derive(Clone, PartialEq)]
pub enum Kind {
    /// JPEG files, shown one after the other or as they arrive.
    Stills(Stills),
    /// A moving test card.
    Pattern(Pattern),
    /// A network camera or another server.
    Http(Http),
    /// Frames published in Redis.
    Redis(Redis),
    /// The camera of a Raspberry Pi.
    Rpicam(Rpicam),
    /// A command that writes frames.
    Exec(Exec),
    /// Standard input.
    Stdin(Stdin),
    /// A V4L2 camera of this machine.
    V4l2(V4l2),
}

impl Source {
    /// Checks, without capturing, whether the source can give frames. The server calls this before
    /// it starts.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub fn check(&self) -> Result<(), SourceError> {
        self.driver().check()
    }

    /// Whether its driver reads standard input: only one driver of a server can.
    pub fn reads_stdin(&self) -> bool {
        matches!(self.kind, Kind::Stdin(_))
    }

    /// Whether starting its driver powers on a sensor, whose first pictures may be dark or out of
    /// focus.
    pub fn has_cold_sensor(&self) -> bool {
        matches!(self.kind, Kind::V4l2(_) | Kind::Rpicam(_))
    }

    /// The longest time without a frame in normal operation, from the parameters `timeout=` and
    /// `fps=` if the source has them; `None` for no limit. Driver, server and `/healthz` use it.
    pub fn frame_timeout(&self) -> Option<Duration> {
        self.driver().frame_timeout()
    }

    /// Whether its driver itself reconnects to a silent source, so that killing it would not help.
    pub fn recovers(&self) -> bool {
        self.driver().recovers()
    }

    /// The time from one start to the next of a driver that writes one picture and exits with
    /// status 0; `None` if the driver is not to exit.
    pub fn repeat_interval(&self) -> Option<Duration> {
        self.driver().repeat_interval()
    }

    /// The source as written by the user: for its driver, and to mask its credentials in other
    /// texts.
    pub fn address(&self) -> &SecretAddress {
        &self.address
    }

    /// The kind of the source.
    #[cfg(test)]
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

/// The emulated camera: `stills:` with the three embedded pictures.
impl Default for Source {
    fn default() -> Self {
        Self {
            address: SecretAddress::new("stills:"),
            kind: Kind::Stills(Stills::default()),
        }
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let text = with_lower_scheme(text);
        Ok(Self {
            kind: text.parse()?,
            address: SecretAddress::new(text),
        })
    }
}

/// Converts the scheme of `text` to lower case: schemes are case-insensitive (RFC 3986, section
/// 3.1).
fn with_lower_scheme(text: &str) -> String {
    let (scheme, rest) = text.split_at(text.find([':', '?']).unwrap_or(text.len()));
    let is_scheme = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if is_scheme {
        scheme.to_ascii_lowercase() + rest
    } else {
        text.to_owned()
    }
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
            _ => Err(SourceError::Unknown(UnknownSource::new(text))),
        }
    }
}

/// Sources are equal if they capture the same in the same way, even if written differently.
impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The source as written by the user, with credentials masked.
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

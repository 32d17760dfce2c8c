//! What frames are captured from, as it is named on the command line: `SCHEME`, `SCHEME:REST` or
//! `SCHEME:REST?NAME=VALUE&NAME=VALUE`.
//!
//! Every source reads its own `REST`: the query of a relayed URL belongs to that URL, and its
//! parameters follow a `#`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::driver::Driver;
use super::error::SourceError;
use super::exec::Exec;
use super::hints::Unknown;
use super::http::Http;
use super::pattern::Pattern;
use super::redis::{Address, Redis};
use super::rpicam::Rpicam;
use super::stdin::Stdin;
use super::stills::Stills;
use super::v4l2::V4l2;
use crate::text::secret::SecretAddress;

/// What frames are captured from. `Display` and `Debug` show it as the user wrote it, with
/// credentials masked.
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
    /// The checks that a server wants before it starts: whether the source can be expected to give
    /// frames.
    ///
    /// # Errors
    /// It cannot, for the reason given.
    pub fn check(&self) -> Result<(), SourceError> {
        self.driver().check()
    }

    /// Whether its driver reads standard input: one of them can, and only as long as what is
    /// written there is taken off.
    pub fn reads_stdin(&self) -> bool {
        matches!(self.kind, Kind::Stdin(_))
    }

    /// Whether starting its driver starts a sensor, whose first pictures may be dark or out of
    /// focus.
    pub fn has_cold_sensor(&self) -> bool {
        matches!(self.kind, Kind::V4l2(_) | Kind::Rpicam(_))
    }

    /// How long the source may give no frame while all is well, which `timeout=` and `fps=` set
    /// where it takes them; `None` for one that may be silent for ever. Driver, server and
    /// `/healthz` all go by it.
    pub fn frame_timeout(&self) -> Option<Duration> {
        self.driver().frame_timeout()
    }

    /// Whether its driver gets over it by itself when the source gives nothing for a while.
    pub fn recovers(&self) -> bool {
        self.driver().recovers()
    }

    /// How often, from start to start, its driver is run again when it gives a picture and ends
    /// with exit status 0.
    pub fn repeat_interval(&self) -> Option<Duration> {
        self.driver().repeat_interval()
    }

    /// The source as the user wrote it, for its driver and for masking it in text that mentions it.
    pub fn address(&self) -> &SecretAddress {
        &self.address
    }

    /// What captures it.
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

/// The emulated camera: the three numbered pictures.
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

/// `text` with its scheme in small letters: in capitals it is the same (RFC 3986, section 3.1).
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

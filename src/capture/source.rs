//! What frames are captured from, as it is named on the command line: `SCHEME`, `SCHEME:REST` or
//! `SCHEME:REST?NAME=VALUE&NAME=VALUE`.
//!
//! Every source reads its own `REST`: the query of a relayed URL, say, belongs to that URL.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use super::Driver;
use super::pattern::Pattern;
use super::stills::Stills;
use super::v4l2::V4l2;
use super::v4l2::error::CameraError;

/// How each source is written: the list in the message about a source that does not exist.
pub const SOURCES: [&str; 3] =
    ["stills:DIR?fps=1", "pattern:1280x720?fps=30&quality=80", "v4l2:/dev/video0?size=1280x720&fps=30"];

const FPS_MAX: f64 = 240.0;
const QUALITY_MAX: u8 = 100;

/// What frames are captured from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// JPEG files, shown one after the other by the clock.
    Stills(Stills),
    /// A moving test card.
    Pattern(Pattern),
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

    pub(crate) fn driver(&self) -> &dyn Driver {
        match self {
            Self::Stills(stills) => stills,
            Self::Pattern(pattern) => pattern,
            Self::V4l2(camera) => camera,
        }
    }
}

/// The emulated camera: the three numbered pictures.
impl Default for Source {
    fn default() -> Self {
        Self::Stills(Stills::default())
    }
}

impl FromStr for Source {
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
            "v4l2" => V4l2::parse(rest).map(Self::V4l2),
            _ => Err(SourceError::Unknown(scheme.to_owned())),
        }
    }
}

/// The words that name the source, complete with its defaults and without secrets. They parse to an equal source.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.driver().fmt(f)
    }
}

/// Why there are no frames from a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No source has that name.
    #[error("there is no source {0:?}; the sources are {list}", list = SOURCES.join(", "))]
    Unknown(String),
    /// The source takes no parameter of that name.
    #[error("{scheme} has no parameter {name:?}; it takes {known}")]
    Parameter {
        /// The name of the source.
        scheme: &'static str,
        /// The parameter that was given.
        name: String,
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
    /// The camera gives none.
    #[error(transparent)]
    Camera(#[from] CameraError),
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
                return Err(SourceError::Parameter { scheme, name: name.into_owned(), known: known.join(" and ") });
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
        let in_range = |&fps: &f64| fps > 0.0 && fps <= FPS_MAX;
        self.value("fps", default, in_range, || format!("a number above 0 and at most {FPS_MAX}, such as 30 or 0.5"))
    }

    /// The parameter `quality` of a JPEG (1 to 100), or `default`.
    pub(crate) fn quality(&self, default: u8) -> Result<u8, SourceError> {
        let in_range = |quality: &u8| (1..=QUALITY_MAX).contains(quality);
        self.value("quality", default, in_range, || format!("a whole number from 1 to {QUALITY_MAX}"))
    }

    fn value<T: FromStr>(
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

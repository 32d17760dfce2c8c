//! The source `http://` or `https://`: a camera or server on the network, which gives motion JPEG or single pictures.
//!
//! The whole text is its address. Our own parameters follow the `#`, which is never sent:
//! `http://camera/video?size=2#timeout=30s`.
//!
//! # A client of its own
//!
//! ureq, hyper and reqwest parse heads by httparse, and refuse what curl, ffmpeg and browsers show: a status line in
//! lower case, with two blanks or of HTTP/2.0, no head at all (HTTP/0.9), a `Content-Length` that is empty, negative or
//! contradicts itself, a chunk of the wrong size. Their leniency, where they have any, ends at field lines, and none of
//! them tells a body that has ended from one that says nothing any more. libcurl's binding would read all of that, but
//! brings a C library. So this is a small blocking client over `std::net` and rustls; nothing here runs in the server.
//!
//! | File | What |
//! |---|---|
//! | `connection` | TCP to the first address that answers, TLS over it |
//! | `head`, `body` | responses, read leniently |
//! | `auth`, `cookies` | logins and sessions |
//! | `client` | requests, redirects, connections that stay open |
//! | `kind` | what a body is, and what it may be instead |
//! | `relay` | frames, patience, what is tried again |

mod auth;
mod body;
mod client;
mod connection;
mod cookies;
mod error;
mod head;
mod kind;
mod relay;

use std::time::Duration;

pub use error::{Fault, HttpError};

use super::source::{Parameters, SourceError};
use super::{CaptureError, Driver, Parts, patience};
use crate::wire::secret::{Credentials, SecretAddress};
use crate::wire::url::Url;

/// How often a camera that gives single pictures is asked for one a second, unless the user says otherwise.
const FPS_DEFAULT: f64 = 1.0;
/// The patience with a camera on the network, unless the user says otherwise: a camera that wakes up needs 8 s for its
/// first picture.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// `http://USER:PASSWORD@HOST:PORT/PATH?QUERY#fps=1&timeout=10s&insecure=0`: everything but `HOST` may be left out, and
/// these are the defaults.
#[derive(Clone, PartialEq)]
pub struct Http {
    /// The address that is asked, without user and password.
    pub url: Url,
    /// Who asks, where the camera wants to know.
    pub credentials: Option<Credentials>,
    /// How often a camera that gives single pictures is asked for one a second, above 0 and at most 240; 1 by default.
    pub fps: Option<f64>,
    /// How long the camera may be silent, above 0 and at most an hour; 10 s by default.
    pub timeout: Option<Duration>,
    /// Whether any certificate will do, as for a camera that has signed its own.
    pub insecure: bool,
}

impl Http {
    pub(crate) fn parse(text: &str) -> Result<Self, SourceError> {
        let (url, credentials, fragment) = Url::read(text).ok_or(SourceError::Address)?;
        let parameters = Parameters::parse("http", fragment, &["fps", "timeout", "insecure"])?;
        let (fps, timeout) = (parameters.given_fps()?, parameters.timeout()?);
        Ok(Self { url, credentials, fps, timeout, insecure: parameters.flag("insecure")? })
    }

    /// How long one wait for the camera may last.
    fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT_DEFAULT)
    }

    fn failed(&self, fault: Fault) -> HttpError {
        HttpError { address: SecretAddress::new(self.url.to_string()), fault }
    }
}

impl Driver for Http {
    fn patience(&self) -> Option<Duration> {
        Some(patience(Some(self.timeout()), self.fps))
    }

    /// The camera is not asked: it may be switched on later.
    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn run(&self, parts: &mut Parts) -> Result<(), CaptureError> {
        relay::run(self, parts)
    }
}

//! The source `http://` or `https://`: a camera or server on the network, which gives motion JPEG or single pictures.
//!
//! The whole text is its address. Our own parameters stand behind the `#`, which is never sent:
//! `http://camera/video?size=2#timeout=30s`.

mod client;
mod error;
mod relay;

use std::time::Duration;

use ureq::http::Uri;

pub use error::{Fault, HttpError};

use super::source::{Parameters, SourceError};
use super::{CaptureError, Driver, Parts, patience};
use crate::wire::secret::Credentials;

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
    pub uri: Uri,
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
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        // A password with a bare '#' would end up in a message about parameters.
        let read = parse_address(address).filter(|_| !fragment.contains('@'));
        let (uri, credentials) = read.ok_or(SourceError::Address)?;
        let parameters = Parameters::parse("http", fragment, &["fps", "timeout", "insecure"])?;
        let (fps, timeout) = (parameters.given_fps()?, parameters.timeout()?);
        Ok(Self { uri, credentials, fps, timeout, insecure: parameters.flag("insecure")? })
    }

    /// How long one wait for the camera may last.
    fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT_DEFAULT)
    }

    fn failed(&self, fault: Fault) -> HttpError {
        HttpError::new(&self.uri, fault)
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

/// Takes user and password out of an address (RFC 3986, section 3.2).
pub(in crate::capture) fn parse_address(address: &str) -> Option<(Uri, Option<Credentials>)> {
    let (scheme, rest) = address.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (userinfo, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let slash = if path.starts_with('/') { "" } else { "/" };
    let uri: Uri = format!("{scheme}://{place}{slash}{path}").parse().ok()?;
    let (host, port) = (uri.host()?, uri.port_u16());
    // What follows the host is a port, or the address means something else than it says.
    if host.is_empty() || (port.is_none() && host.len() != place.len()) {
        return None;
    }
    let credentials = if userinfo.is_empty() { None } else { Some(Credentials::from_userinfo(userinfo)?) };
    Some((uri, credentials))
}

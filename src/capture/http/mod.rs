//! The source `http://` or `https://`: a camera or server on the network, which gives motion JPEG or single pictures.
//!
//! The whole text is its address. Our own parameters stand behind the `#`, which is never sent:
//! `http://camera/video?size=2#timeout=30s`.

mod client;
mod error;
mod relay;

use std::fmt;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ureq::http::Uri;

pub use error::{Fault, HttpError};

use super::source::{Parameters, SourceError};
use super::{CaptureError, Driver, Parts, patience};

/// How often a camera that gives single pictures is asked for one a second, unless the user says otherwise.
const FPS_DEFAULT: f64 = 1.0;
/// The patience with a camera on the network, unless the user says otherwise: a camera that wakes up needs 8 s for its
/// first picture.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// `http://USER:PASSWORD@HOST:PORT/PATH?QUERY#fps=1&timeout=10s&insecure=0`: everything but `HOST` may be left out, and
/// these are the defaults.
#[derive(Clone, Debug, PartialEq)]
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

/// A user and a password, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name of the user.
    pub user: String,
    /// The password, which may be empty.
    pub password: String,
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

    fn write(&self, credentials: &str) -> String {
        let Self { uri, fps, timeout, insecure, .. } = self;
        let scheme = uri.scheme_str().unwrap_or_default();
        let place = uri.authority().map_or("", |authority| authority.as_str());
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        let timeout = timeout.map(|timeout| humantime::format_duration(timeout).to_string().replace(' ', ""));
        let parameters = [
            fps.map(|fps| format!("fps={fps}")),
            timeout.map(|timeout| format!("timeout={timeout}")),
            insecure.then(|| "insecure=1".to_owned()),
        ];
        let parameters: Vec<String> = parameters.into_iter().flatten().collect();
        let hash = if parameters.is_empty() { "" } else { "#" };
        format!("{scheme}://{credentials}{place}{path}{hash}{}", parameters.join("&"))
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

    fn with_secrets(&self) -> String {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let written = self
            .credentials
            .as_ref()
            .map(|Credentials { user, password }| format!("{}:{}@", encode(user), encode(password)));
        self.write(&written.unwrap_or_default())
    }
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.write(""))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Credentials(hidden)")
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
    let credentials = if userinfo.is_empty() { None } else { Some(parse_credentials(userinfo)?) };
    Some((uri, credentials))
}

fn parse_credentials(userinfo: &str) -> Option<Credentials> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decode = |text| {
        let text = percent_decode_str(text).decode_utf8().ok()?.into_owned();
        // They become part of a header field.
        (!text.chars().any(char::is_control)).then_some(text)
    };
    Some(Credentials { user: decode(user)?, password: decode(password)? })
}

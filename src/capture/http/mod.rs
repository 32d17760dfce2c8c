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
use super::{CaptureError, Driver, Parts, patience_at};

const FPS_DEFAULT: f64 = 1.0;
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// `http://USER:PASSWORD@HOST:PORT/PATH?QUERY#fps=1&timeout=10s&insecure=0`: everything but `HOST` may be left out, and
/// these are the defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// The address that is asked, without user and password.
    pub uri: Uri,
    /// Who asks, where the camera wants to know.
    pub credentials: Option<Credentials>,
    /// How often a camera that gives single pictures is asked for one a second, above 0 and at most 240.
    pub fps: f64,
    /// How long the camera may be silent, above 0 and at most an hour.
    pub timeout: Duration,
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
        let in_range = |time: &humantime::Duration| !time.is_zero() && **time <= TIMEOUT_MAX;
        let rule = || "a time with its unit, above 0 and at most 1h, such as 10s".to_owned();
        let timeout = parameters.value("timeout", TIMEOUT_DEFAULT.into(), in_range, rule)?;
        let insecure = parameters.value("insecure", 0, |flag: &u8| *flag <= 1, || "0 or 1".to_owned())?;
        let fps = parameters.fps(FPS_DEFAULT)?;
        Ok(Self { uri, credentials, fps, timeout: timeout.into(), insecure: insecure == 1 })
    }

    fn write(&self, credentials: &str) -> String {
        let Self { uri, fps, timeout, insecure, .. } = self;
        let scheme = uri.scheme_str().unwrap_or_default();
        let place = uri.authority().map_or("", |authority| authority.as_str());
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        let timeout = humantime::format_duration(*timeout).to_string().replace(' ', "");
        let insecure = u8::from(*insecure);
        format!("{scheme}://{credentials}{place}{path}#fps={fps}&timeout={timeout}&insecure={insecure}")
    }

    fn failed(&self, fault: Fault) -> HttpError {
        HttpError::new(&self.uri, fault)
    }
}

impl Driver for Http {
    fn patience(&self) -> Option<Duration> {
        patience_at(self.fps)
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

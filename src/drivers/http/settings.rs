//! A camera on the network, as the user wrote it.

use std::time::Duration;

use super::error::{Fault, HttpError};
use crate::drivers::error::SourceError;
use crate::drivers::parameters::Parameters;
use crate::text::secret::{Credentials, SecretAddress};
use crate::text::url::Url;

/// How often a camera that gives single pictures is asked for one a second, unless the user says
/// otherwise.
pub(super) const FPS_DEFAULT: f64 = 1.0;
/// The patience with a camera on the network, unless the user says otherwise: a camera that wakes
/// up needs 8 s for its first picture.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// `http://USER:PASSWORD@HOST:PORT/PATH?QUERY#fps=1&timeout=10s&insecure=0`: everything but `HOST`
/// may be left out, and these are the defaults.
#[derive(Clone, PartialEq)]
pub struct Http {
    /// The address that is asked, without user and password.
    pub url: Url,
    /// The login, where the camera requires one.
    pub credentials: Option<Credentials>,
    /// How often a camera that gives single pictures is asked for one a second, above 0 and at most
    /// 240; 1 by default.
    pub fps: Option<f64>,
    /// How long the camera may be silent, above 0 and at most an hour; 10 s by default.
    pub timeout: Option<Duration>,
    /// Whether any certificate will do, as for a camera that has signed its own.
    pub insecure: bool,
}

impl Http {
    pub(crate) fn parse(text: &str) -> Result<Self, SourceError> {
        let (url, credentials, fragment) = Url::parse(text).ok_or(SourceError::Address)?;
        let parameters = Parameters::parse("http", fragment, &["fps", "timeout", "insecure"])?;
        let (fps, timeout) = (parameters.given_fps()?, parameters.timeout()?);
        Ok(Self {
            url,
            credentials,
            fps,
            timeout,
            insecure: parameters.flag("insecure")?,
        })
    }

    /// How long one wait for the camera may last.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT_DEFAULT)
    }

    pub(super) fn failed(&self, fault: Fault) -> HttpError {
        HttpError {
            address: SecretAddress::new(self.url.to_string()),
            fault,
        }
    }
}

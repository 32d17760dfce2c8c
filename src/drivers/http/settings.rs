//! The settings of a network camera: its URL and the parameters after the `#`.

use std::time::Duration;

use super::error::{Fault, HttpError};
use crate::drivers::error::SourceError;
use crate::drivers::parameters::Parameters;
use crate::text::secret::{Credentials, SecretAddress};
use crate::text::url::Url;

/// The default of `fps`: requests per second to a camera that gives single pictures.
pub(super) const FPS_DEFAULT: f64 = 1.0;
/// The default of `timeout`. A camera that wakes from sleep needs 8 s for its first picture.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// `http://USER:PASSWORD@HOST:PORT/PATH?QUERY#fps=1&timeout=10s&insecure=0`: everything except
/// `HOST` is optional, and these are the defaults.
#[derive(Clone, PartialEq)]
pub struct Http {
    /// The URL, without credentials.
    pub url: Url,
    /// The credentials, if the camera requires them.
    pub credentials: Option<Credentials>,
    /// Requests per second to a camera that gives single pictures, above 0 and at most 240; 1 by
    /// default.
    pub fps: Option<f64>,
    /// The frame timeout, also of each read; above 0 and at most an hour; 10 s by default.
    pub timeout: Option<Duration>,
    /// Whether to accept any certificate, such as a self-signed one.
    pub insecure: bool,
}

impl Http {
    pub(crate) fn parse(text: &str) -> Result<Self, SourceError> {
        let (url, credentials, fragment) = Url::parse(text).ok_or(SourceError::Address)?;
        let parameters = Parameters::parse("http", fragment, &["fps", "timeout", "insecure"])?;
        let (fps, timeout) = (parameters.optional_fps()?, parameters.timeout()?);
        Ok(Self {
            url,
            credentials,
            fps,
            timeout,
            insecure: parameters.flag("insecure")?,
        })
    }

    /// The timeout of one read.
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

//! `framecast health`: asks a server whether all is well, where there is no other program that could.

use std::time::Duration;

use ureq::Agent;
use ureq::http::Uri;

/// How long the answer may take. The server gives it at once, or its loop hangs.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most of an answer that is read.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Why a server is not well.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The address is none.
    #[error("{0:?} is no address of a server; write http://HOST:PORT/ or https://HOST:PORT/")]
    Url(String),
    /// It does not answer.
    #[error("{url} does not answer: {error}; check the address, and that the server runs")]
    Silent {
        /// What was asked.
        url: String,
        /// What went wrong.
        error: ureq::Error,
    },
    /// It says so itself.
    #[error("{url} is not well (status {status}): {words}")]
    Unwell {
        /// What was asked.
        url: String,
        /// The status of the answer.
        status: u16,
        /// What it says.
        words: String,
    },
}

/// Asks the server at `url` for `/healthz`, and returns what it says.
///
/// # Errors
/// The address is none, or the server does not answer in time, or it says that something is wrong.
pub fn ask(url: &str) -> Result<String, HealthError> {
    let is_address = |uri: Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if !url.parse().is_ok_and(is_address) {
        return Err(HealthError::Url(url.to_owned()));
    }
    let url = format!("{}/healthz", url.trim_end_matches('/'));
    let config = Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(TIMEOUT));
    let silent = |error| HealthError::Silent { url: url.clone(), error };
    let mut response = config.build().new_agent().get(&url).call().map_err(silent)?;
    let words = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(silent)?;
    let (status, words) = (response.status(), words.trim().to_owned());
    match status.is_success() {
        true => Ok(words),
        false => Err(HealthError::Unwell { url, status: status.as_u16(), words }),
    }
}

//! Logins: Basic (RFC 7617) and Digest (RFC 7616, 2617 and 2069), for the challenges of real
//! cameras.
//!
//! `http-auth` parses challenges by the grammar of RFC 9110 and stores them as UTF-8. Cameras write
//! realms with unescaped quotes or in Latin-1 (whose bytes are hashed), omit commas, closing quotes
//! and the realm, and require `auth-int`. So this module parses challenges itself, as bytes, and
//! computes the response to a Digest challenge from them.

mod challenge;
mod digest;

use self::challenge::Challenge;
use self::digest::Digest;
use super::Fault;
use super::head::{Head, shown};
use crate::text::secret::Credentials;

/// The login for a challenge. Later requests are sent with it too.
#[derive(Debug)]
pub(super) enum Login {
    Basic,
    Digest(Box<Digest>),
}

/// The logins that were tried for one URL. Each is tried once: a camera may lock out a client after
/// too many attempts.
#[derive(Debug, Default)]
pub(super) struct Tried {
    basic: bool,
    digest: bool,
    /// Whether an expired nonce was replaced.
    renewed: bool,
}

impl Login {
    /// Chooses the login to try next for the challenges of `head`: Digest if offered, then Basic,
    /// each once. If no challenge is supported, tries Basic.
    ///
    /// # Errors
    /// All logins were tried.
    pub(super) fn next(head: &Head, tried: &mut Tried) -> Result<Self, Fault> {
        let challenges = challenge::parse(head.all("WWW-Authenticate"));
        let digest = challenges.iter().find_map(Digest::new);
        if let Some(digest) = digest {
            let renews = tried.digest && digest.stale() && !tried.renewed;
            if !tried.digest || renews {
                (tried.digest, tried.renewed) = (true, renews);
                return Ok(Self::Digest(Box::new(digest)));
            }
        }
        let offers_basic = challenges.iter().any(Challenge::is_basic);
        if !tried.basic && (offers_basic || !tried.digest) {
            tried.basic = true;
            return Ok(Self::Basic);
        }
        let other = challenges
            .iter()
            .filter(|challenge| !challenge.is_basic() && !challenge.is_digest());
        let names: Vec<String> = other.map(|challenge| shown(challenge.scheme())).collect();
        if names.is_empty() || offers_basic || tried.digest {
            Err(Fault::CredentialsWrong)
        } else {
            Err(Fault::Challenge(names.join(", ")))
        }
    }

    /// The value of the `Authorization` field of a request for `target`.
    pub(super) fn authorization(&mut self, credentials: &Credentials, target: &str) -> Vec<u8> {
        match self {
            Self::Basic => credentials.basic().into_bytes(),
            Self::Digest(digest) => digest.authorization(credentials, target),
        }
    }
}

//! Logins: Basic (RFC 7617) and Digest (RFC 7616, 2617 and 2069), for whatever a camera's challenge
//! looks like.
//!
//! `http-auth` parses challenges by the grammar of RFC 9110 and holds them as UTF-8. Cameras write
//! realms with unescaped quotes or in Latin-1, which is hashed as it stands, leave out commas,
//! closing quotes and the realm itself, and ask for `auth-int`. So challenges are parsed here, as
//! bytes, and the answer to a Digest challenge is computed from them.

mod challenge;
mod digest;

use self::challenge::Challenge;
use self::digest::Digest;
use super::Fault;
use super::head::{Head, shown};
use crate::text::secret::Credentials;

/// What answers a camera's challenge. Later requests are then sent with the answer.
#[derive(Debug)]
pub(super) enum Login {
    Basic,
    Digest(Box<Digest>),
}

/// The logins that were tried for one address, as a camera may lock out a client that tries too
/// often.
#[derive(Debug, Default)]
pub(super) struct Tried {
    basic: bool,
    digest: bool,
    /// A nonce that had expired was replaced.
    renewed: bool,
}

impl Login {
    /// The login to try next, after a response with the challenges of `head`: Digest where it is
    /// offered, then Basic, each once. Without a challenge that can be answered, Basic is tried all
    /// the same.
    ///
    /// # Errors
    /// There is nothing left to try.
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
    pub(super) fn answer(&mut self, credentials: &Credentials, target: &str) -> Vec<u8> {
        match self {
            Self::Basic => credentials.basic().into_bytes(),
            Self::Digest(digest) => digest.answer(credentials, target),
        }
    }
}

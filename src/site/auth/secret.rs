//! A token: a word that opens everything, and with which others are signed that open less and not for ever.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::Mac;

use super::digest::keyed;

/// Signed with a shorter word, a token that was given away would let its holder try words until one fits.
const SIGNING_BYTES_MIN: usize = 16;

const SECRET_BYTES_MAX: usize = 256;

/// What stands between the pieces of a signed token: it needs no escape in an address, and no camera has it in its
/// name.
const SEPARATOR: char = '~';

/// The word of `--token` or `--token-file`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A token cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token of fewer than {SIGNING_BYTES_MIN} characters signs no others; take one of openssl rand -hex 16")]
pub struct TooShort;

/// What a credential opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Every address.
    Everything,
    /// The streams and snapshots of one camera.
    Camera(String),
}

impl Secret {
    /// The word itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A token that opens `camera`, or everything, until `expires`, a time since the Unix epoch in whole seconds.
    ///
    /// # Errors
    /// The secret is too short to sign with.
    pub fn sign(&self, camera: Option<&str>, expires: Duration) -> Result<String, TooShort> {
        if self.0.len() < SIGNING_BYTES_MIN {
            return Err(TooShort);
        }
        let claim = format!("{}{SEPARATOR}{}", camera.unwrap_or_default(), expires.as_secs());
        let signature = self.mac(&claim).finalize().into_bytes();
        Ok(format!("{claim}{SEPARATOR}{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }

    /// What `token` opens, if it was signed with this secret and its time is not over at `wall_time`, a time since the
    /// Unix epoch. Of one that is only too old it says so.
    pub fn read(&self, token: &str, wall_time: Duration) -> Option<Result<Grant, Expired>> {
        if self.0.len() < SIGNING_BYTES_MIN {
            return None;
        }
        let (claim, signature) = token.rsplit_once(SEPARATOR)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        // In constant time; what was signed is believed only afterwards.
        self.mac(claim).verify_slice(&signature).ok()?;
        let (camera, expires) = claim.rsplit_once(SEPARATOR)?;
        let expires = Duration::from_secs(expires.parse().ok()?);
        Some(match (camera, expires > wall_time) {
            (_, false) => Err(Expired),
            ("", true) => Ok(Grant::Everything),
            (camera, true) => Ok(Grant::Camera(camera.to_owned())),
        })
    }

    fn mac(&self, claim: &str) -> hmac::Hmac<sha2::Sha256> {
        // The first words keep these signatures apart from whatever else somebody may sign with the same secret.
        keyed(self.0.as_bytes()).chain_update(b"framecast token\n").chain_update(claim.as_bytes())
    }
}

/// A token was right once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

impl FromStr for Secret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=SECRET_BYTES_MAX).contains(&text.len());
        match fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(text.to_owned())),
            false => Err("a token is 1 to 256 letters, digits and signs of ASCII, without a space"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn secret(text: &str) -> Secret {
        text.parse().unwrap()
    }

    #[test]
    fn a_signed_token_opens_what_it_says_until_it_expires() {
        let secret = secret("0123456789abcdef");
        let token = secret.sign(Some("front.door-2"), NOW + Duration::from_secs(60)).unwrap();
        let opens = |token: &str, seconds: u64| secret.read(token, NOW + Duration::from_secs(seconds));
        assert_eq!(opens(&token, 0), Some(Ok(Grant::Camera("front.door-2".into()))));
        assert_eq!(opens(&token, 59), Some(Ok(Grant::Camera("front.door-2".into()))));
        assert_eq!(opens(&token, 60), Some(Err(Expired)));
        let all = secret.sign(None, NOW + Duration::from_secs(60)).unwrap();
        assert_eq!(opens(&all, 0), Some(Ok(Grant::Everything)));
    }

    #[test]
    fn a_token_that_was_touched_opens_nothing() {
        let secret = secret("0123456789abcdef");
        let token = secret.sign(Some("front"), NOW + Duration::from_secs(60)).unwrap();
        for (index, byte) in token.bytes().enumerate() {
            let mut touched = token.clone().into_bytes();
            touched[index] = if byte == b'A' { b'B' } else { b'A' };
            let touched = String::from_utf8(touched).unwrap();
            assert_eq!(secret.read(&touched, NOW), None, "{touched}");
        }
        let (claim, _) = token.rsplit_once('~').unwrap();
        for text in ["", "~", "~~", "front~1700000060~", "front", claim, &format!("{claim}~"), &token[1..]] {
            assert_eq!(secret.read(text, NOW), None, "{text}");
        }
        assert_eq!("another-secret-of-16".parse::<Secret>().unwrap().read(&token, NOW), None);
    }

    #[test]
    fn a_short_secret_signs_nothing() {
        let short = secret("short");
        assert_eq!(short.sign(None, NOW), Err(TooShort));
        assert!(["", "two words", "t\u{f6}ken", &"x".repeat(257)].iter().all(|text| text.parse::<Secret>().is_err()));
        assert_eq!(format!("{short:?}"), "Secret");
    }
}

//! A token: a word that opens everything, and with which others are signed that open less and not
//! for ever.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::Mac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::digest::keyed;

/// Signed with a shorter word, a token that was given away would let its holder try words until one
/// fits.
const SIGNING_BYTES_MIN: usize = 16;

const SECRET_BYTES_MAX: usize = 256;

/// What stands between the pieces of a signed token: it needs no escape in an address.
const SEPARATOR: char = '~';

/// What is escaped in a camera's name.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The word of `--token` or `--token-file`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A token cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token of fewer than {SIGNING_BYTES_MIN} characters signs no others; take one of openssl rand -hex 16"
)]
pub struct TooShort;

/// What a signed token grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The one camera that it opens; without one, everything.
    pub camera: Option<String>,
    /// When it expires, as a time since the Unix epoch.
    pub expires: Duration,
}

impl Secret {
    /// The word itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A token that opens `camera`, or everything, until `expires`, a time since the Unix epoch in
    /// whole seconds.
    ///
    /// # Errors
    /// The secret is too short to sign with.
    pub fn sign(&self, camera: Option<&str>, expires: Duration) -> Result<String, TooShort> {
        if self.0.len() < SIGNING_BYTES_MIN {
            return Err(TooShort);
        }
        let claim = claim(camera.unwrap_or_default(), expires.as_secs());
        let signature = self.mac(&claim).finalize().into_bytes();
        Ok(format!(
            "{claim}{SEPARATOR}{}",
            BASE64_URL_SAFE_NO_PAD.encode(signature)
        ))
    }

    /// What `token` grants, if it was signed with this secret. `Expired` if its time is over at
    /// `wall_time`, a time since the Unix epoch.
    pub fn read(&self, token: &str, wall_time: Duration) -> Option<Result<Grant, Expired>> {
        if self.0.len() < SIGNING_BYTES_MIN {
            return None;
        }
        let (signed, signature) = token.rsplit_once(SEPARATOR)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        let (camera, expires) = signed.rsplit_once(SEPARATOR)?;
        let camera = percent_decode_str(camera).decode_utf8().ok()?;
        let expires = expires.parse().ok()?;
        // In constant time. Nothing of the claim counts before.
        self.mac(&claim(&camera, expires))
            .verify_slice(&signature)
            .ok()?;
        let camera = (!camera.is_empty()).then(|| camera.into_owned());
        let expires = Duration::from_secs(expires);
        Some(if expires > wall_time {
            Ok(Grant { camera, expires })
        } else {
            Err(Expired)
        })
    }

    fn mac(&self, claim: &str) -> hmac::Hmac<sha2::Sha256> {
        // The first words keep these signatures apart from whatever else somebody may sign with the
        // same secret.
        keyed(self.0.as_bytes())
            .chain_update(b"framecast token\n")
            .chain_update(claim.as_bytes())
    }
}

/// What is signed: the camera, or nothing, and the second of the end. A name may hold any letters,
/// but a header field only those of ASCII. Pasted into an address by hand, the escapes are gone
/// when the token comes; both are one claim.
fn claim(camera: &str, expires: u64) -> String {
    format!(
        "{}{SEPARATOR}{expires}",
        utf8_percent_encode(camera, ESCAPED)
    )
}

/// A token was valid once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

impl FromStr for Secret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=SECRET_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a token is 1 to 256 letters, digits and signs of ASCII, without a space")
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
        let token = secret
            .sign(Some("front.door-2"), NOW + Duration::from_secs(60))
            .unwrap();
        let opens =
            |token: &str, seconds: u64| secret.read(token, NOW + Duration::from_secs(seconds));
        let expires = NOW + Duration::from_secs(60);
        let front = Grant {
            camera: Some("front.door-2".into()),
            expires,
        };
        assert_eq!(opens(&token, 0), Some(Ok(front.clone())));
        assert_eq!(opens(&token, 59), Some(Ok(front)));
        assert_eq!(opens(&token, 60), Some(Err(Expired)));
        let all = secret.sign(None, NOW + Duration::from_secs(60)).unwrap();
        assert_eq!(
            opens(&all, 0),
            Some(Ok(Grant {
                camera: None,
                expires
            }))
        );
    }

    #[test]
    fn token_names_a_camera_in_any_script() {
        let secret = secret("0123456789abcdef");
        for name in ["K\u{fc}che", "front door", "a~b%41+c"] {
            let token = secret
                .sign(Some(name), NOW + Duration::from_secs(60))
                .unwrap();
            assert!(token.bytes().all(|byte| byte.is_ascii_graphic()), "{token}");
            let decoded = percent_decode_str(&token).decode_utf8().unwrap();
            let expected = Some(Some(name.to_owned()));
            let camera = |token: &str| secret.read(token, NOW).map(|grant| grant.unwrap().camera);
            assert_eq!(camera(&token), expected, "{token}");
            if !name.contains('%') {
                assert_eq!(camera(&decoded), expected, "{decoded}");
            }
        }
    }

    #[test]
    fn a_token_that_was_touched_opens_nothing() {
        let secret = secret("0123456789abcdef");
        let token = secret
            .sign(Some("front"), NOW + Duration::from_secs(60))
            .unwrap();
        for (index, byte) in token.bytes().enumerate() {
            let mut touched = token.clone().into_bytes();
            touched[index] = if byte == b'A' { b'B' } else { b'A' };
            let touched = String::from_utf8(touched).unwrap();
            assert_eq!(secret.read(&touched, NOW), None, "{touched}");
        }
        let (claim, _) = token.rsplit_once('~').unwrap();
        for text in [
            "",
            "~",
            "~~",
            "front~1700000060~",
            "front",
            claim,
            &format!("{claim}~"),
            &token[1..],
        ] {
            assert_eq!(secret.read(text, NOW), None, "{text}");
        }
        assert_eq!(
            "another-secret-of-16"
                .parse::<Secret>()
                .unwrap()
                .read(&token, NOW),
            None
        );
    }

    #[test]
    fn a_short_secret_signs_nothing() {
        let short = secret("short");
        assert_eq!(short.sign(None, NOW), Err(TooShort));
        assert!(
            ["", "two words", "t\u{f6}ken", &"x".repeat(257)]
                .iter()
                .all(|text| text.parse::<Secret>().is_err())
        );
        assert_eq!(format!("{short:?}"), "Secret");
    }
}

//! The server's secret token, which grants everything, and the expiring tokens signed with it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::Mac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::digest::keyed;

/// With a shorter secret, the holder of a signed token could find the secret by trying all.
const SIGNING_BYTES_MIN: usize = 16;

const SECRET_BYTES_MAX: usize = 256;

/// Separates the fields of a signed token. It needs no escape in a URL.
const SEPARATOR: char = '~';

/// The bytes that are escaped in a camera's name.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The value of `--token` or `--token-file`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The secret is too short to sign tokens with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token of fewer than {SIGNING_BYTES_MIN} characters cannot sign others; create one with openssl rand -hex 16"
)]
pub struct TooShort;

/// The content of a signed token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The one camera that it grants access to; `None` grants everything.
    pub camera: Option<String>,
    /// The end of its validity, since the Unix epoch.
    pub expires: Duration,
}

impl Secret {
    /// Returns the token itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Signs a token for `camera`, or for everything, that expires at `expires`, in whole seconds
    /// since the Unix epoch.
    ///
    /// # Errors
    /// The secret has fewer than 16 bytes.
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

    /// Verifies a signed token. Returns `None` if it was not signed with this secret, [`Expired`]
    /// if it is no longer valid at `wall_time`, a time since the Unix epoch.
    pub fn verify(&self, token: &str, wall_time: Duration) -> Option<Result<Claims, Expired>> {
        if self.0.len() < SIGNING_BYTES_MIN {
            return None;
        }
        let (signed, signature) = token.rsplit_once(SEPARATOR)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        let (camera, expires) = signed.rsplit_once(SEPARATOR)?;
        let camera = percent_decode_str(camera).decode_utf8().ok()?;
        let expires = expires.parse().ok()?;
        // Compares in constant time.
        self.mac(&claim(&camera, expires))
            .verify_slice(&signature)
            .ok()?;
        let camera = (!camera.is_empty()).then(|| camera.into_owned());
        let expires = Duration::from_secs(expires);
        Some(if expires > wall_time {
            Ok(Claims { camera, expires })
        } else {
            Err(Expired)
        })
    }

    fn mac(&self, claim: &str) -> hmac::Hmac<sha2::Sha256> {
        // The prefix keeps these signatures apart from others made with the same secret.
        keyed(self.0.as_bytes())
            .chain_update(b"framecast token\n")
            .chain_update(claim.as_bytes())
    }
}

/// Returns the signed text: the camera's name, escaped to ASCII as header fields require, and the
/// second of expiry. A URL that was typed by hand may hold the name without escapes; the text is
/// the same.
fn claim(camera: &str, expires: u64) -> String {
    format!(
        "{}{SEPARATOR}{expires}",
        utf8_percent_encode(camera, ESCAPED)
    )
}

/// The token is signed correctly, but no longer valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

impl FromStr for Secret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=SECRET_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("expected 1 to 256 ASCII letters, digits and punctuation marks, without spaces")
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
    fn signed_token_grants_its_camera_until_it_expires() {
        let secret = secret("0123456789abcdef");
        let token = secret
            .sign(Some("front.door-2"), NOW + Duration::from_secs(60))
            .unwrap();
        let verified =
            |token: &str, seconds: u64| secret.verify(token, NOW + Duration::from_secs(seconds));
        let expires = NOW + Duration::from_secs(60);
        let front = Claims {
            camera: Some("front.door-2".into()),
            expires,
        };
        assert_eq!(verified(&token, 0), Some(Ok(front.clone())));
        assert_eq!(verified(&token, 59), Some(Ok(front)));
        assert_eq!(verified(&token, 60), Some(Err(Expired)));
        let all = secret.sign(None, NOW + Duration::from_secs(60)).unwrap();
        assert_eq!(
            verified(&all, 0),
            Some(Ok(Claims {
                camera: None,
                expires
            }))
        );
    }

    #[test]
    fn signed_token_holds_camera_names_in_any_script() {
        let secret = secret("0123456789abcdef");
        for name in ["K\u{fc}che", "front door", "a~b%41+c"] {
            let token = secret
                .sign(Some(name), NOW + Duration::from_secs(60))
                .unwrap();
            assert!(token.bytes().all(|byte| byte.is_ascii_graphic()), "{token}");
            let decoded = percent_decode_str(&token).decode_utf8().unwrap();
            let expected = Some(Some(name.to_owned()));
            let camera = |token: &str| secret.verify(token, NOW).map(|grant| grant.unwrap().camera);
            assert_eq!(camera(&token), expected, "{token}");
            if !name.contains('%') {
                assert_eq!(camera(&decoded), expected, "{decoded}");
            }
        }
    }

    #[test]
    fn modified_token_is_rejected() {
        let secret = secret("0123456789abcdef");
        let token = secret
            .sign(Some("front"), NOW + Duration::from_secs(60))
            .unwrap();
        for (index, byte) in token.bytes().enumerate() {
            let mut modified = token.clone().into_bytes();
            modified[index] = if byte == b'A' { b'B' } else { b'A' };
            let modified = String::from_utf8(modified).unwrap();
            assert_eq!(secret.verify(&modified, NOW), None, "{modified}");
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
            assert_eq!(secret.verify(text, NOW), None, "{text}");
        }
        assert_eq!(
            "another-secret-of-16"
                .parse::<Secret>()
                .unwrap()
                .verify(&token, NOW),
            None
        );
    }

    #[test]
    fn short_secret_cannot_sign() {
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

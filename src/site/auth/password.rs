//! Passwords that are kept as hashes. Checking one is slow on purpose: tens of milliseconds, and memory in mebibytes.

use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Params, PasswordVerifier};

/// A longer password is wrong without a look at it. It fits into a pipe together with its hash, whatever the size of
/// the pipe, so that handing it over never waits.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// A hash that is longer is none of ours.
const HASH_BYTES_MAX: usize = 1024;

/// What `htpasswd -B` and their like write: bcrypt (`$2a$`, `$2b$`, `$2y$`) or Argon2 (`$argon2id$` and its kin).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Whether `text` has the shape of a hash of any kind, known here or not: taken for a password, it would be one
    /// that nobody knows.
    pub fn is_meant(text: &str) -> bool {
        let mut pieces = text.split('$');
        let scheme = (pieces.next(), pieces.next(), pieces.next());
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        matches!(scheme, (Some(""), Some(word), Some(_)) if is_word(word))
            || ["{SHA}", "{SSHA}"].iter().any(|scheme| text.starts_with(scheme))
    }

    /// Whether this is the hash of `password`. It takes long: nobody who must not wait may ask.
    pub fn admits(&self, password: &[u8]) -> bool {
        match argon2::PasswordHash::new(&self.0) {
            Ok(hash) => Argon2::default().verify_password(password, &hash).is_ok(),
            Err(_) => bcrypt::verify(password, &self.0).unwrap_or(false),
        }
    }

    /// The hash as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PasswordHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_argon2 = |text: &str| {
            let hash = argon2::PasswordHash::new(text).ok()?;
            Algorithm::try_from(hash.algorithm).ok()?;
            Params::try_from(&hash).ok()?;
            hash.salt.and(hash.hash)
        };
        let is_bcrypt = |text: &str| {
            let is_known = ["$2a$", "$2b$", "$2y$"].iter().any(|kind| text.starts_with(kind));
            is_known && text.len() == 60 && text.parse::<bcrypt::HashParts>().is_ok()
        };
        match text.len() <= HASH_BYTES_MAX && (is_argon2(text).is_some() || is_bcrypt(text)) {
            true => Ok(Self(text.to_owned())),
            false => Err("has a hash that is neither bcrypt (as from htpasswd -B) nor argon2id"),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_known_by_its_shape() {
        for text in
            ["$2y$04$short", "$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$x", "$apr1$salt$hash", "$6$salt$hash", "{SHA}x"]
        {
            assert!(PasswordHash::is_meant(text), "{text}");
        }
        for text in ["secret", "$ecret", "", "$", "$$", "pa$$word", "$ a$b"] {
            assert!(!PasswordHash::is_meant(text), "{text}");
        }
        for text in ["$apr1$salt$hash", "$6$salt$hash", "{SHA}x", "$2y$04$short", "$argon2id$v=19$m=16", "secret"] {
            assert!(text.parse::<PasswordHash>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_admits_its_password_and_no_other() {
        let bcrypt = bcrypt::hash("correct horse", 4).unwrap();
        let argon2 = {
            use argon2::PasswordHasher;
            let salt = argon2::password_hash::SaltString::from_b64("c2FsdHNhbHQ").unwrap();
            let cheap = Params::new(64, 1, 1, None).unwrap();
            let argon2 = Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, cheap);
            argon2.hash_password(b"correct horse", &salt).unwrap().to_string()
        };
        for hash in [bcrypt, argon2] {
            let hash: PasswordHash = hash.parse().unwrap();
            assert!(hash.admits(b"correct horse"));
            assert!(!hash.admits(b"correct horsf") && !hash.admits(b"") && !hash.admits(b"correct horse battery"));
        }
    }
}

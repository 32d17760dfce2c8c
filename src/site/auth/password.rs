//! Password hashes. Verifying one is slow on purpose: it takes tens of milliseconds and mebibytes
//! of memory.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Params, PasswordVerifier};

/// Limit of a password. With two hashes it fits into the smallest pipe buffer, so writing it to the
/// process that verifies it never blocks.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Limit of a hash.
pub const HASH_BYTES_MAX: usize = 1024;

/// bcrypt ignores all further bytes (Provos and Mazieres, "A Future-Adaptable Password Scheme",
/// section 4).
const BCRYPT_BYTES_MAX: usize = 72;

/// A hash as `htpasswd -B` and similar programs write it: bcrypt (`$2a$`, `$2b$`, `$2y$`) or Argon2
/// (`$argon2id$`, `$argon2i$`, `$argon2d$`).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    work: u64,
}

impl PasswordHash {
    /// Returns whether `text` has the form of a hash, of a supported kind or not, so that it is not
    /// taken for a plain-text password.
    pub fn looks_like_hash(text: &str) -> bool {
        let mut fields = text.split('$');
        let scheme = (fields.next(), fields.next(), fields.next());
        let is_word =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        matches!(scheme, (Some(""), Some(word), Some(_)) if is_word(word))
            || ["{SHA}", "{SSHA}"]
                .iter()
                .any(|scheme| text.starts_with(scheme))
    }

    /// Returns whether this is the hash of `password`, as sent, in UTF-8 or in Latin-1. Slow: do
    /// not call it from the event loop.
    pub fn verify(&self, password: &[u8]) -> bool {
        // Every encoding is tried, so the time depends on the sent password only.
        encodings(password)
            .iter()
            .fold(false, |found, password| self.verify_bytes(password) | found)
    }

    fn verify_bytes(&self, password: &[u8]) -> bool {
        match argon2::PasswordHash::new(&self.text) {
            Ok(hash) => Argon2::default().verify_password(password, &hash).is_ok(),
            Err(_) => {
                // bcrypt cuts a password after 72 bytes and at a NUL, so the rest would not count.
                // Such a password fails, after the usual time, which hides the kind of hash.
                let is_whole = password.len() <= BCRYPT_BYTES_MAX && !password.contains(&0);
                let cut = &password[..password.len().min(BCRYPT_BYTES_MAX)];
                bcrypt::verify(cut, &self.text).unwrap_or(false) & is_whole
            }
        }
    }

    /// Returns the text of the hash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the approximate time of a verification, in nanoseconds on a machine of 2020, for
    /// comparing hashes.
    pub fn work(&self) -> u64 {
        self.work
    }
}

/// Returns `text` itself, `text` converted from Latin-1 to UTF-8, and, where possible, from UTF-8
/// to Latin-1. ASCII is the same in all of them, so it is returned once.
pub fn encodings(text: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut encodings = vec![Cow::Borrowed(text)];
    if !text.is_ascii() {
        encodings.push(Cow::Owned(
            text.iter()
                .copied()
                .map(char::from)
                .collect::<String>()
                .into_bytes(),
        ));
        let narrow = |text: &str| {
            text.chars()
                .map(|character| u8::try_from(character).ok())
                .collect::<Option<Vec<u8>>>()
        };
        encodings.extend(str::from_utf8(text).ok().and_then(narrow).map(Cow::Owned));
    }
    encodings
}

impl FromStr for PasswordHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match argon2_work(text)
            .or_else(|| bcrypt_work(text))
            .filter(|_| text.len() <= HASH_BYTES_MAX)
        {
            Some(work) => Ok(Self {
                text: text.to_owned(),
                work,
            }),
            None => Err("unknown kind of hash, use bcrypt (as from htpasswd -B) or argon2id"),
        }
    }
}

/// Returns the work of an Argon2 hash, if `text` is one.
fn argon2_work(text: &str) -> Option<u64> {
    let hash = argon2::PasswordHash::new(text).ok()?;
    Algorithm::try_from(hash.algorithm).ok()?;
    let params = Params::try_from(&hash).ok()?;
    hash.salt.and(hash.hash)?;
    Some(
        u64::from(params.m_cost())
            .saturating_mul(u64::from(params.t_cost()))
            .saturating_mul(800),
    )
}

/// Returns the work of a bcrypt hash, if `text` is one: two to the power of its cost.
fn bcrypt_work(text: &str) -> Option<u64> {
    let is_known = ["$2a$", "$2b$", "$2y$"]
        .iter()
        .any(|kind| text.starts_with(kind));
    let parts = text
        .parse::<bcrypt::HashParts>()
        .ok()
        .filter(|_| is_known && text.len() == 60)?;
    Some(
        1_u64
            .checked_shl(parts.get_cost())
            .unwrap_or(u64::MAX)
            .saturating_mul(60_000),
    )
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bcrypt(password: impl AsRef<[u8]>) -> PasswordHash {
        bcrypt::hash(password, 4).unwrap().parse().unwrap()
    }

    fn argon2(password: &[u8]) -> PasswordHash {
        use argon2::PasswordHasher;
        let salt = argon2::password_hash::SaltString::from_b64("c2FsdHNhbHQ").unwrap();
        let cheap = Params::new(64, 1, 1, None).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, cheap);
        argon2
            .hash_password(password, &salt)
            .unwrap()
            .to_string()
            .parse()
            .unwrap()
    }

    #[test]
    fn hash_is_recognized_by_its_form() {
        for text in [
            "$2y$04$short",
            "$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$x",
            "$apr1$salt$hash",
            "$6$salt$hash",
            "{SHA}x",
        ] {
            assert!(PasswordHash::looks_like_hash(text), "{text}");
        }
        for text in ["secret", "$ecret", "", "$", "$$", "pa$$word", "$ a$b"] {
            assert!(!PasswordHash::looks_like_hash(text), "{text}");
        }
        for text in [
            "$apr1$salt$hash",
            "$6$salt$hash",
            "{SHA}x",
            "$2y$04$short",
            "$argon2id$v=19$m=16",
            "secret",
        ] {
            assert!(text.parse::<PasswordHash>().is_err(), "{text}");
        }
    }

    #[test]
    fn hash_verifies_its_password_alone() {
        for hash in [bcrypt("correct horse"), argon2(b"correct horse")] {
            assert!(hash.verify(b"correct horse"));
            assert!(
                !hash.verify(b"correct horsf")
                    && !hash.verify(b"")
                    && !hash.verify(b"correct horse battery")
            );
        }
    }

    #[test]
    fn password_that_bcrypt_would_cut_fails() {
        let whole = "x".repeat(72);
        assert!(bcrypt(&whole).verify(whole.as_bytes()));
        assert!(
            !bcrypt(&whole).verify(format!("{whole}y").as_bytes()),
            "bcrypt would ignore the 73rd byte"
        );
        assert!(
            !bcrypt("abc").verify(b"abc\0abc"),
            "to bcrypt the same as abc"
        );
        assert!(
            argon2(format!("{whole}y").as_bytes()).verify(format!("{whole}y").as_bytes()),
            "Argon2 has no bound"
        );
    }

    #[test]
    fn password_verifies_in_utf8_and_latin1() {
        let (utf8, latin1) = ("p\u{e4}ss".as_bytes(), b"p\xe4ss");
        for hash in [bcrypt(utf8), bcrypt(latin1), argon2(utf8), argon2(latin1)] {
            assert!(hash.verify(utf8) && hash.verify(latin1));
            assert!(
                !hash.verify(b"pass")
                    && !hash.verify("p\u{f6}ss".as_bytes())
                    && !hash.verify(b"p\xf6ss")
            );
        }
        assert_eq!(
            encodings("\u{20ac}".as_bytes()).len(),
            2,
            "the euro sign has no place in Latin-1"
        );
        assert_eq!(encodings(b"ascii").len(), 1);
    }

    #[test]
    fn work_orders_hashes_by_their_cost() {
        let cheap: PasswordHash = bcrypt::hash("x", 4).unwrap().parse().unwrap();
        let costly: PasswordHash = bcrypt::hash("x", 5).unwrap().parse().unwrap();
        assert!(cheap.work() < costly.work() && argon2(b"x").work() > 0);
    }
}

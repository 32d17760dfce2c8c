//! Passwords that are kept as hashes. Checking one is slow on purpose: tens of milliseconds, and
//! memory in mebibytes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Params, PasswordVerifier};

/// A longer password is wrong without a check. It fits into a pipe together with two hashes,
/// whatever the size of the pipe, so that handing it over never waits.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// A longer text is no hash.
pub const HASH_BYTES_MAX: usize = 1024;

/// bcrypt ignores what follows (Provos and Mazieres, "A Future-Adaptable Password Scheme", section
/// 4).
const BCRYPT_BYTES_MAX: usize = 72;

/// What `htpasswd -B` and similar programs write: bcrypt (`$2a$`, `$2b$`, `$2y$`) or Argon2
/// (`$argon2id$`, `$argon2i$`, `$argon2d$`).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    work: u64,
}

impl PasswordHash {
    /// Whether `text` has the shape of a hash of any kind, known here or not: it is surely not
    /// meant as a password.
    pub fn is_meant(text: &str) -> bool {
        let mut pieces = text.split('$');
        let scheme = (pieces.next(), pieces.next(), pieces.next());
        let is_word =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        matches!(scheme, (Some(""), Some(word), Some(_)) if is_word(word))
            || ["{SHA}", "{SSHA}"]
                .iter()
                .any(|scheme| text.starts_with(scheme))
    }

    /// Whether this is the hash of `password`, in the encoding it was sent in, in UTF-8 or in
    /// Latin-1. Takes long: never call it from the event loop.
    pub fn admits(&self, password: &[u8]) -> bool {
        // All are tried, so the time depends on nothing but the password that was sent.
        encodings(password)
            .iter()
            .fold(false, |found, password| self.admits_bytes(password) | found)
    }

    fn admits_bytes(&self, password: &[u8]) -> bool {
        match argon2::PasswordHash::new(&self.text) {
            Ok(hash) => Argon2::default().verify_password(password, &hash).is_ok(),
            Err(_) => {
                // A longer password, or one behind a NUL, would be cut and then fit the hash of
                // another. It takes as long as any other, so it does not reveal that the hash is of
                // this kind.
                let is_whole = password.len() <= BCRYPT_BYTES_MAX && !password.contains(&0);
                let cut = &password[..password.len().min(BCRYPT_BYTES_MAX)];
                bcrypt::verify(cut, &self.text).unwrap_or(false) & is_whole
            }
        }
    }

    /// The hash as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// About how long a check takes, in nanoseconds on a machine of 2020. Good for comparing.
    pub fn work(&self) -> u64 {
        self.work
    }
}

/// The encodings in which `text` may have been meant: as it is; if that is no UTF-8, as Latin-1;
/// and the other way round. ASCII is the same in all of them. The first is `text` itself.
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
            None => Err("has a hash that is neither bcrypt (as from htpasswd -B) nor argon2id"),
        }
    }
}

/// What checking an Argon2 hash costs, if it is one.
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

/// The same of bcrypt: two to the power of its cost.
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
    fn hash_is_known_by_its_shape() {
        for text in [
            "$2y$04$short",
            "$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$x",
            "$apr1$salt$hash",
            "$6$salt$hash",
            "{SHA}x",
        ] {
            assert!(PasswordHash::is_meant(text), "{text}");
        }
        for text in ["secret", "$ecret", "", "$", "$$", "pa$$word", "$ a$b"] {
            assert!(!PasswordHash::is_meant(text), "{text}");
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
    fn hash_admits_its_password_and_no_other() {
        for hash in [bcrypt("correct horse"), argon2(b"correct horse")] {
            assert!(hash.admits(b"correct horse"));
            assert!(
                !hash.admits(b"correct horsf")
                    && !hash.admits(b"")
                    && !hash.admits(b"correct horse battery")
            );
        }
    }

    #[test]
    fn bcrypt_password_that_would_be_cut_is_refused() {
        let whole = "x".repeat(72);
        assert!(bcrypt(&whole).admits(whole.as_bytes()));
        assert!(
            !bcrypt(&whole).admits(format!("{whole}y").as_bytes()),
            "bcrypt would ignore the 73rd byte"
        );
        assert!(
            !bcrypt("abc").admits(b"abc\0abc"),
            "to bcrypt the same as abc"
        );
        assert!(
            argon2(format!("{whole}y").as_bytes()).admits(format!("{whole}y").as_bytes()),
            "Argon2 has no bound"
        );
    }

    #[test]
    fn password_is_found_in_either_encoding() {
        let (utf8, latin1) = ("p\u{e4}ss".as_bytes(), b"p\xe4ss");
        for hash in [bcrypt(utf8), bcrypt(latin1), argon2(utf8), argon2(latin1)] {
            assert!(hash.admits(utf8) && hash.admits(latin1));
            assert!(
                !hash.admits(b"pass")
                    && !hash.admits("p\u{f6}ss".as_bytes())
                    && !hash.admits(b"p\xf6ss")
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
        let dear: PasswordHash = bcrypt::hash("x", 5).unwrap().parse().unwrap();
        assert!(cheap.work() < dear.work() && argon2(b"x").work() > 0);
    }
}

//! Who may see the cameras with a name and a password.

use std::fmt;
use std::str::FromStr;

use subtle::{Choice, ConstantTimeEq};

use super::digest::{Digest, Digester};
use super::password::PasswordHash;

/// The users of an `--auth-file`: one `user:password` or `user:hash` on a line.
#[derive(Clone, Default)]
pub struct Accounts {
    plain: Vec<(String, String)>,
    hashed: Vec<(String, PasswordHash)>,
}

/// A line of an `--auth-file` that cannot be followed. What stands on it is not repeated: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// A line is not of the form.
    #[error("line {line} {fault}; a line is user:password or user:hash")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// There is nobody in it.
    #[error("it names nobody; a line is user:password or user:hash")]
    Nobody,
}

impl FromStr for Accounts {
    type Err = AccountsError;

    /// Lines that are empty or begin with `#` say nothing.
    fn from_str(text: &str) -> Result<Self, AccountsError> {
        let mut accounts = Self::default();
        let text = text.trim_start_matches('\u{feff}');
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
            accounts.add(text).map_err(|fault| AccountsError::Line { line, fault })?;
        }
        match accounts.is_empty() {
            true => Err(AccountsError::Nobody),
            false => Ok(accounts),
        }
    }
}

impl Accounts {
    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.hashed.is_empty()
    }

    fn add(&mut self, line: &str) -> Result<(), &'static str> {
        let (user, password) = line.split_once(':').ok_or("has no colon")?;
        let mut users = self.plain.iter().map(|(user, _)| user).chain(self.hashed.iter().map(|(user, _)| user));
        if users.any(|other| other == user) {
            return Err("names a user for the second time");
        }
        match () {
            () if user.is_empty() => Err("has no user"),
            () if password.is_empty() => Err("has no password"),
            () if line.contains(char::is_control) => Err("holds a control character"),
            () if PasswordHash::is_meant(password) => {
                self.hashed.push((user.to_owned(), password.parse()?));
                Ok(())
            }
            () => {
                self.plain.push((user.to_owned(), password.to_owned()));
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accounts({})", self.plain.len() + self.hashed.len())
    }
}

/// The same users, as they are compared with: by digests alone.
pub struct Ledger {
    /// Of `user:password`.
    plain: Vec<Digest>,
    /// Of the user, and the hash of the password.
    hashed: Vec<(Digest, PasswordHash)>,
}

impl Ledger {
    /// The ledger of these accounts.
    pub fn new(accounts: &Accounts, digester: &Digester) -> Self {
        let pair = |(user, password): &(String, String)| digester.digest(format!("{user}:{password}").as_bytes());
        let named = |(user, hash): &(String, PasswordHash)| (digester.digest(user.as_bytes()), hash.clone());
        Self { plain: accounts.plain.iter().map(pair).collect(), hashed: accounts.hashed.iter().map(named).collect() }
    }

    /// Whether `pair`, the digest of a `user:password`, is that of a password kept in plain. All are looked at, and
    /// each in constant time.
    pub fn knows(&self, pair: &Digest) -> bool {
        let found = self.plain.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(pair));
        found.into()
    }

    /// The hash that the password of `user` is to be checked against, and whether it is the user's own: who has none is
    /// given another's, so that an unknown name is refused no sooner than a known one. `None` if all are kept in plain.
    pub fn hash_of(&self, user: &Digest) -> Option<(&PasswordHash, bool)> {
        let mut chosen = self.hashed.first().map(|(_, hash)| (hash, false));
        for (name, hash) in &self.hashed {
            if name.ct_eq(user).into() {
                chosen = Some((hash, true));
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2b$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

    #[test]
    fn a_file_is_read_line_by_line() {
        let text = format!("\u{feff}# the family\r\nann:secret:with:colons\r\n\r\nbob:{BCRYPT}\n");
        let accounts: Accounts = text.parse().unwrap();
        assert_eq!(accounts.plain, [("ann".to_owned(), "secret:with:colons".to_owned())]);
        assert_eq!(accounts.hashed.len(), 1);
        assert!(!format!("{accounts:?}").contains("secret"));
        for (text, fault) in [
            ("", "it names nobody; a line is user:password or user:hash"),
            ("# nobody\n", "it names nobody; a line is user:password or user:hash"),
            ("ann:x\nbob", "line 2 has no colon; a line is user:password or user:hash"),
            (":x", "line 1 has no user; a line is user:password or user:hash"),
            ("ann:", "line 1 has no password; a line is user:password or user:hash"),
            ("ann:x\nann:y", "line 2 names a user for the second time; a line is user:password or user:hash"),
            ("ann:x\u{7}", "line 1 holds a control character; a line is user:password or user:hash"),
            (
                "ann:$apr1$abc$def",
                "line 1 has a hash that is neither bcrypt (as from htpasswd -B) nor argon2id; \
                 a line is user:password or user:hash",
            ),
        ] {
            assert_eq!(text.parse::<Accounts>().unwrap_err().to_string(), fault, "{text:?}");
        }
    }

    #[test]
    fn whoever_has_no_hash_is_checked_against_anothers() {
        let digester = Digester::new(b"key");
        let of = |text: &str| {
            let ledger = Ledger::new(&text.parse().unwrap(), &digester);
            let own = |user: &str| ledger.hash_of(&digester.digest(user.as_bytes())).map(|(_, own)| own);
            (own("ann"), own("bob"), own("eve"))
        };
        assert_eq!(of(&format!("ann:plain\nbob:{BCRYPT}")), (Some(false), Some(true), Some(false)));
        assert_eq!(of("ann:plain"), (None, None, None));
    }
}

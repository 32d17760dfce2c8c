//! The users of an `--auth-file`.

use std::fmt;
use std::str::FromStr;

use subtle::{Choice, ConstantTimeEq};

use super::digest::{Digest, Digester};
use super::password::PasswordHash;

/// The users of an `--auth-file`: one `user:password` or `user:hash` on a line.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    plain: Vec<(String, String)>,
    hashed: Vec<(String, PasswordHash)>,
}

/// An invalid `--auth-file`. The message never quotes the line, since it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// A line has the wrong form.
    #[error("line {line}: {fault}; expected user:password or user:hash")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// The problem, as the rest of the sentence.
        fault: &'static str,
    },
    /// The file has no user.
    #[error("no users; expected lines of user:password or user:hash")]
    Empty,
}

impl FromStr for Accounts {
    type Err = AccountsError;

    /// Parses the file. Empty lines and lines that begin with `#` are ignored.
    fn from_str(text: &str) -> Result<Self, AccountsError> {
        let mut accounts = Self::default();
        let text = text.trim_start_matches('\u{feff}');
        for (line, text) in (1..)
            .zip(text.lines())
            .filter(|(_, text)| !text.is_empty() && !text.starts_with('#'))
        {
            accounts
                .add(text)
                .map_err(|fault| AccountsError::Line { line, fault })?;
        }
        if accounts.is_empty() {
            Err(AccountsError::Empty)
        } else {
            Ok(accounts)
        }
    }
}

impl Accounts {
    /// Returns whether there is no user.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.hashed.is_empty()
    }

    fn add(&mut self, line: &str) -> Result<(), &'static str> {
        let (user, password) = line.split_once(':').ok_or("no colon")?;
        let mut users = self
            .plain
            .iter()
            .map(|(user, _)| user)
            .chain(self.hashed.iter().map(|(user, _)| user));
        if users.any(|other| other == user) {
            return Err("duplicate user");
        }
        match () {
            () if user.is_empty() => Err("no user"),
            () if password.is_empty() => Err("no password"),
            () if line.contains(char::is_control) => Err("control character"),
            () if PasswordHash::looks_like_hash(password) => {
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

/// The users of [`Accounts`] as digests, by which credentials are compared in constant time.
pub struct AccountDigests {
    /// Digests of `user:password`.
    plain: Vec<Digest>,
    hashed: Vec<Hashed>,
    /// The hash that takes longest to verify.
    costliest: Option<PasswordHash>,
}

struct Hashed {
    /// The digest of the user name.
    user: Digest,
    hash: PasswordHash,
    /// The [tag](Digest::tag) of the digest of `user:hash`.
    tag: u64,
}

/// The hashes that a password is verified against.
#[derive(Clone)]
pub struct HashCheck {
    /// The hash of the user; for a user without one, the costliest of all users.
    pub hash: PasswordHash,
    /// The costliest hash, if `hash` is a cheaper one. After a mismatch it is verified as well, and
    /// the result ignored: otherwise the response time would reveal which users exist.
    pub dummy: Option<PasswordHash>,
    /// The tag of the credential; `None` if there is no such user.
    pub tag: Option<u64>,
}

impl AccountDigests {
    /// Returns the digests of `accounts`.
    pub fn new(accounts: &Accounts, digester: &Digester) -> Self {
        let pair =
            |user: &str, password: &str| digester.digest(format!("{user}:{password}").as_bytes());
        let hashed = |(user, hash): &(String, PasswordHash)| Hashed {
            user: digester.digest(user.as_bytes()),
            hash: hash.clone(),
            tag: pair(user, hash.as_str()).tag(),
        };
        let costliest = accounts.hashed.iter().max_by_key(|(_, hash)| hash.work());
        Self {
            plain: accounts
                .plain
                .iter()
                .map(|(user, password)| pair(user, password))
                .collect(),
            hashed: accounts.hashed.iter().map(hashed).collect(),
            costliest: costliest.map(|(_, hash)| hash.clone()),
        }
    }

    /// Returns whether `pair`, a digest of `user:password`, is that of a plain-text account.
    /// Compares with all of them, each in constant time.
    pub fn contains(&self, pair: &Digest) -> Choice {
        self.plain
            .iter()
            .fold(Choice::from(0), |found, known| found | known.ct_eq(pair))
    }

    /// Returns the hashes to verify a password against. `names` are the digests of the user name in
    /// each encoding. `None` if no account has a hash.
    pub fn hash_check(&self, names: &[Digest]) -> Option<HashCheck> {
        let costliest = self.costliest.as_ref()?;
        let mut chosen = HashCheck {
            hash: costliest.clone(),
            dummy: None,
            tag: None,
        };
        for Hashed { user, hash, tag } in &self.hashed {
            if names
                .iter()
                .fold(Choice::from(0), |found, name| found | user.ct_eq(name))
                .into()
            {
                let dummy = Some(costliest)
                    .filter(|costliest| costliest.work() > hash.work())
                    .cloned();
                chosen = HashCheck {
                    hash: hash.clone(),
                    dummy,
                    tag: Some(*tag),
                };
            }
        }
        Some(chosen)
    }

    /// Returns whether a credential with this tag exists.
    pub fn has_tag(&self, tag: u64) -> bool {
        self.plain
            .iter()
            .map(Digest::tag)
            .chain(self.hashed.iter().map(|hashed| hashed.tag))
            .any(|known| known == tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2b$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

    #[test]
    fn auth_file_is_parsed_line_by_line() {
        let text = format!("\u{feff}# the family\r\nann:secret:with:colons\r\n\r\nbob:{BCRYPT}\n");
        let accounts: Accounts = text.parse().unwrap();
        assert_eq!(
            accounts.plain,
            [("ann".to_owned(), "secret:with:colons".to_owned())]
        );
        assert_eq!(accounts.hashed.len(), 1);
        assert!(!format!("{accounts:?}").contains("secret"));
        for (text, fault) in [
            ("", "no users; expected lines of user:password or user:hash"),
            (
                "# empty\n",
                "no users; expected lines of user:password or user:hash",
            ),
            (
                "ann:x\nbob",
                "line 2: no colon; expected user:password or user:hash",
            ),
            (":x", "line 1: no user; expected user:password or user:hash"),
            (
                "ann:",
                "line 1: no password; expected user:password or user:hash",
            ),
            (
                "ann:x\nann:y",
                "line 2: duplicate user; expected user:password or user:hash",
            ),
            (
                "ann:x\u{7}",
                "line 1: control character; expected user:password or user:hash",
            ),
            (
                "ann:$apr1$abc$def",
                "line 1: unknown kind of hash, use bcrypt (as from htpasswd -B) or argon2id; \
                 expected user:password or user:hash",
            ),
        ] {
            assert_eq!(
                text.parse::<Accounts>().unwrap_err().to_string(),
                fault,
                "{text:?}"
            );
        }
    }

    #[test]
    fn every_failed_login_takes_as_long_as_the_costliest_hash() {
        let digester = Digester::new(b"key");
        let costlier = BCRYPT.replace("$04$", "$06$");
        let against = |text: &str, user: &str| {
            let digests = AccountDigests::new(&text.parse().unwrap(), &digester);
            let found = digests.hash_check(&[digester.digest(user.as_bytes())])?;
            let cost = |hash: &PasswordHash| hash.as_str()[4..6].to_owned();
            Some((
                cost(&found.hash),
                found.dummy.as_ref().map(cost),
                found.tag.is_some(),
            ))
        };
        let text = format!("ann:plain\nbob:{BCRYPT}\ncat:{costlier}");
        let own = |cost: &str, dummy: Option<&str>| {
            Some((cost.to_owned(), dummy.map(str::to_owned), true))
        };
        assert_eq!(against(&text, "bob"), own("04", Some("06")));
        assert_eq!(against(&text, "cat"), own("06", None));
        for unknown in ["ann", "eve", ""] {
            assert_eq!(
                against(&text, unknown),
                Some(("06".into(), None, false)),
                "{unknown}"
            );
        }
        assert_eq!(against("ann:plain", "ann"), None);
    }
}

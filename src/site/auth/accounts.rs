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

/// A line of an `--auth-file` that cannot be followed. What stands on it is not repeated: it may
/// hold a password.
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
    /// There is no user in it.
    #[error("it names no user; a line is user:password or user:hash")]
    Empty,
}

impl FromStr for Accounts {
    type Err = AccountsError;

    /// Lines that are empty or begin with `#` say nothing.
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
    /// Whether there is no user.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.hashed.is_empty()
    }

    fn add(&mut self, line: &str) -> Result<(), &'static str> {
        let (user, password) = line.split_once(':').ok_or("has no colon")?;
        let mut users = self
            .plain
            .iter()
            .map(|(user, _)| user)
            .chain(self.hashed.iter().map(|(user, _)| user));
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
    hashed: Vec<Hashed>,
    /// The hash that takes longest to check.
    costliest: Option<PasswordHash>,
}

struct Hashed {
    /// Of the user's name.
    user: Digest,
    hash: PasswordHash,
    /// Of `user:hash`, see [`Digest::tag`].
    tag: u64,
}

/// What a password is to be checked against.
#[derive(Clone)]
pub struct Against {
    /// The hash.
    pub hash: PasswordHash,
    /// One that takes longer. It is checked too if the first does not fit, and whether it fits does
    /// not matter: every refusal takes as long, whatever hash the user has, and whether there is
    /// such a user.
    pub costlier: Option<PasswordHash>,
    /// The credential, if the hash is the user's own.
    pub tag: Option<u64>,
}

impl Ledger {
    /// The ledger of these accounts.
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

    /// Whether `pair`, the digest of a `user:password`, is that of a password kept in plain. All
    /// are compared, each in constant time.
    pub fn knows(&self, pair: &Digest) -> Choice {
        self.plain
            .iter()
            .fold(Choice::from(0), |found, known| found | known.ct_eq(pair))
    }

    /// What the password of a user is to be checked against, whose name may be one of `names`: for
    /// a user without a hash, the costliest there is. `None` if all passwords are kept in plain.
    pub fn against(&self, names: &[Digest]) -> Option<Against> {
        let costliest = self.costliest.as_ref()?;
        let mut chosen = Against {
            hash: costliest.clone(),
            costlier: None,
            tag: None,
        };
        for Hashed { user, hash, tag } in &self.hashed {
            if names
                .iter()
                .fold(Choice::from(0), |found, name| found | user.ct_eq(name))
                .into()
            {
                let costlier = Some(costliest)
                    .filter(|costliest| costliest.work() > hash.work())
                    .cloned();
                chosen = Against {
                    hash: hash.clone(),
                    costlier,
                    tag: Some(*tag),
                };
            }
        }
        Some(chosen)
    }

    /// Whether a credential with this tag is one of these.
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
    fn a_file_is_read_line_by_line() {
        let text = format!("\u{feff}# the family\r\nann:secret:with:colons\r\n\r\nbob:{BCRYPT}\n");
        let accounts: Accounts = text.parse().unwrap();
        assert_eq!(
            accounts.plain,
            [("ann".to_owned(), "secret:with:colons".to_owned())]
        );
        assert_eq!(accounts.hashed.len(), 1);
        assert!(!format!("{accounts:?}").contains("secret"));
        for (text, fault) in [
            ("", "it names no user; a line is user:password or user:hash"),
            (
                "# empty\n",
                "it names no user; a line is user:password or user:hash",
            ),
            (
                "ann:x\nbob",
                "line 2 has no colon; a line is user:password or user:hash",
            ),
            (
                ":x",
                "line 1 has no user; a line is user:password or user:hash",
            ),
            (
                "ann:",
                "line 1 has no password; a line is user:password or user:hash",
            ),
            (
                "ann:x\nann:y",
                "line 2 names a user for the second time; a line is user:password or user:hash",
            ),
            (
                "ann:x\u{7}",
                "line 1 holds a control character; a line is user:password or user:hash",
            ),
            (
                "ann:$apr1$abc$def",
                "line 1 has a hash that is neither bcrypt (as from htpasswd -B) nor argon2id; \
                 a line is user:password or user:hash",
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
    fn every_refusal_takes_as_long_as_the_costliest_hash() {
        let digester = Digester::new(b"key");
        let costlier = BCRYPT.replace("$04$", "$06$");
        let against = |text: &str, user: &str| {
            let ledger = Ledger::new(&text.parse().unwrap(), &digester);
            let against = ledger.against(&[digester.digest(user.as_bytes())])?;
            let cost = |hash: &PasswordHash| hash.as_str()[4..6].to_owned();
            Some((
                cost(&against.hash),
                against.costlier.as_ref().map(cost),
                against.tag.is_some(),
            ))
        };
        let text = format!("ann:plain\nbob:{BCRYPT}\ncat:{costlier}");
        let own = |cost: &str, costlier: Option<&str>| {
            Some((cost.to_owned(), costlier.map(str::to_owned), true))
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

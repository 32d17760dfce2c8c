//! Text that may contain credentials: addresses and command lines of cameras, and text of other
//! programs about them.
//!
//! [`SecretAddress`] is the only type for such an address. `Display` and `Debug` mask the
//! credentials; the whole text is available from [`SecretAddress::expose`] alone, which makes every
//! use of it easy to find. [`mask`] does the same for text that only mentions addresses.

mod command;
mod masked;
mod text;
mod url;

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use serde::{Serialize, Serializer};

pub use self::command::mask_arguments;
pub use self::masked::MASK;
pub use self::text::mask;

use self::masked::{Masked, is_open_source, split_name};

/// An address or a command line that may contain credentials, as the user wrote it.
///
/// Masked are the user and password of a URL, every value of its query, and the arguments of a
/// command that follow words such as `--password`. What stands behind the `#` of a source and the
/// parameters of sources that have no credentials (`v4l2:`, `stills:`, `pattern:`, `rpicam:`) are
/// framecast's own and stay readable. A `NAME=` before the address stays too.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct SecretAddress(String);

impl SecretAddress {
    /// The address that is written as `text`. Any text is accepted.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole address, for the connection or the process that needs it: it must reach neither a
    /// log nor an argument list.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Masks the credentials in text that mentions this address: everything that [`mask`] masks,
    /// and wherever else they appear the passwords and tokens of this address, as written or
    /// percent-decoded.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.masked().secrets {
            text = text.replace(&secret, MASK);
        }
        mask(&text)
    }

    /// Whether it holds a password or a token.
    pub fn has_secrets(&self) -> bool {
        !self.masked().secrets.is_empty()
    }

    fn masked(&self) -> Masked {
        let mut masked = Masked::default();
        let (name, address) = split_name(&self.0);
        masked.show(name);
        match address.strip_prefix("exec:") {
            Some(command) => {
                masked.show("exec:");
                command::mask(&mut masked, command);
            }
            None if is_open_source(address) => masked.show(address),
            None => url::mask(&mut masked, address),
        }
        // A secret may contain another one: the longer one is replaced first.
        masked
            .secrets
            .sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        masked
    }
}

impl From<String> for SecretAddress {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for SecretAddress {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

/// The address with its credentials masked.
impl fmt::Display for SecretAddress {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.masked().shown)
    }
}

/// As `Display`, in quotes.
impl fmt::Debug for SecretAddress {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&self.masked().shown, f)
    }
}

/// As `Display`.
impl Serialize for SecretAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A user and a password. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name of the user.
    pub user: String,
    /// The password, which may be empty.
    pub password: String,
}

impl Credentials {
    /// Reads the userinfo of a URL (RFC 3986, section 3.2.1): `USER:PASSWORD` or `USER`,
    /// percent-encoded. `None` if it decodes to something that a header field cannot hold.
    pub fn from_userinfo(userinfo: &str) -> Option<Self> {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let decode = |text| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
        Self {
            user: decode(user)?,
            password: decode(password)?,
        }
        .checked()
    }

    /// Reads `USER:PASSWORD` as it stands. `None` without a colon, or if a header field cannot hold
    /// it.
    pub fn from_pair(pair: &str) -> Option<Self> {
        let (user, password) = pair.split_once(':')?;
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
        }
        .checked()
    }

    /// The value of an `Authorization` field in the Basic scheme (RFC 7617).
    pub fn basic(&self) -> String {
        format!(
            "Basic {}",
            BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password))
        )
    }

    fn checked(self) -> Option<Self> {
        let has_control = |text: &str| text.chars().any(char::is_control);
        (!has_control(&self.user) && !has_control(&self.password)).then_some(self)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

#[cfg(test)]
mod tests;

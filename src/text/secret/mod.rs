//! Masks credentials in URLs and command lines of cameras, and in text that mentions them.
//!
//! [`SecretAddress`] holds such a URL or command line. `Display`, `Debug` and serde mask its
//! credentials. Only [`SecretAddress::expose`] returns the whole text, so every use is easy to
//! find. [`mask`] masks credentials in any text, such as the error messages of other programs.

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

#[cfg(feature = "bench")]
pub use self::command::mask_arguments;
pub use self::masked::MASK;
pub use self::text::mask;

use self::masked::{Masked, is_open_source, split_name};

/// A source's URL or command line, as the user wrote it. It may contain credentials.
///
/// Masked are the user and password of a URL, all values of its query, and the arguments of a
/// command behind words such as `--password`. Not masked are a `NAME=` in front, framecast's own
/// parameters behind `#`, and the parameters of sources without credentials (`v4l2:`, `stills:`,
/// `pattern:`, `rpicam:`).
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct SecretAddress(String);

impl SecretAddress {
    /// Wraps `text`. Any text is valid.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the whole text, for a connection or a process that needs it. It must not reach a log
    /// or an argument list.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Masks credentials in `text`, which may mention this address: everything that [`mask`] masks,
    /// and all occurrences of this address's passwords and tokens, as written or percent-decoded.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.masked().secrets {
            text = text.replace(&secret, MASK);
        }
        mask(&text)
    }

    /// Whether the address contains a password or a token.
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
        // One secret may contain another: replace the longer one first.
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

/// Formats the address with masked credentials.
impl fmt::Display for SecretAddress {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.masked().shown)
    }
}

/// Formats like `Display`, in quotes.
impl fmt::Debug for SecretAddress {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&self.masked().shown, f)
    }
}

/// Serializes like `Display`.
impl Serialize for SecretAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A user and a password. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub user: String,
    /// The password, which may be empty.
    pub password: String,
}

impl Credentials {
    /// Parses the userinfo of a URL (RFC 3986, section 3.2.1): `USER:PASSWORD` or `USER`,
    /// percent-encoded. Returns `None` if the decoded text is not UTF-8 or contains control
    /// characters.
    pub fn from_userinfo(userinfo: &str) -> Option<Self> {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let decode = |text| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
        Self {
            user: decode(user)?,
            password: decode(password)?,
        }
        .checked()
    }

    /// Parses `USER:PASSWORD` without decoding. Returns `None` if there is no colon, or a control
    /// character.
    pub fn from_pair(pair: &str) -> Option<Self> {
        let (user, password) = pair.split_once(':')?;
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
        }
        .checked()
    }

    /// Returns the value of an `Authorization` field in the Basic scheme (RFC 7617).
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

//! Text that may contain credentials: addresses and command lines of cameras, and text of other programs about them.
//!
//! [`SecretAddress`] is the only type for such an address. `Display` and `Debug` mask the credentials; the whole text
//! is available from [`SecretAddress::expose`] alone, which makes every use of it easy to find. [`mask`] does the same
//! for text that only mentions addresses.

mod command;
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
pub use self::text::mask;

/// Stands in the place of whatever is masked.
pub const MASK: &str = "***";

/// What stands for a login where it is explained how to write one.
const PLACEHOLDERS: [&str; 2] = ["USER:PASSWORD", ":PASSWORD"];

/// A shorter value is masked where it was written, but is not searched for in other text: it would be found in words
/// and numbers that have nothing to do with it.
const SEARCHED_BYTES_MIN: usize = 4;

/// The sources whose parameters are all framecast's own. None of them is a secret.
const OPEN_SCHEMES: [&str; 4] = ["v4l2", "rpicam", "stills", "pattern"];

/// An address or a command line that may contain credentials, as the user wrote it.
///
/// Masked are the user and password of a URL, every value of its query, and the arguments of a command that follow
/// words such as `--password`. What stands behind the `#` of a source and the parameters of sources that have no
/// credentials (`v4l2:`, `stills:`, `pattern:`, `rpicam:`) are framecast's own and stay readable. A `NAME=` before the
/// address stays too.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct SecretAddress(String);

impl SecretAddress {
    /// The address that is written as `text`. Any text is accepted.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole address, for the connection or the process that needs it: it must reach neither a log nor an argument
    /// list.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Masks the credentials in text that mentions this address: everything that [`mask`] masks, and wherever else they
    /// appear the passwords and tokens of this address, as written or percent-decoded.
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
        masked.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        masked
    }
}

/// Divides `NAME=ADDRESS` before its address.
fn split_name(text: &str) -> (&str, &str) {
    match text.find(['=', ':', '/', '?', '#', '@']) {
        Some(end) if text[end..].starts_with('=') => text.split_at(end + 1),
        _ => ("", text),
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
    /// Reads the userinfo of a URL (RFC 3986, section 3.2.1): `USER:PASSWORD` or `USER`, percent-encoded. `None` if it
    /// decodes to something that a header field cannot hold.
    pub fn from_userinfo(userinfo: &str) -> Option<Self> {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let decode = |text| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
        Self { user: decode(user)?, password: decode(password)? }.checked()
    }

    /// Reads `USER:PASSWORD` as it stands. `None` without a colon, or if a header field cannot hold it.
    pub fn from_pair(pair: &str) -> Option<Self> {
        let (user, password) = pair.split_once(':')?;
        Self { user: user.to_owned(), password: password.to_owned() }.checked()
    }

    /// The value of an `Authorization` field in the Basic scheme (RFC 7617).
    pub fn basic(&self) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password)))
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

/// Text with its credentials masked.
#[derive(Default)]
struct Masked {
    shown: String,
    /// The passwords and tokens among what was masked, percent-decoded too.
    secrets: Vec<String>,
}

impl Masked {
    fn show(&mut self, text: &str) {
        self.shown.push_str(text);
    }

    /// Masks a value that may be harmless, such as a size in a query: it is not searched for elsewhere.
    fn hide(&mut self, value: &str) {
        self.shown.push_str(if value.is_empty() { "" } else { MASK });
    }

    /// Masks a password or token.
    fn hide_secret(&mut self, secret: &str) {
        self.hide(secret);
        let decoded = percent_decode_str(secret).decode_utf8_lossy();
        // Of `Bearer TOKEN` the second word alone is a secret too.
        let last = secret.rsplit(' ').next().unwrap_or_default();
        let forms = [secret, &*decoded, last].into_iter().filter(|form| form.len() >= SEARCHED_BYTES_MIN);
        self.secrets.extend(forms.map(str::to_owned));
    }
}

/// What names of secrets contain, in lower case.
const SENSITIVE: [&str; 9] = ["pass", "pwd", "token", "key", "secret", "auth", "cred", "cookie", "psk"];

/// How names of secrets end that are words of their own, in lower case. In prose, other words that contain one of
/// [`SENSITIVE`] are no names: `key frame`, `authentication failed`.
const SENSITIVE_ENDINGS: [&str; 10] =
    ["pass", "password", "passwd", "passphrase", "pwd", "token", "secret", "apikey", "api-key", "api_key"];

/// The header fields that carry credentials, in lower case (RFC 9110, section 11.6; RFC 6265).
const SENSITIVE_FIELDS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Whether the address is of a source whose parameters are all framecast's own; `/` begins the path of a device.
fn is_open_source(address: &str) -> bool {
    let scheme = address.split([':', '?']).next().unwrap_or_default();
    OPEN_SCHEMES.contains(&scheme) || address.starts_with("/dev/")
}

/// Whether a parameter or an option of this name holds a secret.
fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SENSITIVE.iter().any(|word| name.contains(word)) || name.ends_with("pw")
}

/// Whether a word of running text names a secret.
fn is_sensitive_word(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    SENSITIVE_ENDINGS.iter().any(|ending| word.ends_with(ending))
}

/// Whether a header field of this name carries credentials.
fn is_sensitive_field(name: &str) -> bool {
    SENSITIVE_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field))
}

#[cfg(test)]
mod tests;

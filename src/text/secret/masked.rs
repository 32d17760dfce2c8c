//! Text with its credentials masked, and the names by which credentials are known.

use percent_encoding::percent_decode_str;

/// Stands in the place of whatever is masked.
pub const MASK: &str = "***";

/// What stands for a login where it is explained how to write one.
pub(super) const PLACEHOLDERS: [&str; 2] = ["USER:PASSWORD", ":PASSWORD"];

/// A shorter value is masked where it was written, but is not searched for in other text: it would
/// be found in words and numbers that have nothing to do with it.
const SEARCHED_BYTES_MIN: usize = 4;

/// The sources whose parameters are all framecast's own. None of them is a secret.
const OPEN_SCHEMES: [&str; 4] = ["v4l2", "rpicam", "stills", "pattern"];

/// Text with its credentials masked.
#[derive(Default)]
pub(super) struct Masked {
    pub(super) shown: String,
    /// The passwords and tokens among what was masked, percent-decoded too.
    pub(super) secrets: Vec<String>,
}

impl Masked {
    pub(super) fn show(&mut self, text: &str) {
        self.shown.push_str(text);
    }

    /// Masks a value that may be harmless, such as a size in a query: it is not searched for
    /// elsewhere.
    pub(super) fn hide(&mut self, value: &str) {
        self.shown
            .push_str(if value.is_empty() { "" } else { MASK });
    }

    /// Masks a password or token.
    pub(super) fn hide_secret(&mut self, secret: &str) {
        self.hide(secret);
        let decoded = percent_decode_str(secret).decode_utf8_lossy();
        // Of `Bearer TOKEN` the second word alone is a secret too.
        let last = secret.rsplit(' ').next().unwrap_or_default();
        let forms = [secret, &*decoded, last]
            .into_iter()
            .filter(|form| form.len() >= SEARCHED_BYTES_MIN);
        self.secrets.extend(forms.map(str::to_owned));
    }
}

/// What names of secrets contain, in lower case.
const SENSITIVE: [&str; 9] = [
    "pass", "pwd", "token", "key", "secret", "auth", "cred", "cookie", "psk",
];

/// How names of secrets end that are words of their own, in lower case. In prose, other words that
/// contain one of [`SENSITIVE`] are no names: `key frame`, `authentication failed`.
const SENSITIVE_ENDINGS: [&str; 10] = [
    "pass",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "token",
    "secret",
    "apikey",
    "api-key",
    "api_key",
];

/// The header fields that carry credentials, in lower case (RFC 9110, section 11.6; RFC 6265).
const SENSITIVE_FIELDS: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
];

/// Whether the address is of a source whose parameters are all framecast's own; `/` begins the path
/// of a device.
pub(super) fn is_open_source(address: &str) -> bool {
    let scheme = address.split([':', '?']).next().unwrap_or_default();
    OPEN_SCHEMES.contains(&scheme) || address.starts_with("/dev/")
}

/// Whether a parameter or an option of this name holds a secret.
pub(super) fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SENSITIVE.iter().any(|word| name.contains(word)) || name.ends_with("pw")
}

/// Whether a word of running text names a secret.
pub(super) fn is_sensitive_word(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    SENSITIVE_ENDINGS
        .iter()
        .any(|ending| word.ends_with(ending))
}

/// Whether a header field of this name carries credentials.
pub(super) fn is_sensitive_field(name: &str) -> bool {
    SENSITIVE_FIELDS
        .iter()
        .any(|field| name.eq_ignore_ascii_case(field))
}

/// Divides `NAME=ADDRESS` before its address.
pub(super) fn split_name(text: &str) -> (&str, &str) {
    match text.find(['=', ':', '/', '?', '#', '@']) {
        Some(end) if text[end..].starts_with('=') => text.split_at(end + 1),
        _ => ("", text),
    }
}

//! Masked text, and the names of credentials.

use percent_encoding::percent_decode_str;

/// Replaces each masked value.
pub const MASK: &str = "***";

/// Placeholders for a login in messages that explain a syntax; they are not masked.
pub(super) const PLACEHOLDERS: [&str; 2] = ["USER:PASSWORD", ":PASSWORD"];

/// The minimum length of a secret that is searched for in other text. A shorter one would be found
/// in unrelated words and numbers.
const SEARCHED_BYTES_MIN: usize = 4;

/// Schemes of sources without credentials: all their parameters are framecast's own.
const OPEN_SCHEMES: [&str; 4] = ["v4l2", "rpicam", "stills", "pattern"];

/// Text with masked credentials.
#[derive(Default)]
pub(super) struct Masked {
    pub(super) shown: String,
    /// The masked passwords and tokens, as written and percent-decoded.
    pub(super) secrets: Vec<String>,
}

impl Masked {
    pub(super) fn show(&mut self, text: &str) {
        self.shown.push_str(text);
    }

    /// Masks a value that may be harmless, such as a size in a query. It is not searched for in
    /// other text.
    pub(super) fn hide(&mut self, value: &str) {
        self.shown
            .push_str(if value.is_empty() { "" } else { MASK });
    }

    /// Masks a password or token.
    pub(super) fn hide_secret(&mut self, secret: &str) {
        self.hide(secret);
        let decoded = percent_decode_str(secret).decode_utf8_lossy();
        // In `Bearer TOKEN`, the second word alone is a secret too.
        let last = secret.rsplit(' ').next().unwrap_or_default();
        let forms = [secret, &*decoded, last]
            .into_iter()
            .filter(|form| form.len() >= SEARCHED_BYTES_MIN);
        self.secrets.extend(forms.map(str::to_owned));
    }
}

/// Parts of the names of secrets, in lower case.
const SENSITIVE: [&str; 9] = [
    "pass", "pwd", "token", "key", "secret", "auth", "cred", "cookie", "psk",
];

/// Endings of words in prose that name a secret, in lower case. Other words that contain one of
/// [`SENSITIVE`] name none in prose: `key frame`, `authentication failed`.
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

/// Whether the address is of a source without credentials.
pub(super) fn is_open_source(address: &str) -> bool {
    let scheme = address.split([':', '?']).next().unwrap_or_default();
    OPEN_SCHEMES.contains(&scheme) || address.starts_with("/dev/")
}

/// Whether a parameter or an option with this name contains a secret.
pub(super) fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SENSITIVE.iter().any(|word| name.contains(word)) || name.ends_with("pw")
}

/// Whether a word in prose names a secret.
pub(super) fn is_sensitive_word(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    SENSITIVE_ENDINGS
        .iter()
        .any(|ending| word.ends_with(ending))
}

/// Whether a header field with this name contains credentials.
pub(super) fn is_sensitive_field(name: &str) -> bool {
    SENSITIVE_FIELDS
        .iter()
        .any(|field| name.eq_ignore_ascii_case(field))
}

/// Splits `NAME=ADDRESS` before the address.
pub(super) fn split_name(text: &str) -> (&str, &str) {
    match text.find(['=', ':', '/', '?', '#', '@']) {
        Some(end) if text[end..].starts_with('=') => text.split_at(end + 1),
        _ => ("", text),
    }
}

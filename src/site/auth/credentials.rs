//! The credentials in a request.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::wire::http::Request;

/// Padding is optional, since some clients omit it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One credential.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// `user:password`, as bytes. The challenge demands UTF-8 (RFC 7617, section 2.1), but wget and
    /// Python's requests send Latin-1.
    Pair(Vec<u8>),
    /// The secret token, or a signed one.
    Token(Cow<'a, str>),
    /// A token in the URL of a request that another site's page may have caused: with an `<img>`, a
    /// page can send any token from the network of its visitor.
    EmbeddedToken(Cow<'a, str>),
    /// An unknown scheme, or malformed.
    Other,
}

impl Credential<'_> {
    /// Splits a pair into user name and password.
    pub fn split(pair: &[u8]) -> (&[u8], &[u8]) {
        let colon = pair
            .iter()
            .position(|&byte| byte == b':')
            .unwrap_or(pair.len());
        (&pair[..colon], pair.get(colon + 1..).unwrap_or_default())
    }
}

/// Returns the credentials of a request: its `Authorization` field, and the parameter `token` of
/// its URL, since an `<img>` cannot send the field.
pub fn of(request: &Request) -> impl Iterator<Item = Credential<'_>> {
    let field = request.field("Authorization").map(of_field);
    let parameter = request
        .parameter("token")
        .filter(|token| !token.is_empty())
        .map(|token| {
            // Browsers state the initiator of a request (Fetch Metadata, section 2.3):
            // "same-origin" is a page of this server, "none" the user, who typed the address.
            match request.field("Sec-Fetch-Site") {
                Some("same-origin" | "none") => Credential::Token(token),
                _ => Credential::EmbeddedToken(token),
            }
        });
    field.into_iter().chain(parameter)
}

/// Parses an `Authorization` field (RFC 7617, section 2; RFC 6750, section 2.1). The name of the
/// scheme is case-insensitive.
fn of_field(field: &str) -> Credential<'_> {
    let (scheme, rest) = field.split_once(' ').unwrap_or((field, ""));
    let rest = rest.trim();
    match () {
        () if scheme.eq_ignore_ascii_case("Bearer") => Credential::Token(rest.into()),
        () if scheme.eq_ignore_ascii_case("Basic") => match BASE64.decode(rest) {
            Ok(pair) if pair.contains(&b':') => Credential::Pair(pair),
            _ => Credential::Other,
        },
        () => Credential::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_from_field_and_url() {
        let of = |target: &str, field: &str| {
            let head = format!("GET {target} HTTP/1.1\r\nHost: cam\r\n{field}\r\n");
            let (request, _) = Request::parse(head.as_bytes()).unwrap().unwrap();
            super::of(&request)
                .map(|credential| format!("{credential:?}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let pair = format!("{:?}", Credential::Pair(b"ann:x".to_vec()));
        let (token, embedded) = ("Token(\"abc\")", "EmbeddedToken(\"abc\")");
        for (target, field, expected) in [
            ("/", "", ""),
            ("/?token=", "", ""),
            ("/?token=a%62c&x", "", embedded),
            ("/?token=abc", "Sec-Fetch-Site: cross-site\r\n", embedded),
            ("/?token=abc", "Sec-Fetch-Site: same-site\r\n", embedded),
            ("/?token=abc", "Sec-Fetch-Site: same-origin\r\n", token),
            ("/?token=abc", "Sec-Fetch-Site: none\r\n", token),
            ("/", "Authorization: Bearer abc\r\n", token),
            ("/", "authorization: bearer   abc \r\n", token),
            ("/", "Authorization: Basic YW5uOng=\r\n", &pair),
            ("/", "Authorization: bAsIc YW5uOng\r\n", &pair),
            ("/", "Authorization: Basic YW5u\r\n", "Other"),
            ("/", "Authorization: Basic !\r\n", "Other"),
            ("/", "Authorization: Basic\r\n", "Other"),
            ("/", "Authorization: Digest username=\"ann\"\r\n", "Other"),
            (
                "/?token=abc",
                "Authorization: Basic YW5uOng=\r\n",
                &format!("{pair} {embedded}"),
            ),
        ] {
            assert_eq!(of(target, field), expected, "{target} {field}");
        }
    }
}

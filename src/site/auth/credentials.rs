//! The credentials in a request.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::wire::http::Request;

/// Some clients leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One credential.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// `user:password`, as bytes: in UTF-8, as the challenge asks for (RFC 7617, section 2.1), or
    /// in Latin-1, in which wget and Python's requests send them all the same.
    Pair(Vec<u8>),
    /// A token, signed or not.
    Token(Cow<'a, str>),
    /// A token in the address of a request that a page of another site may have made: its `<img>`
    /// sends whatever token that page chooses, from the network of a visitor who knows nothing of
    /// it.
    EmbeddedToken(Cow<'a, str>),
    /// Something else.
    Other,
}

impl Credential<'_> {
    /// The user's name and the password of a pair.
    pub fn split(pair: &[u8]) -> (&[u8], &[u8]) {
        let colon = pair
            .iter()
            .position(|&byte| byte == b':')
            .unwrap_or(pair.len());
        (&pair[..colon], pair.get(colon + 1..).unwrap_or_default())
    }
}

/// The credentials of a request: its `Authorization` field, and the parameter `token`, since an
/// `<img>` sends no field.
pub fn of(request: &Request) -> impl Iterator<Item = Credential<'_>> {
    let field = request.field("Authorization").map(of_field);
    let parameter = request
        .parameter("token")
        .filter(|token| !token.is_empty())
        .map(|token| {
            // Browsers say where a request comes from, to any address that deserves trust (Fetch
            // Metadata, section 2.3): from a page of ours, or from the user, who typed the address
            // or opened a link to it.
            match request.field("Sec-Fetch-Site") {
                Some("same-origin" | "none") => Credential::Token(token),
                _ => Credential::EmbeddedToken(token),
            }
        });
    field.into_iter().chain(parameter)
}

/// RFC 7617, section 2, and RFC 6750, section 2.1. The name of a scheme is of either case.
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
    fn credentials_are_found_where_they_may_stand() {
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

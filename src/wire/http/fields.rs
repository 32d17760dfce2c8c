//! The header fields of a request, and what they say of its host, its body and its connection.

use std::net::Ipv6Addr;

use super::{Refusal, Status, Version};

/// The most fields a head may have.
pub const FIELDS_MAX: usize = 100;

/// Names and values in the order they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads the field lines at the front of `bytes`, up to the blank line that must be there.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut slots = [httparse::EMPTY_HEADER; FIELDS_MAX];
        match httparse::parse_headers(bytes, &mut slots) {
            Ok(httparse::Status::Complete((_, fields))) => {
                let owned = |field: &httparse::Header<'_>| {
                    let value = String::from_utf8_lossy(field.value);
                    (field.name.to_owned(), value.into_owned())
                };
                Ok(Self(fields.iter().map(owned).collect()))
            }
            Err(httparse::Error::TooManyHeaders) => Err(Refusal {
                status: Status::RequestHeaderFieldsTooLarge,
                reason: "The request has more than 100 header fields.",
            }),
            Err(httparse::Error::HeaderValue) => Err(Refusal::malformed(
                "The value of a header field holds a control character.",
            )),
            Ok(httparse::Status::Partial) | Err(_) => Err(Refusal::malformed(
                "A header field is not a name, a colon right after it and a value on the same line.",
            )),
        }
    }

    /// The values of every field called `name`, whatever its case.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.0.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// The one `Host`, which only HTTP/1.0 may leave out (RFC 9112, section 3.2).
    pub(super) fn host(&self, version: Version) -> Result<Option<&str>, Refusal> {
        match self.all("host").collect::<Vec<_>>().as_slice() {
            [host] if is_host(host) => Ok(Some(host)),
            [_] => Err(Refusal::malformed(
                "The Host field is not a host with an optional port.",
            )),
            [] if version == Version::Http10 => Ok(None),
            [] => Err(Refusal::malformed("The request has no Host field.")),
            _ => Err(Refusal::malformed(
                "The request has more than one Host field.",
            )),
        }
    }

    /// Refuses a request that announces a body, and one that leaves in doubt whether a body follows
    /// (RFC 9112, section 6.3). Framecast takes none, so where a head ends the next one begins.
    pub(super) fn check_body(&self, version: Version) -> Result<(), Refusal> {
        let lengths: Vec<&str> = self.all("content-length").collect();
        let codings: Vec<&str> = self.all("transfer-encoding").collect();
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Ok(()),
            ([length], []) => check_content_length(length),
            (_, []) => Err(Refusal::malformed(
                "The request has more than one Content-Length field.",
            )),
            ([], _) if version == Version::Http10 => {
                Err(Refusal::malformed("HTTP/1.0 knows no Transfer-Encoding."))
            }
            ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Err(BODY_REFUSED),
            ([], _) => Err(Refusal {
                status: Status::NotImplemented,
                reason: "No Transfer-Encoding but chunked is known here.",
            }),
            _ => Err(Refusal::malformed(
                "Content-Length and Transfer-Encoding exclude each other.",
            )),
        }
    }

    /// An expectation is always of a body to come: `100-continue` is the only one there is (RFC
    /// 9110, section 10.1.1).
    pub(super) fn check_expect(&self) -> Result<(), Refusal> {
        match self.all("expect").next() {
            Some(_) => Err(Refusal {
                status: Status::ExpectationFailed,
                reason: "No expectation can be met here, because no request takes a body.",
            }),
            None => Ok(()),
        }
    }

    /// Whether the peer wants the connection kept after the answer (RFC 9112, section 9.3). `close`
    /// beats `keep-alive`.
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        let says = |option: &str| {
            let mut options = self.all("connection").flat_map(|value| value.split(','));
            options.any(|given| given.trim().eq_ignore_ascii_case(option))
        };
        !says("close") && (version == Version::Http11 || says("keep-alive"))
    }
}

const BODY_REFUSED: Refusal = Refusal {
    status: Status::ContentTooLarge,
    reason: "No request takes a body here.",
};

fn check_content_length(length: &str) -> Result<(), Refusal> {
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::malformed("The Content-Length is not a number."));
    }
    // The number is never computed, so none is too large to be refused for what it is.
    if length.bytes().any(|byte| byte != b'0') {
        return Err(BODY_REFUSED);
    }
    Ok(())
}

/// Whether `text` is `host [":" port]` (RFC 3986, section 3.2): a name, an IPv4 address (which has
/// the shape of a name) or an IPv6 address in brackets. The host must not be empty, as that of an
/// `http` address never is.
pub(super) fn is_host(text: &str) -> bool {
    let (is_valid_host, port) = match text.strip_prefix('[') {
        Some(bracketed) => match bracketed.split_once(']') {
            Some((address, port)) => (is_zoned_ipv6(address), port),
            None => return false,
        },
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_reg_name(name), port)
        }
    };
    is_valid_host && is_port(port)
}

/// An IPv6 address, and perhaps the zone it is in: after `%25` (RFC 6874) or, as many clients send
/// it, after `%`.
fn is_zoned_ipv6(text: &str) -> bool {
    let (address, zone) = text
        .split_once('%')
        .map_or((text, None), |(address, zone)| (address, Some(zone)));
    let zone = zone.map(|zone| {
        zone.strip_prefix("25")
            .filter(|rest| !rest.is_empty())
            .unwrap_or(zone)
    });
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_zone = |zone: &str| !zone.is_empty() && zone.bytes().all(is_plain);
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(is_zone)
}

/// RFC 3986's `reg-name`, which includes an underscore and much that DNS does not.
fn is_reg_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
    !name.is_empty() && name.bytes().all(is_plain) && has_valid_escapes(name)
}

/// Whether `text` is empty or `":" port`, of which RFC 3986 lets the number be missing.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(port) => {
            let all_digits = port.bytes().all(|byte| byte.is_ascii_digit());
            all_digits && (port.is_empty() || port.parse::<u16>().is_ok())
        }
        None => text.is_empty(),
    }
}

/// Whether every `%` begins an escape of two hexadecimal digits, and none of them is `%00`: what
/// decodes an address may be written in a language where NUL ends a string.
pub(super) fn has_valid_escapes(text: &str) -> bool {
    let mut escapes = text.split('%').skip(1);
    escapes.all(|rest| match rest.as_bytes() {
        [b'0', b'0', ..] => false,
        [high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    })
}

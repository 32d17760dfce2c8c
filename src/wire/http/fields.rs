//! The header fields of a request: `Host`, framing of the body, `Expect` and `Connection`.

use std::net::Ipv6Addr;

use super::{Refusal, Status, Version};

/// The maximum number of fields in a head.
pub const FIELDS_MAX: usize = 100;

/// Names and values, in the order received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Parses the field lines at the front of `bytes`, which must contain the empty line behind
    /// them.
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
                reason: "Too many header fields: at most 100.",
            }),
            Err(httparse::Error::HeaderValue) => Err(Refusal::malformed(
                "Invalid header field: control character in the value.",
            )),
            Ok(httparse::Status::Partial) | Err(_) => Err(Refusal::malformed(
                "Invalid header field: expected a name, a colon right behind it, and a value.",
            )),
        }
    }

    /// Returns the values of all fields with this name, ignoring case.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.0.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// Returns the value of `Host`, which must occur once; HTTP/1.0 may omit it (RFC 9112, section
    /// 3.2).
    pub(super) fn host(&self, version: Version) -> Result<Option<&str>, Refusal> {
        match self.all("host").collect::<Vec<_>>().as_slice() {
            [host] if is_host(host) => Ok(Some(host)),
            [_] => Err(Refusal::malformed(
                "Invalid Host field: expected a host with an optional port.",
            )),
            [] if version == Version::Http10 => Ok(None),
            [] => Err(Refusal::malformed("Missing Host field.")),
            _ => Err(Refusal::malformed("More than one Host field.")),
        }
    }

    /// Rejects a request with a body, and one with contradictory framing (RFC 9112, section 6.3).
    /// No request has a body here, so the next head begins where this one ends.
    pub(super) fn check_body(&self, version: Version) -> Result<(), Refusal> {
        let lengths: Vec<&str> = self.all("content-length").collect();
        let codings: Vec<&str> = self.all("transfer-encoding").collect();
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Ok(()),
            ([length], []) => check_content_length(length),
            (_, []) => Err(Refusal::malformed("More than one Content-Length field.")),
            ([], _) if version == Version::Http10 => {
                Err(Refusal::malformed("HTTP/1.0 has no Transfer-Encoding."))
            }
            ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Err(HAS_BODY),
            ([], _) => Err(Refusal {
                status: Status::NotImplemented,
                reason: "Unknown Transfer-Encoding: only chunked is known.",
            }),
            _ => Err(Refusal::malformed(
                "Both Content-Length and Transfer-Encoding; only one is allowed.",
            )),
        }
    }

    /// Rejects an `Expect` field. The only expectation, `100-continue`, announces a body (RFC 9110,
    /// section 10.1.1).
    pub(super) fn check_expect(&self) -> Result<(), Refusal> {
        match self.all("expect").next() {
            Some(_) => Err(Refusal {
                status: Status::ExpectationFailed,
                reason: "Expect is not supported: requests cannot have a body.",
            }),
            None => Ok(()),
        }
    }

    /// Whether the connection stays open after the response (RFC 9112, section 9.3). `close`
    /// overrides `keep-alive`.
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        let has = |option: &str| {
            let mut options = self.all("connection").flat_map(|value| value.split(','));
            options.any(|given| given.trim().eq_ignore_ascii_case(option))
        };
        !has("close") && (version == Version::Http11 || has("keep-alive"))
    }
}

const HAS_BODY: Refusal = Refusal {
    status: Status::ContentTooLarge,
    reason: "Requests cannot have a body.",
};

fn check_content_length(length: &str) -> Result<(), Refusal> {
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::malformed(
            "Invalid Content-Length: expected a number.",
        ));
    }
    // The number is not parsed, so it cannot overflow.
    if length.bytes().any(|byte| byte != b'0') {
        return Err(HAS_BODY);
    }
    Ok(())
}

/// Whether `text` is `host [":" port]` (RFC 3986, section 3.2): a name, an IPv4 address or an IPv6
/// address in brackets. The host of an `http` URL is never empty.
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

/// Whether `text` is an IPv6 address, perhaps with a zone behind `%25` (RFC 6874) or, as many
/// clients send it, behind `%`.
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

/// Whether `name` is a `reg-name` of RFC 3986, which may contain an underscore and other characters
/// that DNS forbids.
fn is_reg_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
    !name.is_empty() && name.bytes().all(is_plain) && has_valid_escapes(name)
}

/// Whether `text` is empty or `":" port`. RFC 3986 allows the number to be missing.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(port) => {
            let all_digits = port.bytes().all(|byte| byte.is_ascii_digit());
            all_digits && (port.is_empty() || port.parse::<u16>().is_ok())
        }
        None => text.is_empty(),
    }
}

/// Whether every `%` begins an escape of two hexadecimal digits other than `%00`. In C, NUL would
/// end the decoded string.
pub(super) fn has_valid_escapes(text: &str) -> bool {
    let mut escapes = text.split('%').skip(1);
    escapes.all(|rest| match rest.as_bytes() {
        [b'0', b'0', ..] => false,
        [high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    })
}

//! A request: its line, its target, and the order in which a head is judged.

use std::borrow::Cow;

use super::fields::{Fields, has_valid_escapes, is_host};
use super::head::{self, Head, HeadSearch, Version};
use super::{Refusal, Status};

/// A request whose head was accepted. None of them has a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// The version the peer speaks.
    pub version: Version,
    /// Whether the peer wants the connection kept after the answer.
    pub keep_alive: bool,
    /// The path as it was sent, escapes included: bytes 0x21 to 0x7e, beginning with one `/`, or
    /// `*` for `OPTIONS *`.
    pub path: String,
    /// The host that is asked, and its port if it was named: that of an absolute target, or else
    /// the `Host` field.
    pub host: Option<String>,
    /// The query as it was sent, without its first `?`; empty if there is none.
    /// [`Request::parameter`] reads it.
    pub query: String,
    fields: Fields,
}

/// The methods that are answered; [`ALLOW`](super::ALLOW) names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Asks for a representation.
    Get,
    /// Asks for the head that `Get` would be given.
    Head,
    /// Asks which methods there are.
    Options,
}

impl Request {
    /// Takes one request head off the front of `received` and says how many bytes long it was.
    /// `Ok(None)` asks for a call with more bytes.
    ///
    /// The answer is the same however the bytes were cut on their way, and whatever follows the
    /// head. Until the head is whole a call only looks for line ends in what was received, 16 KiB
    /// at most.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] is final: the connection cannot be used again, as nobody knows where the next
    /// request begins.
    pub fn parse(received: &[u8]) -> Result<Option<(Self, usize)>, Refusal> {
        Self::parse_incremental(received, &mut HeadSearch::default())
    }

    /// Does the same for bytes that have grown since the last call with this `search`, which begins
    /// anew behind a request.
    ///
    /// # Errors
    ///
    /// As [`Request::parse`] has it.
    pub fn parse_incremental(
        received: &[u8],
        search: &mut HeadSearch,
    ) -> Result<Option<(Self, usize)>, Refusal> {
        let Some(head) = head::find(received, search)? else {
            return Ok(None);
        };
        *search = HeadSearch::default();
        Ok(Some((Self::parse_head(&head)?, head.length)))
    }

    /// The value of the first field called `name`, whatever its case. What is not UTF-8 in it is
    /// replaced by U+FFFD.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.all(name).next()
    }

    /// The values of all fields called `name`, in their order.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.all(name)
    }

    /// The decoded value of the first parameter called `name` in the query; empty if it has none.
    ///
    /// A `?` parts parameters as `&` does, because addresses such as
    /// `/?action=stream?dummy=param.mjpg` are told from one OpenCV user to the next. What is not
    /// UTF-8 once decoded is replaced by U+FFFD.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let queries = self.query.split('?');
        let mut parameters = queries.flat_map(|query| form_urlencoded::parse(query.as_bytes()));
        parameters
            .find(|(given, _)| given == name)
            .map(|(_, value)| value)
    }

    fn parse_head(head: &Head<'_>) -> Result<Self, Refusal> {
        let line = RequestLine::split(head.request_line)?;
        let version = Version::parse(line.version)?;
        let method = Method::parse(line.method)?;
        let fields = Fields::parse(head.fields)?;
        check_target(line.target)?;
        let host = fields.host(version)?;
        let (authority, origin_form) = origin_form(line.target, method)?;
        fields.check_body(version)?;
        fields.check_expect()?;

        let (path, query) = origin_form.split_once('?').unwrap_or((origin_form, ""));
        Ok(Self {
            method,
            version,
            keep_alive: fields.keep_alive(version),
            host: authority.or(host).map(str::to_owned),
            path: one_slash(path),
            query: query.to_owned(),
            fields,
        })
    }
}

/// The three words of a request line (RFC 9112, section 3).
struct RequestLine<'a> {
    method: &'a str,
    target: &'a str,
    version: &'a str,
}

impl<'a> RequestLine<'a> {
    fn split(line: &'a [u8]) -> Result<Self, Refusal> {
        let malformed = Refusal::malformed(
            "The request line is not a method, a target and a version with one space between them.",
        );
        let line = str::from_utf8(line).map_err(|_| malformed)?;
        match line.splitn(4, ' ').collect::<Vec<_>>().as_slice() {
            [method, target, version] => Ok(Self {
                method,
                target,
                version,
            }),
            _ => Err(malformed),
        }
    }
}

impl Method {
    fn parse(word: &str) -> Result<Self, Refusal> {
        match word {
            "GET" => Ok(Self::Get),
            "HEAD" => Ok(Self::Head),
            "OPTIONS" => Ok(Self::Options),
            "POST" | "PUT" | "DELETE" | "PATCH" | "TRACE" | "CONNECT" => Err(Refusal {
                status: Status::MethodNotAllowed,
                reason: "Only GET, HEAD and OPTIONS are answered here.",
            }),
            _ => Err(Refusal {
                status: Status::NotImplemented,
                reason: "The method is not known here; method names are in capitals.",
            }),
        }
    }
}

/// Stricter than a browser's address bar and laxer than RFC 3986: `|`, `"` and their like are sent
/// unescaped by common clients and mislead nobody here.
fn check_target(target: &str) -> Result<(), Refusal> {
    if !target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Err(Refusal::malformed(
            "The target holds a byte that must be escaped: a control character, a # or one beyond ASCII.",
        ));
    }
    if !has_valid_escapes(target) {
        return Err(Refusal::malformed(
            "A % in the target does not begin an escape, or it is %00.",
        ));
    }
    Ok(())
}

/// `path` with one slash at its front: proxies that put a prefix before a path leave two of them
/// there, and `http://host` or `http://host?query` leaves out the only path it can mean.
fn one_slash(path: &str) -> String {
    match path {
        "*" => path.to_owned(),
        path => format!("/{}", path.trim_start_matches('/')),
    }
}

/// Reduces a target to path and query. The authority of an absolute one counts, and the `Host`
/// field does not (RFC 9112, section 3.2.2).
fn origin_form(target: &str, method: Method) -> Result<(Option<&str>, &str), Refusal> {
    if target.starts_with('/') || (target == "*" && method == Method::Options) {
        return Ok((None, target));
    }
    let authority_and_path = match target.split_once("://") {
        Some((scheme, rest)) if is_http(scheme) => rest,
        _ => {
            return Err(Refusal::malformed(
                "The target does not begin with a slash.",
            ));
        }
    };
    let path_start = authority_and_path
        .find(['/', '?'])
        .unwrap_or(authority_and_path.len());
    let (authority, path) = authority_and_path.split_at(path_start);
    if is_host(authority) {
        Ok((Some(authority), path))
    } else {
        Err(Refusal::malformed(
            "The target does not name a host with an optional port.",
        ))
    }
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

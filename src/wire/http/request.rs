//! A request: its line, its target, and the order of the checks.

use std::borrow::Cow;

use super::fields::{Fields, has_valid_escapes, is_host};
use super::head::{self, Head, HeadSearch, Version};
use super::{Refusal, Status};

/// A valid request. It has no body: requests with a body are rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The HTTP version of the client.
    pub version: Version,
    /// Whether the connection stays open after the response.
    pub keep_alive: bool,
    /// The path as sent, with its escapes: bytes 0x21 to 0x7e, beginning with one `/`; or `*` for
    /// `OPTIONS *`.
    pub path: String,
    /// The host, with the port if there is one: from an absolute target, or else from the `Host`
    /// field.
    pub host: Option<String>,
    /// The query as sent, without its first `?`; empty if there is none. See
    /// [`Request::parameter`].
    pub query: String,
    fields: Fields,
}

/// The supported methods, see [`ALLOW`](super::ALLOW).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Requests a response with a body.
    Get,
    /// Requests the head of the response to `Get`.
    Head,
    /// Requests the supported methods.
    Options,
}

impl Request {
    /// Parses the request head at the front of `received`, and returns it with its size in bytes.
    /// `Ok(None)` means that more bytes are needed.
    ///
    /// The result does not depend on how the bytes were split into reads, nor on the bytes behind
    /// the head. While the head is incomplete, a call only searches at most 16 KiB for line ends.
    ///
    /// # Errors
    /// The head is invalid. Close the connection after the [`Refusal::response`]: it is unknown
    /// where the next request would begin.
    pub fn parse(received: &[u8]) -> Result<Option<(Self, usize)>, Refusal> {
        Self::parse_incremental(received, &mut HeadSearch::default())
    }

    /// Parses like [`Request::parse`] and continues where the last call with this `search` stopped.
    /// `received` must begin with the bytes of that call. Resets `search` when it returns a
    /// request.
    ///
    /// # Errors
    /// See [`Request::parse`].
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

    /// Returns the value of the first field with this name, ignoring case. U+FFFD replaces bytes
    /// that are not UTF-8.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.all(name).next()
    }

    /// Returns the values of all fields with this name, in order.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.all(name)
    }

    /// Returns the decoded value of the first query parameter with this name; an empty value for a
    /// parameter without one.
    ///
    /// `?` separates parameters like `&`, because OpenCV users write URLs such as
    /// `/?action=stream?dummy=param.mjpg`. U+FFFD replaces bytes that are not UTF-8.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let queries = self.query.split('?');
        let mut parameters = queries.flat_map(|query| form_urlencoded::parse(query.as_bytes()));
        parameters
            .find(|(given, _)| given == name)
            .map(|(_, value)| value)
    }

    fn parse_head(head: &Head<'_>) -> Result<Self, Refusal> {
        let line = RequestLine::parse(head.request_line)?;
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

/// The parts of a request line (RFC 9112, section 3).
struct RequestLine<'a> {
    method: &'a str,
    target: &'a str,
    version: &'a str,
}

impl<'a> RequestLine<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        let malformed = Refusal::malformed(
            "Invalid request line: expected a method, a target and a version with one space between them.",
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
    fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "GET" => Ok(Self::Get),
            "HEAD" => Ok(Self::Head),
            "OPTIONS" => Ok(Self::Options),
            "POST" | "PUT" | "DELETE" | "PATCH" | "TRACE" | "CONNECT" => Err(Refusal {
                status: Status::MethodNotAllowed,
                reason: "Method not allowed: only GET, HEAD and OPTIONS.",
            }),
            _ => Err(Refusal {
                status: Status::NotImplemented,
                reason: "Unknown method; methods are in capitals.",
            }),
        }
    }
}

/// Checks the target less strictly than RFC 3986: common clients send `|`, `"` and similar
/// characters without escapes, which is harmless.
fn check_target(target: &str) -> Result<(), Refusal> {
    if !target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Err(Refusal::malformed(
            "Invalid target: escape control characters, # and bytes beyond ASCII.",
        ));
    }
    if !has_valid_escapes(target) {
        return Err(Refusal::malformed(
            "Invalid target: % without two hexadecimal digits, or %00.",
        ));
    }
    Ok(())
}

/// Returns `path` with exactly one leading slash. Proxies that replace a prefix may leave two, and
/// `http://host` and `http://host?query` have none.
fn one_slash(path: &str) -> String {
    match path {
        "*" => path.to_owned(),
        path => format!("/{}", path.trim_start_matches('/')),
    }
}

/// Splits a target into its authority and its path with query. The authority of an absolute target
/// overrides the `Host` field (RFC 9112, section 3.2.2).
fn origin_form(target: &str, method: Method) -> Result<(Option<&str>, &str), Refusal> {
    if target.starts_with('/') || (target == "*" && method == Method::Options) {
        return Ok((None, target));
    }
    let authority_and_path = match target.split_once("://") {
        Some((scheme, rest)) if is_http(scheme) => rest,
        _ => {
            return Err(Refusal::malformed(
                "Invalid target: expected a slash at the beginning.",
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

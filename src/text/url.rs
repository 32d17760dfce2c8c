//! URLs of servers and cameras (RFC 3986), parsed leniently, as users and redirects write them.

use std::fmt::{self, Write};
use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;

use super::secret::Credentials;

/// A URL without user, password and fragment: `SCHEME://HOST:PORT/PATH?QUERY`.
///
/// The parser percent-encodes bytes that a request line cannot contain, such as blanks.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// In lower case.
    scheme: String,
    /// As written; an IPv6 address with its brackets and its zone.
    host: String,
    port: Option<u16>,
    /// Path and query, beginning with a slash.
    target: String,
}

/// A scheme, a host and a port (RFC 9110, section 4.3.1). Credentials are valid for one origin
/// only: another port may be another service, and another scheme may not encrypt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// The error for an invalid URL. It does not repeat the URL, which may contain a password.
const EXPECTED: &str = "expected http://USER:PASSWORD@HOST:PORT/PATH with a port up to 65535, \
    brackets around IPv6 as in [::1], and in USER and PASSWORD %40 for @, %2F for /, %3F for ? and %23 for #";

impl Url {
    /// Parses a URL that a user wrote. Returns the URL, the user and password, and the text behind
    /// `#`. The last `@` before the path ends the password (RFC 3986, section 3.2).
    ///
    /// Returns `None` if there is no host, if user or password are not UTF-8 text, or if there is
    /// an `@` behind the `#`: that is probably part of a password.
    pub fn parse(text: &str) -> Option<(Self, Option<Credentials>, &str)> {
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (scheme, rest) = address
            .split_once("://")
            .filter(|_| !fragment.contains('@'))?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let url = Self::parse_parts(format!("{scheme}://{place}{path}").as_bytes())?;
        let credentials = if userinfo.is_empty() {
            None
        } else {
            Some(Credentials::from_userinfo(userinfo)?)
        };
        Some((url, credentials, fragment))
    }

    /// Parses the `http://` or `https://` URL of a server like [`parse`](Self::parse), and drops
    /// the text behind `#`.
    ///
    /// # Errors
    /// The URL is invalid. The message does not repeat it.
    pub fn parse_http(text: &str) -> Result<(Self, Option<Credentials>), &'static str> {
        let has_scheme = |scheme: &str| {
            text.get(..scheme.len())
                .is_some_and(|text| text.eq_ignore_ascii_case(scheme))
        };
        if !has_scheme("http://") && !has_scheme("https://") {
            return Err("expected http:// or https:// at the beginning");
        }
        let (url, credentials, _) = Self::parse(text).ok_or(EXPECTED)?;
        Ok((url, credentials))
    }

    /// Parses `SCHEME://HOST:PORT/PATH?QUERY`, which contains no user and password.
    fn parse_parts(address: &[u8]) -> Option<Self> {
        let at = memchr::memmem::find(address, b"://")?;
        let scheme = str::from_utf8(address.get(..at)?)
            .ok()?
            .to_ascii_lowercase();
        let rest = address.get(at + 3..)?;
        let (place, path) = rest.split_at(
            rest.iter()
                .position(|byte| b"/?".contains(byte))
                .unwrap_or(rest.len()),
        );
        let (host, port) = parse_authority(str::from_utf8(place).ok()?)?;
        let mut target = encode(path);
        if !target.starts_with('/') {
            target.insert(0, '/');
        }
        Some(Self {
            scheme,
            host: host.to_owned(),
            port,
            target,
        })
    }

    /// Resolves the value of a `Location` field against this URL (RFC 3986, section 5.2), without
    /// its user, password and fragment. Returns `None` if the result is not HTTP.
    pub fn join(&self, location: &[u8]) -> Option<Self> {
        let location = location
            .split(|&byte| byte == b'#')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        let scheme_ends = location
            .iter()
            .position(|&byte| byte == b':')
            .filter(|&at| {
                location.get(..at).is_some_and(|scheme| {
                    !scheme.is_empty() && scheme.iter().all(|&byte| is_scheme(byte))
                })
            });
        match (location, scheme_ends) {
            ([b'/', b'/', ..], _) => Self::parse_parts(&without_userinfo(
                &[self.scheme.as_bytes(), b":", location].concat(),
            )),
            ([b'/', ..], _) => Some(self.with_target(encode(location))),
            ([b'?', ..], _) => Some(self.with_target(self.path().to_owned() + &encode(location))),
            ([], _) => Some(self.clone()),
            (_, Some(_)) => Self::parse_parts(&without_userinfo(location)).filter(Self::is_http),
            (_, None) => {
                let folder = self
                    .path()
                    .rsplit_once('/')
                    .map_or("", |(folder, _)| folder);
                Some(self.with_target(format!("{folder}/{}", encode(location))))
            }
        }
    }

    fn with_target(&self, target: String) -> Self {
        Self {
            target: remove_dot_segments(&target),
            ..self.clone()
        }
    }

    /// Whether the scheme is `http` or `https`.
    fn is_http(&self) -> bool {
        matches!(self.scheme.as_str(), "http" | "https")
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// Returns the scheme, in lower case.
    #[cfg(feature = "redis")]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns the host as written; an IPv6 address has brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, if the URL contains one.
    #[cfg(feature = "redis")]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Returns path and query, the target of a request line.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns `HOST` or `HOST:PORT`, as written.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// Returns the value of a `Host` field: without the zone of an IPv6 address, which means
    /// something on this machine only (RFC 6874, section 1).
    pub fn host_field(&self) -> String {
        let host = match self.host.split_once('%') {
            Some((address, _)) if address.starts_with('[') => format!("{address}]"),
            _ => self.host.clone(),
        };
        self.port
            .map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    }

    /// Returns the host as in a certificate: without brackets and zone.
    pub fn server_name(&self) -> &str {
        match self.host.strip_prefix('[') {
            Some(address) => address.split(['%', ']']).next().unwrap_or_default(),
            None => &self.host,
        }
    }

    /// Returns the host for getaddrinfo(3), with the zone of an IPv6 address behind one `%`, and
    /// the port, by default 80 or 443.
    pub fn host_and_port(&self) -> (String, u16) {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let host = match host.split_once('%') {
            Some((address, zone)) if self.host.starts_with('[') => {
                let zone =
                    percent_decode_str(zone.strip_prefix("25").unwrap_or(zone)).decode_utf8_lossy();
                format!("{address}%{zone}")
            }
            _ => host.to_owned(),
        };
        (host, self.effective_port())
    }

    /// Returns the URL with `path` appended to its path, and with its query.
    pub fn subpath(&self, path: &str) -> Self {
        let (folder, query) = self
            .target
            .split_at(self.target.find('?').unwrap_or(self.target.len()));
        let target = format!("{}/{path}{query}", folder.trim_end_matches('/'));
        Self {
            target,
            ..self.clone()
        }
    }

    /// Returns the head of an HTTP/1.0 GET request. `authorization` is the value of that field.
    ///
    /// Servers answer HTTP/1.0 without the chunked coding (RFC 9112, section 6.1) and then close
    /// the connection.
    pub fn get_request(&self, user_agent: &str, authorization: Option<&str>) -> Vec<u8> {
        let authorization = authorization
            .map(|value| format!("Authorization: {value}\r\n"))
            .unwrap_or_default();
        let (target, host) = (&self.target, self.host_field());
        format!("GET {target} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: {user_agent}\r\n{authorization}\r\n").into()
    }

    /// Returns the origin, for which credentials of this URL are valid.
    pub fn origin(&self) -> Origin {
        Origin {
            scheme: self.scheme.clone(),
            host: self.host.to_ascii_lowercase(),
            port: self.effective_port(),
        }
    }

    fn effective_port(&self) -> u16 {
        self.port.unwrap_or(if self.is_https() { 443 } else { 80 })
    }
}

/// Formats the whole URL. Its query may contain secrets.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority(), self.target)
    }
}

/// Parses `HOST`, `HOST:PORT`, `[ADDRESS]` or `[ADDRESS%25ZONE]:PORT`.
fn parse_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_end)?;
    let is_host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => {
            let (address, zone) = address.split_once('%').unwrap_or((address, "0"));
            address.parse::<Ipv6Addr>().is_ok() && is_name(zone)
        }
        None => is_name(host),
    };
    match port.strip_prefix(':') {
        _ if !is_host => None,
        None if port.is_empty() => Some((host, None)),
        Some("") => Some((host, None)),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((host, Some(port.parse().ok()?)))
        }
        _ => None,
    }
}

/// Whether `name` is a valid host name or zone (RFC 3986, section 3.2.2).
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte))
}

fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

fn without_userinfo(address: &[u8]) -> Vec<u8> {
    let start = memchr::memmem::find(address, b"://").map_or(0, |at| at + 3);
    let (scheme, rest) = address.split_at(start);
    let authority = rest
        .iter()
        .position(|byte| b"/?".contains(byte))
        .unwrap_or(rest.len());
    let userinfo = rest
        .get(..authority)
        .and_then(|authority| authority.iter().rposition(|&byte| byte == b'@'));
    [
        scheme,
        rest.get(userinfo.map_or(0, |at| at + 1)..)
            .unwrap_or_default(),
    ]
    .concat()
}

/// Percent-encodes bytes that a request line cannot contain: blanks, control characters and other
/// bytes than ASCII.
fn encode(text: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'!'..=b'~' => encoded.push(char::from(byte)),
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

/// Removes `.` and `..` from the path (RFC 3986, section 5.2.4).
fn remove_dot_segments(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut output: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    output.pop();
                }
                if is_last {
                    output.push("");
                }
            }
            segment => output.push(segment),
        }
    }
    format!("/{}{query}", output.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|| panic!("{text}")).0
    }

    #[test]
    fn redirect_target_is_resolved_as_in_browsers() {
        let base = url("http://cam:81/a/b?c");
        for (location, place, target) in [
            ("/y z", "cam:81", "/y%20z"),
            ("y", "cam:81", "/a/y"),
            ("../y/./z?a/../b", "cam:81", "/y/z?a/../b"),
            ("../../..", "cam:81", "/"),
            ("?q=1", "cam:81", "/a/b?q=1"),
            ("", "cam:81", "/a/b?c"),
            ("//other/x", "other", "/x"),
            ("HTTP://other:82", "other:82", "/"),
            ("https://user:pw@other/x#part", "other", "/x"),
            ("/caf\u{e9}", "cam:81", "/caf%C3%A9"),
            ("a:b/c", "", ""),
            ("ftp://cam/", "", ""),
            ("http:///x", "", ""),
        ] {
            let found = base.join(location.as_bytes());
            let found = found
                .as_ref()
                .map_or((String::new(), ""), |url| (url.authority(), url.target()));
            assert_eq!(found, (place.to_owned(), target), "{location}");
        }
    }

    #[test]
    fn ipv6_zone_reaches_the_resolver_and_not_the_host_field() {
        for text in ["http://[fe80::1%25eth0]:81/", "http://[fe80::1%eth0]:81/"] {
            assert_eq!(url(text).host_and_port(), ("fe80::1%eth0".to_owned(), 81));
            assert_eq!(
                (url(text).host_field().as_str(), url(text).server_name()),
                ("[fe80::1]:81", "fe80::1")
            );
        }
        assert_eq!(
            url("https://[::1]/").host_and_port(),
            ("::1".to_owned(), 443)
        );
        assert_eq!(
            url("http://my%5fcam/").host_and_port(),
            ("my%5fcam".to_owned(), 80)
        );
    }

    #[test]
    fn url_is_split_into_its_parts() {
        for (text, place, line) in [
            (
                "http://127.0.0.1:8080/stream",
                ("127.0.0.1", 8080),
                "GET /stream HTTP/1.0",
            ),
            (
                "http://h/?action=stream",
                ("h", 80),
                "GET /?action=stream HTTP/1.0",
            ),
            ("http://h:/a b", ("h", 80), "GET /a%20b HTTP/1.0"),
            (
                "HTTP://h:81?action=stream",
                ("h", 81),
                "GET /?action=stream HTTP/1.0",
            ),
            ("http://[::1]#top", ("::1", 80), "GET / HTTP/1.0"),
            ("https://h/stream", ("h", 443), "GET /stream HTTP/1.0"),
            (
                "https://ann:p%40w@[::1]:8443/",
                ("::1", 8443),
                "GET / HTTP/1.0",
            ),
        ] {
            let url = Url::parse_http(text).unwrap().0;
            let (host, port) = url.host_and_port();
            assert_eq!(
                (host.as_str(), port, url.server_name()),
                (place.0, place.1, place.0),
                "{text}"
            );
            let request = String::from_utf8(url.get_request("test", None)).unwrap();
            assert!(
                request.starts_with(line) && request.ends_with("\r\n\r\n"),
                "{request}"
            );
            assert!(!request.contains("ann"), "{request}");
        }
        let (_, credentials, fragment) = Url::parse("http://ann:p%40w@h/#fps=1").unwrap();
        assert_eq!(
            (credentials, fragment),
            (Credentials::from_pair("ann:p@w"), "fps=1")
        );
    }

    #[test]
    fn path_is_appended_before_the_query() {
        for (text, line) in [
            ("http://h/?token=T", "GET /healthz?token=T "),
            ("http://h?token=T", "GET /healthz?token=T "),
            ("http://h", "GET /healthz "),
            ("http://h/cams/?a=b", "GET /cams/healthz?a=b "),
        ] {
            let request = Url::parse_http(text)
                .unwrap()
                .0
                .subpath("healthz")
                .get_request("test", Some("Basic x"));
            let request = String::from_utf8(request).unwrap();
            assert!(
                request.starts_with(line) && request.contains("\r\nAuthorization: Basic x\r\n"),
                "{request}"
            );
        }
    }

    #[test]
    fn invalid_url_is_rejected_without_repeating_it() {
        for text in [
            "ftp://s3cret/",
            "s3cret:80",
            "http:///s3cret",
            "http://s3cret:99999/",
            "http://[s3cret/",
            "http://s3cret::1/",
            "http://:80/s3cret",
            "http://ann:%ffs3cret@h/",
            "http://ann:s3/cret@h/",
            "http://ann:80#s3cret@h/",
        ] {
            let error = Url::parse_http(text).err().expect(text);
            assert!(!error.contains("s3"), "{error}");
        }
    }
}

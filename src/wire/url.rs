//! The address of a server: `http://USER:PASSWORD@HOST:PORT/PATH?QUERY` or `https://` (RFC 9110, section 4.2).

use super::secret::Credentials;

/// The address of a server, checked and divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// Whether it is `https://`.
    pub is_encrypted: bool,
    /// The user and password that stand in it.
    pub credentials: Option<Credentials>,
    /// `HOST` or `HOST:PORT`, as a `Host` field has it.
    authority: String,
    /// The path and the query, beginning with a slash. There may be a token in it.
    target: String,
}

impl ServerUrl {
    /// Reads an address. What follows a `#` is left out.
    ///
    /// # Errors
    /// It cannot be asked, for the reason returned, which does not repeat it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let scheme = |name: &str| text.get(..name.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(name));
        let (is_encrypted, rest) = match (scheme("http://"), scheme("https://")) {
            (true, _) => (false, &text["http://".len()..]),
            (_, true) => (true, &text["https://".len()..]),
            _ => return Err("it must begin with http:// or https://"),
        };
        if rest.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
            return Err("it holds a space or a byte outside ASCII; percent-encode it");
        }
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, authority) = authority.rsplit_once('@').unwrap_or(("", authority));
        let credentials = match userinfo {
            "" => None,
            userinfo => Some(Credentials::from_userinfo(userinfo).ok_or("its user or password is not UTF-8 text")?),
        };
        if !is_host(authority) {
            return Err(
                "write http://USER:PASSWORD@HOST:PORT/PATH with a port up to 65535, brackets around IPv6 as in [::1], \
                 and in USER and PASSWORD %40 for @, %2F for / and %3F for ?",
            );
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { is_encrypted, credentials, authority: authority.to_owned(), target: format!("{slash}{path}") })
    }

    /// `HOST` or `HOST:PORT`, as a `Host` field has it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host without its port, and without brackets.
    pub fn host(&self) -> &str {
        let host = match has_port(&self.authority) {
            true => self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, _)| host),
            false => &self.authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// `HOST:PORT`, to be looked up.
    pub fn place(&self) -> String {
        match has_port(&self.authority) {
            true => self.authority.clone(),
            false => format!("{}:{}", self.authority, if self.is_encrypted { 443 } else { 80 }),
        }
    }

    /// The address of `path` on the same server, below the path of this address and with its query.
    pub fn below(&self, path: &str) -> Self {
        let (folder, query) = self.target.split_at(self.target.find('?').unwrap_or(self.target.len()));
        let target = format!("{}/{path}{query}", folder.trim_end_matches('/'));
        Self { target, ..self.clone() }
    }

    /// The head of a GET request in HTTP/1.0 with a `Host`, and with the `Authorization` field unless it is `None`.
    ///
    /// Every server answers HTTP/1.0 without chunks (RFC 9112, section 6.1) and closes the connection after it.
    pub fn request(&self, user_agent: &str, authorization: Option<&str>) -> Vec<u8> {
        let authorization = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let Self { target, authority, .. } = self;
        format!("GET {target} HTTP/1.0\r\nHost: {authority}\r\nUser-Agent: {user_agent}\r\n{authorization}\r\n").into()
    }
}

/// Whether an authority can be looked up: a host, its brackets closed, and a port that is a number.
fn is_host(authority: &str) -> bool {
    let (host, port) = match has_port(authority) {
        true => authority.rsplit_once(':').unwrap_or((authority, "")),
        false => (authority, "80"),
    };
    let is_closed = host.starts_with('[') == host.ends_with(']') && (host.starts_with('[') || !host.contains(':'));
    !host.is_empty() && is_closed && port.parse::<u16>().is_ok()
}

/// Whether an authority names a port; the colons inside `[::1]` are not one.
fn has_port(authority: &str) -> bool {
    let after_brackets = authority.rsplit(']').next().unwrap_or(authority);
    after_brackets.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_divided() {
        for (text, place, host, line) in [
            ("http://127.0.0.1:8080/stream", "127.0.0.1:8080", "127.0.0.1", "GET /stream HTTP/1.0"),
            ("http://h/?action=stream", "h:80", "h", "GET /?action=stream HTTP/1.0"),
            ("HTTP://h:81?action=stream", "h:81", "h", "GET /?action=stream HTTP/1.0"),
            ("http://[::1]#top", "[::1]:80", "::1", "GET / HTTP/1.0"),
            ("https://h/stream", "h:443", "h", "GET /stream HTTP/1.0"),
            ("https://ann:p%40w@[::1]:8443/", "[::1]:8443", "::1", "GET / HTTP/1.0"),
        ] {
            let url = ServerUrl::parse(text).unwrap();
            assert_eq!((url.place().as_str(), url.host()), (place, host), "{text}");
            let request = String::from_utf8(url.request("test", None)).unwrap();
            assert!(request.starts_with(line) && request.ends_with("\r\n\r\n"), "{request}");
            assert!(!request.contains("ann"), "{request}");
        }
        let url = ServerUrl::parse("http://ann:p%40w@h/").unwrap();
        assert_eq!(url.credentials, Credentials::from_pair("ann:p@w"));
    }

    #[test]
    fn path_is_appended_before_the_query() {
        for (text, line) in [
            ("http://h/?token=T", "GET /healthz?token=T "),
            ("http://h?token=T", "GET /healthz?token=T "),
            ("http://h", "GET /healthz "),
            ("http://h/cams/?a=b", "GET /cams/healthz?a=b "),
        ] {
            let request = ServerUrl::parse(text).unwrap().below("healthz").request("test", Some("Basic x"));
            let request = String::from_utf8(request).unwrap();
            assert!(request.starts_with(line) && request.contains("\r\nAuthorization: Basic x\r\n"), "{request}");
        }
    }

    #[test]
    fn address_that_cannot_be_asked_is_refused_without_repeating_it() {
        for text in [
            "ftp://s3cret/",
            "s3cret:80",
            "http://s3cret/a b",
            "http:///s3cret",
            "http://s3cret:99999/",
            "http://s3cret:/",
            "http://[s3cret/",
            "http://s3cret::1/",
            "http://:80/s3cret",
            "http://ann:%ffs3cret@h/",
            "http://ann:s3/cret@h/",
        ] {
            let why = ServerUrl::parse(text).expect_err(text);
            assert!(!why.contains("s3"), "{why}");
        }
    }
}

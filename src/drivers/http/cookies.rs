//! The cookies of a camera, stored while the driver runs (RFC 6265). Some cameras redirect for ever
//! unless the request has the cookie of the redirect.

use std::time::SystemTime;

use super::head::Head;
use crate::text::url::Url;

/// The maximum number of cookies. Above it, the oldest are deleted.
const COOKIES_MAX: usize = 32;

/// The maximum size of a cookie; longer ones are ignored (RFC 6265, section 6.1).
const COOKIE_BYTES_MAX: usize = 4096;

/// The cookies of one run. They are sent only to the host that has set them. `Domain` is ignored:
/// no camera has a session across hosts, and it would need a list of public suffixes to be safe.
#[derive(Default)]
pub(super) struct Cookies(Vec<Cookie>);

struct Cookie {
    host: String,
    path: String,
    /// Whether it is for encrypted connections only.
    secure: bool,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Cookies {
    /// Stores the cookies that the response from `url` sets, and removes those that it deletes.
    pub(super) fn store(&mut self, url: &Url, head: &Head) {
        for field in head
            .all("Set-Cookie")
            .filter(|field| field.len() <= COOKIE_BYTES_MAX)
        {
            let Some((cookie, expired)) = Cookie::parse(url, field) else {
                continue;
            };
            self.0.retain(|known| !known.is_same(&cookie));
            if !expired {
                self.0.push(cookie);
            }
        }
        let dropped = self.0.len().saturating_sub(COOKIES_MAX);
        self.0.drain(..dropped);
    }

    /// The value of the `Cookie` field of a request for `url`; empty without cookies.
    pub(super) fn field(&self, url: &Url) -> Vec<u8> {
        let mut sent: Vec<&Cookie> = self.0.iter().filter(|cookie| cookie.is_for(url)).collect();
        // Cookies with longer paths come first (RFC 6265, section 5.4).
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        sent.iter()
            .map(|cookie| [&*cookie.name, &*cookie.value].join(&b'='))
            .collect::<Vec<_>>()
            .join(&b"; "[..])
    }
}

impl Cookie {
    /// Parses `NAME=VALUE; ATTRIBUTE=VALUE; ...`. Also returns whether the cookie has expired.
    fn parse(url: &Url, field: &[u8]) -> Option<(Self, bool)> {
        let mut attributes = field.split(|&byte| byte == b';');
        let pair = attributes.next()?.trim_ascii();
        let (name, value) = pair.split_at_checked(memchr::memchr(b'=', pair)?)?;
        let directory = url
            .path()
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory);
        let mut cookie = Self {
            host: url.host().to_ascii_lowercase(),
            path: if directory.is_empty() { "/" } else { directory }.to_owned(),
            secure: false,
            name: name.trim_ascii().to_vec(),
            value: value.get(1..)?.trim_ascii().to_vec(),
        };
        let mut expired = false;
        for attribute in attributes {
            let attribute = String::from_utf8_lossy(attribute);
            let (name, value) = attribute.split_once('=').unwrap_or((&attribute, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => cookie.path = value.to_owned(),
                "secure" => cookie.secure = true,
                "max-age" => expired |= value.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
                "expires" => {
                    expired |= httpdate::parse_http_date(&value.replace('-', " "))
                        .is_ok_and(|time| time <= SystemTime::now());
                }
                _ => {}
            }
        }
        (!cookie.name.is_empty()).then_some((cookie, expired))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.host == other.host && self.path == other.path
    }

    fn is_for(&self, url: &Url) -> bool {
        let under_path = url
            .path()
            .strip_prefix(self.path.as_str())
            .is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
            });
        url.host().eq_ignore_ascii_case(&self.host)
            && under_path
            && (!self.secure || url.is_https())
    }
}

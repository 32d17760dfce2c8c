//! Pages from elsewhere: which of them may use what is served, and how a browser is told.
//!
//! By default none may. A picture can be shown by any page all the same, as on a dashboard beside
//! others, but no script can look into it; and nothing but pictures can be taken into another's
//! page at all.

use std::str::FromStr;

use crate::wire::http::{ALLOW, Method, Request, ResponseHead};

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_SECONDS: u32 = 600;

/// What a page may send that is not sent by itself.
const REQUEST_FIELDS: &str = "Authorization, If-None-Match";

/// What a page may read of an answer that it could not by itself.
const RESPONSE_FIELDS: &str = "ETag, Retry-After, X-Timestamp, X-Frame-Sequence, X-Frame-Age";

/// The origins that may use what is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// None but our own.
    #[default]
    None,
    /// Every one.
    Any,
    /// These: at least one, each with its scheme and in small letters.
    These(Vec<String>),
}

/// One `--allow-origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// Fields that an answer has besides its own.
#[derive(Debug, Default)]
pub struct Fields(Vec<(&'static str, String)>);

impl Origins {
    /// All that were given.
    pub fn of(given: Vec<Origin>) -> Self {
        match given.is_empty() {
            true => Origins::None,
            false if given.iter().any(|Origin(origin)| origin == "*") => Origins::Any,
            false => Origins::These(given.into_iter().map(|Origin(origin)| origin).collect()),
        }
    }

    /// What the answer to a request says to browsers; `is_picture` is whether that is a stream or a
    /// snapshot.
    pub fn fields(&self, request: &Request, is_picture: bool) -> Fields {
        let mut fields = Fields::default();
        match self.allowed(request) {
            _ if *self == Origins::None && is_picture => return fields,
            _ if *self == Origins::None => {
                fields.add("Cross-Origin-Resource-Policy", "same-origin");
                return fields;
            }
            Some(origin) => fields.add("Access-Control-Allow-Origin", origin),
            None => {}
        }
        if matches!(self, Origins::These(_)) {
            fields.add("Vary", "Origin");
        }
        fields.add("Access-Control-Expose-Headers", RESPONSE_FIELDS);
        fields.add("Cross-Origin-Resource-Policy", "cross-origin");
        if self.is_preflight(request) {
            fields.add("Access-Control-Allow-Methods", ALLOW);
            fields.add("Access-Control-Allow-Headers", REQUEST_FIELDS);
            fields.add("Access-Control-Max-Age", &PREFLIGHT_SECONDS.to_string());
            if request.field("Access-Control-Request-Private-Network") == Some("true") {
                fields.add("Access-Control-Allow-Private-Network", "true");
            }
        }
        fields
    }

    /// The header lines that every part of a stream has, each with its CRLF. WebKit takes a part's
    /// header for that of the whole answer, so what allows an origin must stand there too. But a
    /// part is encoded once and is the same for all its viewers: it can name everybody, or the one
    /// origin that there is. It must not name everybody where only some are meant, so of several
    /// none is named, and in Safari no script can look into their streams.
    pub fn part_fields(&self) -> String {
        let allowed = match self {
            Origins::None => return String::new(),
            Origins::Any => "Access-Control-Allow-Origin: *\r\n".to_owned(),
            Origins::These(origins) => match origins.as_slice() {
                [origin] => format!("Access-Control-Allow-Origin: {origin}\r\n"),
                _ => String::new(),
            },
        };
        allowed + "Cross-Origin-Resource-Policy: cross-origin\r\n"
    }

    /// The pages that may show ours in a frame, as a value of `frame-ancestors` (CSP, section 7.2).
    pub fn frame_ancestors(&self) -> String {
        match self {
            Origins::None => "'self'".to_owned(),
            Origins::Any => "*".to_owned(),
            Origins::These(origins) => format!("'self' {}", origins.join(" ")),
        }
    }

    /// Whether a browser asks, for a page that is allowed, what may be sent (Fetch, section 3.3.2).
    /// It never sends credentials with that.
    pub fn is_preflight(&self, request: &Request) -> bool {
        let asks = request.field("Access-Control-Request-Method").is_some();
        request.method == Method::Options
            && asks
            && request.field("Origin").is_some()
            && self.allowed(request).is_some()
    }

    /// The origin that is allowed to see the answer to a request, if any is.
    fn allowed(&self, request: &Request) -> Option<&str> {
        match self {
            Origins::None => None,
            Origins::Any => Some("*"),
            Origins::These(origins) => {
                let asks = request.field("Origin")?;
                origins
                    .iter()
                    .map(String::as_str)
                    .find(|origin| origin.eq_ignore_ascii_case(asks))
            }
        }
    }
}

impl Fields {
    fn add(&mut self, name: &'static str, value: &str) {
        self.0.push((name, value.to_owned()));
    }

    /// A head with these fields.
    pub fn put(&self, head: ResponseHead) -> ResponseHead {
        self.0
            .iter()
            .fold(head, |head, (name, value)| head.field(name, value))
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = text
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        let is_origin =
            host.is_some_and(|(_, host)| !host.is_empty() && host.bytes().all(is_plain));
        if is_origin || text == "*" {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(
                "an origin is a scheme, a host and perhaps a port, as in https://dash.example.org:8123, or *",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(given: &[&str]) -> Origins {
        Origins::of(given.iter().map(|origin| origin.parse().unwrap()).collect())
    }

    fn fields(origins: &Origins, line: &str, is_picture: bool) -> Vec<String> {
        let head = format!("{line}\r\nHost: cam\r\n\r\n");
        let (request, _) = Request::parse(head.as_bytes()).unwrap().unwrap();
        let fields = origins.fields(&request, is_picture).0;
        let short = |(name, value): (&str, String)| {
            let name = name
                .replace("Access-Control-", "")
                .replace("Cross-Origin-Resource-Policy", "CORP");
            (name != "Expose-Headers").then(|| format!("{name}={value}"))
        };
        fields.into_iter().filter_map(short).collect()
    }

    #[test]
    fn an_answer_names_the_origin_that_may_see_it() {
        let (none, any) = (origins(&[]), origins(&["http://a", "*"]));
        let two = origins(&["http://a", "https://B.example:8123"]);
        let get = |origin: &str| format!("GET / HTTP/1.1\r\nOrigin: {origin}");
        assert_eq!(fields(&none, &get("http://a"), true), [""; 0]);
        assert_eq!(fields(&none, &get("http://a"), false), ["CORP=same-origin"]);
        assert_eq!(
            fields(&any, "GET / HTTP/1.1", true),
            ["Allow-Origin=*", "CORP=cross-origin"]
        );
        let allowed = [
            "Allow-Origin=https://b.example:8123",
            "Vary=Origin",
            "CORP=cross-origin",
        ];
        assert_eq!(fields(&two, &get("https://b.example:8123"), true), allowed);
        for other in [
            "https://b.example",
            "http://b.example:8123",
            "null",
            "http://a.evil",
        ] {
            assert_eq!(
                fields(&two, &get(other), false),
                ["Vary=Origin", "CORP=cross-origin"],
                "{other}"
            );
        }
    }

    #[test]
    fn a_preflight_is_told_what_may_be_sent() {
        let one = origins(&["http://a"]);
        let ask = "OPTIONS / HTTP/1.1\r\nOrigin: http://a\r\nAccess-Control-Request-Method: GET";
        let told = [
            "Allow-Origin=http://a",
            "Vary=Origin",
            "CORP=cross-origin",
            "Allow-Methods=GET, HEAD, OPTIONS",
            "Allow-Headers=Authorization, If-None-Match",
            "Max-Age=600",
        ];
        assert_eq!(fields(&one, ask, false), told);
        let private = format!("{ask}\r\nAccess-Control-Request-Private-Network: true");
        assert_eq!(
            fields(&one, &private, false)[6..],
            ["Allow-Private-Network=true"]
        );
        assert_eq!(
            fields(&one, &ask.replace("http://a", "http://b"), false),
            ["Vary=Origin", "CORP=cross-origin"]
        );
    }

    #[test]
    fn parts_and_frames_name_only_what_holds_for_all() {
        let corp = "Cross-Origin-Resource-Policy: cross-origin\r\n";
        assert_eq!(origins(&[]).part_fields(), "");
        assert_eq!(
            origins(&["*"]).part_fields(),
            format!("Access-Control-Allow-Origin: *\r\n{corp}")
        );
        assert_eq!(
            origins(&["http://a"]).part_fields(),
            format!("Access-Control-Allow-Origin: http://a\r\n{corp}")
        );
        assert_eq!(origins(&["http://a", "http://b"]).part_fields(), corp);
        assert_eq!(
            origins(&["http://a", "http://b"]).frame_ancestors(),
            "'self' http://a http://b"
        );
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "a",
            "http://",
            "http://a/",
            "ftp://a",
            "http://a b",
            "null",
            "http://a;x",
            "http://u@a",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}

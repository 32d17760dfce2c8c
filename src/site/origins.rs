//! Cross-origin access (CORS): the header fields that state which other sites may use this server.
//!
//! By default, a page of another site may show a stream or snapshot, but its scripts cannot read
//! the pixels, and it can embed nothing else.

use std::str::FromStr;

use crate::wire::http::{ALLOW, Method, Request, ResponseHead};

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_SECONDS: u32 = 600;

/// Request fields that a page may set.
const REQUEST_FIELDS: &str = "Authorization, If-None-Match";

/// Response fields that a page may read, besides those that every page may.
const RESPONSE_FIELDS: &str = "ETag, Retry-After, X-Timestamp, X-Frame-Sequence, X-Frame-Age";

/// The origins of other sites that may use this server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// None.
    #[default]
    None,
    /// All.
    Any,
    /// These, at least one, each with its scheme and in lower case.
    These(Vec<String>),
}

/// One `--allow-origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// Additional header fields of a response.
#[derive(Debug, Default)]
pub struct Fields(Vec<(&'static str, String)>);

impl Origins {
    /// Collects the options.
    pub fn new(given: Vec<Origin>) -> Self {
        match given.is_empty() {
            true => Origins::None,
            false if given.iter().any(|Origin(origin)| origin == "*") => Origins::Any,
            false => Origins::These(given.into_iter().map(|Origin(origin)| origin).collect()),
        }
    }

    /// Returns the fields for the response to a request. `is_picture` states whether that is a
    /// stream or a snapshot.
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

    /// Returns the header lines for each part of a stream, each with its CRLF. WebKit takes the
    /// header of a part for that of the whole response, so the allowed origin must be repeated
    /// there. A part is encoded once for all viewers, so it can allow all origins or a single one.
    /// With several allowed origins it names none, and scripts in Safari cannot read these streams.
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

    /// Returns the sites that may show pages of this server in a frame, as a value of
    /// `frame-ancestors` (CSP, section 7.2).
    pub fn frame_ancestors(&self) -> String {
        match self {
            Origins::None => "'self'".to_owned(),
            Origins::Any => "*".to_owned(),
            Origins::These(origins) => format!("'self' {}", origins.join(" ")),
        }
    }

    /// Returns whether a request is a preflight of an allowed page (Fetch, section 3.3.2). A
    /// preflight never has credentials.
    pub fn is_preflight(&self, request: &Request) -> bool {
        let has_method = request.field("Access-Control-Request-Method").is_some();
        request.method == Method::Options
            && has_method
            && request.field("Origin").is_some()
            && self.allowed(request).is_some()
    }

    /// Returns the origin that may read the response to a request.
    fn allowed(&self, request: &Request) -> Option<&str> {
        match self {
            Origins::None => None,
            Origins::Any => Some("*"),
            Origins::These(origins) => {
                let requested = request.field("Origin")?;
                origins
                    .iter()
                    .map(String::as_str)
                    .find(|origin| origin.eq_ignore_ascii_case(requested))
            }
        }
    }
}

impl Fields {
    fn add(&mut self, name: &'static str, value: &str) {
        self.0.push((name, value.to_owned()));
    }

    /// Adds the fields to a head.
    pub fn add_to(&self, head: ResponseHead) -> ResponseHead {
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
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        let is_origin =
            host.is_some_and(|(_, host)| !host.is_empty() && host.bytes().all(is_valid));
        if is_origin || text == "*" {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(
                "expected scheme, host and optional port, such as https://dash.example.org:8123, or *",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(given: &[&str]) -> Origins {
        Origins::new(given.iter().map(|origin| origin.parse().unwrap()).collect())
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
    fn response_names_the_allowed_origin() {
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
    fn preflight_lists_allowed_methods_and_fields() {
        let one = origins(&["http://a"]);
        let preflight =
            "OPTIONS / HTTP/1.1\r\nOrigin: http://a\r\nAccess-Control-Request-Method: GET";
        let expected = [
            "Allow-Origin=http://a",
            "Vary=Origin",
            "CORP=cross-origin",
            "Allow-Methods=GET, HEAD, OPTIONS",
            "Allow-Headers=Authorization, If-None-Match",
            "Max-Age=600",
        ];
        assert_eq!(fields(&one, preflight, false), expected);
        let private = format!("{preflight}\r\nAccess-Control-Request-Private-Network: true");
        assert_eq!(
            fields(&one, &private, false)[6..],
            ["Allow-Private-Network=true"]
        );
        assert_eq!(
            fields(&one, &preflight.replace("http://a", "http://b"), false),
            ["Vary=Origin", "CORP=cross-origin"]
        );
    }

    #[test]
    fn parts_name_an_origin_only_if_it_is_the_single_one() {
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
    fn invalid_origin_is_rejected() {
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

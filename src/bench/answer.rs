//! Parses the response head: whether it is a stream, and its boundary.

use memchr::memmem::Finder;

/// The most header fields that a response head may have.
const HEAD_FIELDS_MAX: usize = 100;

/// The reason why a response is not a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No HTTP response head, or one that does not end.
    #[error("the response is not HTTP/1")]
    NotHttp,
    /// Another status than 200.
    #[error("the server responded with status {status}{remedy}", status = .0, remedy = remedy(*.0))]
    Status(u16),
    /// The content type is not multipart, or has no boundary.
    #[error("the response is {0:?}; expected a multipart stream")]
    NotMultipart(String),
    /// A transfer coding, which RFC 9112, section 6.1, forbids in a response to HTTP/1.0.
    #[error("the response is chunked although the request is HTTP/1.0")]
    Chunked,
}

/// Returns the remedy for a status, if there is one.
fn remedy(status: u16) -> &'static str {
    match status {
        401 => "; write http://USER:PASSWORD@HOST/PATH, or add a token as the parameter token",
        _ => "",
    }
}

/// Parses a response head. Returns a searcher for the delimiter of its parts.
pub(super) fn delimiter_of(head: &[u8]) -> Result<Finder<'static>, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; HEAD_FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        _ => return Err(Refusal::NotHttp),
    }
    let status = response.code.unwrap_or(0);
    if status != 200 {
        return Err(Refusal::Status(status));
    }
    let value = |name: &str| {
        let field = response
            .headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name));
        field.map(|field| String::from_utf8_lossy(field.value).into_owned())
    };
    if value("transfer-encoding").is_some() {
        return Err(Refusal::Chunked);
    }
    let content_type = value("content-type").unwrap_or_default();
    match boundary_of(&content_type) {
        Some(boundary) => Ok(Finder::new(&format!("\r\n--{boundary}")).into_owned()),
        None => Err(Refusal::NotMultipart(content_type)),
    }
}

/// The boundary that a multipart content type names, in quotes or without.
///
/// Leading dashes are taken off: many cameras declare `--name` and then send `--name`, not
/// `----name`.
fn boundary_of(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';').map(str::trim);
    let kind = parameters.next()?;
    if !kind.get(..10)?.eq_ignore_ascii_case("multipart/") {
        return None;
    }
    let boundary = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim())
    })?;
    let boundary = boundary.trim_matches('"').trim_start_matches('-');
    (!boundary.is_empty()).then_some(boundary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundary_is_found_in_any_spelling() {
        for content_type in [
            "multipart/x-mixed-replace; boundary=frame",
            "multipart/x-mixed-replace;boundary=\"frame\"",
            "Multipart/X-Mixed-Replace; charset=x; BOUNDARY=--frame ;",
        ] {
            assert_eq!(boundary_of(content_type), Some("frame"), "{content_type}");
        }
        for content_type in [
            "",
            "image/jpeg",
            "multipart/mixed",
            "multipart/mixed; boundary=--",
        ] {
            assert_eq!(boundary_of(content_type), None, "{content_type}");
        }
    }

    #[test]
    fn response_that_is_no_stream_is_rejected() {
        let refusal = |head: &str| delimiter_of(head.as_bytes()).unwrap_err();
        assert_eq!(refusal("HTTP/1.1 503 Busy\r\n\r\n"), Refusal::Status(503));
        assert_eq!(refusal("RTSP/1.0 200 OK\r\n\r\n"), Refusal::NotHttp);
        assert_eq!(
            refusal("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n"),
            Refusal::NotMultipart("text/html".to_owned()),
        );
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: multipart/x; boundary=a\r\n\r\n";
        assert_eq!(refusal(chunked), Refusal::Chunked);
    }
}

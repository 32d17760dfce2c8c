//! The oracle of request heads.

use framecast::wire::http::{
    EMPTY_LINES_BYTES_MAX, FIELDS_MAX, HEAD_BYTES_MAX, HeadSearch, REQUEST_LINE_BYTES_MAX,
};
use framecast::wire::http::{Method, Refusal, Request, Version};

use super::sample::Sample;
use super::work;

type Parsed = Result<Option<(Request, usize)>, Refusal>;

/// The maximum number of times that a byte is examined: for line ends, twice in the first line, and for
/// the method.
const LOOKS: usize = 3;

pub fn run(input: &[u8]) {
    let Some(sample) = Sample::read(input) else {
        return;
    };
    let mut rest = &*sample.stream;
    let result = check_splits(&sample);
    check(rest, &result);
    // The next request follows.
    let mut result = result;
    while let Ok(Some((_, length))) = result {
        rest = &rest[length..];
        result = Request::parse(rest);
        check(rest, &result);
    }
}

/// Checks that the result for each prefix is "not yet" or that of the whole input.
fn check_splits(sample: &Sample<'_>) -> Parsed {
    let stream = &*sample.stream;
    work::is_linear(0, 0, usize::MAX / 2);
    let whole = Request::parse(stream);
    work::is_linear(stream.len().min(HEAD_BYTES_MAX), 1, LOOKS);
    let mut search = HeadSearch::default();
    let mut decided = None;
    let lengths = prefixes(sample);
    for &length in &lengths {
        let result = match decided {
            None => Request::parse_incremental(&stream[..length], &mut search),
            Some(_) => Request::parse(&stream[..length]),
        };
        match &decided {
            None if result == Ok(None) => {}
            None => {
                work::is_linear(length.min(HEAD_BYTES_MAX), lengths.len(), LOOKS);
                decided = Some(result);
            }
            Some(decided) => assert_eq!(result, *decided, "cut at {length}"),
        }
    }
    assert_eq!(decided.unwrap_or(Ok(None)), whole);
    whole
}

/// Returns the prefixes to test: all of them or, of a long stream, those near limits and those that
/// the input chooses.
fn prefixes(sample: &Sample<'_>) -> Vec<usize> {
    let total = sample.stream.len();
    if total <= 160 {
        return (0..=total).collect();
    }
    let said = sample.pieces().into_iter().scan(0, |end, piece| {
        *end += piece.len();
        Some(*end)
    });
    let bounds = [20, REQUEST_LINE_BYTES_MAX, HEAD_BYTES_MAX, total];
    let near = bounds
        .into_iter()
        .flat_map(|bound| bound.saturating_sub(20)..=bound + 3);
    let mut lengths: Vec<usize> = said.chain(near).filter(|length| *length <= total).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// Checks the result for `received`.
fn check(received: &[u8], result: &Parsed) {
    match result {
        Ok(Some((request, length))) => {
            assert!(*length <= HEAD_BYTES_MAX && *length <= received.len());
            let head = &received[..*length];
            assert_eq!(
                Request::parse(&received[..length - 1]),
                Ok(None),
                "accepted before it is whole"
            );
            assert_eq!(
                Request::parse(&[head, b"\0"].concat()),
                *result,
                "what follows the head changes it"
            );
            let head = without_empty_lines(head);
            check_unambiguous(head, request);
            check_round_trip(head, request);
        }
        Ok(None) => assert!(
            received.len() < HEAD_BYTES_MAX,
            "a head without end is waited for"
        ),
        Err(refusal) => {
            let response = refusal.response();
            let status = format!("HTTP/1.1 {} ", refusal.status.code());
            assert!(
                response.starts_with(status.as_bytes())
                    && (400..600).contains(&refusal.status.code())
            );
        }
    }
}

/// Removes the empty lines before a request.
fn without_empty_lines(mut head: &[u8]) -> &[u8] {
    let length = head.len();
    while let Some(rest) = head.strip_prefix(b"\r\n") {
        head = rest;
    }
    assert!(length - head.len() <= EMPTY_LINES_BYTES_MAX);
    head
}

/// Checks that no proxy could read another request from the same bytes: all lines end in CR LF, all
/// fields are a name, a colon and a value, and host and body are unambiguous.
fn check_unambiguous(head: &[u8], request: &Request) {
    let text = head
        .strip_suffix(b"\r\n\r\n")
        .expect("a blank line ends the head");
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.next().unwrap_or_default();
    assert_eq!(
        line.iter().filter(|byte| **byte == b' ').count(),
        2,
        "{}",
        line.escape_ascii()
    );
    assert!(!line.contains(&b'\r') && line.len() <= REQUEST_LINE_BYTES_MAX);
    let is_path = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    let is_one_slash = request.path.starts_with('/') && !request.path.starts_with("//");
    assert!(is_one_slash || (request.path == "*" && request.method == Method::Options));
    assert!(
        request
            .path
            .bytes()
            .chain(request.query.bytes())
            .all(is_path)
    );

    let mut seen: Vec<String> = Vec::new();
    for line in lines {
        assert!(
            !line.contains(&b'\r') && !line.contains(&0),
            "{}",
            line.escape_ascii()
        );
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .expect("a field has a colon");
        let name = str::from_utf8(&line[..colon])
            .expect("a name is ASCII")
            .to_ascii_lowercase();
        assert!(
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()),
            "{name}"
        );
        if !seen.contains(&name) {
            let value = String::from_utf8_lossy(line[colon + 1..].trim_ascii()).into_owned();
            assert_eq!(request.field(&name), Some(value.as_str()), "{name}");
        }
        seen.push(name);
    }
    let count = |name: &str| seen.iter().filter(|seen| *seen == name).count();
    assert!(seen.len() <= FIELDS_MAX);
    assert!(count("host") == 1 || (count("host") == 0 && request.version == Version::Http10));
    assert_eq!((count("transfer-encoding"), count("expect")), (0, 0));
    assert!(count("content-length") <= 1);
    assert!(
        request
            .field("content-length")
            .is_none_or(|length| length.bytes().all(|digit| digit == b'0'))
    );
}

/// Checks that the request parses to the same one when it is written again.
fn check_round_trip(head: &[u8], request: &Request) {
    let method = match request.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Options => "OPTIONS",
    };
    let version = if request.version == Version::Http10 {
        "1.0"
    } else {
        "1.1"
    };
    let mark = if request.query.is_empty() { "" } else { "?" };
    let line = format!(
        "{method} {}{mark}{} HTTP/{version}",
        request.path, request.query
    );
    let fields = &head[head
        .iter()
        .position(|byte| *byte == b'\r')
        .unwrap_or_default()..];
    let again = [line.as_bytes(), fields].concat();
    // Without an absolute target, the Host field determines the host.
    let mut expected = request.clone();
    expected.host = request.field("Host").map(str::to_owned);
    assert_eq!(Request::parse(&again), Ok(Some((expected, again.len()))));
    // All its parameters can be decoded.
    let longest = ["camera", "fps", "after", ""]
        .into_iter()
        .filter_map(|name| request.parameter(name))
        .map(|v| v.len());
    assert!(
        longest
            .max()
            .is_none_or(|bytes| bytes <= 3 * request.query.len())
    );
}

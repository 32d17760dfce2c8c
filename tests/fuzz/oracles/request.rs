//! The head of a request.

use framecast::wire::http::{
    EMPTY_LINES_BYTES_MAX, FIELDS_MAX, HEAD_BYTES_MAX, HeadSearch, REQUEST_LINE_BYTES_MAX,
};
use framecast::wire::http::{Method, Refusal, Request, Version};

use super::sample::Sample;
use super::work;

type Verdict = Result<Option<(Request, usize)>, Refusal>;

/// Looks at a head's bytes: for its line ends, twice for that of its first line, and for what its
/// first word is.
const LOOKS: usize = 3;

pub fn run(input: &[u8]) {
    let Some(sample) = Sample::read(input) else {
        return;
    };
    let mut rest = &*sample.stream;
    let verdict = cutting_changes_nothing(&sample);
    hold(rest, &verdict);
    // What follows a request is the next one.
    let mut verdict = verdict;
    while let Ok(Some((_, length))) = verdict {
        rest = &rest[length..];
        verdict = Request::parse(rest);
        hold(rest, &verdict);
    }
}

/// There is one moment from which on the verdict is what it is for the whole.
fn cutting_changes_nothing(sample: &Sample<'_>) -> Verdict {
    let stream = &*sample.stream;
    work::is_linear(0, 0, usize::MAX / 2);
    let whole = Request::parse(stream);
    work::is_linear(stream.len().min(HEAD_BYTES_MAX), 1, LOOKS);
    let mut search = HeadSearch::default();
    let mut decided = None;
    let lengths = prefixes(sample);
    for &length in &lengths {
        let verdict = match decided {
            None => Request::parse_incremental(&stream[..length], &mut search),
            Some(_) => Request::parse(&stream[..length]),
        };
        match &decided {
            None if verdict == Ok(None) => {}
            None => {
                work::is_linear(length.min(HEAD_BYTES_MAX), lengths.len(), LOOKS);
                decided = Some(verdict);
            }
            Some(decided) => assert_eq!(verdict, *decided, "cut at {length}"),
        }
    }
    assert_eq!(decided.unwrap_or(Ok(None)), whole);
    whole
}

/// Where the stream is cut: everywhere, or where it matters and where the input says if it is long.
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

/// What must be true of a verdict on `received`.
fn hold(received: &[u8], verdict: &Verdict) {
    match verdict {
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
                *verdict,
                "what follows the head changes it"
            );
            let head = without_empty_lines(head);
            is_unmistakable(head, request);
            is_read_again(head, request);
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

/// What is left behind the empty lines that may precede a request.
fn without_empty_lines(mut head: &[u8]) -> &[u8] {
    let length = head.len();
    while let Some(rest) = head.strip_prefix(b"\r\n") {
        head = rest;
    }
    assert!(length - head.len() <= EMPTY_LINES_BYTES_MAX);
    head
}

/// No proxy could have read another request out of the same bytes: every line ends in CR LF, every
/// field is a name, a colon and a value, and neither host nor body are in doubt.
fn is_unmistakable(head: &[u8], request: &Request) {
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

/// A request that is said again, in its plainest form, is the same request.
fn is_read_again(head: &[u8], request: &Request) {
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
    // Said so, it is the Host field that names the host.
    let mut expected = request.clone();
    expected.host = request.field("Host").map(str::to_owned);
    assert_eq!(Request::parse(&again), Ok(Some((expected, again.len()))));
    // Its parameters can be read, whatever they are.
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

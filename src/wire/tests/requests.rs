//! The table of requests that are refused, row by row, and of some that are not.
#![allow(dead_code, reason = "each test program uses its own part of this")]

use framecast::wire::http::{FIELDS_MAX, HEAD_BYTES_MAX, METHOD_BYTES_MAX, REQUEST_LINE_BYTES_MAX};

const TOKEN_MARKS: &[u8] = b"!#$%&'*+-.^_`|~";

/// What must be refused, and how.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The status.
    pub code: u16,
    /// What is sent.
    pub input: Vec<u8>,
    /// After how many bytes there must be a verdict, where that is not the end of the head.
    pub decided_at: Option<usize>,
}

/// All of the table.
pub fn all_refused() -> Vec<Refused> {
    let rows = [
        no_requests,
        lone_line_breaks,
        versions,
        methods,
        lines,
        targets,
        hosts,
        fields,
        bodies,
        too_large,
    ];
    rows.iter().flat_map(|rows| rows()).collect()
}

/// Requests that are understood, with their status.
pub fn answered() -> Vec<(u16, Vec<u8>)> {
    let found = "/ /?x /healthz //healthz /state http://cam/healthz HTTP://CAM/healthz"
        .split(' ')
        .map(|target| (200, target));
    let unknown = "/nothing /.. /healthz/ /%68ealthz /healthz%2f /a/../healthz".split(' ');
    let targets = found.chain(unknown.map(|target| (404, target)));
    let closing =
        |line: &str| format!("{line}\r\nHost: cam\r\nConnection: close\r\n\r\n").into_bytes();
    let mut rows: Vec<_> = targets
        .map(|(code, target)| (code, closing(&format!("GET {target} HTTP/1.1"))))
        .collect();
    rows.extend((1..=9).map(|minor| (200, closing(&format!("GET /healthz HTTP/1.{minor}")))));
    rows.push((200, b"GET /healthz HTTP/1.0\r\n\r\n".to_vec()));
    rows.push((200, closing("HEAD /healthz HTTP/1.1\r\nContent-Length: 0")));
    rows.push((204, closing("OPTIONS * HTTP/1.1")));
    rows
}

/// A head with this request line.
pub fn line(line: &str) -> String {
    format!("{line}\r\nHost: cam\r\n\r\n")
}

/// A head that asks for this target.
pub fn get(target: &str) -> String {
    line(&format!("GET {target} HTTP/1.1"))
}

/// A head with these field lines beside `Host`.
pub fn with(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: cam\r\n{fields}\r\n")
}

fn refused(code: u16, input: impl AsRef<[u8]>) -> Refused {
    Refused {
        code,
        input: input.as_ref().to_vec(),
        decided_at: None,
    }
}

fn refused_at(code: u16, input: impl AsRef<[u8]>, length: usize) -> Refused {
    Refused {
        decided_at: Some(length),
        ..refused(code, input)
    }
}

/// What is no request from its first wrong byte on.
pub fn no_requests() -> Vec<Refused> {
    let rows: [(&[u8], usize); 11] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1),
        (b"\x80\x2e\x01\x00\x02", 1),
        (b" GET / HTTP/1.1\r\nHost: cam\r\n\r\n", 1),
        (b"\r\n\nGET / HTTP/1.1\r\nHost: cam\r\n\r\n", 3),
        (b"\rGET / HTTP/1.1\r\nHost: cam\r\n\r\n", 2),
        (
            b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: cam\r\n\r\n",
            17,
        ),
        (b"\nGET / HTTP/1.1\r\nHost: cam\r\n\r\n", 1),
        (b"{\"method\":\"get\"}", 1),
        (b"\xef\xbb\xbfGET / HTTP/1.1\r\n", 1),
        (b"SSH-2.0-OpenSSH_9.6\r\n", 20),
        (b"G\0ET / HTTP/1.1\r\n", 2),
    ];
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || TOKEN_MARKS.contains(byte);
    let strangers = (0..=u8::MAX).filter(|first| !is_token(first));
    let rows = rows
        .into_iter()
        .map(|(input, length)| refused_at(400, input, length));
    // After a CR, an LF may come.
    let length = |first| 1 + usize::from(first == b'\r');
    rows.chain(strangers.map(|first| refused_at(400, [first, b'E', b'T', b' '], length(first))))
        .collect()
}

/// A CR or an LF alone, wrong where it stands.
pub fn lone_line_breaks() -> Vec<Refused> {
    let rows = [
        ("GET / HTTP/1.1\nHost: cam\n\n", 15),
        ("GET / HTTP/1.1\rHost: cam\r\r", 16),
        ("GET / HTTP/1.1\r\r\nHost: cam\r\n\r\n", 16),
        ("GET / HTTP/1.1\r\nHost: cam\n\r\n", 26),
        ("GET / HTTP/1.1\r\nHost: cam\r\n\n", 28),
        ("GET / HTTP/1.1\r\nHost: cam\r\n\rX", 29),
        ("GET / HTTP/1.1\r\nHost: ca\rm\r\n\r\n", 26),
        ("GET /a\nb HTTP/1.1\r\nHost: cam\r\n\r\n", 7),
    ];
    rows.into_iter()
        .map(|(input, length)| refused_at(400, input, length))
        .collect()
}

/// Versions that are not spoken, and what is none.
pub fn versions() -> Vec<Refused> {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut rows = vec![
        refused_at(505, preface, "PRI * HTTP/2.0\r\n\r\n".len()),
        refused(400, "GET /\r\n\r\n"),
    ];
    for version in ["HTTP/2.0", "HTTP/2.1", "HTTP/3.0", "HTTP/9.9", "HTTP/0.9"] {
        rows.extend(
            ["GET", "POST"].map(|method| refused(505, line(&format!("{method} / {version}")))),
        );
    }
    let malformed = "http/1.1 Http/1.1 HTTP/01.1 HTTP/1.10 HTTP/1.01 HTTP/1 HTTP/1. HTTP/.1 HTTP/1,1 \
        HTTP/2 HTTP/10.0 HTTP/-1.1 HTTP/1.x HTTPS/1.1 1.1 HTTP/1.1; ICAP/1.0";
    rows.extend(
        malformed
            .split(' ')
            .map(|version| refused(400, line(&format!("GET / {version}")))),
    );
    rows
}

/// Methods that are not answered, and words that are none.
pub fn methods() -> Vec<Refused> {
    let longest = "M".repeat(METHOD_BYTES_MAX);
    let known = "POST PUT DELETE PATCH TRACE CONNECT"
        .split(' ')
        .map(|word| (405, word));
    let unknown = "get Get PROPFIND BREW PRI GETX M-SEARCH !#$%&'*+-.^_`|~09aZ".split(' ');
    let unknown = unknown.chain([longest.as_str()]).map(|word| (501, word));
    let mut rows = Vec::new();
    for (code, method) in known.chain(unknown) {
        rows.push(refused(code, line(&format!("{method} / HTTP/1.1"))));
        // The method is judged before Host, body and expectation.
        let body = "Transfer-Encoding: chunked\r\nExpect: 100-continue";
        rows.push(refused(
            code,
            format!("{method} / HTTP/1.1\r\n{body}\r\n\r\n"),
        ));
    }
    rows.push(refused(405, line("CONNECT cam:443 HTTP/1.1")));
    let malformed = ["GE\tT", "GE(T", "G\u{e9}T", "GET/", "G:T"];
    rows.extend(malformed.map(|method| refused(400, line(&format!("{method} / HTTP/1.1")))));
    rows.push(refused_at(
        400,
        line(&format!("{longest}M / HTTP/1.1")),
        METHOD_BYTES_MAX + 1,
    ));
    rows
}

/// Request lines out of shape.
pub fn lines() -> Vec<Refused> {
    let lines = "GET  / HTTP/1.1|GET /  HTTP/1.1|GET / HTTP/1.1 |GET\t/ HTTP/1.1|GET /\tHTTP/1.1|GET\
        |GET /\t HTTP/1.1|GET HTTP/1.1|GET / a HTTP/1.1|GET |GET / HTTP/1.1\0|GET /\u{b} HTTP/1.1\
        |GET / HTTP 1.1|GET /|GET / ";
    lines
        .split('|')
        .map(|shape| refused(400, line(shape)))
        .collect()
}

/// Targets that are none.
pub fn targets() -> Vec<Refused> {
    let mut rows = Vec::new();
    for byte in (0..=0x20).chain([b'#', 0x7f]).chain(0x80..=0xff) {
        for target in [&[b'/', byte][..], &[b'/', b'?', byte]] {
            rows.push(refused(
                400,
                [b"GET ", target, b" HTTP/1.1\r\nHost: cam\r\n\r\n"].concat(),
            ));
        }
    }
    let targets = "/% /%2 /%zz /%4g /%%41 /%00 /a%00b /?a=%00 /?a=100% /?%u0041 * ** /# /a#b a ?a . \\ \
        cam:80 cam http:/cam/ http//cam/ ftp://cam/ ://cam/ http:// http:///x http://a@cam/ http://[cam]/ \
        http://user@cam/ http:/// http://cam\\/ http://cam/%00 http://cam/# /\u{e4}";
    rows.extend(targets.split(' ').map(|target| refused(400, get(target))));
    rows.push(refused(400, line("OPTIONS *? HTTP/1.1")));
    rows
}

/// Hosts that are missing, double or invalid.
pub fn hosts() -> Vec<Refused> {
    let missing = [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.9\r\nHosts: cam\r\n\r\n",
    ];
    let mut rows = missing.map(|input| refused(400, input)).to_vec();
    let hosts = "| |:80|cam:x|cam:65536|cam:+80|cam:80:80|a b|a/b|a@b|a?b|a#b|a\\b|a\"b|a<b|a\tb|cam, cam\
        |caf\u{e9}|a%|a%4|a%00|::1|[::1|[]|[::1]x|[::1]80|[cam]|[1.2.3.4]\
        |[fe80::1%]|[fe80::1%25]x|[fe80::1%a/b]|[1.2.3.4%25eth0]|http://cam\
        |]|cam]|cam\r\nHost: cam|cam\r\nA: b\r\nhost: other|cam\r\nHOST:";
    for host in hosts.split('|') {
        let head = |version| format!("GET / HTTP/{version}\r\nHost: {host}\r\n\r\n");
        rows.extend(["1.0", "1.1"].map(|version| refused(400, head(version))));
    }
    rows
}

/// Fields out of shape.
pub fn fields() -> Vec<Refused> {
    let fields = "A : b|A\t: b| A: b|\tA: b|: b|:|A|A b|A b: c|A(: b|A\u{e9}: b|A\0: b|A: b\0c|A: \u{1}\
        |A: \u{7f}|A: \u{1b}[2J|A: \u{b}b|A: b\r\n c|A: b\r\n\tc|A:\r\n b|\"A\": b|A;: b";
    let mut rows = Vec::new();
    for field in fields.split('|') {
        rows.push(refused(400, with(&format!("{field}\r\n"))));
        rows.push(refused(
            400,
            format!("GET / HTTP/1.1\r\n{field}\r\nHost: cam\r\n\r\n"),
        ));
    }
    rows
}

/// Requests with bodies and expectations, which are rejected.
pub fn bodies() -> Vec<Refused> {
    let malformed = "Content-Length:|Content-Length: -1|Content-Length: +0|Content-Length: 0x0|Content-Length: 0 0\
        |Content-Length: 0, 0|Content-Length: 1.0|Content-Length: \u{660}|Content-Length: 0\r\nContent-Length: 0\
        |Content-Length: 5\r\nA: b\r\ncontent-length: 6|Transfer-Encoding: chunked\r\nContent-Length: 0\
        |Content-Length: x\r\nTransfer-Encoding: identity|Transfer-Encoding: \u{b}chunked|Transfer-Encoding : chunked";
    let too_large = "Content-Length: 1|content-length: 000012|Content-Length: 99999999999999999999999999999999\
        |Transfer-Encoding: chunked|transfer-encoding:\t CHUNKED |Expect: 100-continue\r\nContent-Length: 5";
    let unknown = "Transfer-Encoding:|Transfer-Encoding: identity|Transfer-Encoding: gzip, chunked\
        |Transfer-Encoding: chunked, chunked|Transfer-Encoding: xchunked|Transfer-Encoding: \"chunked\"\
        |Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked";
    let expecting =
        "Expect: 100-continue|expect: anything|Expect:|Content-Length: 0\r\nExpect: 100-continue";
    let mut refusals = Vec::new();
    for (code, rows) in [
        (400, malformed),
        (413, too_large),
        (501, unknown),
        (417, expecting),
    ] {
        refusals.extend(
            rows.split('|')
                .map(|fields| refused(code, with(&format!("{fields}\r\n")))),
        );
    }
    let codings = ["chunked", "gzip"]
        .map(|coding| format!("GET / HTTP/1.0\r\nTransfer-Encoding: {coding}\r\n\r\n"));
    refusals.extend(codings.map(|input| refused(400, input)));
    refusals
}

/// Lines, heads and rows of fields that are too long.
pub fn too_large() -> Vec<Refused> {
    let line_room = REQUEST_LINE_BYTES_MAX - "GET / HTTP/1.1".len();
    let head_room = HEAD_BYTES_MAX - with("A: \r\n").len();
    vec![
        refused_at(
            414,
            get(&format!("/{}", "a".repeat(line_room + 1))),
            REQUEST_LINE_BYTES_MAX + 1,
        ),
        refused_at(
            414,
            format!("GET /{}", "a".repeat(line_room + 100)),
            REQUEST_LINE_BYTES_MAX + 1,
        ),
        refused_at(
            431,
            with(&format!("A: {}\r\n", "a".repeat(head_room + 1))),
            HEAD_BYTES_MAX,
        ),
        refused_at(
            431,
            format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(head_room + 100)),
            HEAD_BYTES_MAX,
        ),
        refused(431, with(&"A:\r\n".repeat(FIELDS_MAX))),
    ]
}

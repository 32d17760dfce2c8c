//! Every row of the table of requests accepted and refused, whole and cut at every byte.

use crate::wire::http::{
    EMPTY_LINES_BYTES_MAX, FIELDS_MAX, HEAD_BYTES_MAX, HeadSearch, METHOD_BYTES_MAX,
    REQUEST_LINE_BYTES_MAX,
};
use crate::wire::http::{Method, Refusal, Request, Version};

use super::requests::{self, Refused, get, line, with};

const METHODS: [(&str, Method); 3] = [
    ("GET", Method::Get),
    ("HEAD", Method::Head),
    ("OPTIONS", Method::Options),
];

type Verdict = Result<Option<(Request, usize)>, Refusal>;

/// Parses `input` whole, every prefix of it, and it with more behind: once there is a verdict, it
/// must never change. Returns it and the length of the shortest prefix that had it.
fn verdict_of(input: &[u8]) -> (Verdict, usize) {
    let whole = Request::parse(input);
    let mut search = HeadSearch::default();
    let is_decided = |length: &usize| {
        let verdict = Request::parse_incremental(&input[..*length], &mut search);
        assert_eq!(
            verdict,
            Request::parse(&input[..*length]),
            "searched on at {length}: {}",
            shown(input)
        );
        verdict != Ok(None)
    };
    let decided_at = (0..=input.len()).find(is_decided);
    let decided_at = decided_at.unwrap_or_else(|| panic!("never decided: {}", shown(input)));
    for length in decided_at..input.len() {
        let verdict = Request::parse(&input[..length]);
        assert_eq!(verdict, whole, "cut at {length}: {}", shown(input));
    }
    for behind in [&with("") as &str, "\r\n", "\n", " folded\r\n\r\n", "\0"] {
        let verdict = Request::parse(&[input, behind.as_bytes()].concat());
        assert_eq!(verdict, whole, "{behind:?} behind {}", shown(input));
    }
    (whole, decided_at)
}

#[track_caller]
fn accepted(input: impl AsRef<[u8]>) -> Request {
    let input = input.as_ref();
    match verdict_of(input) {
        (Ok(Some((request, length))), decided_at) => {
            assert_eq!([length, decided_at], [input.len(); 2], "{}", shown(input));
            request
        }
        (other, _) => panic!("{other:?} for {}", shown(input)),
    }
}

/// Checks that `input` is refused with `code`, and returns after how many bytes it first was.
#[track_caller]
fn refused(code: u16, input: impl AsRef<[u8]>) -> usize {
    let input = input.as_ref();
    match verdict_of(input) {
        (Err(refusal), decided_at) => {
            assert_eq!(refusal.status.code(), code, "{refusal} {}", shown(input));
            decided_at
        }
        (other, _) => panic!("{other:?} for {}", shown(input)),
    }
}

/// Checks that each is refused as it must be, and those that are wrong from a certain byte on by
/// then.
#[track_caller]
fn all_refused(rows: impl IntoIterator<Item = Refused>) {
    for Refused {
        code,
        input,
        decided_at,
    } in rows
    {
        let length = refused(code, &input);
        assert_eq!(decided_at.unwrap_or(length), length, "{}", shown(&input));
    }
}

/// The beginning of an input, for a message that fits a screen.
fn shown(input: &[u8]) -> String {
    input[..input.len().min(200)].escape_ascii().to_string()
}

// ---- Accepted
// -------------------------------------------------------------------------------------------------------

#[test]
fn minimal_request_is_parsed() {
    let line = "GET /snapshot?camera=door&max_age=50 HTTP/1.1";
    let request = accepted(format!("{line}\r\nHost: cam:8080\r\nX-Empty:\r\n\r\n"));
    assert_eq!(request.method, Method::Get);
    assert_eq!(request.version, Version::Http11);
    assert!(request.keep_alive);
    assert_eq!(request.path, "/snapshot");
    assert_eq!(request.query, "camera=door&max_age=50");
    assert_eq!(request.field("HOST"), Some("cam:8080"));
    assert_eq!(request.field("x-empty"), Some(""));
    assert_eq!(request.field("x-other"), None);
}

#[test]
fn real_clients_are_accepted() {
    // The head of each as it goes over the wire, its lines parted by `|`.
    let heads = [
        // Chromium, for the page and for an <img>.
        "GET / HTTP/1.1|Host: 192.168.1.20:8080|Connection: keep-alive|Cache-Control: max-age=0|\
         sec-ch-ua: \"Chromium\";v=\"126\", \"Not/A)Brand\";v=\"8\"|sec-ch-ua-mobile: ?0|\
         sec-ch-ua-platform: \"Linux\"|Upgrade-Insecure-Requests: 1|User-Agent: Mozilla/5.0 (X11; Linux x86_64) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36|Accept: text/html,\
         application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8|Sec-Fetch-Site: none|\
         Sec-Fetch-Mode: navigate|Sec-Fetch-User: ?1|Sec-Fetch-Dest: document|Accept-Encoding: gzip, deflate, br, \
         zstd|Accept-Language: de-DE,de;q=0.9,en;q=0.8|Cookie: theme=dark; id=\"a=b\"",
        "GET /?action=stream&1718113423123 HTTP/1.1|Host: cam.local|Connection: keep-alive|User-Agent: Mozilla/5.0 \
         (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36|Accept: \
         image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8|Referer: http://cam.local/|\
         Accept-Encoding: gzip, deflate",
        // Firefox.
        "GET /video_feed HTTP/1.1|Host: [fe80::1]:8080|User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64; \
         rv:127.0) Gecko/20100101 Firefox/127.0|Accept: image/avif,image/webp,*/*|Accept-Language: en-US,en;q=0.5|\
         Accept-Encoding: gzip, deflate|Connection: keep-alive|DNT: 1|Priority: u=4, i",
        // Safari.
        "GET /video_feed HTTP/1.1|Host: raspberrypi.local:8080|Accept: image/webp,image/avif,video/*;q=0.8,\
         image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5|Accept-Encoding: gzip, deflate|Accept-Language: en-GB|\
         User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         Version/17.5 Safari/605.1.15|Connection: keep-alive",
        // curl, alone, asking for HTTP/2 without TLS, and through a proxy.
        "GET /snapshot HTTP/1.1|Host: localhost:8080|User-Agent: curl/8.5.0|Accept: */*",
        "GET /snapshot HTTP/1.1|Host: localhost|User-Agent: curl/8.5.0|Accept: */*|Connection: Upgrade, \
         HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        "GET http://cam:8080/snapshot HTTP/1.1|Host: cam:8080|User-Agent: curl/8.5.0|Accept: */*|\
         Proxy-Connection: Keep-Alive",
        // ffmpeg, and OpenCV that stands on it.
        "GET /video_feed HTTP/1.1|User-Agent: Lavf/60.16.100|Accept: */*|Range: bytes=0-|Connection: close|Host: \
         127.0.0.1:8080|Icy-MetaData: 1",
        "GET /?action=stream?dummy=param.mjpg HTTP/1.1|User-Agent: Lavf/58.76.100|Accept: */*|Range: bytes=0-|\
         Connection: close|Host: 10.0.0.7:8080|Icy-MetaData: 1",
        // VLC.
        "GET /stream HTTP/1.1|Host: cam:8080|Accept: */*|Accept-Language: en_US|User-Agent: VLC/3.0.20 \
         LibVLC/3.0.20|Range: bytes=0-",
        // Home Assistant: aiohttp for the stream, httpx for the still.
        "GET /stream HTTP/1.1|Host: cam:8080|Accept: */*|Accept-Encoding: gzip, deflate, br|User-Agent: \
         HomeAssistant/2024.6.1 aiohttp/3.9.5 Python/3.12|Authorization: Basic dXNlcjpwYXNz",
        "GET /snapshot.jpg HTTP/1.1|Host: cam:8080|Accept: */*|Accept-Encoding: gzip, deflate, br|Connection: \
         keep-alive|User-Agent: HomeAssistant/2024.6.1 httpx/0.27.0 Python/3.12",
        // go2rtc, wget, ApacheBench, Prometheus.
        "GET /stream HTTP/1.1|Host: cam:8080|User-Agent: Go-http-client/1.1|Accept-Encoding: gzip",
        "GET /snapshot HTTP/1.1|Host: cam:8080|User-Agent: Wget/1.21.4|Accept: */*|Accept-Encoding: identity|\
         Connection: Keep-Alive",
        "GET /snapshot HTTP/1.0|Connection: Keep-Alive|Host: cam:8080|User-Agent: ApacheBench/2.3|Accept: */*",
        "GET /metrics HTTP/1.1|Host: cam:8080|User-Agent: Prometheus/2.52.0|Accept: text/plain;version=0.0.4;q=0.5,\
         */*;q=0.1|Accept-Encoding: gzip|X-Prometheus-Scrape-Timeout-Seconds: 10",
    ];
    for head in heads {
        let request = accepted(format!("{}\r\n\r\n", head.replace('|', "\r\n")));
        assert!(request.path.starts_with('/'), "{head}");
        assert!(request.field("host").is_some(), "{head}");
        let closes = request.field("connection") == Some("close");
        assert_eq!(request.keep_alive, !closes, "{head}");
    }
}

#[test]
fn methods_and_versions_are_read() {
    for (word, method) in METHODS {
        assert_eq!(accepted(line(&format!("{word} / HTTP/1.1"))).method, method);
    }
    assert_eq!(accepted(line("OPTIONS * HTTP/1.1")).path, "*");
    assert_eq!(accepted("GET / HTTP/1.0\r\n\r\n").version, Version::Http10);
    for minor in 1..=9 {
        let request = accepted(line(&format!("GET / HTTP/1.{minor}")));
        assert_eq!(request.version, Version::Http11);
    }
}

#[test]
fn connection_options_are_read() {
    for (version, default) in [("1.0", false), ("1.1", true), ("1.5", true)] {
        let rows = [
            ("", default),
            ("Connection: keep-alive\r\n", true),
            ("connection: Upgrade ,\tKEEP-ALIVE\r\n", true),
            ("Connection: close\r\n", false),
            ("Connection: keep-alive, CLOSE\r\n", false),
            ("Connection: keep-alive\r\nConnection: close\r\n", false),
            ("Connection: closed, not-keep-alive\r\n", default),
            ("Proxy-Connection: close\r\n", default),
            ("Proxy-Connection: keep-alive\r\n", default),
        ];
        for (fields, keeps) in rows {
            let request = accepted(format!("GET / HTTP/{version}\r\nHost: cam\r\n{fields}\r\n"));
            assert_eq!(request.keep_alive, keeps, "{version} {fields}");
        }
    }
}

#[test]
fn targets_are_left_as_sent() {
    let targets = [
        ("/", "/", ""),
        ("/?", "/", ""),
        ("//evil/../x", "/evil/../x", ""),
        ("/a%2Fb%2f..", "/a%2Fb%2f..", ""),
        ("/a?b=%41?c", "/a", "b=%41?c"),
        ("/|{}\"<>\\^`[]?|\\", "/|{}\"<>\\^`[]", "|\\"),
        ("/http://cam/", "/http://cam/", ""),
        ("http://cam/a?b", "/a", "b"),
        ("http://cam", "/", ""),
        ("http://cam/", "/", ""),
        ("http://cam?a/b", "/", "a/b"),
        ("HTTPS://CAM//x", "/x", ""),
        ("http://other:80/x", "/x", ""),
        ("//?action=stream", "/", "action=stream"),
        ("///stream//x", "/stream//x", ""),
    ];
    for (target, path, query) in targets {
        let request = accepted(get(target));
        assert_eq!([request.path, request.query], [path, query], "{target}");
    }
}

#[test]
fn parameters_are_read_leniently() {
    let rows = [
        ("/?action=stream", ["action", "stream"]),
        ("/?action=stream?dummy=a.mjpg", ["action", "stream"]),
        ("/?action=stream?dummy=a.mjpg", ["dummy", "a.mjpg"]),
        ("/??action=stream", ["action", "stream"]),
        ("/?1718113423&action=stream", ["action", "stream"]),
        ("/?action=stream&1718113423", ["1718113423", ""]),
        ("/?&&a=1&&b=2&", ["b", "2"]),
        ("/?camera&camera=door", ["camera", ""]),
        ("/?camera=door&camera=gate", ["camera", "door"]),
        ("/?camera=a+b%20%C3%A4%26", ["camera", "a b \u{e4}&"]),
        ("/?camera=%FF", ["camera", "\u{fffd}"]),
        ("/?c%61mera=a=b", ["camera", "a=b"]),
    ];
    for (target, [name, value]) in rows {
        let request = accepted(get(target));
        assert_eq!(request.parameter(name).as_deref(), Some(value), "{target}");
    }
    for target in ["/", "/?", "/camera=door", "/?Camera=door", "/?xcamera=door"] {
        assert_eq!(accepted(get(target)).parameter("camera"), None, "{target}");
    }
}

#[test]
fn field_values_are_text_whatever_they_hold() {
    let fields = b"A: \t b\tc \t\r\na: second\r\nL: caf\xe9\r\nU: \xc3\xa9\r\n\r\n";
    let request = accepted([b"GET / HTTP/1.1\r\nHost: cam\r\n", fields.as_slice()].concat());
    assert_eq!(request.field("a"), Some("b\tc"));
    assert_eq!(request.field("l"), Some("caf\u{fffd}"));
    assert_eq!(request.field("u"), Some("\u{e9}"));
}

#[test]
fn valid_hosts_are_accepted() {
    let hosts = "cam CAM.local cam. my_cam 10.0.0.7 10.0.0.7:8080 cam:0 cam:65535 cam: cam:080 [::1] \
        [::1]:8080 [fe80::1:2]: [fe80::1%25eth0]:8080 [fe80::1%eth0] \
        [::ffff:10.0.0.7]:80 xn--kmera-ira.example a%41b a~b!$&'()*+,;=";
    for host in hosts.split(' ') {
        for version in ["1.0", "1.1"] {
            let request = accepted(format!("GET / HTTP/{version}\r\nhOST:{host}\r\n\r\n"));
            assert_eq!(request.field("Host"), Some(host));
        }
    }
}

#[test]
fn absolute_target_names_the_host() {
    let named = [
        "http://cam:80",
        "http://CAM",
        "http://other:8080",
        "http://[fe80::1%25eth0]:8080",
    ];
    for target in named {
        let authority = target.strip_prefix("http://");
        let request = accepted(format!("GET {target}/x HTTP/1.1\r\nHost: cam\r\n\r\n"));
        assert_eq!(
            (request.host.as_deref(), request.path.as_str()),
            (authority, "/x")
        );
        let request = accepted(format!("GET {target}/x HTTP/1.0\r\n\r\n"));
        assert_eq!(request.host.as_deref(), authority);
    }
    assert_eq!(accepted(with("")).host.as_deref(), Some("cam"));
    assert_eq!(accepted("GET / HTTP/1.0\r\n\r\n").host, None);
}

#[test]
fn empty_lines_before_a_request_are_ignored() {
    for count in 1..=EMPTY_LINES_BYTES_MAX / 2 {
        let request = "\r\n".repeat(count) + &with("A: b\r\n");
        assert_eq!(
            Request::parse(request.as_bytes()).unwrap().unwrap().1,
            request.len()
        );
        assert_eq!(accepted(request).field("A"), Some("b"));
    }
    let longest = get(&format!(
        "/{}",
        "a".repeat(REQUEST_LINE_BYTES_MAX - "GET / HTTP/1.1".len())
    ));
    accepted(format!("\r\n\r\n{longest}"));
}

#[test]
fn content_length_zero_is_accepted() {
    for length in ["0", "00", "\t0 "] {
        accepted(with(&format!("Content-Length:{length}\r\n")));
    }
}

#[test]
fn bytes_after_head_are_left_in_buffer() {
    let first = with("");
    let two = first.clone() + "HEAD /b HTTP/1.0\r\n\r\n";
    let (_, length) = Request::parse(two.as_bytes()).unwrap().unwrap();
    assert_eq!(length, first.len());
    let second = accepted(&two[length..]);
    assert_eq!((second.method, second.path.as_str()), (Method::Head, "/b"));
}

#[test]
fn limits_may_be_met_but_not_exceeded() {
    assert_eq!([REQUEST_LINE_BYTES_MAX, HEAD_BYTES_MAX], [8192, 16384]);
    assert_eq!([FIELDS_MAX, METHOD_BYTES_MAX], [100, 32]);
    accepted(get(&format!(
        "/{}",
        "a".repeat(REQUEST_LINE_BYTES_MAX - "GET / HTTP/1.1".len())
    )));
    accepted(with(&format!(
        "A: {}\r\n",
        "a".repeat(HEAD_BYTES_MAX - with("A: \r\n").len())
    )));
    accepted(with(&"A:\r\n".repeat(FIELDS_MAX - 1)));
    all_refused(requests::too_large());
}

// ---- Refused
// --------------------------------------------------------------------------------------------------------

#[test]
fn malformed_request_is_refused_at_its_first_invalid_byte() {
    all_refused(requests::no_requests());
}

#[test]
fn lone_cr_or_lf_is_refused_at_its_position() {
    all_refused(requests::lone_line_breaks());
}

#[test]
fn versions_that_are_not_spoken() {
    all_refused(requests::versions());
}

#[test]
fn methods_that_are_not_answered() {
    all_refused(requests::methods());
}

#[test]
fn request_lines_out_of_shape() {
    all_refused(requests::lines());
}

#[test]
fn targets_that_are_none() {
    all_refused(requests::targets());
}

#[test]
fn hosts_that_are_missing_double_or_invalid() {
    all_refused(requests::hosts());
}

#[test]
fn fields_out_of_shape() {
    all_refused(requests::fields());
}

#[test]
fn bodies_and_expectations() {
    all_refused(requests::bodies());
}

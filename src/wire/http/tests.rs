//! What a table cannot list: that any bytes have one verdict, and that what is written can be read.
//! And responses.

use proptest::prelude::*;

use super::{Method, Request, ResponseHead, Status, Version};

const METHODS: [(&str, Method); 3] = [
    ("GET", Method::Get),
    ("HEAD", Method::Head),
    ("OPTIONS", Method::Options),
];

#[test]
fn response_head_holds_fields_in_order() {
    let head = ResponseHead::new(Status::Ok)
        .field("Content-Type", "text/html")
        .field("X-Frame-Sequence", 7);
    let fields = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Frame-Sequence: 7\r\n";
    assert_eq!(head.clone().encode(), format!("{fields}\r\n"));
    for (keep_alive, connection) in [(true, "keep-alive"), (false, "close")] {
        assert_eq!(
            head.clone().encode_finite(Some(12), keep_alive),
            format!("{fields}Content-Length: 12\r\nConnection: {connection}\r\n\r\n")
        );
        assert_eq!(
            head.clone().encode_finite(None, keep_alive),
            format!("{fields}Connection: {connection}\r\n\r\n")
        );
    }
}

#[test]
fn refusal_response_has_status_fields_and_reason() {
    for (request, status, allow) in [
        (
            &b"POST / HTTP/1.1\r\n\r\n"[..],
            "405 Method Not Allowed",
            "Allow: GET, HEAD, OPTIONS\r\n",
        ),
        (b"\x16", "400 Bad Request", ""),
    ] {
        let refusal = Request::parse(request).unwrap_err();
        let (reason, length) = (refusal.reason, refusal.reason.len() + 1);
        let expected = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n{allow}\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{reason}\n"
        );
        assert_eq!(refusal.response(), expected);
        assert_eq!(refusal.to_string(), reason);
    }
}

#[derive(Clone, Debug)]
struct Written {
    method: (&'static str, Method),
    version: (&'static str, Version),
    path: String,
    query: String,
    fields: Vec<(String, String)>,
}

impl Written {
    fn encode(&self) -> Vec<u8> {
        let (method, version) = (self.method.0, self.version.0);
        let mut head = format!(
            "{method} {}?{} {version}\r\nHost: cam\r\n",
            self.path, self.query
        );
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        (head + "\r\n").into_bytes()
    }
}

prop_compose! {
    fn written()(
        method in prop::sample::select(METHODS.as_slice()),
        version in prop::sample::select(vec![("HTTP/1.0", Version::Http10), ("HTTP/1.1", Version::Http11)]),
        path in "/(([!-\"$&-.0->@-~]|%[1-9a-f][0-9A-F])([!-\"$&->@-~]|%[1-9a-f][0-9A-F]){0,20})?",
        query in "([!-\"$&-~]|%[1-9a-f][0-9A-F]){0,20}",
        // `X-` keeps a generated field from being one that means something.
        fields in prop::collection::vec(("X-[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}", "([!-~]([ -~]{0,20}[!-~])?)?"), 0..8),
    ) -> Written {
        Written { method, version, path, query, fields }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_have_one_verdict(input in prop::collection::vec(any::<u8>(), 0..200), cut in 0..200_usize) {
        check_cut(&input, cut);
    }

    #[test]
    fn bytes_that_resemble_a_head_have_one_verdict(
        line in "(GET|POST|A{30,34}) [ -~]{0,9}( HTTP/[12].[019])?(\r\n|\r|\n)",
        fields in "((Host|Content-Length|[A-C :]{1,3}):[ -~\t]{0,4}(\r\n|\r\n|\r|\n)){0,4}",
        end in "(\r\n|\n){0,2}[ -~\r\n]{0,9}",
        cut in 0..100_usize,
    ) {
        check_cut((line + &fields + &end).as_bytes(), cut);
    }

    #[test]
    fn a_valid_request_is_read_as_it_was_written(written in written(), cut in 0..600_usize) {
        let bytes = written.encode();
        check_cut(&bytes, cut);
        let (request, length) = Request::parse(&bytes).unwrap().unwrap();
        prop_assert_eq!(length, bytes.len());
        prop_assert_eq!((request.method, request.version), (written.method.1, written.version.1));
        prop_assert_eq!([&request.path, &request.query], [&written.path, &written.query]);
        for (name, _) in &written.fields {
            let first = written.fields.iter().find(|field| field.0.eq_ignore_ascii_case(name));
            prop_assert_eq!(request.field(&name.to_uppercase()), first.map(|field| field.1.as_str()));
        }
    }

    #[test]
    fn one_wrong_byte_never_yields_a_target_that_is_none(
        written in written(), at in any::<prop::sample::Index>(), byte: u8, cut in 0..600_usize,
    ) {
        let mut bytes = written.encode();
        *at.get_mut(&mut bytes) = byte;
        check_cut(&bytes, cut);
        if let Ok(Some((request, length))) = Request::parse(&bytes) {
            prop_assert!(length <= bytes.len());
            prop_assert!(request.path.starts_with('/') || request.path == "*");
            let target = request.path.clone() + &request.query;
            prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic()));
            let _ = request.parameter("camera");
        }
    }

    #[test]
    fn a_value_ends_neither_its_line_nor_the_head(value: String, broken in "[a\r\n\0\u{7f}]{0,9}") {
        for value in [value, broken] {
            let head = ResponseHead::new(Status::NotFound).field("X-Name", &value).encode();
            let plain = value.replace(|character: char| character.is_ascii_control(), " ");
            prop_assert_eq!(head, format!("HTTP/1.1 404 Not Found\r\nX-Name: {plain}\r\n\r\n"));
        }
    }
}

/// The verdict on a prefix is "not yet", or that on the whole.
fn check_cut(input: &[u8], cut: usize) {
    let prefix = Request::parse(&input[..cut.min(input.len())]);
    if prefix != Ok(None) {
        assert_eq!(prefix, Request::parse(input), "{}", input.escape_ascii());
    }
}

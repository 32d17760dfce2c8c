//! Parsing and display of camera URLs.

use crate::drivers::Source;
use crate::drivers::source::Kind;

fn parse(text: &str) -> Source {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn addresses_are_parsed_and_displayed_as_written() {
    for (text, same) in [
        ("http://cam", "http://cam/"),
        ("http://cam?action=stream", "http://cam/?action=stream"),
        (
            "http://cam:81/a/b?fps=3&x=%20y#",
            "http://cam:81/a/b?fps=3&x=%20y",
        ),
        (
            "https://10.0.0.7/video#fps=0.5&insecure=1",
            "https://10.0.0.7/video#fps=0.5&insecure=1",
        ),
        (
            "http://[::1]:8080/#timeout=1m%2030s",
            "http://[::1]:8080/#timeout=1m30s",
        ),
        (
            "http://cam/#timeout=250ms&fps=240",
            "http://cam/#fps=240&timeout=250ms",
        ),
        ("http://cam/a@b?c@d", "http://cam/a@b?c@d"),
    ] {
        let source = parse(text);
        assert_eq!(source.address().expose(), text);
        assert_eq!(parse(same), source, "{text}");
        source.check().unwrap();
    }
}

#[test]
fn credentials_are_parsed_but_not_displayed() {
    for (credentials, user, password) in [
        ("user:secret", "user", "secret"),
        ("u%73er:s%65cret", "user", "secret"),
        (
            "us%20er:p%40s%3As%2Fw%C3%B6%23%3F%25rd",
            "us er",
            "p@s:s/wö#?%rd",
        ),
        ("user:p@s:swö!$&'()rd", "user", "p@s:swö!$&'()rd"),
        ("user", "user", ""),
        ("user:", "user", ""),
        (":secret", "", "secret"),
        ("user:100%", "user", "100%"),
    ] {
        let source = parse(&format!("http://{credentials}@cam/video?x#fps=2"));
        assert_eq!(source.to_string(), "http://***@cam/video?***#fps=2");
        let Kind::Http(http) = source.kind() else {
            panic!("{source:?}")
        };
        let known = http.credentials.as_ref().unwrap();
        assert_eq!(
            (known.user.as_str(), known.password.as_str()),
            (user, password)
        );
        assert_eq!(parse(source.address().expose()), source);
        let debug = format!("{source:?} {:#?}", http.credentials);
        assert!(
            !debug.contains("user:") && (password.is_empty() || !debug.contains(password)),
            "{debug}"
        );
    }
    assert_ne!(parse("http://user:one@cam/"), parse("http://user:two@cam/"));
    assert_eq!(parse("http://@cam/"), parse("http://cam/"));
}

#[test]
fn invalid_address_is_rejected_and_not_displayed() {
    for text in [
        "http:",
        "http:cam",
        "http:/cam/secret",
        "http://",
        "http:///secret",
        "http://:80/secret",
        "http://secret cam/",
        "http://cam:secret/",
        "http://cam:99999/",
        "http://user:secret/more@cam/",
        "http://user:secret#more@cam/",
        "http://user:80#more-secret@cam/",
        "http://user:%ff-secret@cam/",
        "http://user:secret%0aX:y@cam/",
        "https://[::1/secret",
        "http?secret",
    ] {
        let error = text.parse::<Source>().expect_err(text).to_string();
        assert!(
            error.contains("invalid camera address") && !error.contains("secret"),
            "{text}: {error}"
        );
    }
}

#[test]
fn unknown_parameter_of_url_is_rejected_with_valid_ones() {
    for (text, problem, expected) in [
        (
            "http://cam/?pwd=secret#fsp=1",
            "unknown parameter",
            "fps or timeout or insecure",
        ),
        (
            "http://cam/#insecure=yes",
            r#"invalid insecure "yes""#,
            "0 or 1",
        ),
        (
            "http://cam/#insecure=2",
            r#"invalid insecure "2""#,
            "0 or 1",
        ),
        ("http://cam/#fps=0", r#"invalid fps "0""#, "at most 240"),
    ] {
        let error = text.parse::<Source>().expect_err(text).to_string();
        assert!(
            error.contains(problem) && error.contains(expected) && !error.contains("secret"),
            "{error}"
        );
    }
    for value in ["", "10", "0s", "61m", "-1s", "soon"] {
        let text = format!("http://cam/#timeout={value}");
        let error = text.parse::<Source>().expect_err(&text).to_string();
        assert!(
            error.contains(&format!("invalid timeout {value:?}")) && error.contains("at most 1h"),
            "{error}"
        );
    }
}

#[test]
fn frame_timeout_follows_timeout_and_fps() {
    for (text, seconds) in [
        ("http://cam/", Some(10)),
        ("http://cam/#timeout=60s", Some(60)),
        ("http://cam/#timeout=2s", Some(2)),
        ("http://cam/#fps=0.1", Some(30)),
        ("http://cam/#fps=0.1&timeout=2s", Some(30)),
        ("http://cam/#fps=0.1&timeout=1m", Some(60)),
        ("pattern:?fps=0.2", Some(15)),
        ("pattern:?fps=30", Some(5)),
        ("-", None),
    ] {
        assert_eq!(
            parse(text)
                .frame_timeout()
                .map(|frame_timeout| frame_timeout.as_secs()),
            seconds,
            "{text}"
        );
    }
}

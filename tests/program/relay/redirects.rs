//! Redirects, and credentials that must not follow them.

use crate::support::PICTURES;

use crate::driver::Driver;
use crate::upstream::{Upstream, answer, field, stream_of};

const BASIC: &str = "WWW-Authenticate: Basic realm=\"camera\"\r\n";

fn redirect(location: &str) -> Vec<u8> {
    answer("302 Found", &format!("Location: {location}\r\n"), b"moved")
}

/// Adds credentials to the URL.
fn with_credentials(url: &str) -> String {
    url.replacen("http://", "http://user:secret@", 1)
}

#[test]
fn redirect_is_followed() {
    for location in [
        "/there/stream",
        "stream",
        "//HOST/stream?x",
        "http://HOST/stream",
    ] {
        let upstream = Upstream::answering(move |request| {
            let host = field(request, "Host").unwrap();
            if request.contains("stream") {
                stream_of(&PICTURES)
            } else {
                redirect(&location.replace("HOST", host))
            }
        });
        let mut driver = Driver::start(upstream.url("/here/now"));
        assert_eq!(driver.frame().jpeg, PICTURES[0], "{location}");
    }
}

#[test]
fn redirect_to_a_login_is_followed() {
    let upstream = Upstream::answering(move |request| {
        let may_pass = field(request, "Authorization") == Some("Basic dXNlcjpzZWNyZXQ=");
        match (may_pass, request.starts_with("GET /stream ")) {
            (false, _) => answer("401 Who", BASIC, b"who?"),
            (true, false) => redirect("/stream"),
            (true, true) => stream_of(&PICTURES),
        }
    });
    let mut driver = Driver::start(with_credentials(&upstream.url("/")));
    assert_eq!(driver.frame().jpeg, PICTURES[0]);
}

#[test]
fn redirect_does_not_send_credentials_to_another_host() {
    // Another origin by its name, and by its port only.
    for name in ["localhost", "127.0.0.1"] {
        for wants_login in [false, true] {
            let other = Upstream::answering(move |_| {
                if !wants_login {
                    stream_of(&PICTURES)
                } else {
                    answer("401 Who", BASIC, b"who?")
                }
            });
            let location = format!("http://{name}:{}/stream", other.address.port());
            let upstream =
                Upstream::answering(move |request| match field(request, "Authorization") {
                    None => answer("401 Who", BASIC, b"who?"),
                    Some(_) => redirect(&location),
                });
            let mut driver = Driver::start(with_credentials(&upstream.url("/")));
            if wants_login {
                let failure = driver.failure();
                let start = format!("{}: redirected to {name},", upstream.url("/"));
                assert!(failure.starts_with(&start), "{failure}");
            } else {
                assert_eq!(driver.frame().jpeg, PICTURES[0]);
            }
            assert_eq!(upstream.requests().len(), 2);
            let requests = other.requests();
            assert_eq!(requests.len(), 1);
            assert_eq!(field(&requests[0], "Authorization"), None);
            assert!(!requests[0].contains("dXNlcjpzZWNyZXQ"), "{requests:?}");
        }
    }
}

#[test]
fn redirect_loop_is_reported() {
    for location in ["/", "ftp://127.0.0.1/"] {
        let upstream = Upstream::answering(move |_| redirect(location));
        let failure = Driver::start(upstream.url("/")).failure();
        assert!(
            failure.contains("too many redirects"),
            "{location}: {failure}"
        );
    }
}

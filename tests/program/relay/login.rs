//! Basic and Digest logins, with a camera that implements the check independently (RFC 7617, RFC
//! 7616, RFC 2069).

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::PICTURES;
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::driver::Driver;
use crate::upstream::{Upstream, answer, field, stream_of};

const USER: &str = "us er";
const PASSWORD: &str = "p@ss:wörd#1";
/// The credentials in a URL, and as Basic credentials.
const IN_ADDRESS: &str = "us%20er:p%40ss%3Aw%C3%B6rd%231";
const BASIC: &str = "Basic dXMgZXI6cEBzczp3w7ZyZCMx";

fn with_credentials(url: &str, credentials: &str) -> String {
    url.replacen("http://", &format!("http://{credentials}@"), 1)
}

fn refuse(challenges: &[&str]) -> Vec<u8> {
    let fields: String = challenges
        .iter()
        .map(|challenge| format!("WWW-Authenticate: {challenge}\r\n"))
        .collect();
    answer("401 Unauthorized", &fields, b"<html>who?</html>")
}

/// The parameter `name` of an `Authorization: Digest` field.
fn parameter<'a>(authorization: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = authorization
        .strip_prefix("Digest ")?
        .split(", ")
        .flat_map(|parameter| {
            parameter
                .split(',')
                .filter_map(|parameter| parameter.trim().split_once('='))
        });
    parameters
        .find(|parameter| parameter.0 == name)
        .map(|parameter| parameter.1.trim_matches('"'))
}

fn hash<H: Digest>(text: &str) -> String {
    H::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether `request` contains the correct response to the challenge with this nonce.
fn proves<H: Digest>(request: &str, nonce: &str) -> bool {
    let Some(authorization) = field(request, "Authorization") else {
        return false;
    };
    let get = |name| parameter(authorization, name);
    let target = request.split(' ').nth(1).unwrap();
    let secret = hash::<H>(&format!("{USER}:the camera:{PASSWORD}"));
    let asked = hash::<H>(&format!("GET:{target}"));
    let proof = match get("qop") {
        Some(qop) => {
            let (count, cnonce) = (get("nc").unwrap(), get("cnonce").unwrap());
            hash::<H>(&format!("{secret}:{nonce}:{count}:{cnonce}:{qop}:{asked}"))
        }
        None => hash::<H>(&format!("{secret}:{nonce}:{asked}")),
    };
    let said = (get("username"), get("uri"), get("nonce"), get("response"));
    said == (Some(USER), Some(target), Some(nonce), Some(&proof))
}

#[test]
fn basic_login_succeeds() {
    let upstream = Upstream::answering(|request| match field(request, "Authorization") {
        Some(BASIC) => stream_of(&PICTURES),
        _ => refuse(&["Basic realm=\"the camera\""]),
    });
    let mut driver = Driver::start(with_credentials(&upstream.url("/video"), IN_ADDRESS));
    assert_eq!(driver.frame().jpeg, PICTURES[0]);
    let requests = upstream.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(field(&requests[0], "Authorization"), None, "no request yet");
    assert!(
        requests[1].contains("\r\nAuthorization: Basic "),
        "some cameras compare names case-sensitively"
    );
    let host = upstream.address.to_string();
    assert!(
        requests
            .iter()
            .all(|request| field(request, "Host") == Some(&host))
    );
}

#[test]
fn digest_login_succeeds() {
    type Check = fn(&str, &str) -> bool;
    let sha256 = "Digest realm=\"the camera\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"";
    let kinds: [(Vec<&str>, Check); 5] = [
        (
            vec!["Digest realm=\"the camera\", nonce=\"n1\", qop=\"auth\", opaque=\"o\""],
            proves::<Md5>,
        ),
        (
            vec!["Digest realm=\"the camera\",nonce=\"n1\",algorithm=MD5,qop=\"auth,auth-int\""],
            proves::<Md5>,
        ),
        (
            vec!["Digest realm=\"the camera\", nonce=\"n1\""],
            proves::<Md5>,
        ),
        (vec![sha256], proves::<Sha256>),
        // If Digest is offered, Basic would reveal the password.
        (
            vec![
                "Basic realm=\"x\"",
                "Digest realm=\"the camera\", nonce=\"n1\", qop=\"auth\"",
            ],
            proves::<Md5>,
        ),
    ];
    for (challenges, check) in kinds {
        let words = challenges.join(" | ");
        let upstream = Upstream::answering(move |request| {
            if check(request, "n1") {
                stream_of(&PICTURES)
            } else {
                refuse(&challenges)
            }
        });
        let mut driver = Driver::start(with_credentials(&upstream.url("/video?a=b&c"), IN_ADDRESS));
        assert_eq!(driver.frame().jpeg, PICTURES[0], "{words}");
        assert_eq!(upstream.requests().len(), 2, "{words}");
    }
}

#[test]
fn digest_nonce_is_reused_until_stale() {
    let served = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |request| {
        // Each nonce is valid for three pictures.
        let number = served.load(Ordering::Relaxed);
        let nonce = format!("nonce{}", number / 3);
        if proves::<Md5>(request, &nonce) {
            served.fetch_add(1, Ordering::Relaxed);
            return answer(
                "200 OK",
                "Content-Type: image/jpeg\r\n",
                PICTURES[number % 3],
            );
        }
        refuse(&[&format!(
            "Digest realm=\"the camera\", nonce=\"{nonce}\", qop=\"auth\", stale=true"
        )])
    });
    let mut driver = Driver::start(with_credentials(&upstream.url("/#fps=100"), IN_ADDRESS));
    for number in 0..9 {
        assert_eq!(driver.frame().jpeg, PICTURES[number % 3]);
    }
    let requests = upstream.requests();
    let counts = requests.iter().map(|request| {
        let authorization = field(request, "Authorization").unwrap_or_default();
        parameter(authorization, "nc").unwrap_or("none")
    });
    let round = ["00000001", "00000002", "00000003", "00000004"];
    let expected: Vec<_> = ["none"]
        .into_iter()
        .chain(round)
        .chain(round)
        .chain(["00000001"])
        .take(9)
        .collect();
    assert_eq!(counts.take(9).collect::<Vec<_>>(), expected);
}

#[test]
fn failed_login_is_tried_once() {
    for challenge in [
        "Basic realm=\"x\"",
        "Digest realm=\"the camera\", nonce=\"n\", qop=\"auth\"",
    ] {
        let upstream = Upstream::answering(move |_| refuse(&[challenge]));
        let url = upstream.url("/video");
        let failure = Driver::start(with_credentials(&url, "user:top-secret")).failure();
        let start = format!("{url}: user or password rejected");
        assert!(failure.starts_with(&start), "{failure}");
        assert_eq!(
            upstream.requests().len(),
            2,
            "a camera may lock out a client after more attempts"
        );
        let failure = Driver::start(&url).failure();
        let start = format!("{url}: user and password required");
        assert!(failure.starts_with(&start), "{failure}");
    }
}

#[test]
fn unsupported_login_scheme_is_reported() {
    for challenges in [
        vec!["NTLM"],
        vec!["Negotiate", "Bearer realm=\"x\""],
        vec!["Digest nonsense"],
    ] {
        let words = challenges.join(" | ");
        let upstream = Upstream::answering(move |_| refuse(&challenges));
        let failure = Driver::start(with_credentials(&upstream.url("/"), IN_ADDRESS)).failure();
        assert!(
            failure.contains("unsupported login scheme ("),
            "{words}: {failure}"
        );
        assert_eq!(
            upstream.requests().len(),
            2,
            "{words}: basic is tried once all the same"
        );
    }
}

#[test]
fn credentials_are_not_logged() {
    let upstream = Upstream::answering(|request| match field(request, "Authorization") {
        Some(BASIC) => stream_of(&PICTURES),
        _ => refuse(&["Basic realm=\"the camera\""]),
    });
    let mut driver =
        Driver::start_logging(with_credentials(&upstream.url("/"), IN_ADDRESS), "trace");
    for _ in 0..3 {
        driver.frame();
    }
    let words = driver.stop();
    assert!(
        words.contains("DEBUG") && !words.contains("TRACE"),
        "{words}"
    );
    for secret in [IN_ADDRESS, PASSWORD, BASIC, "p%40ss", "dXMgZXI"] {
        assert!(!words.contains(secret), "{secret}: {words}");
    }
}

#[test]
fn malformed_challenge_is_answered_with_basic() {
    let challenges: [&[u8]; 9] = [
        b"",
        b"WWW-Authenticate: Basic\r\n",
        b"www-authenticate: basic realm=\"IP \"Camera\"\"\r\n",
        b"WWW-Authenticate: Basic realm=\"x\" charset=\"UTF-8\"\r\n",
        b"WWW-Authenticate: Basic realm=\"x\r\n",
        b"WWW-Authenticate: Basic realm=\"caf\xe9\"\r\n",
        b"WWW-Authenticate: realm=x\r\n",
        b"WWW-Authenticate: Digest realm=\"x\", nonce=\"1\", algorithm=SHA-1\r\n",
        b"WWW-Authenticate: Digest realm=\"x\", nonce=\"1\"\r\nWWW-Authenticate: Basic realm=\"x\"\r\n",
    ];
    for challenge in challenges {
        let upstream = Upstream::answering(move |request| match field(request, "Authorization") {
            Some(BASIC) => stream_of(&PICTURES),
            _ => [
                b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n",
                challenge,
                b"\r\n",
            ]
            .concat(),
        });
        let mut driver = Driver::start(with_credentials(&upstream.url("/"), IN_ADDRESS));
        assert_eq!(
            driver.frame().jpeg,
            PICTURES[0],
            "{}",
            challenge.escape_ascii()
        );
    }
}

#[test]
fn digest_hashes_raw_bytes_of_malformed_challenge() {
    type Check = fn(&str, &str) -> bool;
    let kinds: [(&str, Check); 5] = [
        (
            "Digest realm=\"the camera\", nonce=\"n1\", algorithm=md5",
            proves::<Md5>,
        ),
        (
            "digest realm=\"the camera, nonce=\"n1\", qop=\"auth\"",
            proves::<Md5>,
        ),
        (
            "Digest realm=\"the camera\" nonce=\"n1\" qop=auth opaque=\"\"",
            proves::<Md5>,
        ),
        (
            "Digest realm=\"the camera\", nonce=\"n1\", algorithm=sha-256",
            proves::<Sha256>,
        ),
        (
            "Digest realm=\"the camera\", nonce=\"n1\", qop=\"auth-int\"",
            proves_with_body::<Md5>,
        ),
    ];
    for (challenge, check) in kinds {
        let upstream = Upstream::answering(move |request| {
            if check(request, "n1") {
                stream_of(&PICTURES)
            } else {
                refuse(&[challenge])
            }
        });
        let mut driver = Driver::start(with_credentials(&upstream.url("/video"), IN_ADDRESS));
        assert_eq!(driver.frame().jpeg, PICTURES[0], "{challenge}");
    }
}

/// As [`proves`], with `qop=auth-int` (RFC 7616, section 3.4.3).
fn proves_with_body<H: Digest>(request: &str, nonce: &str) -> bool {
    let Some(authorization) = field(request, "Authorization") else {
        return false;
    };
    let get = |name| parameter(authorization, name).unwrap_or_default();
    let target = request.split(' ').nth(1).unwrap();
    let secret = hash::<H>(&format!("{USER}:the camera:{PASSWORD}"));
    let asked = hash::<H>(&format!("GET:{target}:{}", hash::<H>("")));
    let proof = hash::<H>(&format!(
        "{secret}:{nonce}:{}:{}:auth-int:{asked}",
        get("nc"),
        get("cnonce")
    ));
    (get("qop"), get("response")) == ("auth-int", &proof)
}

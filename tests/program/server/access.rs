//! Access control: credentials, tokens, host names and origins.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::{Engine, prelude::BASE64_STANDARD};
use tempfile::TempDir;

use crate::support::{Program, Reply, eventually, field};

const FRAMECAST: &str = env!("CARGO_BIN_EXE_framecast");
const TOKEN: &str = "a-token-of-more-than-16";
const PATHS: [&str; 10] = [
    "/",
    "/video_feed",
    "/stream",
    "/snapshot",
    "/state",
    "/healthz",
    "/viewer.js",
    "/favicon.svg",
    "/nothing",
    "/../x",
];

/// Writes a file into a temporary folder.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// Starts a server with users, a token and two cameras.
fn protected(users: &str) -> Program {
    let (_folder, users) = file(users);
    let (_other, token) = file(&format!("{TOKEN}\n"));
    let (users, token) = (users.display().to_string(), token.display().to_string());
    let cameras = ["--camera", "front=stills:", "--camera", "back=stills:"];
    Program::serve(
        &[
            &["--auth-file", &users, "--token-file", &token][..],
            &cameras,
        ]
        .concat(),
    )
}

fn request(program: &Program, target: &str, fields: &str) -> Reply {
    program.request(&format!(
        "GET {target} HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n{fields}\r\n"
    ))
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair))
}

/// Returns a reply without its date.
fn undated(reply: &Reply) -> String {
    let lines = reply
        .head
        .lines()
        .filter(|line| !line.starts_with("Date: "));
    format!("{}\n{}", lines.collect::<Vec<_>>().join("\n"), reply.text())
}

/// Asserts that a response names too many failed logins, and when to try again.
pub(super) fn assert_locked_out(reply: &Reply) {
    assert_eq!(reply.status(), 429);
    assert!(
        reply.text().contains("Too many failed logins"),
        "{}",
        reply.text()
    );
    let retry_after = reply.field("Retry-After").expect("a 429 names it");
    assert!((1..=60).contains(&retry_after.parse::<u32>().expect("seconds")));
}

/// Returns a token signed by `framecast token` with these arguments.
pub(super) fn sign(arguments: &[&str]) -> String {
    let mut command = Command::new(FRAMECAST);
    let output = command
        .arg("token")
        .args(arguments)
        .env("FRAMECAST_TOKEN", TOKEN)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.stderr.is_empty(),
        "a token in a variable causes no warning"
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn every_path_without_valid_credentials_is_answered_with_the_same_401() {
    let missing = protected("ann:secret\n");
    let refusal = undated(&request(&missing, "/", ""));
    assert!(refusal.starts_with("HTTP/1.1 401 Unauthorized\n"));
    assert!(refusal.contains("\nWWW-Authenticate: Basic realm=\"framecast\", charset=\"UTF-8\"\n"));
    assert!(refusal.contains("\nWWW-Authenticate: Bearer realm=\"framecast\"\n"));
    for path in PATHS {
        assert_eq!(undated(&request(&missing, path, "")), refusal, "{path}");
    }
    let wrong: [(&str, &str); 6] = [
        ("", &basic("ann:secreT")),
        ("", &basic("eve:secret")),
        ("", &basic("ann")),
        ("", "Authorization: Bearer a-token-of-more-than-17\r\n"),
        ("", "Authorization: Digest username=\"ann\"\r\n"),
        ("?token=a-token-of-more-than-17", ""),
    ];
    for (query, fields) in wrong {
        let program = protected("ann:secret\n");
        for path in PATHS {
            assert_eq!(
                undated(&request(&program, &format!("{path}{query}"), fields)),
                refusal,
                "{path}{query} {fields}"
            );
        }
    }
}

#[test]
fn every_path_with_valid_credentials_is_served() {
    let program = protected("ann:s\u{e9}cret:x\n");
    let (pair, bearer) = (
        basic("ann:s\u{e9}cret:x"),
        format!("Authorization: Bearer {TOKEN}\r\n"),
    );
    let query = format!("?token={TOKEN}");
    for (query, fields) in [("", &*pair), ("", &bearer), (&query, "")] {
        for path in ["/", "/snapshot", "/state", "/healthz", "/viewer.js"] {
            assert_eq!(
                request(&program, &format!("{path}{query}"), fields).status(),
                200,
                "{path}{query} {fields}"
            );
        }
        assert_eq!(
            request(&program, &format!("/nothing{query}"), fields).status(),
            404
        );
    }
    program.watch(&format!("/stream{query}")).part();
}

#[test]
fn passwords_are_checked_against_bcrypt_and_argon2_hashes() {
    let bcrypt = bcrypt::hash("secret", 5).unwrap();
    // `correct horse`, as the Argon2 command line tool has it with 64 KiB and one pass.
    let argon2 = {
        use argon2::{
            Algorithm, Argon2, Params, PasswordHasher, Version, password_hash::SaltString,
        };
        let argon2 = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(64, 1, 1, None).unwrap(),
        );
        argon2
            .hash_password(
                b"correct horse",
                &SaltString::from_b64("c2FsdHNhbHQ").unwrap(),
            )
            .unwrap()
            .to_string()
    };
    let program = protected(&format!(
        "ann:{}\nbob:{argon2}\n",
        bcrypt.replace("$2b$", "$2y$")
    ));
    for _ in 0..2 {
        assert_eq!(
            request(&program, "/healthz", &basic("ann:secret")).status(),
            200
        );
        assert_eq!(
            request(&program, "/healthz", &basic("bob:correct horse")).status(),
            200
        );
        assert_eq!(
            request(&program, "/healthz", &basic("bob:secret")).status(),
            401
        );
        assert_eq!(
            request(&program, "/healthz", &basic("eve:secret")).status(),
            401
        );
    }
    // A browser sends several requests at once.
    let request = format!(
        "GET /healthz HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n{}\r\n",
        basic("ann:secret")
    );
    let both: Vec<_> = (0..20).map(|_| program.send(&request)).collect();
    for mut stream in both {
        let mut reply = String::new();
        std::io::Read::read_to_string(&mut stream, &mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    }
}

#[test]
fn password_check_does_not_delay_other_requests() {
    // This hash takes a tenth of a second, and seconds on a busy machine.
    let program = protected(&format!(
        "ann:{}\n",
        bcrypt::hash_with_salt("secret", 11, [7; 16]).unwrap()
    ));
    let request = format!(
        "GET /healthz HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n{}\r\n",
        basic("ann:secret")
    );
    let mut slow = program.send(request);
    let quick = format!("/healthz?token={TOKEN}");
    let mut answered = 0;
    slow.set_nonblocking(true).unwrap();
    while slow.peek(&mut [0]).is_err() {
        assert_eq!(program.get(&quick).status(), 200);
        answered += 1;
    }
    assert!(answered > 1, "other requests are answered meanwhile");
    slow.set_nonblocking(false).unwrap();
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut slow, &mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    eventually("the check has exited", || program.children().is_empty());
}

#[test]
fn eleventh_login_after_ten_failures_is_answered_with_429() {
    let program = protected("ann:secret\n");
    for _ in 0..10 {
        assert_eq!(
            request(&program, "/healthz", &basic("ann:guess")).status(),
            401
        );
    }
    let refused = request(&program, "/healthz", &basic("ann:secret"));
    assert_eq!(refused.status(), 429);
    assert_locked_out(&refused);
}

#[test]
fn signed_token_grants_its_camera_until_it_expires() {
    let program = protected("ann:secret\n");
    let token = sign(&["--camera", "front", "--valid", "1h"]);
    let status = |target: &str| program.get(target).status();
    assert_eq!(
        status(&format!("/snapshot?camera=front&token={token}")),
        200
    );
    assert_eq!(
        request(
            &program,
            "/snapshot",
            &format!("Authorization: Bearer {token}\r\n")
        )
        .status(),
        200
    );
    program
        .watch(&format!("/?action=stream_0&token={token}"))
        .part();
    assert_eq!(status(&format!("/snapshot?camera=back&token={token}")), 401);
    assert_eq!(status(&format!("/metrics?token={token}")), 401);
    assert_eq!(
        status(&format!(
            "/snapshot?camera=back&token={}",
            token.replace("front", "back")
        )),
        401
    );
    let all = sign(&["--valid", "1h"]);
    assert_eq!(status(&format!("/state?token={all}")), 200);
    let short = sign(&["--valid", "1s"]);
    eventually("the token expires", || {
        status(&format!("/healthz?token={short}")) == 401
    });
}

#[test]
fn page_opened_with_a_token_has_the_token_in_its_links() {
    let program = protected("ann:secret\n");
    let page = program.get(&format!("/?camera=front&token={TOKEN}"));
    let escaped = TOKEN.replace('-', "%2D");
    assert!(
        page.text()
            .contains(&format!("src=\"viewer.js?token={escaped}\"")),
        "{}",
        page.text()
    );
    assert_eq!(
        program.get(&format!("/viewer.js?token={escaped}")).status(),
        200
    );
    assert!(
        page.field("Cache-Control").unwrap().contains("no-store") && page.field("ETag").is_none()
    );
    let plain = request(&program, "/", &basic("ann:secret"));
    assert!(plain.field("ETag").is_some() && plain.field("Cache-Control") == Some("no-cache"));
    assert_eq!(page.field("Referrer-Policy"), Some("no-referrer"));
}

#[test]
fn unknown_host_names_are_refused_with_421_without_credentials() {
    let program = Program::serve(&["--allow-host", "cam.example.org"]);
    let request = |host: &str| {
        program.request(&format!(
            "GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ))
    };
    let own = String::from_utf8(Command::new("uname").arg("-n").output().unwrap().stdout).unwrap();
    for host in [
        "127.0.0.1",
        "[::1]:80",
        "localhost:8080",
        "a.localhost",
        "pi.local",
        "cam.example.org:1",
        own.trim(),
    ] {
        assert_eq!(request(host).status(), 200, "{host}");
    }
    for host in [
        "evil.example",
        "cam.example.org.evil.example",
        "127.0.0.1.nip.io:8080",
    ] {
        let refused = request(host);
        assert_eq!(refused.status(), 421, "{host}");
        assert!(
            refused.text().contains("--allow-host"),
            "{}",
            refused.text()
        );
    }
    assert_eq!(
        program.request("GET /healthz HTTP/1.0\r\n\r\n").status(),
        200
    );
    let stream = "GET /stream HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(program.request(stream).status(), 421);
    assert_eq!(protected("ann:secret").get("/healthz").status(), 401);
}

#[test]
fn allowed_origin_is_granted_in_cors_fields() {
    let dash = "https://dash.example.org";
    let program = Program::serve(&[
        "--camera",
        "stills:",
        "--token",
        TOKEN,
        "--allow-origin",
        dash,
    ]);
    let preflight = format!(
        "OPTIONS /state HTTP/1.1\r\nHost: cam\r\nConnection: close\r\nOrigin: {dash}\r\n\
         Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n\
         Access-Control-Request-Private-Network: true\r\n\r\n"
    );
    let reply = program.request(&preflight);
    assert_eq!((reply.status(), reply.body.len()), (204, 0));
    for (name, value) in [
        ("Access-Control-Allow-Origin", dash),
        ("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"),
        (
            "Access-Control-Allow-Headers",
            "Authorization, If-None-Match",
        ),
        ("Access-Control-Allow-Private-Network", "true"),
        ("Vary", "Origin"),
    ] {
        assert_eq!(reply.field(name), Some(value));
    }
    assert_eq!(
        program
            .request(&preflight.replace(dash, "https://evil.example"))
            .status(),
        401
    );
    let origin = format!("Origin: {dash}\r\n");
    for target in [
        "/state",
        &format!("/state?token={TOKEN}"),
        &format!("/snapshot?token={TOKEN}"),
    ] {
        let reply = request(&program, target, &origin);
        assert_eq!(
            reply.field("Access-Control-Allow-Origin"),
            Some(dash),
            "{target}"
        );
        assert_eq!(
            reply.field("Cross-Origin-Resource-Policy"),
            Some("cross-origin"),
            "{target}"
        );
        assert_eq!(
            request(&program, target, "Origin: https://evil.example\r\n")
                .field("Access-Control-Allow-Origin"),
            None
        );
    }
    let mut viewer = program.watch(&format!("/stream?token={TOKEN}"));
    assert_eq!(
        field(&viewer.head, "Cross-Origin-Resource-Policy"),
        Some("cross-origin")
    );
    for _ in 0..2 {
        let part = viewer.part();
        assert_eq!(
            field(&part.header, "Access-Control-Allow-Origin"),
            Some(dash)
        );
        assert_eq!(
            field(&part.header, "Cross-Origin-Resource-Policy"),
            Some("cross-origin")
        );
    }
    // With framing=advance, the header fields precede the frame.
    let mut ahead = program.watch(&format!("/stream?framing=advance&token={TOKEN}"));
    let header = format!(
        "--frame\r\nContent-Type: image/jpeg\r\nAccess-Control-Allow-Origin: {dash}\r\n\
         Cross-Origin-Resource-Policy: cross-origin\r\n\r\n"
    );
    assert_eq!(ahead.block(), header);
}

#[test]
fn no_origin_is_granted_by_default() {
    let program = Program::serve(&[]);
    for (target, policy) in [
        ("/state", Some("same-origin")),
        ("/", Some("same-origin")),
        ("/snapshot", None),
    ] {
        let reply = request(&program, target, "Origin: https://evil.example\r\n");
        assert_eq!(reply.field("Access-Control-Allow-Origin"), None, "{target}");
        assert_eq!(
            reply.field("Cross-Origin-Resource-Policy"),
            policy,
            "{target}"
        );
    }
    let page = program.get("/");
    let csp = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
    assert_eq!(page.field("Content-Security-Policy"), Some(csp));
    assert_eq!(page.field("X-Content-Type-Options"), Some("nosniff"));
}

#[test]
fn token_is_not_in_state_log_or_driver_environment() {
    let mut command = Command::new(FRAMECAST);
    command
        .args(["-vv", "--listen", "127.0.0.1:0"])
        .env("FRAMECAST_TOKEN", TOKEN);
    let program = Program::start(command);
    let mut viewer = program.watch(&format!("/stream?token={TOKEN}"));
    viewer.part();
    let state = program.get(&format!("/state?token={TOKEN}"));
    assert!(!state.text().contains(TOKEN));
    let driver = &program.children()[0];
    let environment = std::fs::read(format!("/proc/{driver}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(!environment.contains("FRAMECAST_TOKEN") && !environment.contains(TOKEN));
    program.signal(rustix::process::Signal::TERM);
    drop(viewer);
    let (_, log) = program.wait();
    assert!(!log.contains(TOKEN), "{log}");
    assert!(
        !log.contains("--token: "),
        "a token in a variable causes no warning: {log}"
    );
}

#[test]
fn dangerous_options_are_logged_at_each_start() {
    let log_of = |options: &[&str]| {
        let program = Program::serve(options);
        program.signal(rustix::process::Signal::TERM);
        program.wait().1
    };
    assert!(log_of(&["--public"]).contains("--public: no credentials are set"));
    assert!(log_of(&["--token", TOKEN]).contains("--token: "));
    assert_eq!(log_of(&["--quiet"]), "");
}

#[test]
fn invalid_credential_options_exit_with_2_and_a_message() {
    let (_folder, bad) = file("ann:secret\nbob\n");
    let (_other, empty) = file("\n");
    let (bad, empty) = (bad.display().to_string(), empty.display().to_string());
    let cases: [(&[&str], &str); 10] = [
        (
            &["--auth-file", "/not/there"],
            "--auth-file /not/there: No such file or directory",
        ),
        (&["--auth-file", &bad], "line 2"),
        (&["--auth-file", &empty], "user:password"),
        (&["--token-file", &empty], "--token-file"),
        (&["--token", "two log"], "expected 1 to 256 ASCII"),
        (
            &["--token", "x", "--token-file", &bad],
            "--token and --token-file",
        ),
        (&["--allow-host", "http://cam"], "--allow-host"),
        (&["--allow-origin", "dash"], "--allow-origin"),
        (&["token", "--valid", "1h"], "--token-file"),
        (&["token", "--valid", "1h", "--token", "short"], "16"),
    ];
    for (arguments, key_word) in cases {
        let output = Command::new(FRAMECAST)
            .args(arguments)
            .output()
            .expect("the program runs");
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {log}");
        assert!(log.contains(key_word), "{arguments:?}: {log}");
        assert!(
            !log.contains("secret") && !log.contains("panicked"),
            "{arguments:?}: {log}"
        );
    }
}

#[test]
fn check_password_reports_by_its_exit_code() {
    let check = |given: &str| {
        let mut child = Command::new(FRAMECAST)
            .arg("check-password")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(given.as_bytes())
            .unwrap();
        child.wait().unwrap().code()
    };
    let hash = bcrypt::hash("secret", 4).unwrap();
    assert_eq!(check(&format!("{hash}\nsecret")), Some(0));
    assert_eq!(check(&format!("{hash}\nsecret\n")), Some(10));
    assert_eq!(check(&hash), Some(1));
    assert_eq!(check("no hash\nsecret"), Some(1));
}

#[test]
#[ignore = "needs curl"]
fn curl_logs_in_with_password_and_token() {
    let bcrypt = bcrypt::hash("s\u{e9}cret", 5).unwrap();
    let program = protected(&format!("ann:{bcrypt}\n"));
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--max-time",
            "20",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
        ]);
        let output = command
            .args(arguments)
            .arg(program.url("/snapshot"))
            .output()
            .expect("curl is installed");
        String::from_utf8(output.stdout).unwrap()
    };
    let bearer = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(curl(&[]), "401");
    assert_eq!(curl(&["--user", "ann:s\u{e9}cret"]), "200");
    assert_eq!(curl(&["--anyauth", "--user", "ann:s\u{e9}cret"]), "200");
    assert_eq!(curl(&["--user", "ann:wrong"]), "401");
    assert_eq!(curl(&["--header", &bearer]), "200");
    assert_eq!(
        curl(&["--get", "--data-urlencode", &format!("token={TOKEN}")]),
        "200"
    );
}

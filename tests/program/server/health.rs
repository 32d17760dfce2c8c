//! `framecast health` against servers with credentials, and over TLS.

use std::process::Command;

use crate::support::Program;

const FRAMECAST: &str = env!("CARGO_BIN_EXE_framecast");
const TOKEN: &str = "a-token-of-more-than-16";

/// Runs `framecast health`. Returns its exit code and its output.
fn health(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(FRAMECAST);
    let output = command
        .arg("health")
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
    )
}

fn healthy() -> (Option<i32>, String) {
    (Some(0), "ok\n".to_owned())
}

#[test]
fn credentials_come_from_url_or_environment_and_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (users, token) = (
        path("users", "ann:p@ss canary\n"),
        path("token", &format!("{TOKEN}\n")),
    );
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let program = Program::serve(&["--auth-file", &users, "--token-file", &token]);
    let url = program.url("/");
    let listen = program.address.to_string();
    assert_eq!(health(&[&url], &[("FRAMECAST_TOKEN", TOKEN)]), healthy());
    assert_eq!(
        health(&[&url], &[("FRAMECAST_TOKEN_FILE", &token)]),
        healthy()
    );
    assert_eq!(
        health(&[&url], &[("FRAMECAST_AUTH", "ann:p@ss canary")]),
        healthy()
    );
    assert_eq!(
        health(
            &[],
            &[("FRAMECAST_LISTEN", &listen), ("FRAMECAST_TOKEN", TOKEN)]
        ),
        healthy()
    );
    assert_eq!(health(&[&format!("{url}?token={TOKEN}")], &[]), healthy());
    let login = url.replace("http://", "http://ann:p%40ss%20canary@");
    assert_eq!(
        health(
            &[&login],
            &[("FRAMECAST_TOKEN", "wrong-token-of-16-and-more")]
        ),
        healthy()
    );

    for (arguments, variables) in [
        (vec![url.clone()], vec![]),
        (vec![format!("{url}?token=canary-canary-canary")], vec![]),
        (vec![url.replace("http://", "http://ann:canary@")], vec![]),
        (vec![url.clone()], vec![("FRAMECAST_AUTH", "ann:canary")]),
        (
            vec![url.clone()],
            vec![("FRAMECAST_TOKEN", "canary-canary-canary")],
        ),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, shown) = health(&arguments, &variables);
        assert_eq!(code, Some(1), "{shown}");
        assert!(
            shown.contains("status 401") && shown.contains("FRAMECAST_AUTH"),
            "{shown}"
        );
        assert!(!shown.contains("canary"), "{shown}");
    }
    let (code, shown) = health(&[&url], &[("FRAMECAST_AUTH", "canary")]);
    assert_eq!(code, Some(2), "{shown}");
    assert!(
        shown.contains("USER:PASSWORD") && !shown.contains("canary"),
        "{shown}"
    );
}

#[test]
#[cfg(feature = "tls")]
fn self_signed_certificate_is_trusted_with_ca_or_insecure() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    // A certificate as `openssl req -x509` creates it: a self-signed authority, for another host name.
    let mut parameters = rcgen::CertificateParams::new(["cam.example.org".to_owned()]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(
        &certificate,
        parameters.self_signed(&signing_key).unwrap().pem(),
    )
    .unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let https = [
        "--listen",
        "https://127.0.0.1:0",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ];
    let mut program = Program::serve_on("http://127.0.0.1:0", &https);
    let line = program.line();
    let url = line
        .trim()
        .strip_prefix("listening on ")
        .unwrap()
        .to_owned();
    let listen = url.trim_end_matches('/');

    assert_eq!(health(&[&url, "--ca", &certificate], &[]), healthy());
    assert_eq!(health(&[&url, "--insecure"], &[]), healthy());
    assert_eq!(
        health(
            &[],
            &[
                ("FRAMECAST_LISTEN", listen),
                ("FRAMECAST_TLS_CERT", &certificate)
            ]
        ),
        healthy()
    );
    let (code, shown) = health(&[&url], &[]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(
        shown.contains("certificate not trusted") && shown.contains("--ca FILE"),
        "{shown}"
    );
    for (file, fault) in [
        (key.as_str(), "no certificate found"),
        ("/no/such", "No such file"),
    ] {
        let (code, shown) = health(&[&url, "--ca", file], &[]);
        assert_eq!(code, Some(2), "{shown}");
        assert!(shown.contains(fault), "{shown}");
    }
}

//! SIGHUP reloads users and token.

use std::io::Read;
use std::path::PathBuf;

use base64::{Engine, prelude::BASE64_STANDARD};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Program, eventually};

const OLD: &str = "a-token-of-more-than-16";
const NEW: &str = "another-token-of-more-than-16";

struct Files {
    _folder: TempDir,
    users: PathBuf,
    token: PathBuf,
}

impl Files {
    fn new(users: &str, token: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let files = Self {
            users: path("users"),
            token: path("token"),
            _folder: folder,
        };
        files.write(users, token);
        files
    }

    fn write(&self, users: &str, token: &str) {
        std::fs::write(&self.users, users).unwrap();
        std::fs::write(&self.token, token).unwrap();
    }

    fn serve(&self) -> Program {
        let (users, token) = (
            self.users.display().to_string(),
            self.token.display().to_string(),
        );
        Program::serve(&[
            "--camera",
            "stills:",
            "--auth-file",
            &users,
            "--token-file",
            &token,
        ])
    }
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn status(program: &Program, fields: &str) -> u16 {
    program
        .request(&format!(
            "GET /healthz HTTP/1.1\r\nHost: cam\r\nConnection: close\r\n{fields}\r\n"
        ))
        .status()
}

#[test]
fn reload_applies_changed_users_and_token_and_ends_their_streams() {
    let files = Files::new("ann:secret\nbob:plain\n", OLD);
    let program = files.serve();
    let watch = |fields: &str| {
        let mut stream = program.send(format!("GET /stream HTTP/1.0\r\n{fields}\r\n"));
        let mut start = [0; 15];
        stream.read_exact(&mut start).expect("the stream begins");
        assert_eq!(&start, b"HTTP/1.1 200 OK");
        stream
    };
    let [mut by_ann, mut by_bob, mut by_token] =
        [basic("ann:secret"), basic("bob:plain"), bearer(OLD)].map(|f| watch(&f));
    files.write("ann:secret\nbob:other\n", NEW);
    assert_eq!(
        status(&program, &bearer(OLD)),
        200,
        "the files are not read before SIGHUP"
    );
    program.signal(Signal::HUP);
    let mut rest = Vec::new();
    for revoked in [&mut by_bob, &mut by_token] {
        revoked.read_to_end(&mut rest).expect("an orderly end");
        assert!(rest.ends_with(b"--frame--\r\n"));
    }
    let expected = [
        (basic("ann:secret"), 200),
        (basic("bob:plain"), 401),
        (basic("bob:other"), 200),
    ];
    for (fields, expected) in expected
        .into_iter()
        .chain([(bearer(OLD), 401), (bearer(NEW), 200)])
    {
        assert_eq!(status(&program, &fields), expected, "{fields}");
    }
    by_ann
        .read_exact(&mut [0; 100_000])
        .expect("the stream of an unchanged user continues");
}

#[test]
fn reload_of_invalid_files_keeps_the_old_credentials() {
    let files = Files::new("ann:secret\n", OLD);
    let program = files.serve();
    files.write("no colon here\n", NEW);
    program.signal(Signal::HUP);
    std::fs::remove_file(&files.users).unwrap();
    program.signal(Signal::HUP);
    // The last reload reads valid files again.
    files.write("ann:secret\ncat:third\n", OLD);
    program.signal(Signal::HUP);
    eventually("the files are reloaded", || {
        status(&program, &basic("cat:third")) == 200
    });
    assert_eq!(
        (
            status(&program, &basic("ann:secret")),
            status(&program, &bearer(OLD))
        ),
        (200, 200)
    );
    assert_eq!(status(&program, &bearer(NEW)), 401);
    program.signal(Signal::TERM);
    let (_, log) = program.wait();
    assert!(!log.contains("secret") && !log.contains("third"), "{log}");
}

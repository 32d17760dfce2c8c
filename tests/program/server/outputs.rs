//! Standard streams that are closed, full or without a reader: the server runs all the same.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::eventually;
use crate::support::restarts::{has_exited, new_process_of};

const FRAMECAST: &str = env!("CARGO_BIN_EXE_framecast");

/// Returns a command that runs `framecast` with a redirection of the shell.
fn redirected(redirection: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            &format!("exec \"$0\" \"$@\" {redirection}"),
            FRAMECAST,
        ])
        .args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A server, killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Requests `target` on a Unix socket. Returns the reply, which is empty on an error.
fn get(path: &Path, target: &str) -> String {
    let mut reply = Vec::new();
    if let Ok(mut stream) = UnixStream::connect(path) {
        let _ = stream.write_all(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes());
        let _ = stream.read_to_end(&mut reply);
    }
    String::from_utf8_lossy(&reply).into_owned()
}

fn is_healthy(path: &Path) -> bool {
    get(path, "/snapshot").starts_with("HTTP/1.1 200 OK\r\n")
        && get(path, "/healthz").ends_with("ok\n")
}

#[test]
fn server_starts_with_closed_or_full_standard_streams() {
    for redirection in [
        ">/dev/full",
        ">&-",
        "2>/dev/full",
        "2>&-",
        "<&-",
        "<&- >&- 2>&-",
        ">/dev/full 2>/dev/full",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listen = format!("unix:{}", path.display());
        let _server = Server(
            redirected(redirection, &["serve", "--listen", &listen])
                .spawn()
                .unwrap(),
        );
        eventually(redirection, || is_healthy(&path));
    }
}

#[test]
fn restart_works_without_a_reader_of_stdout_and_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listen = format!("unix:{}", path.display());
    let mut server = Server(
        redirected("", &["serve", "--listen", &listen])
            .spawn()
            .unwrap(),
    );
    eventually("the server is up", || is_healthy(&path));
    drop((server.0.stdout.take(), server.0.stderr.take()));
    let before = Pid::from_child(&server.0);
    kill_process(before, Signal::USR2).unwrap();
    eventually("there is a new process", || {
        new_process_of(before).is_some()
    });
    let new_process = new_process_of(before).unwrap();
    eventually("the old process has exited", || has_exited(before));
    assert!(is_healthy(&path));
    kill_process(new_process, Signal::KILL).unwrap();
}

#[test]
fn failure_has_its_exit_code_with_a_full_stderr() {
    for (code, arguments) in [
        (2, &["--no-such-option"][..]),
        (2, &["capture", "nosuch:"]),
        (1, &["health", "http://127.0.0.1:1/"]),
    ] {
        let status = redirected(">/dev/full 2>/dev/full", arguments)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
    // Output that cannot be written is a failure, not a panic.
    let status = redirected(">/dev/full", &["--generate", "man"])
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

//! The server under a service manager: notifications, the journal, and `framecast health`.

use std::fs::{self, File};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Program, TIMEOUT, eventually};

/// Starts a server with the socket of a service manager and the timeout of its watchdog.
fn supervised(manager: &str, watchdog: Duration, options: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command.args(["--listen", "127.0.0.1:0"]).args(options);
    command
        .env("NOTIFY_SOCKET", manager)
        .env("WATCHDOG_USEC", watchdog.as_micros().to_string());
    Program::start(command)
}

fn receive(manager: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let length = manager.recv(&mut message).expect("a message");
    String::from_utf8_lossy(&message[..length]).into_owned()
}

#[test]
fn manager_gets_ready_keep_alives_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(TIMEOUT)).unwrap();
    let program = supervised(path.to_str().unwrap(), Duration::from_millis(400), &[]);
    assert_eq!(receive(&manager), "READY=1");
    let begun = Instant::now();
    (0..5).for_each(|_| assert_eq!(receive(&manager), "WATCHDOG=1"));
    assert!(
        begun.elapsed() >= Duration::from_millis(400),
        "the interval is half the timeout"
    );

    // A loop that does not turn sends nothing.
    program.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", program.pid().as_raw_nonzero());
    eventually("the process is stopped", || {
        fs::read_to_string(&stat).unwrap().contains(") T ")
    });
    manager.set_nonblocking(true).unwrap();
    while manager.recv(&mut [0; 256]).is_ok() {}
    manager.set_nonblocking(false).unwrap();
    let three_intervals = Duration::from_millis(600);
    manager.set_read_timeout(Some(three_intervals)).unwrap();
    assert!(
        manager.recv(&mut [0; 256]).is_err(),
        "a message of a stopped process"
    );
    program.signal(Signal::CONT);
    manager.set_read_timeout(Some(TIMEOUT)).unwrap();
    assert_eq!(receive(&manager), "WATCHDOG=1");

    program.signal(Signal::TERM);
    while receive(&manager) != "STOPPING=1" {}
    assert_eq!(program.wait().0.code(), Some(0));
}

#[test]
fn manager_that_does_not_read_does_not_block_the_loop() {
    // An abstract name, the other kind of address.
    let name = format!("framecast-test-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    // At one message per millisecond, the socket is soon full.
    let program = supervised(&format!("@{name}"), Duration::from_millis(2), &[]);
    let begun = Instant::now();
    while program.state()["loop"]["turns"].as_u64() < Some(2_000) {
        assert!(begun.elapsed() < TIMEOUT, "the loop is blocked");
    }
    assert_eq!(program.get("/healthz").status(), 200);
    drop(manager);
    assert_eq!(program.get("/healthz").status(), 200);
}

#[test]
fn drivers_do_not_inherit_the_managers_variables() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("environment");
    let path = folder.path().join("notify");
    let _manager = UnixDatagram::bind(&path).unwrap();
    let driver = format!(
        "exec:sh -c 'env >{0}.new; mv {0}.new {0}; sleep 60'",
        seen.display()
    );
    let options = ["--always-on", "--camera", &driver];
    let _program = supervised(path.to_str().unwrap(), Duration::from_secs(20), &options);
    eventually("the driver has started", || seen.exists());
    let environment = fs::read_to_string(&seen).unwrap();
    assert!(environment.contains("PATH="));
    assert!(
        !environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG"),
        "{environment}"
    );
}

#[test]
fn log_lines_for_the_journal_begin_with_their_priority() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stderr");
    // Runs the program until its stderr contains `last`, and returns that.
    let stderr_of = |options: &[&str], is_journal: bool, last: &str| {
        let stderr = File::create(&path).unwrap();
        let (device, inode) = (
            stderr.metadata().unwrap().dev(),
            stderr.metadata().unwrap().ino(),
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
        // This path is too long for a socket, which causes a warning.
        command
            .args(options)
            .env("NOTIFY_SOCKET", "/".repeat(200))
            .stdout(Stdio::null())
            .stderr(stderr);
        command.env(
            "JOURNAL_STREAM",
            format!("{device}:{}", if is_journal { inode } else { inode + 1 }),
        );
        let mut child = command.spawn().unwrap();
        let mut text = String::new();
        eventually(last, || {
            text = fs::read_to_string(&path).unwrap();
            text.contains(last)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        text
    };
    let warning = "NOTIFY_SOCKET: path must be shorter";
    let text = stderr_of(&["--listen", "127.0.0.1:0"], true, warning);
    assert!(text.starts_with(&format!("<4>{warning}")), "{text}");
    // No machine has this address (RFC 5737).
    let text = stderr_of(&["--listen", "192.0.2.1:80"], true, "--listen");
    assert!(text.starts_with("<3>framecast: cannot listen"), "{text}");
    let text = stderr_of(&["--speed", "9"], true, "--help");
    assert!(
        text.starts_with("<3>error: unexpected argument '--speed'"),
        "{text}"
    );
    // An inherited JOURNAL_STREAM is that of another service.
    let text = stderr_of(&["--listen", "127.0.0.1:0"], false, warning);
    assert!(text.contains(&format!("Z WARN  {warning}")), "{text}");
}

#[test]
fn health_command_exits_with_0_or_1() {
    let health = |url: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_framecast"))
            .args(["health", url])
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    let program = Program::serve(&[
        "--always-on",
        "--camera",
        "exec:sleep 60",
        "--camera-linger",
        "1s",
    ]);
    assert_eq!(health(&program.url("/")), (Some(0), "ok\n".into()));
    let _viewer = program.watch("/stream");
    let (mut code, mut text) = (None, String::new());
    eventually("the server is unhealthy", || {
        (code, text) = health(&program.url(""));
        code != Some(0)
    });
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("status 503") && text.contains("No camera delivers frames"),
        "{text}"
    );
    let url = program.url("/");
    drop(program);
    let (code, text) = health(&url);
    assert_eq!(code, Some(1));
    assert!(text.contains("no response: "), "{text}");
}

//! Under a service manager: what it is told, when, and that it is never waited for.

use std::fs::File;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Program, TIMEOUT};

/// A manager at an address, and the program under it, which must report within `watchdog`.
fn supervised(manager: &str, watchdog: Duration, options: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command.args(["--listen", "127.0.0.1:0"]).args(options);
    command
        .env("NOTIFY_SOCKET", manager)
        .env("WATCHDOG_USEC", watchdog.as_micros().to_string());
    Program::start(command)
}

fn hear(manager: &UnixDatagram) -> String {
    let mut words = [0; 256];
    let length = manager.recv(&mut words).expect("it is told something");
    String::from_utf8_lossy(&words[..length]).into_owned()
}

#[test]
fn a_manager_is_told_of_the_start_of_every_turn_in_time_and_of_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(TIMEOUT)).unwrap();
    let program = supervised(path.to_str().unwrap(), Duration::from_millis(400), &[]);
    assert_eq!(hear(&manager), "READY=1");
    let begun = Instant::now();
    (0..5).for_each(|_| assert_eq!(hear(&manager), "WATCHDOG=1"));
    assert!(
        begun.elapsed() >= Duration::from_millis(400),
        "half the time it is given is often enough"
    );

    // One that does not go around says nothing.
    program.signal(Signal::STOP);
    manager.set_nonblocking(true).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    while manager.recv(&mut [0; 256]).is_ok() {}
    std::thread::sleep(Duration::from_millis(600));
    assert!(
        manager.recv(&mut [0; 256]).is_err(),
        "a process that is stopped cannot be well"
    );
    program.signal(Signal::CONT);
    manager.set_nonblocking(false).unwrap();
    assert_eq!(hear(&manager), "WATCHDOG=1");

    program.signal(Signal::TERM);
    while hear(&manager) != "STOPPING=1" {}
    assert_eq!(program.wait().0.code(), Some(0));
}

#[test]
fn a_manager_that_does_not_listen_holds_nobody_up() {
    // A name without a file: the other kind of address that a manager may have.
    let name = format!("framecast-test-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    // At one word a millisecond, what the socket holds is soon full.
    let program = supervised(&format!("@{name}"), Duration::from_millis(2), &[]);
    let begun = Instant::now();
    while program.state()["loop"]["turns"].as_u64() < Some(2_000) {
        assert!(begun.elapsed() < TIMEOUT, "the loop stands still");
    }
    assert_eq!(program.get("/healthz").status(), 200);
    drop(manager);
    assert_eq!(program.get("/healthz").status(), 200);
}

#[test]
fn drivers_are_not_told_of_the_manager() {
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
    let begun = Instant::now();
    let environment = loop {
        match std::fs::read_to_string(&seen) {
            Ok(environment) => break environment,
            Err(_) => assert!(begun.elapsed() < TIMEOUT, "the driver is not started"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(environment.contains("PATH="));
    assert!(
        !environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG"),
        "{environment}"
    );
}

#[test]
fn the_journal_is_told_the_priority_of_each_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stderr");
    // What it says until `last` is said.
    let said = |options: &[&str], is_journal: bool, last: &str| {
        let stderr = File::create(&path).unwrap();
        let (device, inode) = (
            stderr.metadata().unwrap().dev(),
            stderr.metadata().unwrap().ino(),
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
        // No socket has so long a name.
        command
            .args(options)
            .env("NOTIFY_SOCKET", "/".repeat(200))
            .stdout(Stdio::null())
            .stderr(stderr);
        command.env(
            "JOURNAL_STREAM",
            format!("{device}:{}", if is_journal { inode } else { inode + 1 }),
        );
        let (mut child, begun) = (command.spawn().unwrap(), Instant::now());
        let mut words = String::new();
        while !words.contains(last) && begun.elapsed() < TIMEOUT {
            std::thread::sleep(Duration::from_millis(20));
            words = std::fs::read_to_string(&path).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        words
    };
    let warning = "NOTIFY_SOCKET: path must be shorter";
    let words = said(&["--listen", "127.0.0.1:0"], true, warning);
    assert!(words.starts_with(&format!("<4>{warning}")), "{words}");
    // No machine has this address.
    let words = said(&["--listen", "192.0.2.1:80"], true, "--listen");
    assert!(words.starts_with("<3>framecast: cannot listen"), "{words}");
    let words = said(&["--speed", "9"], true, "--help");
    assert!(
        words.starts_with("<3>error: unexpected argument '--speed'"),
        "{words}"
    );
    // A variable that came down from another service says nothing of where this one writes.
    let words = said(&["--listen", "127.0.0.1:0"], false, warning);
    assert!(words.contains(&format!("Z WARN  {warning}")), "{words}");
}

#[test]
fn a_server_can_be_asked_whether_it_is_well() {
    let request = |url: &str| {
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
    assert_eq!(request(&program.url("/")), (Some(0), "ok\n".into()));
    let _viewer = program.watch("/stream");
    let begun = Instant::now();
    let (code, words) = loop {
        let answer = request(&program.url(""));
        if answer.0 != Some(0) || begun.elapsed() > TIMEOUT {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(code, Some(1), "{words}");
    assert!(
        words.contains("not healthy (status 503): Watched cameras give no frame"),
        "{words}"
    );
    let url = program.url("/");
    drop(program);
    let (code, words) = request(&url);
    assert_eq!(code, Some(1));
    assert!(words.contains("no response: "), "{words}");
}

//! How the program starts, how it ends, and what it says when it cannot.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::Program;

/// Runs the program to its end: its exit code and what it said on standard error.
fn run(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_framecast"))
        .args(arguments)
        .output()
        .expect("the program runs");
    (
        output.status.code().expect("an exit code"),
        String::from_utf8(output.stderr).expect("words"),
    )
}

#[test]
fn streams_end_on_a_part_boundary_and_the_program_with_zero() {
    let program = Program::serve(&["--camera", "pattern:320x240?fps=30"]);
    let mut viewers: Vec<_> = (0..20).map(|_| program.watch("/stream")).collect();
    viewers.iter_mut().for_each(|viewer| drop(viewer.part()));
    let begun = Instant::now();
    program.signal(Signal::TERM);
    for viewer in viewers {
        let rest = viewer.rest();
        let end = b"\r\n--frame\r\n\r\n--frame--\r\n";
        assert!(
            rest.ends_with(end) || rest == end[2..],
            "{:?}",
            String::from_utf8_lossy(&rest[rest.len() - 60..])
        );
    }
    let (status, _) = program.wait();
    assert_eq!(status.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// Time goes on while a process is stopped, and what was sent to it meanwhile waits in the kernel:
/// that comes first, and only then is it asked who is late.
#[test]
fn who_spoke_while_the_server_was_stopped_is_heard() {
    let program = Program::serve(&["--request-timeout", "2s"]);
    let mut askers: Vec<_> = (0..5)
        .map(|_| program.send("GET /healthz HTTP/1.1\r\nHost: cam\r\n"))
        .collect();
    while program.state()["connections"]["open"].as_u64() < Some(6) {}
    program.signal(Signal::STOP);
    askers
        .iter_mut()
        .for_each(|asker| asker.write_all(b"Connection: close\r\n\r\n").unwrap());
    std::thread::sleep(Duration::from_secs(3));
    program.signal(Signal::CONT);
    for mut asker in askers {
        let mut reply = String::new();
        asker.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply:?}");
    }
}

#[test]
fn a_viewer_that_never_reads_does_not_hold_up_the_end() {
    let program = Program::serve(&["--camera", "pattern:640x480?fps=30"]);
    let never_reads = program.send("GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n");
    let mut reads = program.watch("/stream");
    while program.state()["frames"]["skipped_slow"].as_u64() < Some(3) {
        reads.part();
    }
    program.signal(Signal::TERM);
    let begun = Instant::now();
    let (status, _) = program.wait();
    assert_eq!(status.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(never_reads);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let program = Program::serve(&[
        "--camera",
        "pattern:640x480?fps=30",
        "--shutdown-timeout",
        "1h",
    ]);
    let _never_reads = program.send("GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n");
    let mut reads = program.watch("/stream");
    while program.state()["frames"]["skipped_slow"].as_u64() < Some(3) {
        reads.part();
    }
    program.signal(Signal::INT);
    reads.rest();
    program.signal(Signal::INT);
    assert_eq!(program.wait().0.code(), Some(0));
}

#[test]
fn it_listens_on_several_addresses_and_on_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let unix = format!("unix:{}", path.display());
    let mut program = Program::serve(&["--listen", "[::1]:0", "--listen", &unix]);
    assert!(program.line().starts_with("listening on http://[::1]:"));
    assert_eq!(program.line(), format!("listening on {unix}\n"));
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(
        reply.starts_with("HTTP/1.1 200 OK\r\n") && reply.ends_with("\r\n\r\nok\n"),
        "{reply}"
    );
    program.signal(Signal::TERM);
    assert_eq!(program.wait().0.code(), Some(0));
    assert!(!path.exists(), "the socket goes with the server");
}

#[test]
fn the_options_can_be_variables() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command
        .env("FRAMECAST_LISTEN", "127.0.0.1:0")
        .env("FRAMECAST_CAMERA", "a=stills:\nb=pattern:64x48?fps=5");
    let program = Program::start(command);
    let state = program.state();
    assert_eq!(
        (&state["cameras"][0]["name"], &state["cameras"][1]["name"]),
        (&"a".into(), &"b".into())
    );
}

#[test]
fn what_cannot_be_started_is_said_in_one_sentence() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().display().to_string();
    let taken = Program::serve(&[]);
    let taken = taken.address.to_string();
    let cases: [(&[&str], i32, String); 6] = [
        (
            &["serve", "--listen", &taken],
            1,
            format!("cannot listen on {taken}: Address already in use (os error 98); stop "),
        ),
        (
            &["capture", &format!("stills:{empty}")],
            1,
            format!("no JPEG in {empty}"),
        ),
        (
            &["capture", "stills:/not/there"],
            1,
            "cannot read the directory /not/there".into(),
        ),
        (
            &["serve", "--camera", "carrier-pigeon:"],
            2,
            "there is no source \"carrier-pigeon\"".into(),
        ),
        (&["--listen", "65536"], 2, "an address is HOST:PORT".into()),
        (
            &["--camera", "a=stills:", "--camera", "a=stills:"],
            2,
            "two cameras are called 'a'".into(),
        ),
    ];
    for (arguments, code, sentence) in cases {
        let (exit, words) = run(arguments);
        assert_eq!(exit, code, "{arguments:?}: {words}");
        assert!(words.contains(&sentence), "{arguments:?}: {words}");
    }
}

#[test]
fn no_password_is_repeated_with_what_is_wrong_beside_it() {
    for arguments in [
        ["capture", "http://ann:secret@cam:99999/"],
        ["publish", "redis://ann:secret@redis:99999/cam"],
    ] {
        let (exit, words) = run(&arguments);
        assert_eq!(exit, 2, "{words}");
        assert!(!words.is_empty() && !words.contains("secret"), "{words}");
    }
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "-vv"])
        .stderr(Stdio::piped());
    // The pipe of its words is never read: at three lines a request, it is full long before the
    // end.
    let program = Program::start(command);
    for _ in 0..1500 {
        assert_eq!(program.get("/healthz").status(), 200);
    }
    assert!(program.state()["loop"]["log_lines_dropped"].as_u64() > Some(0));
}

#[test]
fn what_comes_from_outside_cannot_write_to_the_terminal() {
    let program = Program::serve(&["-v"]);
    program.request("GET /%1b[31mred\x07 HTTP/1.1\r\nHost: cam\r\n\r\n");
    program.get("/%1B]0;title%07");
    program.signal(Signal::TERM);
    let (_, words) = program.wait();
    assert!(words.contains("/%1B]0;title%07"));
    assert!(
        !words.bytes().any(|byte| byte < 0x20 && byte != b'\n'),
        "{words:?}"
    );
}

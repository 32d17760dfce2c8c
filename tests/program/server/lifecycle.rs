//! Start and shutdown, and the messages of failed starts.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Program, eventually};

/// Runs the program. Returns its exit code and its stderr.
fn run(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_framecast"))
        .args(arguments)
        .output()
        .expect("the program runs");
    (
        output.status.code().expect("an exit code"),
        String::from_utf8(output.stderr).expect("stderr is text"),
    )
}

#[test]
fn sigterm_ends_streams_on_a_part_boundary_and_exits_with_0() {
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

/// While the process is stopped, time passes, and bytes wait in the kernel. It must read these
/// before it checks deadlines.
#[test]
fn requests_sent_while_the_process_was_stopped_are_answered() {
    let program = Program::serve(&["--request-timeout", "2s"]);
    let mut clients: Vec<_> = (0..5)
        .map(|_| program.send("GET /healthz HTTP/1.1\r\nHost: cam\r\n"))
        .collect();
    eventually("all clients are accepted", || {
        program.state()["connections"]["open"].as_u64() >= Some(6)
    });
    program.signal(Signal::STOP);
    for client in &mut clients {
        client.write_all(b"Connection: close\r\n\r\n").unwrap();
    }
    // Longer than the timeout of a request.
    std::thread::sleep(Duration::from_secs(3));
    program.signal(Signal::CONT);
    for mut client in clients {
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply:?}");
    }
}

#[test]
fn viewer_that_never_reads_does_not_delay_the_shutdown() {
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
fn second_signal_quits_immediately() {
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
fn server_listens_on_several_addresses_and_a_unix_socket() {
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
    assert!(!path.exists(), "the socket file is removed");
}

#[test]
fn options_can_be_environment_variables() {
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
fn failed_start_exits_with_a_message() {
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
            format!("{empty}: no JPEG file"),
        ),
        (&["capture", "stills:/not/there"], 1, "/not/there".into()),
        (
            &["serve", "--camera", "carrier-pigeon:"],
            2,
            "carrier-pigeon".into(),
        ),
        (&["--listen", "65536"], 2, "HOST:PORT".into()),
        (
            &["--camera", "a=stills:", "--camera", "a=stills:"],
            2,
            "'a'".into(),
        ),
    ];
    for (arguments, code, key_words) in cases {
        let (exit, log) = run(arguments);
        assert_eq!(exit, code, "{arguments:?}: {log}");
        assert!(log.contains(&key_words), "{arguments:?}: {log}");
    }
}

#[test]
fn error_about_an_invalid_port_does_not_show_the_password() {
    for arguments in [
        ["capture", "http://ann:secret@cam:99999/"],
        ["publish", "redis://ann:secret@redis:99999/cam"],
    ] {
        let (exit, log) = run(&arguments);
        assert_eq!(exit, 2, "{log}");
        assert!(!log.is_empty() && !log.contains("secret"), "{log}");
    }
}

#[test]
fn full_stderr_pipe_drops_log_lines_and_does_not_block() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "-vv"])
        .stderr(Stdio::piped());
    // The pipe of stderr is not read. At three lines for each request, it is soon full.
    let program = Program::start(command);
    for _ in 0..1500 {
        assert_eq!(program.get("/healthz").status(), 200);
    }
    assert!(program.state()["loop"]["log_lines_dropped"].as_u64() > Some(0));
}

#[test]
fn control_characters_of_a_request_are_not_logged() {
    let program = Program::serve(&["-v"]);
    program.request("GET /%1b[31mred\x07 HTTP/1.1\r\nHost: cam\r\n\r\n");
    program.get("/%1B]0;title%07");
    program.signal(Signal::TERM);
    let (_, log) = program.wait();
    assert!(log.contains("/%1B]0;title%07"));
    assert!(
        !log.bytes().any(|byte| byte < 0x20 && byte != b'\n'),
        "{log:?}"
    );
}

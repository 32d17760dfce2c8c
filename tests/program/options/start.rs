//! Sources and addresses on the command line, as users write them.

use std::net::Ipv4Addr;
use std::process::Stdio;

use super::interfaces;
use rustix::process::Signal;

use super::{framecast, refused};
use crate::support::Program;

/// Starts a server with these arguments on a free port.
fn start(arguments: &[&str]) -> Program {
    let mut command = framecast();
    command.args(["--listen", "127.0.0.1:0"]).args(arguments);
    Program::start(command)
}

fn words(program: Program) -> String {
    program.signal(Signal::TERM);
    let (status, words) = program.wait();
    assert!(status.success(), "{words}");
    words
}

#[test]
fn positional_sources_are_cameras() {
    let mut command = framecast();
    command
        .env("FRAMECAST_CAMERA", "yard=stills:")
        .args(["--listen", "127.0.0.1:0"]);
    command.args([
        "pattern:64x48",
        "b=pattern:32x32",
        "--camera",
        "c=pattern:16x16",
    ]);
    let program = Program::start(command);
    let state = program.state().to_string();
    for name in ["\"name\":\"camera\"", "\"name\":\"b\"", "\"name\":\"c\""] {
        assert!(state.contains(name), "{state}");
    }
    assert!(
        !state.contains("yard"),
        "a command line overrides its environment: {state}"
    );
}

#[test]
fn scheme_is_case_insensitive() {
    let state = start(&["PATTERN:64x48", "HTTP://127.0.0.1:1/video"])
        .state()
        .to_string();
    assert!(
        state.contains("pattern:64x48") && state.contains("http://127.0.0.1:1/video"),
        "{state}"
    );
}

#[test]
fn missing_source_is_warned_about_and_offline() {
    let sources = [
        "v=/dev/video99",
        "s=stills:/mnt/nope",
        "e=exec:nosuch-program",
    ];
    let program = start(&sources);
    for (camera, reason) in [
        ("v", "/dev/video99"),
        ("s", "/mnt/nope"),
        ("e", "nosuch-program"),
    ] {
        let reply = program.get(&format!("/snapshot?camera={camera}"));
        assert_eq!(reply.status(), 503, "{camera}");
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(body.contains(reason), "{camera}: {body}");
    }
    let words = words(program);
    for camera in ["v", "s", "e"] {
        assert!(
            words.contains(&format!("WARN  camera {camera}: ")),
            "{words}"
        );
    }
}

#[test]
fn listen_address_without_host_means_all_interfaces() {
    // Each of them asks for a port that the test cannot know to be free, so only what does not
    // depend on it is checked.
    for (address, expected) in [
        (":0", "listening on http://[::]:"),
        ("*:0", "listening on http://[::]:"),
    ] {
        let mut child = framecast()
            .args(["--listen", address])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("text");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert!(
            line.starts_with(expected) || line.starts_with("listening on http://0.0.0.0:"),
            "{address}: {line}"
        );
    }
}

#[test]
fn listener_on_all_interfaces_prints_urls_for_other_devices() {
    let addresses = interfaces::addresses().expect("the kernel lists them");
    let urls = |port| {
        interfaces::urls(
            "http",
            (Ipv4Addr::UNSPECIFIED, port).into(),
            &addresses,
            None,
        )
    };
    for (arguments, credentials) in [
        (&["--always-on"][..], "no credentials are required"),
        (&["--token", "0123456789abcdef"], "a token is required"),
    ] {
        let mut program = Program::serve_on("0.0.0.0:0", arguments);
        let urls = urls(program.address.port());
        if !urls.is_empty() {
            let line = program.line();
            assert!(
                line.starts_with("other devices: ") && urls.iter().all(|url| line.contains(url)),
                "{line}"
            );
            assert!(program.line().starts_with(credentials));
        }
    }
}

#[test]
fn listener_on_localhost_accepts_ipv4() {
    let mut command = framecast();
    let mut child = command
        .args(["--listen", "localhost:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("text");
    let port = line
        .trim_end_matches("/\n")
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
        .expect("a port");
    let connected = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert!(connected.is_ok(), "{line}");
}

#[test]
fn frames_are_not_written_to_a_terminal() {
    // script(1) gives the program a terminal.
    let mut command = std::process::Command::new("script");
    command.args(["--quiet", "--return", "--command"]);
    command
        .arg(format!("{} capture pattern:64x48", super::FRAMECAST))
        .arg("/dev/null");
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("script(1) is there");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("standard output is a terminal; redirect it"),
        "{said}"
    );
    let mut piped = framecast();
    piped.args(["capture", "stills:/mnt/nope"]);
    assert!(!refused(piped).1.contains("terminal"));
}

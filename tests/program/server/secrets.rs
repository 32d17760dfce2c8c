//! Credentials of cameras: no output of the program may contain the canary.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::Signal;

use crate::support::{Program, eventually};

const FRAMECAST: &str = env!("CARGO_BIN_EXE_framecast");

/// The password and the token of every camera.
const CANARY: &str = "cAnArY7";

/// Starts a network camera that redirects to a URL with a session, and answers that with 401.
fn camera_with_login() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let count = stream.read(&mut request).unwrap_or_default();
            let response = if !request[..count]
                .windows(8)
                .any(|bytes| bytes == b"session=")
            {
                format!("302 Found\r\nLocation: /cam?session={CANARY}")
            } else {
                format!("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"{CANARY}\"")
            };
            let response =
                format!("HTTP/1.1 {response}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = std::io::Write::write_all(&mut stream, response.as_bytes());
        }
    });
    address
}

/// Returns cameras that all fail. The source of each contains the canary.
fn cameras() -> Vec<String> {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let login = camera_with_login();
    // Reports the password in a header field and without a URL around it, as other programs do.
    let grab =
        "echo \"login $3 at $5 failed: $1\" >&2; echo \"> Authorization: Basic $1\" >&2; exit 1";
    vec![
        format!("query=http://{closed}/videostream.cgi?user=admin&pwd={CANARY}"),
        format!("other=http://{closed}/?u=admin&p={CANARY}#timeout=2s"),
        format!("userinfo=http://ann:{CANARY}@{closed}/"),
        format!("encoded=http://ann:x%40{CANARY}@{login}/"),
        format!("redirect=http://{login}/cam?token={CANARY}"),
        format!("https=https://ann:{CANARY}@{closed}/?token={CANARY}"),
        format!("redis=redis://ann:{CANARY}@{closed}/cam"),
        format!("list=redis+list://:{CANARY}@{closed}/cam"),
        format!(
            "grab=exec:sh -c '{grab}' --password {CANARY} -u ann:{CANARY} --url rtsp://ann:{CANARY}@cam/?x={CANARY}"
        ),
        format!("missing=exec:sh -c 'exec /no/such/program -H \"Authorization: Bearer {CANARY}\"'"),
    ]
}

/// Returns the argument lists of the children that are this program. Other children have arguments
/// of the user.
fn argument_lists(program: &Program) -> String {
    let own = std::fs::canonicalize(FRAMECAST).unwrap();
    let mut pids = program.children();
    let is_ours =
        |pid: &String| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == own);
    pids.retain(is_ours);
    let read =
        |pid: &String| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    pids.iter()
        .map(|pid| read(pid).replace('\0', " ") + "\n")
        .collect()
}

#[test]
fn secrets_of_sources_are_in_no_output() {
    let mut command = Command::new(FRAMECAST);
    command
        .args(["serve", "-vv", "--always-on", "--listen", "127.0.0.1:0"])
        .env("RUST_LOG", "trace");
    let cameras = cameras();
    // From the environment, since the server cannot hide its own arguments.
    command.env("FRAMECAST_CAMERA", cameras.join("\n"));
    command.env(
        "FRAMECAST_PUBLISH",
        format!("query=redis://ann:{CANARY}@127.0.0.1:1/cam"),
    );
    let program = Program::start(command);
    let mut shown = String::new();
    let mut arguments = BTreeSet::new();
    let mut events = program.send("GET /events?frames=1 HTTP/1.1\r\nHost: cam\r\n\r\n");
    eventually("every camera is offline and has a placeholder", || {
        arguments.extend(argument_lists(&program).lines().map(str::to_owned));
        let drawn = arguments
            .iter()
            .filter(|line| line.contains(" draw-offline "))
            .count();
        let state = program.state();
        let all = |list: &str| {
            state[list]
                .as_array()
                .unwrap()
                .iter()
                .all(|entry| entry["error"].is_string())
        };
        all("cameras") && all("publishers") && drawn >= cameras.len()
    });
    shown.extend(arguments.iter().map(|line| format!("{line}\n")));
    assert!(
        shown.contains(" capture ") && shown.contains(" publish "),
        "{shown}"
    );
    let state = program.state();
    for camera in state["cameras"].as_array().unwrap() {
        assert!(
            camera["source"].as_str().unwrap().contains("***"),
            "{camera}"
        );
    }
    for target in [
        "/state",
        "/metrics",
        "/healthz",
        "/",
        "/loop",
        "/table?rows=5",
        "/nothing",
    ] {
        shown += program.get(target).text();
    }
    for name in cameras
        .iter()
        .map(|camera| camera.split('=').next().unwrap())
    {
        let reply = program.get(&format!("/snapshot?camera={name}"));
        assert_eq!(reply.status(), 503);
        shown += reply.text();
    }
    let mut buffer = vec![0; 64 * 1024];
    let count = events.read(&mut buffer).unwrap();
    shown += &String::from_utf8_lossy(&buffer[..count]);
    drop(events);
    program.signal(Signal::TERM);
    let (_, log) = program.wait();
    for name in cameras
        .iter()
        .map(|camera| camera.split('=').next().unwrap())
    {
        assert!(
            log.contains(&format!("camera {name}: started driver (")),
            "{name}: {log}"
        );
    }
    assert!(
        log.contains("401") || log.contains("user and"),
        "the log has the error of the redirected camera: {log}"
    );
    shown += &log;
    let leak = shown.lines().find(|line| line.contains(CANARY));
    assert_eq!(leak, None);
}

/// Invalid addresses with the canary.
const MALFORMED: [&str; 14] = [
    "http://ann:cAnArY7/x@cam/",
    "http://ann:cAnArY7#x@cam/",
    "http://ann:80#cAnArY7@cam/",
    "http://ann:cAnArY7?x@cam/",
    "http://cam/?pwd=x#cAnArY7",
    "http://ann:%ffcAnArY7@cam/",
    "https://ann:cAnArY7@",
    "rtsp://ann:cAnArY7@cam/live?token=cAnArY7",
    "ann:cAnArY7@192.0.2.1:8080/video",
    "192.0.2.1:8080/video?pwd=cAnArY7",
    "redis://ann:cAnArY7@cam",
    "redis+list://cam/work?max=0&pwd=cAnArY7",
    "exec:'grab --password cAnArY7",
    "exec:CAM_PASSWORD=cAnArY7 no-such-program",
];

#[test]
fn error_about_an_invalid_address_does_not_show_its_secrets() {
    for address in MALFORMED {
        for arguments in [
            &["serve", "--listen", "127.0.0.1:0", "--camera", address][..],
            &[
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--camera",
                &format!("front door={address}"),
            ],
            &["serve", "--listen", address],
            &["serve", "--publish", address],
            &["serve", "--offline", address],
            &[address, address, "--nonsense"],
            &[&format!("--{address}")],
            &["capture", address],
            &["publish", address],
            &["health", address],
            &["bench", address],
        ] {
            // The server runs with such a camera, which is offline.
            let is_served = address.starts_with("exec:CAM") && arguments.contains(&"--camera");
            if is_served {
                continue;
            }
            let mut command = Command::new(FRAMECAST);
            let output = command
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let shown =
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(
                !output.status.success() && !shown.is_empty(),
                "{arguments:?}"
            );
            assert!(!shown.contains(CANARY), "{arguments:?}: {shown}");
        }
    }
}

#[test]
fn control_characters_of_a_driver_are_escaped_in_503_text() {
    let camera = r#"exec:sh -c 'printf "\033[31mred\007\n" >&2; exit 1'"#;
    let program = Program::serve(&["--always-on", "--camera", camera]);
    let mut text = String::new();
    eventually("the camera is offline with its driver's error", || {
        let reply = program.get("/snapshot");
        text = reply.text().to_owned();
        reply.status() == 503 && text.contains("red")
    });
    assert!(text.contains(r"\u{1b}[31mred\u{7}"), "{text}");
    assert!(!text.trim_end().contains(char::is_control), "{text:?}");
}

//! Credentials of cameras: each outlet of the program is searched for a canary.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;

use clap::Parser;
use framecast::options::Options;
use rustix::process::Signal;

use crate::support::{Program, eventually};

const FRAMECAST: &str = env!("CARGO_BIN_EXE_framecast");

/// The password and the token of every camera.
const CANARY: &str = "cAnArY7";

/// A camera on the network that redirects to an address with a session and answers that one with
/// 401.
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

/// Cameras that all fail, each with the canary in its source.
fn cameras() -> Vec<String> {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let login = camera_with_login();
    // It reports its arguments as other programs do, with a header field and without an address
    // around the password.
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

/// The argument lists of a server and of those of its children that are this program: others have
/// the arguments that the user gave them.
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
fn canary_in_any_source_reaches_no_outlet() {
    let mut command = Command::new(FRAMECAST);
    command
        .args(["serve", "-vv", "--always-on", "--listen", "127.0.0.1:0"])
        .env("RUST_LOG", "trace");
    let cameras = cameras();
    // The argument list of the server itself is the user's, so its sources come from the
    // environment.
    command.env("FRAMECAST_CAMERA", cameras.join("\n"));
    command.env(
        "FRAMECAST_PUBLISH",
        format!("query=redis://ann:{CANARY}@127.0.0.1:1/cam"),
    );
    let program = Program::start(command);
    let mut shown = String::new();
    let mut arguments = BTreeSet::new();
    let mut events = program.send("GET /events?frames=1 HTTP/1.1\r\nHost: cam\r\n\r\n");
    eventually(
        "every camera is offline and every picture of it is drawn",
        || {
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
        },
    );
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
    let mut piece = vec![0; 64 * 1024];
    let count = events.read(&mut piece).unwrap();
    shown += &String::from_utf8_lossy(&piece[..count]);
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
        "the redirected camera is reported: {log}"
    );
    shown += &log;
    let leak = shown.lines().find(|line| line.contains(CANARY));
    assert_eq!(leak, None);
}

/// Addresses that cannot be used, all with the canary in them.
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
fn error_about_a_malformed_address_does_not_repeat_its_secrets() {
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
            // A command that cannot be run is offline, and its server goes on.
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
fn debug_output_of_options_and_settings_shows_no_secret() {
    let cameras = cameras();
    let mut arguments = vec![
        "framecast".to_owned(),
        format!("--token={CANARY}-long-enough"),
    ];
    arguments.extend(cameras.iter().map(|camera| format!("--camera={camera}")));
    arguments.push(format!("--publish=redis://:{CANARY}@cam/x"));
    let options = Options::try_parse_from(&arguments).unwrap();
    let mut shown = format!("{options:?} {options:#?}");
    let settings = options.serve.settings("framecast".as_ref()).unwrap();
    shown += &format!("{settings:?}");
    for command in ["capture", "publish", "health", "bench"] {
        let address = format!("http://ann:{CANARY}@cam/?token={CANARY}");
        shown += &format!(
            "{:?}",
            Options::try_parse_from(["framecast", command, &address]).unwrap()
        );
    }
    let token = Options::try_parse_from(["framecast", "token", "--valid", "1h", "--token", CANARY])
        .unwrap();
    shown += &format!("{token:?}");
    assert!(
        !shown.contains(CANARY) && shown.matches("***").count() > 20,
        "{shown}"
    );
}

#[test]
fn control_characters_of_a_driver_are_escaped_in_503_text() {
    let camera = r#"exec:sh -c 'printf "\033[31mred\007\n" >&2; exit 1'"#;
    let program = Program::serve(&["--always-on", "--camera", camera]);
    let mut text = String::new();
    eventually(
        "the camera is offline for the reason that its driver gives",
        || {
            let reply = program.get("/snapshot");
            text = reply.text().to_owned();
            reply.status() == 503 && text.contains("red")
        },
    );
    assert!(text.contains(r"\u{1b}[31mred\u{7}"), "{text}");
    assert!(!text.trim_end().contains(char::is_control), "{text:?}");
}

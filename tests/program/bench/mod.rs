//! `framecast bench` as a program: output, report and exit codes.

#[path = "../../../src/bench/tests/balanced.rs"]
mod balanced;
#[path = "../../../src/bench/tests/tiny_server.rs"]
#[allow(dead_code, reason = "the unit tests use more of it")]
mod tiny_server;

use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Program, TIMEOUT, eventually};
use balanced::assert_balanced;
use tiny_server::{Then, TinyServer, part, stream};

/// One frame a second would leave nothing to count in a short run.
const CAMERA: [&str; 2] = ["--camera", "pattern:160x120?fps=60"];

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command
        .arg("bench")
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Returns the option for this process as the server. Without it, the search could find a second
/// process, the one that another test is starting.
fn this_pid() -> String {
    format!("--pid={}", std::process::id())
}

/// Returns the error of a run that fails, which is one line.
fn error_line(arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = bench(arguments);
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    assert_eq!(
        (status.code(), stdout.as_str(), stderr.lines().count()),
        (Some(1), "", 1),
        "{stderr}"
    );
    stderr
}

#[test]
fn ramp_finds_the_server_and_prints_each_step() {
    let server = Program::serve(&CAMERA);
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.html");
    let url = server.url("/video_feed");
    let options = [
        "--slow=1",
        "--stalled=1",
        "--churn=5",
        "--verify",
        "--seconds=0.5",
    ];
    let arguments = [
        &[
            &url,
            "--json",
            "--ramp=1,4",
            "--report",
            report.to_str().unwrap(),
        ],
        &options[..],
    ]
    .concat();
    let Output {
        status,
        stdout,
        stderr,
    } = bench(&arguments);
    assert_eq!((status.code(), text(&stderr).as_str()), (Some(0), ""));
    let steps: Value = serde_json::from_slice(&stdout).unwrap();
    let steps = steps.as_array().unwrap();
    assert_eq!(steps.len(), 2);
    for (step, viewers) in steps.iter().zip([1, 4]) {
        assert_eq!(step["plan"]["pid"], server.pid().as_raw_nonzero().get());
        assert!(step["server"]["own"]["rss_end_bytes"].as_u64().unwrap() > 0);
        assert_eq!(
            (&step["plan"]["viewers"], &step["steady"]["viewers"]),
            (&viewers.into(), &viewers.into())
        );
        assert!(step["steady"]["frames"].as_u64().unwrap() > 0);
        assert_eq!(
            (&step["steady"]["failed"], &step["stalled"]["viewers"]),
            (&0.into(), &1.into())
        );
    }
    let page = std::fs::read_to_string(report).unwrap();
    assert_balanced(&page);
    for words in [
        &url,
        "--ramp=1,4",
        "CPU per frame",
        "Frame rate of each viewer",
        "stalled",
        "Linux",
    ] {
        assert!(page.contains(words), "{words} is missing");
    }
}

#[test]
fn ramp_table_has_a_row_per_step() {
    let server = TinyServer::start(stream(&[]), Then::Send(part));
    let Output {
        status,
        stdout,
        stderr,
    } = bench(&[&server.url(), "--ramp", "2,3", "--seconds=0.3", &this_pid()]);
    assert_eq!((status.code(), text(&stderr).as_str()), (Some(0), ""));
    let stdout = text(&stdout);
    let rows: Vec<Vec<&str>> = stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0][..4], ["viewers", "joined", "fps", "min"]);
    assert_eq!(
        (&rows[1][..2], &rows[2][..2]),
        (&["2", "2"][..], &["3", "3"][..])
    );
    for row in &rows[1..3] {
        assert_eq!(row.len(), 11, "{stdout}");
        assert!(row[2].parse::<f64>().unwrap() > 0.0, "{stdout}");
    }
}

#[test]
fn damaged_frames_exit_with_1_unless_allowed() {
    let every_fifth_damaged = |sequence| {
        let mut part = part(sequence);
        if sequence % 5 == 0 {
            part.remove(part.len() - 20);
        }
        part
    };
    let server = TinyServer::start(stream(&[]), Then::Send(every_fifth_damaged));
    let url = server.url();
    let arguments = [&url, "--viewers=2", "--seconds=0.3", &this_pid()];
    let Output {
        status,
        stdout,
        stderr,
    } = bench(&arguments);
    assert!(
        text(&stderr).starts_with("framecast: with 2 viewers: damaged frames: "),
        "{}",
        text(&stderr)
    );
    assert_eq!(status.code(), Some(1));
    assert!(
        text(&stdout).contains("steady"),
        "the figures are printed all the same"
    );
    let allowed = bench(&[&arguments[..], &["--allow-faults"]].concat());
    assert_eq!(
        (allowed.status.code(), text(&allowed.stderr).as_str()),
        (Some(0), "")
    );
}

#[test]
fn unwatchable_url_is_reported_in_one_line() {
    let server = Program::serve(&CAMERA);
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (url, expected) in [
        (server.url("/nothing"), "status 404"),
        (server.url("/"), "\"text/html"),
        (format!("http://{closed}/"), "Connection refused"),
        (
            "http://no..host/".to_owned(),
            "http://no..host/: unknown host",
        ),
    ] {
        let line = error_line(&[&url, "--ramp=3,5"]);
        assert!(line.contains(expected), "{line}");
    }
    let line = error_line(&[
        &server.url("/stream"),
        "--report",
        "/no/such/folder/report.html",
    ]);
    assert!(line.contains("/no/such/folder/report.html"), "{line}");
}

#[test]
fn credentials_are_sent_and_masked_in_text_json_report_and_errors() {
    let folder = tempfile::tempdir().unwrap();
    let (users, report) = (
        folder.path().join("users"),
        folder.path().join("report.html"),
    );
    std::fs::write(&users, "ann:canary7\n").unwrap();
    let server = Program::serve(&[&CAMERA[..], &["--auth-file", users.to_str().unwrap()]].concat());
    let url = server
        .url("/stream?note=canary7")
        .replace("http://", "http://ann:canary7@");
    let report = report.to_str().unwrap();
    let run = |options: &[&str]| {
        bench(
            &[
                &[&url, "--viewers=2", "--seconds=0.3", "--report", report],
                options,
            ]
            .concat(),
        )
    };
    let mut shown = String::new();
    for output in [
        run(&[]),
        run(&["--json"]),
        bench(&[&url.replace("canary7@", "wrong-canary7@")]),
    ] {
        shown += &(text(&output.stdout) + &text(&output.stderr));
    }
    shown += &std::fs::read_to_string(report).unwrap();
    assert!(!shown.contains("canary7"), "{shown}");
    // Text, JSON, a refusal, and the report's title, heading and command line.
    assert!(
        shown.matches("http://***@127.0.0.1:").count() >= 6,
        "{shown}"
    );
    assert!(
        shown.contains("With 2 viewers, ") && shown.contains("status 401"),
        "{shown}"
    );
}

#[test]
fn text_and_report_define_each_term_identically() {
    let server = TinyServer::start(stream(&[]), Then::Send(part));
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.html");
    let output = bench(&[
        &server.url(),
        "--seconds=0.3",
        "--viewers=1",
        "--slow=1",
        &this_pid(),
        "--report",
        report.to_str().unwrap(),
    ]);
    let (shown, page) = (
        text(&output.stdout),
        std::fs::read_to_string(report).unwrap(),
    );
    let (figures, legend) = shown.split_once("\nTerms:\n").expect("there is a legend");
    let terms: Vec<(&str, &str)> = legend
        .lines()
        .map(|line| {
            line.trim_start()
                .split_once("  ")
                .expect("a term and its definition")
        })
        .collect();
    for (term, meaning) in &terms {
        let meaning = meaning.trim().replace('&', "&amp;").replace('"', "&quot;");
        assert!(
            page.contains(&format!("<dt>{term}</dt><dd>{meaning}</dd>")),
            "{term} is missing"
        );
    }
    for term in [
        "steady",
        "slow",
        "short",
        "skipped",
        "repeated",
        "out of order",
        "damaged",
        "differ",
        "first frame",
        "spread",
    ] {
        assert!(
            figures.contains(term) && terms.iter().any(|(known, _)| *known == term),
            "{term}: {shown}"
        );
        assert!(
            page.contains(&format!("<th>{term}<small>")) || page.contains(&format!("{term}</td>")),
            "{term}"
        );
    }
    assert!(
        !legend.contains("stalled") && !figures.contains("churn"),
        "{shown}"
    );
}

#[test]
fn ramp_above_the_file_limit_is_rejected_before_it_begins() {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        r#"ulimit -n 80; exec "$0" "$@""#,
        env!("CARGO_BIN_EXE_framecast"),
    ]);
    let output = command
        .args(["bench", "http://127.0.0.1:1/", "--ramp", "1,200"])
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(
        (output.status.code(), stderr.lines().count()),
        (Some(1), 1),
        "{stderr}"
    );
    assert!(
        stderr.contains("264 open files") && stderr.contains("80 allowed"),
        "{stderr}"
    );
}

#[test]
fn invalid_options_exit_with_2() {
    for arguments in [
        ["http://127.0.0.1:1/", "--seconds=0"],
        ["ftp://127.0.0.1/", "--viewers=1"],
    ] {
        assert_eq!(bench(&arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn killed_server_ends_the_run() {
    let server = Program::serve(&CAMERA);
    let url = server.url("/stream");
    let seconds = (100 * TIMEOUT.as_secs()).to_string();
    let run = std::thread::spawn(move || bench(&[&url, "--viewers=3", "--seconds", &seconds]));
    eventually("three viewers watch", || {
        server.state()["result"]["stream"]["clients"] == 3
    });
    drop(server);
    let Output {
        status,
        stdout,
        stderr,
    } = run.join().unwrap();
    let stderr = text(&stderr);
    assert_eq!(
        (
            status.code(),
            text(&stdout).as_str(),
            stderr.lines().count()
        ),
        (Some(1), "", 1),
        "{stderr}"
    );
    assert!(stderr.contains("ended all streams"), "{stderr}");
}

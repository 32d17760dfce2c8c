//! Every option with invalid values: the error names the option, the problem and the expected values,
//! and nothing has started.

mod environment;
#[path = "../../../src/server/interfaces.rs"]
#[allow(dead_code, reason = "the server uses more of it")]
mod interfaces;
mod start;
mod tables;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::geteuid;
use tempfile::TempDir;

use tables::*;

use crate::support::TIMEOUT;
use crate::support::certificate::Certificate;

const FRAMECAST: &str = env!("CARGO_BIN_EXE_framecast");

/// Runs a command that must fail before it starts anything. Returns its exit code and its error.
fn refused(mut command: Command) -> (Option<i32>, String) {
    let shown = format!("{command:?}");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().expect("it is our child") {
            Some(status) => break status,
            None if begun.elapsed() > TIMEOUT => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{shown} goes on");
            }
            None => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    };
    let [mut out, mut words] = [String::new(), String::new()];
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_to_string(&mut out)
        .expect("text");
    child
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut words)
        .expect("text");
    assert_eq!(out, "", "{shown} has begun");
    assert!(
        !words.contains("panicked") && !words.contains("RUST_BACKTRACE"),
        "{shown}: {words}"
    );
    assert!(
        !words.contains("secret"),
        "{shown} repeats what is secret: {words}"
    );
    (status.code(), words)
}

/// Returns the program with an empty environment.
fn framecast() -> Command {
    let mut command = Command::new(FRAMECAST);
    command.env_clear();
    command
}

/// Checks exit code and error. Our errors have one line; clap adds a usage.
fn assert_rejected(arguments: &str, (code, words): (Option<i32>, String), expected: (i32, &str)) {
    assert!(words.contains(expected.1), "{arguments}: {words}");
    assert_eq!(code, Some(expected.0), "{arguments}: {words}");
    let said = words
        .lines()
        .filter(|line| line.starts_with("framecast: ") || line.starts_with("error: "))
        .count();
    assert_eq!(said, 1, "{arguments}: {words}");
    let is_ours = words.starts_with("framecast: ");
    assert!(
        !is_ours || words.lines().count() == 1,
        "{arguments}: {words}"
    );
}

/// Returns the names of the options in the help of a command.
fn known(arguments: &[&str]) -> BTreeSet<String> {
    let output = framecast()
        .args(arguments)
        .arg("--help")
        .output()
        .expect("the program runs");
    let help = String::from_utf8(output.stdout).expect("text");
    let options = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('-'));
    let names = options.filter_map(|line| {
        line.split("--")
            .nth(usize::from(!line.starts_with('-')))
            .or(Some(line))
    });
    let names = names.filter_map(|line| line.trim_start_matches('-').split([' ', '.', '[']).next());
    names
        .filter(|name| name.len() > 1)
        .map(str::to_owned)
        .collect()
}

#[test]
fn invalid_option_value_is_rejected_with_what_was_expected() {
    for (option, values, sentence) in WRONG {
        for value in *values {
            let mut command = framecast();
            command.arg(format!("--{option}={value}"));
            let said = refused(command);
            // A token is not repeated.
            assert!(
                *option != "token" || value.is_empty() || !said.1.contains(value),
                "{}",
                said.1
            );
            assert_rejected(&format!("--{option}={value}"), said, (2, sentence));
            // An empty variable counts as unset.
            if value.is_empty() {
                continue;
            }
            let variable = format!("FRAMECAST_{}", option.to_uppercase().replace('-', "_"));
            let mut command = framecast();
            command.env(&variable, value);
            let said = refused(command);
            assert!(
                *option != "token" || value.is_empty() || !said.1.contains(value),
                "{}",
                said.1
            );
            let is_named = said.1.contains(&variable)
                || !said.1.starts_with("error: ")
                || option.starts_with("tls-");
            assert!(
                is_named && !said.1.contains("--camera: "),
                "{variable}: {}",
                said.1
            );
            assert_rejected(&format!("{variable}={value}"), said, (2, sentence));
        }
    }
    for (option, values, sentence) in BENCH {
        for value in *values {
            let mut command = framecast();
            command.args([
                "bench",
                "http://127.0.0.1:1/",
                &format!("--{option}={value}"),
            ]);
            assert_rejected(
                &format!("bench --{option}={value}"),
                refused(command),
                (2, sentence),
            );
        }
    }
}

#[test]
fn every_option_has_a_test_of_invalid_values() {
    let ours = |table: &[(&str, &[&str], &str)]| {
        table
            .iter()
            .map(|(name, _, _)| (*name).to_owned())
            .collect()
    };
    // These take no value, or have tests of their own.
    let others = ["help", "version", "verbose", "quiet", "generate", "report"].map(str::to_owned);
    for (arguments, tried) in [(&["serve"][..], ours(WRONG)), (&["bench"], ours(BENCH))] {
        let tried: BTreeSet<String> = tried;
        let untried: Vec<String> = known(arguments)
            .into_iter()
            .filter(|name| !tried.contains(name) && !others.contains(name))
            .collect();
        assert_eq!(untried, Vec::<String>::new(), "{arguments:?}");
        let gone: Vec<&String> = tried
            .iter()
            .filter(|name| !known(arguments).contains(*name))
            .collect();
        assert_eq!(gone, Vec::<&String>::new(), "{arguments:?}");
    }
}

#[test]
fn invalid_command_line_is_rejected_with_a_remedy() {
    for (arguments, sentence) in REFUSED {
        let mut command = framecast();
        command.args(*arguments);
        assert_rejected(&format!("{arguments:?}"), refused(command), (2, sentence));
    }
}

#[test]
fn negative_number_is_parsed_as_a_value() {
    for arguments in [
        &["--viewers-max", "-1"][..],
        &["bench", "http://127.0.0.1:1/", "--ramp", "-1"],
    ] {
        let mut command = framecast();
        command.args(arguments);
        assert_rejected(
            &format!("{arguments:?}"),
            refused(command),
            (2, "expected a whole number"),
        );
    }
}

#[test]
fn boolean_variable_turns_an_option_on_and_off() {
    for (value, is_on) in [
        ("true", true),
        ("1", true),
        ("Yes", true),
        ("", false),
        ("0", false),
        ("off", false),
    ] {
        let mut command = framecast();
        command
            .env("FRAMECAST_PUBLIC", value)
            .args(["--listen", "127.0.0.1:0"]);
        let program = crate::support::Program::start(command);
        program.signal(rustix::process::Signal::TERM);
        let (status, words) = program.wait();
        assert!(status.success(), "{words}");
        assert_eq!(
            words.contains("--public: no credentials"),
            is_on,
            "{value}: {words}"
        );
    }
}

/// Invalid files and an address that is in use.
struct Fixture {
    folder: TempDir,
    taken: TcpListener,
}

impl Fixture {
    fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        Certificate::new().write(path("other-cert"), path("other-key"));
        Certificate::new().write(path("cert"), path("key"));
        let files: [(&str, &[u8]); 7] = [
            ("garbage", b"\xff\xfe\x00"),
            ("text", b"no colon in this\n"),
            ("no-user", b":secret\n"),
            ("twice", b"ann:secret\nann:secret\n"),
            ("hash", b"ann:$2y$05$secret\n"),
            ("words", b"two secret words\n"),
            ("locked", b"ann:secret\n"),
        ];
        for (name, content) in files {
            fs::write(path(name), content).expect("a file");
            let mode = if name == "locked" { 0 } else { 0o600 };
            fs::set_permissions(path(name), Permissions::from_mode(mode)).expect("a mode");
        }
        Self {
            folder,
            taken: TcpListener::bind("127.0.0.1:0").expect("a free port"),
        }
    }

    /// Replaces `@NAME` by the path of a file, and `@taken` by the address in use.
    fn fill(&self, word: &str) -> String {
        let taken = self.taken.local_addr().expect("it is bound").to_string();
        word.replace("@taken", &taken)
            .replace('@', &format!("{}/", self.folder.path().display()))
    }

    /// Returns the program without the capabilities of root, which could read every file and listen
    /// on every port.
    fn command(&self, arguments: &str) -> Command {
        let mut command = framecast();
        if geteuid().is_root() {
            command = Command::new("setpriv");
            command
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .args(["--bounding-set=-all", FRAMECAST]);
        }
        command.args(arguments.split(' ').map(|word| self.fill(word)));
        command
    }
}

#[test]
fn unusable_file_or_address_is_named_with_its_problem() {
    let fixture = Fixture::make();
    let users = "expected user:password or user:hash";
    for &(code, arguments, sentence) in UNUSABLE {
        if !cfg!(feature = "tls") && arguments.contains("--tls-") {
            continue;
        }
        let said = refused(fixture.command(arguments));
        assert!(
            !said.1.contains(": line ") || said.1.contains(users),
            "{arguments}: {}",
            said.1
        );
        assert_rejected(arguments, said, (code, &fixture.fill(sentence)));
    }
    let first =
        fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").expect("Linux has it");
    if first.trim().parse::<u16>().expect("a port") > 1 {
        let sentence =
            "Permission denied (os error 13); choose a port of 1024 or more with --listen";
        assert_rejected(
            "a port of the system's",
            refused(fixture.command("--listen 127.0.0.1:1")),
            (1, sentence),
        );
    }
    let bench = [
        ("http://no..host/", "http://no..host/: unknown host"),
        (
            "http://@taken/ --pid 4194305",
            "--pid 4194305: No such file or directory",
        ),
        (
            "http://@taken/ --report @no/x.html",
            "x.html\": cannot write: No such file or directory",
        ),
    ];
    for (arguments, sentence) in bench {
        assert_rejected(
            arguments,
            refused(fixture.command(&format!("bench {arguments}"))),
            (1, sentence),
        );
    }
    let silent = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    let said = refused(fixture.command(&format!("health http://{silent}/")));
    assert_rejected(
        "health",
        said,
        (
            1,
            "Connection refused (os error 111); check the address, and that the server runs",
        ),
    );
}

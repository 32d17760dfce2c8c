//! Every option with invalid values: the error names the option, the problem and the expected values,
//! and nothing has started.

mod environment;
#[path = "../../../src/server/interfaces.rs"]
#[allow(dead_code, reason = "the server uses more of it")]
mod interfaces;
mod start;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::support::TIMEOUT;
use crate::support::certificate::Certificate;

const FRAMECAST: &str = env!("CARGO_BIN_EXE_framecast");

const NUMBER: &str = "expected a whole number from 1 to 4294967295";
const MEBIBYTES: &str = "expected a whole number from 1 to 1048576";
const TIME: &str = "expected a time above 0 with its unit";
const ADDRESS: &str = "expected HOST:PORT, PORT";
const TOKEN: &str = "expected 1 to 256 ASCII";
const HOST: &str = "expected a host name without scheme and port";
const ORIGIN: &str = "expected scheme, host and optional port";
const BOUNDARY: &str = "expected 1 to 70 letters, digits";
const HISTORY: &str = "expected 0s for no history, or a time from 1s to 24h";
const NO_SOURCE: &str = "unknown source \"carrier-pigeon\"; expected one of v4l2:/dev/video0";
const NO_CAMERA: &str = "invalid camera address; expected http://USER:PASSWORD@HOST:PORT/PATH";
const NO_REDIS: &str = "invalid Redis address; expected redis://USER:PASSWORD@HOST:PORT/CHANNEL";
const USERS: &str = "expected a file of lines user:password or user:hash";
const TOKENS: &str = "expected a file whose first line is the token";

/// An option of `framecast serve`, invalid values, and key words of the error. The values are tested in
/// the option's variable too.
const WRONG: &[(&str, &[&str], &str)] = &[
    (
        "listen",
        &[
            "65536",
            "127.0.0.1:65536",
            "127.0.0.1:",
            ":",
            "ftp://cam:80",
            "https://cam/x",
            "a b:80",
            "",
        ],
        ADDRESS,
    ),
    ("listen", &["0.0.0.0"], "add a port, as in 0.0.0.0:8080"),
    (
        "listen",
        &["::", "::1:8080", ":::8080"],
        "put an IPv6 address in brackets, as in [::]:8080",
    ),
    (
        "listen",
        &["/run/framecast.sock"],
        "needs a prefix: unix:/run/framecast.sock",
    ),
    ("listen", &["unix:"], "expected the path of a socket"),
    (
        "listen",
        &["https://127.0.0.1:0"],
        "no certificate; add --tls-cert",
    ),
    ("tls-cert", &["cert.pem"], "--tls-key <FILE>"),
    ("tls-key", &["key.pem"], "--tls-cert <FILE>"),
    (
        "camera",
        &["carrier-pigeon:", "front=carrier-pigeon:"],
        NO_SOURCE,
    ),
    (
        "camera",
        &["http://", "http://user:secret@", "https://cam:99999/"],
        NO_CAMERA,
    ),
    (
        "camera",
        &["redis://cam", "redis://user:secret@", "redis+list://"],
        NO_REDIS,
    ),
    (
        "camera",
        &["exec:", "exec:sh 'open"],
        "expected a command; write exec:PROGRAM ARGUMENTS, and close every quote",
    ),
    (
        "camera",
        &["pattern:9x9", "pattern:wide"],
        "expected WIDTHxHEIGHT, each from 16 to 8192, such as 1280x720",
    ),
    (
        "camera",
        &["pattern:64x48?fps=0", "stills:?fps=x"],
        "expected a number above 0 and at most 240, such as 30 or 0.5",
    ),
    (
        "camera",
        &["pattern:64x48?quality=101"],
        "pattern: invalid quality \"101\"; expected a whole number from 1 to 100",
    ),
    (
        "camera",
        &["stills:?speed=1"],
        "stills: unknown parameter \"speed\"; expected fps or watch",
    ),
    (
        "camera",
        &["/dev/video0?format=h264"],
        "v4l2: invalid format \"h264\"; expected auto, mjpg",
    ),
    (
        "camera",
        &["http://cam/#timeout=soon"],
        "http: invalid timeout \"soon\"; expected a time with its unit",
    ),
    (
        "publish",
        &["cam", "redis://cam:99999/x", "redis://user:secret@"],
        NO_REDIS,
    ),
    (
        "publish",
        &["front=redis://cam/x"],
        "unknown camera 'front'; the cameras are camera",
    ),
    (
        "publish",
        &["redis+list://cam/x?max=0"],
        "redis+list: invalid max \"0\"; expected a whole number from 1",
    ),
    ("always-on", &["maybe", "2"], "expected true or false"),
    (
        "offline",
        &["/not/there.jpg", "", "/dev"],
        "expected draw, last or the path of a JPEG",
    ),
    (
        "offline",
        &["/dev/zero"],
        "larger than 8 MiB; expected draw, last",
    ),
    ("offline", &["/dev/null"], "/dev/null: invalid JPEG: "),
    (
        "warm-up",
        &["-1", "soon", "6s", "101", ""],
        "expected a time of at most 5s",
    ),
    (
        "snapshot-max-age",
        &["-1s", "10", "2h", ""],
        "expected a time from 0s to 1h",
    ),
    (
        "camera-linger",
        &["0s", "10", "-1s", "soon", "", "2years"],
        TIME,
    ),
    ("boundary", &["", "two words", "-x", "a:b"], BOUNDARY),
    (
        "viewers-max",
        &["0", "-1", "many", "1.5", "4294967296", ""],
        NUMBER,
    ),
    (
        "connections-max",
        &["0", "-1", "many", "4294967296"],
        NUMBER,
    ),
    ("request-timeout", &["0s", "10", "soon"], TIME),
    ("idle-timeout", &["0s", "10", "soon"], TIME),
    ("stall-timeout", &["0s", "10", "soon"], TIME),
    ("frame-timeout", &["0s", "10", "soon"], TIME),
    ("repeat-after", &["0s", "10", "soon"], TIME),
    (
        "frame-max-mib",
        &["0", "-1", "8MiB", "65"],
        "expected a whole number from 1 to 64",
    ),
    (
        "retained-max-mib",
        &["0", "-1", "64MiB", "1048577"],
        MEBIBYTES,
    ),
    ("history", &["25h", "10", "500ms", "soon", ""], HISTORY),
    (
        "history-max-mib",
        &["0", "-1", "64MiB", "1048577"],
        MEBIBYTES,
    ),
    ("shutdown-timeout", &["0s", "10", "soon"], TIME),
    (
        "auth-file",
        &["/not/there"],
        "--auth-file /not/there: No such file or directory",
    ),
    ("auth-file", &["/not/there", "/dev", "/dev/zero"], USERS),
    ("auth-file", &["/dev/null"], "no users"),
    ("token", &["", "two words", "s\u{e9}cret"], TOKEN),
    ("token-file", &["/not/there", "/dev", "/dev/zero"], TOKENS),
    ("token-file", &["/dev/null"], TOKEN),
    ("public", &["maybe", "2"], "expected true or false"),
    ("allow-host", &["http://cam", "cam:80", "", "a/b"], HOST),
    (
        "trusted-proxy",
        &["proxy", "10.0.0.0/33", "10.0.0/8"],
        "range in CIDR notation",
    ),
    (
        "allow-origin",
        &["dash", "http://dash/", "ftp://dash", "null", ""],
        ORIGIN,
    ),
    ("connections-per-address", &["0", "-1", "many"], NUMBER),
];

/// Invalid command lines, and key words of the error.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["--port", "8080"],
        "the port is part of the address: --listen 8080",
    ),
    (
        &["-p", "8080"],
        "the port is part of the address: --listen 8080",
    ),
    (
        &["--host=0.0.0.0"],
        "the address includes the port: --listen 0.0.0.0:8080",
    ),
    (
        &["--resolution", "640x480"],
        "a camera's settings are part of its source",
    ),
    (
        &["--always-on", "true"],
        "unexpected argument 'true' found; write the value behind an equals sign",
    ),
    (
        &["/dev/video0", "bench"],
        "write the command first: framecast bench",
    ),
    (&["cameas"], "tip: a similar subcommand exists: 'cameras'"),
    (
        &["--camera", "front=/dev/vidoe0"],
        "framecast: --camera, camera front: unknown source",
    ),
    (
        &["--camera", "pattern:", "--camera", "/dev/vidoe0"],
        "framecast: --camera, camera 2: unknown source",
    ),
    (
        &["serve", "carrier-pigeon:"],
        "framecast: SOURCE: unknown source",
    ),
    (
        &["/dev/video0?size=big"],
        "framecast: SOURCE: v4l2: invalid size \"big\"",
    ),
    (
        &["a/b=pattern:64x48"],
        "invalid camera name 'a/b': it contains '/'",
    ),
    (
        &["a=b=pattern:64x48"],
        "invalid camera name 'a=b': it contains '='",
    ),
    (
        &["who?=/dev/video0"],
        "invalid camera name 'who?': it contains '?'",
    ),
    (&["--log-level", "debug"], "tip: -v logs more"),
    (&["-o", "output_http.so"], "streams are served at --listen"),
    (&["0"], "as in /dev/video0"),
    (
        &["--camera", "rtsp://user:secret@cam/live"],
        "exec:ffmpeg -nostdin -loglevel error -rtsp_transport tcp -i",
    ),
    (&["--camera", "/srv/pictures"], "stills:DIR"),
    (
        &["--camera", "192.168.1.5:8080/video"],
        "write http:// before the host",
    ),
    (&["--camera", "=stills:"], "no camera name before '='"),
    (
        &["--camera", "a<b>=stills:"],
        "invalid camera name 'a<b>': it contains '<'",
    ),
    (
        &["--camera", "a\tb=stills:"],
        "it contains control characters",
    ),
    (&["--colour"], "unexpected argument '--colour' found"),
    (&["record"], "unrecognized subcommand 'record'"),
    (&["record"], "source looks like /dev/video0"),
    (
        &["-v", "-q"],
        "the argument '--verbose...' cannot be used with '--quiet...'",
    ),
    (
        &["--generate", "icons"],
        "[possible values: man, bash, zsh, fish, systemd, dockerfile, grafana]",
    ),
    (
        &["--camera", "a=stills:", "--camera", "a=-"],
        "duplicate camera name 'a'",
    ),
    (
        &["--camera", "-", "--camera", "-"],
        "only one camera can read standard input",
    ),
    (
        &["--token", "x", "--token-file", "/dev/null"],
        "--token and --token-file: both are given",
    ),
    (
        &["--listen", "unix:s", "--tls-cert", "c", "--tls-key", "k"],
        "no address to listen on uses HTTPS; add",
    ),
    (&["capture"], "<SOURCE>"),
    (&["capture", "carrier-pigeon:"], NO_SOURCE),
    (
        &["capture", "stills:", "stills:"],
        "unexpected argument 'stills:' found",
    ),
    (
        &["capture", "rpicam:?size=big"],
        "rpicam: invalid size \"big\"; expected WIDTHxHEIGHT",
    ),
    (&["publish"], "<URL>"),
    (&["publish", "cam"], NO_REDIS),
    (
        &["publish", "redis+list://cam/x?max=x"],
        "redis+list: invalid max \"x\"; expected a whole number from 1",
    ),
    (&["token"], "--valid <TIME>"),
    (
        &["token", "--valid", "1h"],
        "by --token-file FILE or FRAMECAST_TOKEN",
    ),
    (&["token", "--valid", "0s"], TIME),
    (
        &["token", "--valid", "1h", "--token", "short"],
        "fewer than 16 characters cannot sign",
    ),
    (
        &["token", "--valid", "1h", "--camera", "a/b"],
        "it contains '/'",
    ),
    (
        &["token", "--valid", "1h", "--token-file", "/not/there"],
        TOKENS,
    ),
    (
        &["health", "cam"],
        "\"cam\": invalid server address: expected http://",
    ),
    (
        &["health", ""],
        "\"\": invalid server address: expected http://",
    ),
    (
        &["health", "ftp://cam/"],
        "\"ftp://cam/\": invalid server address: expected http://",
    ),
    (&["cameras", "all"], "unexpected argument 'all' found"),
    (&["bench"], "<URL>"),
    (
        &["bench", "cam"],
        "cam: invalid URL: expected http:// or https://",
    ),
    (
        &["bench", "http://ann:secret@cam:x/"],
        "http://***@cam:x/: invalid URL: expected http://USER:PASSWORD@HOST",
    ),
    (
        &["bench", "http://cam:99999/"],
        "expected http://USER:PASSWORD@HOST:PORT/PATH",
    ),
    (
        &["bench", "http://[::1/"],
        "brackets around IPv6 as in [::1]",
    ),
    (
        &["bench", "http://cam/", "--viewers", "2", "--ramp", "1"],
        "cannot be used with '--ramp <N,N,...>'",
    ),
];

/// An option of `framecast bench`, invalid values, and key words of the error.
const BENCH: &[(&str, &[&str], &str)] = &[
    (
        "viewers",
        &["-1", "many", "1.5", ""],
        "expected a whole number, such as 100",
    ),
    ("viewers", &["0"], "--viewers: no viewers"),
    (
        "ramp",
        &["1,x", "-1", ","],
        "expected a whole number, such as 100",
    ),
    ("ramp", &["1,0"], "--viewers: no viewers"),
    (
        "seconds",
        &["5s", ""],
        "expected a number, such as 5 or 0.5",
    ),
    (
        "seconds",
        &["0", "-1", "nan", "inf", "86401"],
        "--seconds: expected a number above 0",
    ),
    (
        "slow",
        &["-1", "few"],
        "expected a whole number, such as 100",
    ),
    (
        "slow-rate",
        &["-1", "slow"],
        "expected a whole number, such as 100",
    ),
    (
        "stalled",
        &["-1", "few"],
        "expected a whole number, such as 100",
    ),
    ("churn", &["often"], "expected a number, such as 5 or 0.5"),
    (
        "churn",
        &["-1", "10001", "nan"],
        "--churn: expected a number from 0 to 10000",
    ),
    ("pid", &["0", "-1", "framecast"], "expected a process id"),
    (
        "verify",
        &["yes"],
        "unexpected value 'yes' for '--verify' found",
    ),
    (
        "json",
        &["yes"],
        "unexpected value 'yes' for '--json' found",
    ),
    (
        "allow-faults",
        &["yes"],
        "unexpected value 'yes' for '--allow-faults' found",
    ),
];

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
    let cases: [(i32, &str, &str); 19] = [
        (
            1,
            "--listen @taken",
            "cannot listen on @taken: Address already in use (os error 98); stop the program that",
        ),
        (
            1,
            "--listen unix:@text",
            "@text: Address already in use (os error 98); remove that file, or choose",
        ),
        (
            1,
            "--listen unix:@no/socket",
            "@no/socket: No such file or directory (os error 2); choose a path in",
        ),
        (
            1,
            "--listen 192.0.2.1:8080",
            "Cannot assign requested address (os error 99); choose an address of this machine",
        ),
        (
            1,
            "--listen no..host:8080",
            "cannot listen on no..host:8080: ",
        ),
        (
            1,
            "--tls-cert @no --tls-key @key",
            "@no: No such file or directory (os error 2); --tls-cert and",
        ),
        (
            1,
            "--tls-cert @cert --tls-key @locked",
            "@locked: Permission denied (os error 13); --tls-cert",
        ),
        (
            1,
            "--tls-cert @text --tls-key @key",
            "@text: no certificate found; --tls-cert expects a PEM file",
        ),
        (
            1,
            "--tls-cert @cert --tls-key @cert",
            "@cert: no private key found; --tls-key expects a PEM file",
        ),
        (
            1,
            "--tls-cert @cert --tls-key @other-key",
            "@other-key: not the key of the certificate in @cert; ",
        ),
        (
            2,
            "--auth-file @locked",
            "--auth-file @locked: Permission denied (os error 13); expected a file",
        ),
        (
            2,
            "--auth-file @garbage",
            "--auth-file @garbage: not UTF-8 text; expected a file of lines",
        ),
        (
            2,
            "--auth-file @text",
            "--auth-file @text: line 1: no colon; ",
        ),
        (
            2,
            "--auth-file @no-user",
            "--auth-file @no-user: line 1: no user; ",
        ),
        (
            2,
            "--auth-file @twice",
            "--auth-file @twice: line 2: duplicate user; ",
        ),
        (
            2,
            "--auth-file @hash",
            "--auth-file @hash: line 1: unknown kind of hash",
        ),
        (
            2,
            "--token-file @words",
            "--token-file @words: expected 1 to 256",
        ),
        (
            2,
            "token --valid 1h --token-file @locked",
            "--token-file @locked: Permission denied",
        ),
        (
            2,
            "--offline @locked",
            "cannot read @locked: Permission denied",
        ),
    ];
    for (code, arguments, sentence) in cases {
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

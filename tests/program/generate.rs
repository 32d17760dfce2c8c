//! `framecast --generate`: the files that go with the program, from wherever it is called.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const FILES: [&str; 7] = [
    "man",
    "bash",
    "zsh",
    "fish",
    "systemd",
    "dockerfile",
    "grafana",
];

/// Calls the program in an empty folder and without an environment.
fn generate(file: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command
        .env_clear()
        .current_dir(&folder)
        .args(["--generate", file])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(file: &str) -> String {
    String::from_utf8(generate(file).stdout).expect("it is text")
}

/// The file on disk, as it is installed.
fn written(file: &str, name: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text(file)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// What a program says, which must end well.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let words = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {words}");
    words
}

#[test]
fn every_file_can_be_had_anywhere() {
    for file in FILES {
        let output = generate(file);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{file}: {output:?}"
        );
        assert!(
            output.stdout.len() > 500 && output.stdout.ends_with(b"\n"),
            "{file}"
        );
        assert_eq!(
            output.stdout,
            generate(file).stdout,
            "{file} is the same each time"
        );
    }
    let unknown = generate("carrier-pigeon");
    assert_eq!(unknown.status.code(), Some(2));
    let words = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(FILES.iter().all(|file| words.contains(file)), "{words}");
}

#[test]
fn the_manual_and_the_completions_know_every_option_and_every_command() {
    let help = run(env!("CARGO_BIN_EXE_framecast"), &["--help"]);
    let words = || help.split([' ', '\n', ',', '.', '[']);
    let options: Vec<&str> = words()
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|word| !word.is_empty())
        .collect();
    let section = help
        .split("Commands:\n")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next())
        .expect("commands");
    let commands: Vec<&str> = section
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(
        options.len() > 15 && commands.contains(&"bench"),
        "{options:?} {commands:?}"
    );
    let man = text("man").replace("\\-", "-");
    let (bash, zsh, fish) = (text("bash"), text("zsh"), text("fish"));
    for option in options {
        for (name, file) in [("man", &man), ("bash", &bash), ("zsh", &zsh)] {
            assert!(
                file.contains(&format!("--{option}")),
                "{name} does not know --{option}"
            );
        }
        assert!(
            fish.contains(&format!("-l {option}")),
            "fish does not know --{option}"
        );
    }
    for command in commands.into_iter().filter(|&command| command != "help") {
        assert!(
            man.contains(&format!("framecast {command}")),
            "the manual does not know {command}"
        );
        assert!(
            bash.contains(&format!("framecast__subcmd__{command}"))
                || bash.contains(&format!("framecast__{command}"))
        );
    }
}

#[test]
fn the_container_and_the_unit_run_what_is_there() {
    let dockerfile = text("dockerfile");
    let health = "CMD [\"/framecast\", \"health\"]";
    let program = dockerfile
        .split("\nFROM ")
        .find(|stage| stage.starts_with("scratch AS program\n"))
        .unwrap();
    for line in [
        "USER 65534:65534",
        "EXPOSE 8080",
        "STOPSIGNAL SIGTERM",
        health,
        "ENTRYPOINT [\"/framecast\"]",
    ] {
        assert!(program.contains(line), "{line} is missing");
    }
    assert!(
        dockerfile.ends_with("\nFROM program\n"),
        "it is what is made unless something else is asked for"
    );
    let unit = text("systemd");
    for line in [
        "Type=notify",
        "ExecStart=/usr/bin/framecast",
        "EnvironmentFile=-/etc/default/framecast",
    ] {
        assert!(unit.lines().any(|given| given == line), "{line} is missing");
    }
    assert!(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/generate/debian/framecast.default")
            .exists()
    );
}

#[test]
#[ignore = "needs groff, man, bash, zsh, fish"]
fn the_programs_they_are_for_take_them() {
    let (_folder, page) = written("man", "framecast.1");
    assert_eq!(
        run("groff", &["-man", "-ww", "-Tutf8", "-z", &page]),
        "",
        "the manual page has flaws"
    );
    let shown = run("man", &["--local-file", &page]);
    assert!(
        shown.contains("COMMANDS") && shown.contains("--stall-timeout"),
        "{shown}"
    );

    let (_folder, bash) = written("bash", "framecast");
    // What is offered for what was typed so far.
    let script = format!(
        "source {bash}; complete -p framecast; COMP_WORDS=(framecast --stall); COMP_CWORD=1; \
         _framecast framecast --stall framecast; echo \"${{COMPREPLY[@]}}\""
    );
    let said = run("bash", &["-c", &script]);
    assert!(
        said.contains("-F _framecast") && said.ends_with("--stall-timeout\n"),
        "{said}"
    );

    let (folder, _) = written("zsh", "_framecast");
    let script = format!(
        "fpath=({} $fpath); autoload -U compinit; compinit -u -D; print $_comps[framecast]",
        folder.path().display()
    );
    assert_eq!(run("zsh", &["-f", "-c", &script]), "_framecast\n");

    let (_folder, fish) = written("fish", "framecast.fish");
    let said = run(
        "fish",
        &[
            "--no-config",
            "-c",
            &format!("source {fish}; complete -C 'framecast --stall'"),
        ],
    );
    assert!(said.starts_with("--stall-timeout"), "{said}");
}

/// The unit with the lines for files of secrets switched on, for a program that is there.
fn unit_with_secrets() -> String {
    let unit = text("systemd").replace("/usr/bin/framecast", env!("CARGO_BIN_EXE_framecast"));
    let is_optional =
        |line: &str| line.starts_with("#LoadCredential=") || line.starts_with("#Environment=");
    let lines = unit
        .lines()
        .map(|line| if is_optional(line) { &line[1..] } else { line });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn unit_passes_on_every_file_of_secrets_under_the_variable_of_its_option() {
    let unit = unit_with_secrets();
    let values = |name: &str| {
        unit.lines()
            .filter_map(|line| line.strip_prefix(name))
            .collect::<Vec<_>>()
    };
    let passed: Vec<&str> = values("LoadCredential=")
        .into_iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    let variables = values("Environment=").join(" ");
    assert_eq!(passed, ["users", "token", "certificate", "key"]);
    let help = run(env!("CARGO_BIN_EXE_framecast"), &["--help"]);
    let mut used = Vec::new();
    for assignment in variables.split(' ') {
        let (variable, file) = assignment
            .split_once("=/run/credentials/%n/")
            .expect("VARIABLE=/run/credentials/%n/FILE");
        assert!(
            help.contains(&format!("[env: {variable}=")),
            "there is no {variable}"
        );
        used.push(file);
    }
    assert_eq!(used, passed);
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_takes_the_unit_with_its_files_of_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("framecast.service");
    std::fs::write(&path, unit_with_secrets()).unwrap();
    assert_eq!(
        run(
            "systemd-analyze",
            &["verify", "--man=no", path.to_str().unwrap()]
        ),
        ""
    );
}

#[test]
#[ignore = "needs systemd-analyze"]
fn the_unit_lets_little_in() {
    let (_folder, unit) = written("systemd", "framecast.service");
    // The exposure is at most 2.5 of 10.
    run(
        "systemd-analyze",
        &["security", "--offline=true", "--threshold=25", &unit],
    );
}

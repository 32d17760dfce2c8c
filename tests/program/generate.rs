//! `framecast --generate` and `framecast help`: what the program prints about itself.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use framecast::guide::PAGES;
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

/// Runs the program in an empty folder and without an environment.
fn framecast(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command
        .env_clear()
        .current_dir(&folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn generate(file: &str) -> Output {
    framecast(&["--generate", file])
}

fn text(file: &str) -> String {
    String::from_utf8(generate(file).stdout).expect("UTF-8")
}

/// Returns what `framecast help` prints for a topic.
fn help(topic: &str) -> String {
    let output = framecast(&["help", topic]);
    assert!(output.status.success(), "{topic}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Writes the file into a folder, as an installation does.
fn install(file: &str, name: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text(file)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// Runs a program that must succeed; returns what it prints.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {printed}"
    );
    printed
}

#[test]
fn generate_prints_each_file_without_environment_or_checkout() {
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
            "{file} differs from run to run"
        );
    }
    let unknown = generate("carrier-pigeon");
    assert_eq!(unknown.status.code(), Some(2));
    let error = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(FILES.iter().all(|file| error.contains(file)), "{error}");
}

#[test]
fn help_prints_each_page_of_the_guide() {
    let contents = framecast(&["help"]);
    let contents = String::from_utf8(contents.stdout).expect("UTF-8");
    let man = text("man");
    for page in PAGES {
        let shown = help(page.name);
        assert!(shown.contains(&page.title().to_uppercase()), "{shown}");
        assert!(
            !shown.contains("](") && !shown.contains("]: "),
            "{} shows the target of a link: {shown}",
            page.name
        );
        let too_long = |line: &&str| {
            let is_code = line.starts_with("    ");
            !is_code && line.chars().count() > 80 && line.trim().contains(' ')
        };
        let too_long: Vec<&str> = shown.lines().filter(too_long).collect();
        assert_eq!(too_long, Vec::<&str>::new(), "{}", page.name);
        assert!(contents.contains(page.name), "{contents}");
        let section = page.title().to_uppercase();
        assert!(
            man.contains(&format!(".SH {section}\n"))
                || man.contains(&format!(".SH \"{section}\"\n")),
            "the manual page has no section {section}"
        );
    }
}

#[test]
fn help_prints_the_options_of_a_command() {
    assert!(help("serve").contains("--stall-timeout"));
    // A command and a page of the guide have this name.
    let cameras = help("cameras");
    assert!(
        cameras.contains("framecast cameras") && cameras.contains("stills:DIR"),
        "{cameras}"
    );
}

#[test]
fn unknown_help_topic_is_rejected_with_the_similar_one() {
    let output = framecast(&["help", "metrcs"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("metrcs") && error.contains("'metrics'"),
        "{error}"
    );
}

#[test]
fn manual_and_completions_contain_every_option_and_command() {
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
fn dockerfile_and_unit_start_the_program() {
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
        "the last stage is the default"
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
fn man_and_shells_accept_their_files() {
    let (_folder, page) = install("man", "framecast.1");
    assert_eq!(
        run("groff", &["-man", "-ww", "-Tutf8", "-z", &page]),
        "",
        "warnings for the manual page"
    );
    let shown = run("man", &["--local-file", &page]);
    assert!(
        shown.contains("COMMANDS")
            && shown.contains("--stall-timeout")
            && shown.contains("QUICK START"),
        "{shown}"
    );

    let (_folder, bash) = install("bash", "framecast");
    // Prints the completions of what was typed so far.
    let script = format!(
        "source {bash}; complete -p framecast; COMP_WORDS=(framecast --stall); COMP_CWORD=1; \
         _framecast framecast --stall framecast; echo \"${{COMPREPLY[@]}}\""
    );
    let printed = run("bash", &["-c", &script]);
    assert!(
        printed.contains("-F _framecast") && printed.ends_with("--stall-timeout\n"),
        "{printed}"
    );

    let (folder, _) = install("zsh", "_framecast");
    let script = format!(
        "fpath=({} $fpath); autoload -U compinit; compinit -u -D; print $_comps[framecast]",
        folder.path().display()
    );
    assert_eq!(run("zsh", &["-f", "-c", &script]), "_framecast\n");

    let (_folder, fish) = install("fish", "framecast.fish");
    let printed = run(
        "fish",
        &[
            "--no-config",
            "-c",
            &format!("source {fish}; complete -C 'framecast --stall'"),
        ],
    );
    assert!(printed.starts_with("--stall-timeout"), "{printed}");
}

/// Returns the unit for this program, with the commented lines for files of secrets enabled.
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
fn unit_passes_each_file_of_secrets_by_its_variable() {
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
            "unknown variable {variable}"
        );
        used.push(file);
    }
    assert_eq!(used, passed);
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_accepts_the_unit_with_files_of_secrets() {
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
fn unit_exposure_is_low() {
    let (_folder, unit) = install("systemd", "framecast.service");
    // The exposure is at most 2.5 of 10.
    run(
        "systemd-analyze",
        &["security", "--offline=true", "--threshold=25", &unit],
    );
}

//! Drivers exit with their server and inherit nothing from it. A driver started by a user survives
//! its parent.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use super::{FRAMECAST, runs};
use crate::support::{Program, eventually};

#[test]
fn killed_server_leaves_no_driver() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    // The driver ignores all signals that can be ignored, and write errors.
    let command =
        "trap \"\" TERM INT HUP PIPE; echo $$ >\"$0\"; while [ -e \"$0\" ]; do sleep 0.01; done";
    let stubborn = format!("exec:sh -c '{command}' {}", path.display());
    let program = Program::serve(&[
        "--always-on",
        "--camera",
        &stubborn,
        "--camera",
        "stills:?fps=0.001",
        "--camera",
        "pattern",
    ]);
    let mut children = Vec::new();
    eventually("all drivers run", || {
        children = program.children();
        children.len() == 3 && fs::read_to_string(&path).is_ok_and(|pid| pid.ends_with('\n'))
    });
    let pid = fs::read_to_string(&path).unwrap();
    assert!(
        children.contains(&pid.trim().to_owned()),
        "the driver has replaced itself by the command"
    );
    program.signal(Signal::KILL);
    program.wait();
    eventually("all drivers have exited", || {
        !children.iter().any(|pid| runs(pid))
    });
}

#[test]
fn driver_exits_if_its_server_has_exited() {
    // Process 1 is not the parent of the driver.
    let (exit, words) = super::run(&["capture", "--server=1", "pattern"]);
    assert!(
        exit == 1 && words.contains("server process has exited"),
        "{words}"
    );
}

#[test]
fn capture_started_by_a_user_survives_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let frames = folder.path().join("frames");
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            "\"$0\" capture pattern:64x48 >\"$1\" 2>&1 & echo $!",
            FRAMECAST,
        ])
        .arg(&frames);
    let output = shell.output().unwrap();
    let pid = String::from_utf8(output.stdout).unwrap();
    let length = || fs::metadata(&frames).map_or(0, |metadata| metadata.len());
    let before = length();
    eventually("capturing continues", || length() > before + 10_000);
    assert!(
        Command::new("sh")
            .args(["-c", "kill \"$0\"", pid.trim()])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn command_inherits_only_three_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("descriptors");
    let list = "ls /proc/self/fd >\"$0\"";
    // Descriptors of the test process, and the directory that ls reads, are not the server's.
    let mut bare = Command::new("sh");
    assert!(
        bare.args(["-c", list])
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let expected = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();

    let camera = format!("exec:sh -c '{list}; exec sleep 1000' {}", path.display());
    let program = Program::serve(&["--camera", "stills:", "--camera", &camera]);
    let _other_camera = program.watch("/stream?camera=camera");
    let _viewer = program.send("GET /stream?camera=camera2 HTTP/1.1\r\nHost: cam\r\n\r\n");
    let mut found = String::new();
    eventually("the command has run", || {
        found = fs::read_to_string(&path).unwrap_or_default();
        found.lines().count() >= expected.lines().count()
    });
    assert_eq!(found, expected);
}

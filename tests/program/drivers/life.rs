//! Drivers end with their server and hold nothing of it; those that a person starts by hand are
//! left alone.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use super::{FRAMECAST, runs};
use crate::support::{Program, eventually};

#[test]
fn no_driver_outlives_its_server_however_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    // It ignores every signal that can be ignored, and a pipe without a reader is nothing to it.
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
        "the driver has become the command"
    );
    program.signal(Signal::KILL);
    program.wait();
    eventually("all drivers are gone", || {
        !children.iter().any(|pid| runs(pid))
    });
}

#[test]
fn a_driver_whose_server_is_gone_before_it_begins_ends() {
    // This is the first process's number: the test is not its child.
    let (exit, words) = super::run(&["capture", "--server=1", "pattern"]);
    assert_eq!(
        (exit, words.as_str()),
        (
            1,
            "framecast: the server that started this driver has ended\n"
        )
    );
}

#[test]
fn a_capture_that_was_started_by_hand_goes_on_without_its_parent() {
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
    eventually("it goes on", || length() > before + 10_000);
    assert!(
        Command::new("sh")
            .args(["-c", "kill \"$0\"", pid.trim()])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_command_is_given_three_descriptors_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("descriptors");
    let list = "ls /proc/self/fd >\"$0\"";
    // What this process itself passes on, and the directory that ls reads, are none of the
    // server's.
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

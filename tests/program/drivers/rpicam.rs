//! `rpicam:` without a Raspberry Pi: scripts replace the programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{FRAMECAST, picture, script, watch_for};
use crate::support::{Program, eventually};

/// Writes a program `name` into `folder` that records its arguments and writes one picture.
fn imitation(folder: &Path, name: &str) {
    fs::write(folder.join("picture.jpg"), picture(1)).unwrap();
    let here = folder.display();
    let text = format!(
        "#!/bin/sh\nfor word; do echo \"$word\"; done >'{here}/new' && mv '{here}/new' '{here}/{name}.told'\n\
         cat '{here}/picture.jpg'\nexec sleep 1000\n"
    );
    script(&folder.join(name), &text);
}

/// A server with `folder` first in its `PATH`.
fn serve(folder: &Path, camera: &str) -> Program {
    let mut command = Command::new(FRAMECAST);
    command.args(["serve", "--listen", "127.0.0.1:0", "--camera", camera]);
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    Program::start(command)
}

fn told(folder: &Path, name: &str) -> Vec<String> {
    let mut told = String::new();
    eventually("the program runs", || {
        told = fs::read_to_string(folder.join(format!("{name}.told"))).unwrap_or_default();
        !told.is_empty()
    });
    told.lines().map(str::to_owned).collect()
}

const ALWAYS: [&str; 5] = [
    "--timeout=0",
    "--nopreview",
    "--codec=mjpeg",
    "--output=-",
    "--flush",
];

#[test]
fn rpicam_parameters_become_arguments() {
    let folder = tempfile::tempdir().unwrap();
    imitation(folder.path(), "rpicam-vid");
    imitation(folder.path(), "libcamera-vid");
    let options = "size=640x480&fps=12.5&quality=60&hflip=1&vflip=1&rotation=180&camera=1";
    let program = serve(folder.path(), &format!("rpicam:?{options}"));
    watch_for(&mut program.watch("/stream"), &picture(1));
    let told = told(folder.path(), "rpicam-vid");
    let asked = [
        "--width=640",
        "--height=480",
        "--framerate=12.5",
        "--quality=60",
    ];
    let asked =
        ALWAYS
            .iter()
            .chain(&asked)
            .chain(&["--hflip", "--vflip", "--rotation=180", "--camera=1"]);
    assert_eq!(told, asked.map(|word| word.to_string()).collect::<Vec<_>>());
    assert!(!folder.path().join("libcamera-vid.told").exists());
}

#[test]
fn libcamera_vid_is_used_if_rpicam_vid_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    imitation(folder.path(), "libcamera-vid");
    let program = serve(folder.path(), "rpicam:");
    watch_for(&mut program.watch("/stream"), &picture(1));
    let asked = [
        "--width=1280",
        "--height=720",
        "--framerate=30",
        "--quality=80",
    ];
    let asked = ALWAYS
        .iter()
        .chain(&asked)
        .map(|word| word.to_string())
        .collect::<Vec<_>>();
    assert_eq!(told(folder.path(), "libcamera-vid"), asked);
}

#[test]
fn camera_is_offline_until_its_program_is_installed() {
    let folder = tempfile::tempdir().unwrap();
    let advice = "install the package rpicam-apps";
    let output = Command::new(FRAMECAST)
        .args(["capture", "rpicam:"])
        .env("PATH", folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains(advice), "{words}");

    let program = serve(folder.path(), "rpicam:");
    assert_eq!(program.get("/snapshot").status(), 503);
    assert!(
        program.state()["cameras"][0]["error"]
            .as_str()
            .is_some_and(|error| error.contains(advice))
    );
    imitation(folder.path(), "rpicam-vid");
    watch_for(&mut program.watch("/stream"), &picture(1));
}

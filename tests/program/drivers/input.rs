//! `-`: frames from standard input.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::{FRAMECAST, fifo, picture, run, watch_for};
use crate::support::{Program, eventually};

/// A server whose standard input is a pipe, and the write end of the pipe.
fn serve(folder: &Path) -> (Program, File) {
    let path = folder.join("frames");
    fifo(&path);
    // Opened for reading and writing: opening for one of them blocks until the other end is open.
    let input = File::options().read(true).write(true).open(&path).unwrap();
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            "exec \"$0\" serve --listen 127.0.0.1:0 --camera - <\"$1\"",
            FRAMECAST,
        ])
        .arg(&path);
    (Program::start(shell), input)
}

#[test]
fn stdin_frames_are_shown_in_any_fragmentation() {
    let folder = tempfile::tempdir().unwrap();
    let (program, mut input) = serve(folder.path());
    // There was no request: the driver runs from the start of the server.
    eventually("the driver runs", || program.children().len() == 1);
    input.write_all(&picture(1)).unwrap();
    let mut viewer = program.watch("/stream");
    watch_for(&mut viewer, &picture(1));
    let (second, third) = (picture(2), picture(3));
    let (head, tail) = second.split_at(100);
    input.write_all(head).unwrap();
    input.write_all(&[tail, &third[..1]].concat()).unwrap();
    watch_for(&mut viewer, &second);
    input.write_all(&third[1..]).unwrap();
    watch_for(&mut viewer, &third);
}

#[test]
fn stdin_writer_is_not_blocked_without_viewers() {
    let folder = tempfile::tempdir().unwrap();
    let (program, mut input) = serve(folder.path());
    // Far more than the capacity of all pipes.
    let large = crate::support::PICTURES[0];
    for _ in 0..300 {
        input.write_all(large).unwrap();
    }
    eventually("all input is read", || {
        program.state()["cameras"][0]["accepted_frames"] == 300
    });
}

#[test]
fn end_of_stdin_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (program, mut input) = serve(folder.path());
    input.write_all(&picture(1)).unwrap();
    let mut viewer = program.watch("/stream");
    watch_for(&mut viewer, &picture(1));
    drop(input);
    eventually("the error is reported", || {
        let state = program.state();
        state["cameras"][0]["error"]
            .as_str()
            .is_some_and(|error| error.contains("end of file"))
    });
    viewer.part();
}

#[test]
fn stdin_is_rejected_for_two_cameras() {
    let (exit, words) = run(&["serve", "--camera", "a=-", "--camera", "b=-"]);
    assert_eq!(exit, 2);
    assert!(words.contains("standard input"), "{words}");
    let (exit, words) = run(&["capture", "-"]);
    assert!(exit == 1 && words.contains("end of file"), "{words}");
    let (exit, _) = run(&["capture", "-:x"]);
    assert_eq!(exit, 2);
}

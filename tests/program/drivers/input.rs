//! `-`: frames that come on standard input.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::{FRAMECAST, fifo, picture, run, watch_for};
use crate::support::{Program, eventually};

/// A server whose standard input is a pipe, and the other end of that pipe.
fn serve(folder: &Path) -> (Program, File) {
    let path = folder.join("frames");
    fifo(&path);
    // Open for both, since opening for one waits until somebody has opened it for the other.
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
fn frames_are_read_at_once_and_shown_in_whatever_pieces_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let (program, mut input) = serve(folder.path());
    // Nobody has sent the server anything, so nothing but its own start can have started the
    // driver.
    eventually("its driver runs", || program.children().len() == 1);
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
fn a_writer_is_not_held_up_while_nobody_watches() {
    let folder = tempfile::tempdir().unwrap();
    let (program, mut input) = serve(folder.path());
    // Far more than all pipes on the way hold.
    let large = crate::support::PICTURES[0];
    for _ in 0..300 {
        input.write_all(large).unwrap();
    }
    eventually("all is taken in", || {
        program.state()["cameras"][0]["accepted_frames"] == 300
    });
}

#[test]
fn the_end_of_the_input_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (program, mut input) = serve(folder.path());
    input.write_all(&picture(1)).unwrap();
    let mut viewer = program.watch("/stream");
    watch_for(&mut viewer, &picture(1));
    drop(input);
    eventually("the camera's error says so", || {
        let state = program.state();
        state["cameras"][0]["error"]
            .as_str()
            .is_some_and(|error| error.ends_with("standard input has ended"))
    });
    viewer.part();
}

#[test]
fn standard_input_is_for_one_camera_and_for_no_person() {
    let (exit, words) = run(&["serve", "--camera", "a=-", "--camera", "b=-"]);
    assert_eq!(exit, 2);
    let sentence =
        "two cameras read standard input, which can be had only once; give only one --camera -";
    assert_eq!(words, format!("framecast: {sentence}\n"));
    let (exit, words) = run(&["capture", "-"]);
    assert_eq!(
        (exit, words.as_str()),
        (1, "framecast: standard input has ended\n")
    );
    let (exit, _) = run(&["capture", "-:x"]);
    assert_eq!(exit, 2);
}

//! Commands that write one picture and exit: still cameras.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{picture, run, script, watch_for};
use crate::support::{Program, eventually};

#[test]
fn command_that_exits_after_one_picture_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = folder.path().join("one.jpg");
    fs::write(&jpeg, picture(1)).unwrap();
    let program = Program::serve(&[
        "--camera",
        &format!("exec:cat {}#every=200ms", jpeg.display()),
    ]);
    let mut viewer = program.watch("/stream");
    let first = watch_for(&mut viewer, &picture(1)).sequence;
    fs::write(&jpeg, picture(2)).unwrap();
    loop {
        let part = viewer.part();
        assert!(
            part.jpeg == picture(1) || part.jpeg == picture(2),
            "there is no placeholder in between"
        );
        if part.jpeg == picture(2) && part.sequence > first + 3 {
            break;
        }
    }
    let camera = &program.state()["cameras"][0];
    assert_eq!(
        (
            &camera["online"],
            &camera["driver_restarts"],
            &camera["error"]
        ),
        (&true.into(), &0.into(), &().into())
    );
}

#[test]
fn command_that_stays_after_one_picture_is_terminated() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = folder.path().join("one.jpg");
    fs::write(&jpeg, picture(1)).unwrap();
    // It exits by itself within the grace time: its exit status counts.
    let text = "trap \"exit 9\" TERM; cat \"$0\"; exec >&-; sleep 1; exit 0";
    let program = Program::serve(&[
        "--camera",
        &format!("exec:sh -c '{text}' {}#every=2s", jpeg.display()),
    ]);
    let mut viewer = program.watch("/stream");
    let first = watch_for(&mut viewer, &picture(1)).sequence;
    while viewer.part().sequence < first + 2 {}
    assert_eq!(program.state()["cameras"][0]["driver_restarts"], 0);
    // It ignores SIGTERM.
    let text = "trap \"\" TERM; cat \"$0\"; exec >&- 2>&-; while :; do sleep 0.1; done";
    let program = Program::serve(&[
        "--camera",
        &format!("exec:sh -c '{text}' {}", jpeg.display()),
    ]);
    watch_for(&mut program.watch("/stream"), &picture(1));
    let _viewer = program.watch("/stream");
    eventually("killed", || {
        program.state()["cameras"][0]["driver_restarts"].as_u64() >= Some(1)
    });
}

#[test]
fn shell_syntax_is_rejected_with_remedy() {
    for command in [
        "cat a | b",
        "cat a && b",
        "cat a > b",
        "cat $HOME/a.jpg",
        "cat a; b",
    ] {
        let (exit, words) = run(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--camera",
            &format!("exec:{command}"),
        ]);
        assert_eq!(exit, 2, "{command}: {words}");
        assert!(words.contains("exec:sh -c"), "{command}: {words}");
    }
}

#[test]
fn program_that_cannot_run_is_reported_with_cause() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, mode, key) in [
        (
            "interpreter",
            "#!/usr/bin/nope -x\n",
            0o755,
            "/usr/bin/nope",
        ),
        ("dos", "#!/bin/sh\r\necho\r\n", 0o755, "CR"),
        ("mode", "#!/bin/sh\n", 0o644, "chmod +x"),
    ] {
        let path = folder.path().join(name);
        script(&path, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let (_, words) = run(&["capture", &format!("exec:{}", path.display())]);
        assert!(
            words.contains(key) && words.lines().count() == 1,
            "{name}: {words}"
        );
    }
    let (_, words) = run(&["capture", &format!("exec:{}", folder.path().display())]);
    assert!(words.contains("directory"), "{words}");
}

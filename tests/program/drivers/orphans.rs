//! Processes that a driver starts in sessions of their own, so that killing its process group does
//! not reach them.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use super::{FRAMECAST, runs, script};
use crate::support::{Program, eventually};

/// A driver that writes pictures and has started two processes in sessions of their own: a child,
/// and an orphan whose parent has exited. Both write their process IDs to `folder`.
fn driver(folder: &Path) -> String {
    let path = folder.join("driver");
    let text = format!(
        "#!/bin/sh\n\
         cd {}\n\
         setsid sh -c 'echo $$ >child; exec sleep 1000' <&- >&- 2>&- &\n\
         (setsid sh -c 'echo $$ >orphan; exec sleep 1000' <&- >&- 2>&- &)\n\
         exec {FRAMECAST} capture 'stills:?fps=20'\n",
        folder.display()
    );
    script(&path, &text);
    format!("exec:{}", path.display())
}

/// The process IDs of the two processes, once both have written them.
fn pids(folder: &Path) -> [String; 2] {
    ["child", "orphan"].map(|name| {
        let mut pid = String::new();
        eventually(name, || {
            pid = fs::read_to_string(folder.join(name))
                .unwrap_or_default()
                .trim()
                .to_owned();
            !pid.is_empty()
        });
        pid
    })
}

#[test]
fn orphans_of_running_driver_keep_running() {
    let folder = tempfile::tempdir().unwrap();
    let camera = driver(folder.path());
    let program = Program::serve(&["--camera", &camera, "--camera-linger", "100ms"]);
    let mut viewer = program.watch("/stream");
    let pids = pids(folder.path());
    // After these frames, a server that kills the orphan too early would have done so.
    (0..20).for_each(|_| drop(viewer.part()));
    assert!(pids.iter().all(|pid| runs(pid)), "{pids:?}");
    drop(viewer);
    eventually("the processes are killed with the driver", || {
        !pids.iter().any(|pid| runs(pid))
    });
    eventually("the server has reaped all", || {
        program.children().is_empty()
    });
}

#[test]
fn orphans_are_killed_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::serve(&["--always-on", "--camera", &driver(folder.path())]);
    let pids = pids(folder.path());
    program.signal(Signal::TERM);
    assert_eq!(program.wait().0.code(), Some(0));
    assert!(!pids.iter().any(|pid| runs(pid)), "{pids:?}");
}

#[test]
fn orphans_of_dead_driver_are_killed_on_restart() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::serve(&["--always-on", "--camera", &driver(folder.path())]);
    let pids = pids(folder.path());
    let driver = program
        .children()
        .into_iter()
        .find(|pid| !pids.contains(pid))
        .expect("the driver");
    let driver = driver
        .parse()
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .expect("a number");
    rustix::process::kill_process(driver, Signal::KILL).unwrap();
    eventually("the processes are killed with the driver", || {
        !pids.iter().any(|pid| runs(pid))
    });
}

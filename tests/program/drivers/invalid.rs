//! Drivers that write something other than JPEG, or JPEGs that browsers do not support.

use std::fs;
use std::path::Path;

use crate::support::PICTURES;
use rustix::process::Signal;

use super::{picture, watch_for};
use crate::support::{Program, TIMEOUT, eventually};

/// A driver that writes a file and then sleeps.
fn writes(path: &Path) -> String {
    format!(
        "exec:sh -c 'cat \"$0\"; exec sleep 1000' {}",
        path.display()
    )
}

fn error_of(program: &Program) -> String {
    program.state()["cameras"][0]["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn driver_without_jpegs_is_offline_with_content_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let start_code = b"\0\0\0\x01\x67\x42\0\x1e".as_slice();
    let cases = [
        (
            [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 100_000]].concat(),
            "PNG",
        ),
        ([start_code, &[0x5a; 100_000]].concat(), "H.264"),
        (b"\0\0\0\x18ftypisom\0\0\0\0".to_vec(), "MP4"),
        (b"starting the camera\n".to_vec(), "text"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "gzip"),
        ([16, 235, 128, 3].repeat(50_000), "binary"),
    ];
    // Start all at once: each waits 5 s for more bytes.
    let programs = cases.map(|(output, what)| {
        let path = folder.path().join(what);
        fs::write(&path, &output).unwrap();
        (
            Program::serve(&["--always-on", "--camera", &writes(&path)]),
            what,
        )
    });
    for (program, what) in programs {
        eventually("the content is reported", || {
            error_of(&program).contains(what)
        });
        assert!(
            error_of(&program).contains("; "),
            "there is a remedy: {}",
            error_of(&program)
        );
        eventually("offline", || program.get("/snapshot").status() == 503);
        assert!(program.get("/snapshot").text().contains(what), "{what}");
        program.signal(Signal::TERM);
        let (_, log) = program.wait();
        assert_eq!(log.matches("expected JPEG").count(), 1, "{log}");
    }
}

#[test]
fn driver_that_exits_after_few_bytes_is_offline_with_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    for (output, what) in [
        (b"\x89PNG\r\n\x1a\n\0\0".as_slice(), "PNG"),
        (b"no camera\n", "text"),
    ] {
        fs::write(&path, output).unwrap();
        let program = Program::serve(&[
            "--always-on",
            "--camera",
            &format!("exec:cat {}", path.display()),
        ]);
        eventually("the content is reported", || {
            error_of(&program).contains(what)
        });
    }
}

#[test]
fn unsupported_jpegs_take_camera_offline_with_their_kind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    let header = PICTURES[0]
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0])
        .unwrap();
    for (code, precision, kind) in [
        (0xc1, 12, "12"),
        (0xc3, 8, "lossless"),
        (0xc9, 8, "arithmetic"),
    ] {
        let mut jpeg = PICTURES[0].to_vec();
        (jpeg[header + 1], jpeg[header + 4]) = (code, precision);
        fs::write(&path, jpeg.repeat(100_000 / jpeg.len() + 1)).unwrap();
        let program = Program::serve(&["--always-on", "--camera", &writes(&path)]);
        eventually("the kind is reported", || {
            error_of(&program).contains(kind) || error_of(&program).contains("twelve")
        });
        assert_eq!(program.state()["cameras"][0]["online"], false);
    }
}

#[test]
fn frames_after_garbage_bring_camera_online() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    fs::write(&path, [7; 100_000]).unwrap();
    let jpeg = folder.path().join("jpeg");
    fs::write(&jpeg, picture(1)).unwrap();
    let go = folder.path().join("go");
    let script =
        "cat \"$0\"; while [ ! -e \"$2\" ]; do sleep 0.05; done; cat \"$1\"; exec sleep 1000";
    let files = [&path, &jpeg, &go]
        .map(|path| path.display().to_string())
        .join(" ");
    let program = Program::serve(&[
        "--always-on",
        "--camera",
        &format!("exec:sh -c '{script}' {files}"),
    ]);
    eventually("offline", || error_of(&program).contains("binary"));
    fs::write(&go, "").unwrap();
    watch_for(&mut program.watch("/stream"), &picture(1));
    eventually("the error is cleared", || {
        program.state()["cameras"][0]["error"].is_null()
    });
}

#[test]
fn stderr_lines_of_online_driver_are_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = folder.path().join("jpeg");
    fs::write(&jpeg, picture(1)).unwrap();
    let script = "n=0; while :; do cat \"$0\"; n=$((n+1)); echo frame $n >&2; sleep 0.02; done";
    let program = Program::serve(&[
        "--camera",
        &format!("exec:sh -c '{script}' {}", jpeg.display()),
    ]);
    let mut viewer = program.watch("/stream");
    let begun = std::time::Instant::now();
    for _ in 0..200 {
        viewer.part();
        assert!(begun.elapsed() < TIMEOUT * 2);
    }
    assert!(program.state()["cameras"][0]["error"].is_null());
    program.signal(Signal::TERM);
    let (_, log) = program.wait();
    let lines = log.matches(": frame ").count();
    assert!((1..=10).contains(&lines), "{lines} lines: {log}");
}

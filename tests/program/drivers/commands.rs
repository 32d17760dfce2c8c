//! `exec:` runs the command as written, and accepts its frames in any form.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::support::BOUNDARY;
use framecast::wire::jpeg::check;
use framecast::wire::metadata::WallTime;
use framecast::wire::multipart::{EncodedPart, Framing, preamble};
use rustix::process::Signal;

use super::{FRAMECAST, picture, run, script, watch_for};
use crate::support::{Program, TIMEOUT, eventually, field};

#[test]
fn command_is_split_like_in_a_shell_without_expansion() {
    for (command, words) in [
        (r#"printf "%s|" 'a b' "c'd" e\ f "" g"#, "a b|c'd|e f||g|"),
        (
            r#"printf %s| '$HOME' * ~ a;b "$(date)" '>x' p$w"#,
            "$HOME|*|~|a;b|$(date)|>x|p$w|",
        ),
        (
            r#"  printf  '%s|'  "tab	and
line"  "#,
            "tab	and\nline|",
        ),
        ("printf %s| -n --help '?fps=1&x=2'", "-n|--help|?fps=1&x=2|"),
        ("sh -c 'printf \"%s|\" \"$0\" \"$@\"' a 'b c'", "a|b c|"),
    ] {
        let output = Command::new(FRAMECAST)
            .args(["capture", &format!("exec:{command}")])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), words, "{command}");
        assert!(output.status.success());
    }
}

#[test]
fn command_writing_bare_jpegs_is_shown() {
    let folder = tempfile::Builder::new()
        .prefix("two words ")
        .tempdir()
        .unwrap();
    for number in 1..=3 {
        fs::write(folder.path().join(format!("{number}.jpg")), picture(number)).unwrap();
    }
    let command = "cat \"$0\"/1.jpg \"$0\"/2.jpg; printf stray; cat \"$0\"/3.jpg; exec sleep 1000";
    let camera = format!("exec:sh -c '{command}' '{}'", folder.path().display());
    let program = Program::serve(&["--camera", &camera]);
    watch_for(&mut program.watch("/stream"), &picture(3));
    assert_eq!(program.state()["cameras"][0]["accepted_frames"], 3);
}

#[test]
fn command_writing_multipart_keeps_capture_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parts");
    let mut parts = preamble(BOUNDARY, Framing::Length).to_vec();
    for number in 1..=3_u16 {
        let time = WallTime::nearest(Duration::new(
            1_700_000_000 + u64::from(number),
            250_000_000,
        ));
        parts.extend(
            EncodedPart::encode(BOUNDARY, number.into(), time, &picture(number))
                .framed(Framing::Length),
        );
    }
    fs::write(&path, parts).unwrap();
    let camera = format!(
        "exec:sh -c 'cat \"$0\"; exec sleep 1000' {}",
        path.display()
    );
    let program = Program::serve(&["--camera", &camera]);
    let part = watch_for(&mut program.watch("/stream"), &picture(3));
    assert_eq!(
        field(&part.header, "X-Timestamp"),
        Some("1700000003.250000")
    );
    assert_eq!(program.state()["cameras"][0]["accepted_frames"], 3);
}

#[test]
fn password_in_command_reaches_only_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("told");
    let command = "echo \"$1\" >\"$0\"; exec sleep 1000";
    let camera = format!(
        "exec:sh -c '{command}' {} rtsp://user:hunter2@cam:554/live",
        path.display()
    );
    let program = Program::serve(&["--always-on", "--camera", &camera]);
    let told = || fs::read_to_string(&path).unwrap_or_default();
    eventually("the command has its arguments", || {
        told() == "rtsp://user:hunter2@cam:554/live\n"
    });
    let state = program.state();
    let source = state["cameras"][0]["source"].as_str().unwrap();
    assert!(source.ends_with(" rtsp://***@cam:554/live"), "{source}");
    program.signal(Signal::TERM);
    let (_, words) = program.wait();
    assert!(
        words.contains("rtsp://***@cam:554/live") && !words.contains("hunter2"),
        "{words}"
    );
}

#[test]
fn malformed_command_is_rejected_at_start() {
    for command in ["", "  ", "cat 'x"] {
        let source = format!("exec:{command}");
        let (exit, words) = run(&["serve", "--listen", "127.0.0.1:0", "--camera", &source]);
        assert_eq!(exit, 2, "{command}: {words}");
        assert!(
            words.contains(
                "expected a command; write exec:PROGRAM ARGUMENTS, and close every quote"
            ),
            "{words}"
        );
    }
}

#[test]
fn program_that_cannot_run_leaves_camera_offline_with_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "no program").unwrap();
    let (text, folder) = (
        text.display().to_string(),
        folder.path().display().to_string(),
    );
    let chmod = format!("chmod +x {text}");
    for (command, words) in [
        (
            "no-such-program -x",
            ["no-such-program", "not found in PATH", "install it"],
        ),
        ("./no/such -x", ["./no/such", "No such file", "install it"]),
        (&text, [&text, "not executable", &chmod]),
        (&folder, [&folder, "directory", "name a program in it"]),
    ] {
        let source = format!("exec:{command}");
        let program = Program::serve(&["--camera", &source, "--camera", "healthy=stills:"]);
        let snapshot = program.get("/snapshot");
        assert_eq!(snapshot.status(), 503, "{command}");
        assert_eq!(
            program.get("/snapshot?camera=healthy").status(),
            200,
            "{command}"
        );
        let state = program.state();
        let error = state["cameras"][0]["error"].as_str().unwrap_or_default();
        let (exit, ending) = run(&["capture", &source]);
        assert_eq!(exit, 1, "{ending}");
        for word in words {
            let places = [
                error,
                ending.trim(),
                &String::from_utf8_lossy(&snapshot.body),
            ];
            assert!(
                places.iter().all(|place| place.contains(word)),
                "{command}: {places:?}"
            );
        }
        assert_eq!(ending.lines().count(), 1, "{ending}");
    }
}

#[test]
fn offline_camera_comes_back_for_a_client_that_polls_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let late = folder.path().join("late");
    fs::write(folder.path().join("picture.jpg"), picture(1)).unwrap();
    let program = Program::serve(&["--camera", &format!("exec:{}", late.display())]);
    assert_eq!(program.get("/snapshot").status(), 503);
    script(
        &late,
        &format!(
            "#!/bin/sh\ncat '{}/picture.jpg'\nexec sleep 1000\n",
            folder.path().display()
        ),
    );
    eventually("the picture is shown", || {
        program.get("/snapshot").body == picture(1)
    });
}

#[test]
#[ignore = "needs ffmpeg"]
fn ffmpeg_output_as_mjpeg_and_mpjpeg_is_shown() {
    for form in ["mjpeg", "mpjpeg"] {
        let input = "-re -f lavfi -i testsrc2=size=320x240:rate=30 -pix_fmt yuvj420p";
        let camera = format!("exec:ffmpeg -nostdin -v error {input} -f {form} -");
        let program = Program::serve(&["--camera", &camera]);
        let mut viewer = program.watch("/stream");
        let first = viewer.part().sequence;
        for _ in 0..30 {
            let picture = check(&viewer.part().jpeg).unwrap();
            assert_eq!((picture.width, picture.height), (320, 240), "{form}");
        }
        assert!(viewer.part().sequence <= first + 60 + TIMEOUT.as_secs() * 30);
        let state = program.state();
        let camera = &state["cameras"][0];
        assert_eq!(
            (camera["driver_restarts"].as_u64(), camera["error"].as_str()),
            (Some(0), None),
            "{form}"
        );
        assert_eq!(
            camera["rejected_frames"]
                .as_object()
                .map(|counts| counts.values().filter(|n| **n != 0).count()),
            Some(0)
        );
    }
}

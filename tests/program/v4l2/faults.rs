//! Errors of the driver, with cause and remedy.

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::camera::{Setting, capture, program, run};

/// The frames of the fake camera.
const JPEG: (&str, &str) = ("JPEG", concat!(env!("CARGO_MANIFEST_DIR"), "/frames/1.jpg"));

/// Asserts that the driver ends without a frame, and that its error contains these words.
fn assert_refused(source: &str, setting: Setting, expected: &[&str]) {
    let (frames, ..) = run(source, setting);
    assert_eq!(frames, 0, "{source}");
    assert_words(source, setting, expected);
}

/// Asserts that the driver ends, and that its last line contains these words.
fn assert_words(source: &str, setting: Setting, expected: &[&str]) {
    let (_, code, words) = run(source, setting);
    let last = words.lines().last().unwrap_or_default();
    let all = expected.iter().all(|word| last.contains(word));
    assert!(
        code == Some(1) && last.starts_with("framecast: /dev/video0: ") && all,
        "{setting:?}: {words}"
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn unavailable_camera_is_reported_with_cause() {
    for (fault, expected) in [
        ("busy", ["busy", "fuser -v"]),
        ("denied", ["permission denied", "group video"]),
        (
            "output",
            ["not a video capture device", "framecast cameras"],
        ),
    ] {
        assert_refused("/dev/video0", &[("FAULT", fault)], &expected);
    }
    let (_, code, words) = run("/dev/video777", &[]);
    assert!(
        code == Some(1)
            && words.starts_with("framecast: /dev/video777: no such device;")
            && words.contains("/dev/video0 (Fake: camera)"),
        "{words}"
    );
}

#[test]
fn other_file_is_reported_as_no_camera() {
    for (file, problem) in [
        ("/dev/null", "not a video capture device"),
        ("/dev", "not a video capture device"),
        ("/dev/null/video0", "no such device"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_framecast"))
            .args(["capture", &format!("v4l2:{file}")])
            .output()
            .expect("the program runs");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            words.starts_with(&format!("framecast: {file}: {problem}")),
            "{words}"
        );
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn unsupported_format_is_reported_with_supported_ones() {
    assert_refused(
        "/dev/video0",
        &[("FORMATS", "H264 HEVC")],
        &[
            "H264, HEVC",
            "exec:ffmpeg -f v4l2 -i /dev/video0 -f mjpeg -",
        ],
    );
    assert_words(
        "/dev/video0",
        &[("FORMATS", "YUYV"), ("FORCE", "H264")],
        &["H264", "exec:ffmpeg"],
    );
    assert_words(
        "/dev/video0",
        &[("FORMATS", "")],
        &["no pixel format", "loopback"],
    );
    assert_refused(
        "/dev/video0?format=mjpg",
        &[("FORMATS", "YUYV GREY")],
        &["no format mjpg", "YUYV, GREY", "format="],
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn failed_control_is_logged_and_others_are_set() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let log = ("LOG", log.path().to_str().unwrap());
    let all = "brightness (-64 to 64), exposure_auto (0 to 3), exposure_absolute (3 to 2047)";
    let unknown = ["gain", "hue", "privacy", "user_controls"]
        .map(|name| (format!("{name}=1"), "", format!("{name:?}")));
    let range = ["-65", "65", "99999999999"].map(|value| {
        (
            format!("brightness={value}"),
            "",
            format!("invalid brightness={value}; expected -64 to 64"),
        )
    });
    let errors = ["5", "22", "16", "34", "13"].map(|errno| {
        (
            format!("brightness={errno}"),
            errno,
            format!("cannot set brightness={errno}: "),
        )
    });
    let depends = (
        String::from("exposure_absolute=9"),
        "",
        String::from("set the control that it depends on"),
    );
    for (control, errno, problem) in unknown
        .into_iter()
        .chain(range)
        .chain(errors)
        .chain([depends])
    {
        let error = format!("S_CTRL={errno}");
        let (_, words) = capture(
            &format!("/dev/video0?{control}&exposure_auto=3"),
            &[JPEG, log, ("ERRORS", &error)],
            1,
        );
        assert!(
            words.contains(&problem) && (problem.starts_with("invalid") || words.contains(all)),
            "{control}: {words}"
        );
        if errno.is_empty() {
            assert_eq!(words.lines().count(), 1, "{words}");
            assert!(
                std::fs::read_to_string(log.1)
                    .unwrap()
                    .contains("control 0x9a0901 is 3"),
                "{control}"
            );
        }
        std::fs::write(log.1, "").unwrap();
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn failed_frame_rate_is_logged() {
    for errno in ["5", "16", "22", "25"] {
        let error = format!("S_PARM={errno}");
        let (_, words) = capture("/dev/video0?fps=10", &[JPEG, ("ERRORS", &error)], 2);
        assert!(words.contains("cannot set the frame rate"), "{words}");
    }
    // Without `fps=`, a driver without frame rates is not logged.
    assert_eq!(
        capture("/dev/video0", &[JPEG, ("ERRORS", "S_PARM=25")], 2).1,
        ""
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn start_error_names_request_and_remedy() {
    for (error, words) in [
        (
            "STREAMON=28",
            [
                "USB bandwidth",
                "smaller size=",
                "fps=",
                "format=mjpg",
                "port",
            ]
            .as_slice(),
        ),
        ("STREAMON=32", &["media pipeline", "rpicam:"]),
        (
            "STREAMON=5",
            &["start streaming", "STREAMON", "Input/output error"],
        ),
        ("REQBUFS=12", &["memory", "smaller size="]),
        (
            "REQBUFS=25",
            &["allocate buffers", "REQBUFS", "not supported"],
        ),
        ("REQBUFS=16", &["busy"]),
        (
            "QUERYBUF=25",
            &["query its buffers", "QUERYBUF", "not supported"],
        ),
        ("QBUF=5", &["queue its buffers", "QBUF"]),
        ("S_FMT=16", &["busy"]),
        ("S_FMT=5", &["S_FMT", "another size="]),
        ("QUERYCAP=25", &["not a video capture device"]),
        ("DQBUF=108", &["disconnected"]),
        ("DQBUF=6", &["disconnected"]),
        ("DQBUF=5", &["DQBUF", "Input/output error"]),
    ] {
        assert_words("/dev/video0", &[JPEG, ("ERRORS", error)], words);
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn lost_buffers_are_skipped() {
    let (frames, words) = capture("/dev/video0", &[JPEG, ("ERRORS", "DQBUF@10-13=5")], 30);
    assert!(
        frames
            .iter()
            .map(|frame| frame.sequence.unwrap().get())
            .eq(1..=30)
    );
    assert!(
        words.contains("/dev/video0: frame rejected: lost"),
        "{words}"
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn raspberry_pi_camera_is_left_to_libcamera() {
    for driver in ["unicam", "rp1-cfe", "bcm2835-isp", "pispbe"] {
        assert_words(
            "/dev/video0",
            &[("DRIVER", driver)],
            &["Raspberry Pi", "use rpicam:"],
        );
    }
    for formats in ["pBAA BG10", "BG10", "RGGB GB12", "PC1B"] {
        assert_words(
            "/dev/video0",
            &[("FORMATS", formats)],
            &[
                "Raspberry Pi",
                "use rpicam:",
                formats.split(' ').next().unwrap(),
            ],
        );
    }
    for setting in [("DRIVER", "unicam"), ("FORMATS", "pBAA BG10")] {
        let listed = program(&["cameras"], &[setting]).output().unwrap();
        assert!(
            !String::from_utf8(listed.stdout)
                .unwrap()
                .contains("/dev/video0")
        );
        assert!(
            String::from_utf8(listed.stderr)
                .unwrap()
                .contains("rpicam:")
        );
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn disconnected_or_silent_camera_ends_driver() {
    let (frames, code, words) = run("/dev/video0", &[JPEG, ("FAULT", "unplugged:7")]);
    assert_eq!((frames, code), (7, Some(1)));
    assert!(
        words.starts_with("framecast: /dev/video0: disconnected"),
        "{words}"
    );
    assert_words(
        "/dev/video0?timeout=1s",
        &[JPEG, ("FAULT", "silent")],
        &["no complete picture for 1 s", "timeout="],
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn slow_camera_is_awaited_until_frame_timeout() {
    let slow = [JPEG, ("PERIOD", "1500")];
    assert_words(
        "/dev/video0?timeout=1s",
        &slow,
        &["no complete picture for 1 s"],
    );
    for source in ["/dev/video0?timeout=3s", "/dev/video0?timeout=1s&fps=0.5"] {
        assert_eq!(capture(source, &slow, 2).0.len(), 2, "{source}");
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn damaged_frames_are_rejected_with_few_warnings() {
    for (fault, formats, flaw) in [
        ("corrupt:3", "MJPG", "the picture has no end marker"),
        ("flagged:2", "MJPG", "marked as damaged"),
        (
            "corrupt:2",
            "YUYV",
            "truncated picture: 307200 bytes, expected 614400",
        ),
    ] {
        let started = Instant::now();
        let (frames, words) = capture(
            "/dev/video0",
            &[JPEG, ("FAULT", fault), ("FORMATS", formats)],
            50,
        );
        let seconds = started.elapsed().as_secs();
        let whole = if formats == "MJPG" {
            std::fs::read(JPEG.1).unwrap()
        } else {
            frames[0].jpeg.to_vec()
        };
        assert!(frames.iter().all(|frame| frame.jpeg == whole), "{fault}");
        let lines: Vec<_> = words.lines().collect();
        let start = format!("/dev/video0: frame rejected: {flaw}");
        assert!(lines.iter().all(|line| line.starts_with(&start)), "{words}");
        assert!(
            (1..=seconds + 1).contains(&(lines.len() as u64)),
            "{seconds} s: {words}"
        );
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn camera_without_complete_frame_times_out() {
    let (frames, code, words) = run("/dev/video0", &[JPEG, ("FAULT", "corrupt:1")]);
    assert_eq!((frames, code), (0, Some(1)));
    assert!(
        words.contains("framecast: /dev/video0: no complete picture for 5 s; "),
        "{words}"
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn closed_output_ends_driver_without_error() {
    let mut driver = program(&["capture", "/dev/video0"], &[JPEG])
        .spawn()
        .unwrap();
    driver
        .stdout
        .take()
        .unwrap()
        .read_exact(&mut [0; 100])
        .unwrap();
    let output = driver.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), b"".as_slice())
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn cameras_command_without_camera_fails() {
    let list = |fault| program(&["cameras"], &[("FAULT", fault)]).output().unwrap();
    if (0..256).any(|number| Path::new(&format!("/dev/video{number}")).exists()) {
        return;
    }
    let none = list("output");
    let words = String::from_utf8(none.stderr).unwrap();
    assert!(
        none.status.code() == Some(1) && words.contains("no camera found"),
        "{words}"
    );
    assert!(
        String::from_utf8(list("denied").stderr)
            .unwrap()
            .contains("/dev/video0: permission denied")
    );
}

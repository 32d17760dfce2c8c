//! What the driver says of a camera that does not work, and what to do about it.

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::camera::{Setting, capture, program, run};

/// Frames as the fake is to give them.
const JPEG: (&str, &str) = ("JPEG", concat!(env!("CARGO_MANIFEST_DIR"), "/frames/1.jpg"));

/// Asserts that the driver gives no frame and ends with this sentence.
fn assert_refused(source: &str, setting: Setting, sentence: &str) {
    let expected = (0, Some(1), format!("framecast: /dev/video{sentence}\n"));
    assert_eq!(run(source, setting), expected, "{source}");
}

/// Asserts that the driver ends, and that its last line holds these words.
fn assert_words(source: &str, setting: Setting, expected: &[&str]) {
    let (_, code, words) = run(source, setting);
    let last = words.lines().last().unwrap_or_default();
    let all = expected.iter().all(|word| last.contains(word));
    assert!(
        code == Some(1) && last.starts_with("framecast: /dev/video0 ") && all,
        "{setting:?}: {words}"
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn a_camera_that_cannot_be_had_is_told_from_one_that_is_not_there() {
    let busy = "0 is busy: another program holds it; end that program, which fuser -v names";
    assert_refused("/dev/video0", &[("FAULT", "busy")], busy);
    let denied = "0 may not be opened by this user: permission denied; \
                  add the user to the group video and log in again";
    assert_refused("/dev/video0", &[("FAULT", "denied")], denied);
    let output = "0 is not a capture device; name one that framecast cameras lists";
    assert_refused("/dev/video0", &[("FAULT", "output")], output);
    let (_, code, words) = run("/dev/video777", &[]);
    let start =
        "framecast: /dev/video777 is not there; name one that is: /dev/video0 (Fake: camera)";
    assert!(code == Some(1) && words.starts_with(start), "{words}");
}

#[test]
fn what_is_no_camera_at_all_is_told_so() {
    for (file, expected) in [
        ("/dev/null", true),
        ("/dev", true),
        ("/dev/null/video0", false),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_framecast"))
            .args(["capture", &format!("v4l2:{file}")])
            .output()
            .expect("the program runs");
        let words = String::from_utf8_lossy(&output.stderr);
        let words = words.trim_start_matches("framecast: ").trim_end();
        assert_eq!(
            words
                == format!("{file} is not a capture device; name one that framecast cameras lists"),
            expected
        );
        assert_eq!(
            words.starts_with(&format!("{file} is not there; n")),
            !expected,
            "{words}"
        );
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn formats_that_are_not_given_are_told_with_those_that_are() {
    let unknown = "0 gives H264, HEVC, which framecast does not encode; \
        use exec:ffmpeg -f v4l2 -i /dev/video0 -f mjpeg -";
    assert_refused("/dev/video0", &[("FORMATS", "H264 HEVC")], unknown);
    assert_words(
        "/dev/video0",
        &[("FORMATS", "YUYV"), ("FORCE", "H264")],
        &["gives H264", "exec:ffmpeg"],
    );
    assert_words(
        "/dev/video0",
        &[("FORMATS", "")],
        &["offers no format", "loopback"],
    );
    let unwanted = "0 does not give mjpg but YUYV, GREY; name another format, or leave it out";
    assert_refused(
        "/dev/video0?format=mjpg",
        &[("FORMATS", "YUYV GREY")],
        unwanted,
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn a_control_that_cannot_be_set_is_a_warning_and_the_others_are_set() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let log = ("LOG", log.path().to_str().unwrap());
    let all = "brightness (-64 to 64), exposure_auto (0 to 3), exposure_absolute (3 to 2047)";
    let unknown = ["gain", "hue", "privacy", "user_controls"]
        .map(|name| (format!("{name}=1"), "", format!("{name:?}")));
    let range = ["-65", "65", "99999999999"].map(|value| {
        (
            format!("brightness={value}"),
            "",
            format!("takes no {value} for brightness; write a whole"),
        )
    });
    let errors = ["5", "22", "16", "34", "13"].map(|errno| {
        (
            format!("brightness={errno}"),
            errno,
            format!("refuses brightness={errno}: "),
        )
    });
    let depends = (
        String::from("exposure_absolute=9"),
        "",
        String::from("set what it depends on"),
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
            words.contains(&problem) && words.contains(all),
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
fn a_rate_that_is_not_taken_is_a_warning() {
    for errno in ["5", "16", "22", "25"] {
        let error = format!("S_PARM={errno}");
        let (_, words) = capture("/dev/video0?fps=10", &[JPEG, ("ERRORS", &error)], 2);
        assert!(
            words.contains("takes no rate") && words.contains("its own"),
            "{words}"
        );
    }
    // Without a wish, a driver that knows no rates is nothing to speak of.
    assert_eq!(
        capture("/dev/video0", &[JPEG, ("ERRORS", "S_PARM=25")], 2).1,
        ""
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn an_error_at_the_start_names_its_step_and_its_remedy() {
    for (error, words) in [
        (
            "STREAMON=28",
            [
                "USB bandwidth",
                "smaller size",
                "fewer fps",
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
        ("REQBUFS=12", &["memory", "smaller size"]),
        (
            "REQBUFS=25",
            &["allocate buffers", "REQBUFS", "no such request"],
        ),
        ("REQBUFS=16", &["busy"]),
        (
            "QUERYBUF=25",
            &["describe its buffers", "QUERYBUF", "no such request"],
        ),
        ("QBUF=5", &["queue its buffers", "QBUF"]),
        ("S_FMT=16", &["busy"]),
        ("S_FMT=5", &["S_FMT", "another size"]),
        ("QUERYCAP=25", &["is not a capture device"]),
        ("DQBUF=108", &["unplugged"]),
        ("DQBUF=6", &["unplugged"]),
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
        words.contains("left out a frame of /dev/video0: its driver lost it"),
        "{words}"
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn the_ribbon_camera_is_left_to_libcamera() {
    for driver in ["unicam", "rp1-cfe", "bcm2835-isp", "pispbe"] {
        assert_words(
            "/dev/video0",
            &[("DRIVER", driver)],
            &["ribbon camera", "use rpicam:"],
        );
    }
    for formats in ["pBAA BG10", "BG10", "RGGB GB12", "PC1B"] {
        assert_words(
            "/dev/video0",
            &[("FORMATS", formats)],
            &[
                "ribbon camera",
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
fn a_camera_that_is_unplugged_or_silent_ends_the_driver() {
    let (frames, code, words) = run("/dev/video0", &[JPEG, ("FAULT", "unplugged:7")]);
    assert_eq!((frames, code), (7, Some(1)));
    assert_eq!(
        words,
        "framecast: /dev/video0 was unplugged; plug it in again\n"
    );
    assert_words(
        "/dev/video0?timeout=1s",
        &[JPEG, ("FAULT", "silent")],
        &["no whole picture for 1 s", "timeout="],
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn a_slow_camera_is_waited_for_as_long_as_it_was_said_to_take() {
    let slow = [JPEG, ("PERIOD", "1500")];
    assert_words(
        "/dev/video0?timeout=1s",
        &slow,
        &["no whole picture for 1 s"],
    );
    for source in ["/dev/video0?timeout=3s", "/dev/video0?timeout=1s&fps=0.5"] {
        assert_eq!(capture(source, &slow, 2).0.len(), 2, "{source}");
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn flawed_frames_are_left_out_with_few_words() {
    for (fault, formats, flaw) in [
        ("corrupt:3", "MJPG", "the picture has no end marker"),
        ("flagged:2", "MJPG", "its driver reports that it is damaged"),
        (
            "corrupt:2",
            "YUYV",
            "the picture has 307200 bytes instead of 614400",
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
        let start = format!("left out a frame of /dev/video0: {flaw}");
        assert!(lines.iter().all(|line| line.starts_with(&start)), "{words}");
        assert!(
            (1..=seconds + 1).contains(&(lines.len() as u64)),
            "{seconds} s: {words}"
        );
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn a_camera_without_one_whole_frame_is_silent() {
    let (frames, code, words) = run("/dev/video0", &[JPEG, ("FAULT", "corrupt:1")]);
    assert_eq!((frames, code), (0, Some(1)));
    assert!(
        words.contains("framecast: /dev/video0 gave no whole picture for 5 s; "),
        "{words}"
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn a_reader_that_goes_away_is_a_quiet_end() {
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
fn no_camera_to_list_is_told_so() {
    let list = |fault| program(&["cameras"], &[("FAULT", fault)]).output().unwrap();
    if (0..256).any(|number| Path::new(&format!("/dev/video{number}")).exists()) {
        return;
    }
    let none = list("output");
    let words = "framecast: no camera found; plug one in, or try the test card: framecast --camera pattern\n";
    assert_eq!(
        (none.status.code(), String::from_utf8(none.stderr).unwrap()),
        (Some(1), words.to_owned())
    );
    assert!(
        String::from_utf8(list("denied").stderr)
            .unwrap()
            .contains("/dev/video0 may not be opened by this user")
    );
}

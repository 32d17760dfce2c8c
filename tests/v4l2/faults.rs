//! What the driver says of a camera that does not work, and what to do about it.

use std::io::Read;
use std::path::Path;
use std::time::Instant;

use crate::camera::{Setting, capture, program, run};

/// Frames as the fake is to give them.
const JPEG: (&str, &str) = ("JPEG", concat!(env!("CARGO_MANIFEST_DIR"), "/frames/1.jpg"));

/// Asserts that the driver gives no frame and ends with this sentence.
fn assert_refused(source: &str, setting: Setting, sentence: &str) {
    let expected = (0, Some(1), format!("framecast: /dev/video{sentence}\n"));
    assert_eq!(run(source, setting), expected, "{source}");
}

#[test]
#[ignore = "needs a C compiler"]
fn a_camera_that_cannot_be_had_is_told_from_one_that_is_not_there() {
    let busy = "0 is busy: another program holds it; end that program, which fuser -v names";
    assert_refused("/dev/video0", &[("FAULT", "busy")], busy);
    let denied =
        "0 may not be opened by this user: permission denied; add the user to the group video and log in again";
    assert_refused("/dev/video0", &[("FAULT", "denied")], denied);
    let output = "0 is not a capture device; name one that framecast cameras lists";
    assert_refused("/dev/video0", &[("FAULT", "output")], output);
    let (_, code, words) = run("/dev/video777", &[]);
    let start = "framecast: /dev/video777 is not there; name one that is: /dev/video0 (Fake: camera)";
    assert!(code == Some(1) && words.starts_with(start), "{words}");
}

#[test]
fn what_is_no_camera_at_all_is_told_so() {
    for (file, expected) in [("/dev/null", true), ("/dev", true), ("/dev/null/video0", false)] {
        let source = format!("v4l2:{file}").parse().unwrap();
        let words = framecast::capture::run(&source, framecast::wire::jpeg::FRAME_BYTES_MAX, &mut Vec::new())
            .unwrap_err()
            .to_string();
        assert_eq!(words == format!("{file} is not a capture device; name one that framecast cameras lists"), expected);
        assert_eq!(words.starts_with(&format!("{file} is not there; n")), !expected, "{words}");
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn formats_that_are_not_given_are_told_with_those_that_are() {
    let unknown = "0 gives H264, which framecast cannot show; use another camera";
    assert_refused("/dev/video0", &[("FORMATS", "H264")], unknown);
    let unwanted = "0 does not give mjpg but YUYV, GREY; name another format, or leave it out";
    assert_refused("/dev/video0?format=mjpg", &[("FORMATS", "YUYV GREY")], unwanted);
}

#[test]
#[ignore = "needs a C compiler"]
fn controls_are_told_with_their_ranges() {
    let all = "brightness (-64 to 64), exposure_auto (0 to 3), exposure_absolute (3 to 2047)";
    for name in ["gain", "hue", "privacy", "user_controls"] {
        assert_refused(
            &format!("/dev/video0?brightness=0&{name}=1"),
            &[JPEG],
            &format!("0 has no control {name:?}; choose from {all}"),
        );
    }
    for value in ["-65", "65", "99999999999"] {
        let range = "write a whole number from -64 to 64";
        let source = format!("/dev/video0?brightness={value}");
        assert_refused(&source, &[JPEG], &format!("0 takes no {value} for brightness; {range}"));
    }
    let depends = "0 refuses exposure_absolute=9: Permission denied (os error 13); \
        first set what it depends on, such as exposure to manual";
    assert_refused("/dev/video0?exposure_absolute=9&exposure_auto=1", &[JPEG], depends);
}

#[test]
#[ignore = "needs a C compiler"]
fn a_camera_that_is_unplugged_or_silent_ends_the_driver() {
    let (frames, code, words) = run("/dev/video0", &[JPEG, ("FAULT", "unplugged:7")]);
    assert_eq!((frames, code), (7, Some(1)));
    assert_eq!(words, "framecast: /dev/video0 was unplugged; plug it in again\n");
    let silent = "0 gave no whole picture for 5 s; plug it in anew, or ask for another size or format";
    assert_refused("/dev/video0", &[JPEG, ("FAULT", "silent")], silent);
}

#[test]
#[ignore = "needs a C compiler"]
fn flawed_frames_are_left_out_with_few_words() {
    for (fault, formats, flaw) in [
        ("corrupt:3", "MJPG", "the picture ends before its end marker"),
        ("flagged:2", "MJPG", "its driver says that it is damaged"),
        ("corrupt:2", "YUYV", "the picture has 307200 bytes instead of 614400"),
    ] {
        let started = Instant::now();
        let (frames, words) = capture("/dev/video0", &[JPEG, ("FAULT", fault), ("FORMATS", formats)], 50);
        let seconds = started.elapsed().as_secs();
        let whole = if formats == "MJPG" { std::fs::read(JPEG.1).unwrap() } else { frames[0].jpeg.to_vec() };
        assert!(frames.iter().all(|frame| frame.jpeg == whole), "{fault}");
        let lines: Vec<_> = words.lines().collect();
        let start = format!("left out a frame of /dev/video0: {flaw}");
        assert!(lines.iter().all(|line| line.starts_with(&start)), "{words}");
        assert!((1..=seconds + 1).contains(&(lines.len() as u64)), "{seconds} s: {words}");
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn a_camera_without_one_whole_frame_is_silent() {
    let (frames, code, words) = run("/dev/video0", &[JPEG, ("FAULT", "corrupt:1")]);
    assert_eq!((frames, code), (0, Some(1)));
    assert!(words.ends_with(
        "framecast: /dev/video0 gave no whole picture for 5 s; plug it in anew, or ask for another size or format\n"
    ));
}

#[test]
#[ignore = "needs a C compiler"]
fn a_reader_that_goes_away_is_a_quiet_end() {
    let mut driver = program(&["capture", "/dev/video0"], &[JPEG]).spawn().unwrap();
    driver.stdout.take().unwrap().read_exact(&mut [0; 100]).unwrap();
    let output = driver.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
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
    assert_eq!((none.status.code(), String::from_utf8(none.stderr).unwrap()), (Some(1), words.to_owned()));
    assert!(String::from_utf8(list("denied").stderr).unwrap().contains("/dev/video0 may not be opened by this user"));
}

//! Devices with several inputs, with changing signals, and with the multi-planar API.

use std::fs;

use framecast::wire::jpeg::check;
use framecast::wire::part::Part;
use tempfile::NamedTempFile;

use super::camera::{Setting, capture, run};

const INPUTS: (&str, &str) = ("INPUTS", "Composite,S-Video,HDMI 1");
const RAW: (&str, &str) = ("FORMATS", "UYVY");

/// The first `count` frames, the driver's stderr, and the log of the device.
fn capture_with_log(source: &str, setting: Setting, count: usize) -> (Vec<Part>, String, String) {
    let log = NamedTempFile::new().unwrap();
    let setting = [setting, &[("LOG", log.path().to_str().unwrap())]].concat();
    let (frames, words) = capture(source, &setting, count);
    (frames, words, fs::read_to_string(log.path()).unwrap())
}

fn size(frame: &Part) -> (u16, u16) {
    let picture = check(&frame.jpeg).unwrap();
    (picture.width, picture.height)
}

#[test]
#[ignore = "needs a C compiler"]
fn input_is_selected_by_number_or_name() {
    for (input, number) in [
        ("1", 1),
        ("S-Video", 1),
        ("s_video", 1),
        ("0", 0),
        ("composite", 0),
    ] {
        let (_, words, log) =
            capture_with_log(&format!("/dev/video0?input={input}"), &[RAW, INPUTS], 1);
        assert!(
            log.starts_with(&format!("input {number}\n")) && words.is_empty(),
            "{log}{words}"
        );
    }
    let (frames, code, words) = run("/dev/video0?input=hdmi2", &[RAW, INPUTS]);
    assert_eq!((frames, code), (0, Some(1)));
    assert!(
        words.contains("no input \"hdmi2\"")
            && words.contains("0 (Composite), 1 (S-Video), 2 (HDMI 1)")
    );
    let (_, _, words) = run("/dev/video0?input=0", &[RAW]);
    assert!(words.contains("leave input= out"), "{words}");
}

#[test]
#[ignore = "needs a C compiler"]
fn standard_is_set_or_a_warning_is_logged() {
    for (standard, bits) in [
        ("PAL", "0xff"),
        ("ntsc", "0xb000"),
        ("PAL-M", "0x100"),
        ("secam_l", "0x400000"),
    ] {
        let (_, words, log) = capture_with_log(
            &format!("/dev/video0?standard={standard}"),
            &[RAW, INPUTS],
            1,
        );
        assert!(
            log.starts_with(&format!("standard {bits}\n")) && words.is_empty(),
            "{log}{words}"
        );
    }
    for errno in ["25", "61", "22"] {
        let error = format!("S_STD={errno}");
        let (_, words) = capture("/dev/video0?standard=PAL", &[RAW, ("ERRORS", &error)], 1);
        assert!(words.contains("cannot set standard=pal"), "{words}");
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn digital_input_follows_signal_changes() {
    let setting = [RAW, ("INPUTS", "HDMI"), ("SIGNAL", "1920x1080>800x600")];
    let (frames, words, log) = capture_with_log("/dev/video0", &setting, 9);
    assert_eq!(size(&frames[0]), (1920, 1080));
    assert_eq!(size(&frames[8]), (800, 600));
    assert!(
        frames
            .iter()
            .map(|frame| frame.sequence.unwrap().get())
            .eq(1..=9),
        "sequences continue"
    );
    let timings: Vec<_> = log
        .lines()
        .filter(|line| line.starts_with("timings"))
        .collect();
    assert_eq!(timings, ["timings 1920x1080", "timings 800x600"]);
    assert!(words.contains("input signal has changed"), "{words}");
}

#[test]
#[ignore = "needs a C compiler"]
fn missing_signal_is_reported() {
    for (signal, words) in [
        ("none", "no signal"),
        ("unstable", "no stable signal"),
        ("range", "out of range"),
    ] {
        for signal in [signal.to_owned(), format!("1280x720>{signal}")] {
            let (_, code, found) = run("/dev/video0?input=2", &[RAW, INPUTS, ("SIGNAL", &signal)]);
            let last = found.lines().last().unwrap_or_default();
            assert!(code == Some(1) && last.contains(words), "{signal}: {found}");
        }
    }
    // An analog input reports a missing signal only after the frame timeout.
    let silent = [RAW, ("INPUTS", "Composite"), ("FAULT", "silent")];
    let (_, _, found) = run("/dev/video0?timeout=1s", &silent);
    assert!(found.contains("no signal"), "{found}");
}

#[test]
#[ignore = "needs a C compiler"]
fn multi_planar_device_is_captured() {
    for formats in ["NV12", "BGR3", "UYVY NV16", "MJPG"] {
        let jpeg = ("JPEG", concat!(env!("CARGO_MANIFEST_DIR"), "/frames/1.jpg"));
        let single = capture("/dev/video0?size=640x480", &[("FORMATS", formats), jpeg], 3);
        let multi = capture(
            "/dev/video0?size=640x480",
            &[("FORMATS", formats), jpeg, ("MULTI", "1")],
            3,
        );
        assert_eq!(single.1, multi.1);
        assert!(
            single
                .0
                .iter()
                .zip(&multi.0)
                .all(|(single, multi)| single.jpeg == multi.jpeg),
            "{formats}"
        );
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn pictures_in_several_planes_are_rejected_with_remedy() {
    for setting in [
        [("FORMATS", "NM12"), ("MULTI", "2")],
        [("FORMATS", "NV12"), ("MULTI", "2")],
    ] {
        let (frames, code, words) = run("/dev/video0", &setting);
        assert_eq!((frames, code), (0, Some(1)));
        assert!(
            words.contains(setting[0].1) && words.contains("exec:gst-launch-1.0"),
            "{words}"
        );
    }
}

//! The driver with a working camera.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::format::PixelFormat;
use framecast::wire::jpeg::with_standard_tables;
use framecast::wire::metadata::Sequence;
use tempfile::TempDir;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::camera::{Setting, capture, program};

const NUMBER: &[u8] = include_bytes!("../../../frames/1.jpg");

/// The colors of the fake camera's bars.
const BARS: [[u8; 3]; 8] = [
    [255, 255, 255],
    [255, 255, 0],
    [0, 255, 255],
    [0, 255, 0],
    [255, 0, 255],
    [255, 0, 0],
    [0, 0, 255],
    [0, 0, 0],
];

/// A directory for the files of the fake camera.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// The size of the first frame, and the colors in the middle of its eight bars.
fn bars(source: &str, setting: Setting) -> (Vec<Vec<u8>>, (usize, usize)) {
    let (frames, _) = capture(source, setting, 1);
    let mut decoder = JpegDecoder::new(ZCursor::new(&frames[0].jpeg));
    let pixels = decoder.decode().unwrap();
    let (width, height) = decoder.dimensions().unwrap();
    let bytes = pixels.len() / (width * height);
    let at = |bar: usize| (height / 2 * width + (2 * bar + 1) * width / 16) * bytes;
    (
        (0..8)
            .map(|bar| pixels[at(bar)..][..bytes].to_vec())
            .collect(),
        (width, height),
    )
}

fn assert_near(found: &[u8], wanted: &[u8], tolerance: u8) {
    let near = found
        .iter()
        .zip(wanted)
        .all(|(found, wanted)| found.abs_diff(*wanted) <= tolerance);
    assert!(
        near && found.len() == wanted.len(),
        "{found:?} is not {wanted:?}"
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn raw_pictures_are_encoded_with_correct_colors() {
    for format in PixelFormat::ALL
        .into_iter()
        .filter(|format| !format.is_jpeg() && *format != PixelFormat::Grey)
    {
        let fourcc = String::from_utf8(format.fourcc().to_le_bytes().to_vec()).unwrap();
        for (wanted, size, gap) in [
            ("640x480", (640, 480), "0"),
            ("1280x720", (1280, 720), "0"),
            ("321x241", (321, 241), "7"),
        ] {
            let source = format!(
                "v4l2:/dev/video0?size={wanted}&format={}&quality=95",
                format.name()
            );
            let mut setting = vec![("FORMATS", fourcc.as_str()), ("GAP", gap)];
            if gap != "0" {
                setting.push(("SIZE", wanted));
            }
            let (colors, found) = bars(&source, &setting);
            assert_eq!(found, size, "{fourcc}");
            colors
                .iter()
                .zip(&BARS)
                .for_each(|(found, wanted)| assert_near(found, wanted, 6));
            assert_near(&colors[0], &BARS[0], 1);
            assert_near(&colors[7], &BARS[7], 1);
        }
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn grey_and_full_range_are_unchanged() {
    let (greys, _) = bars("/dev/video0?quality=95", &[("FORMATS", "GREY")]);
    greys
        .iter()
        .zip(0..)
        .for_each(|(found, bar)| assert_near(&found[..1], &[bar * 36], 2));
    let (colors, _) = bars(
        "/dev/video0?quality=95",
        &[("FORMATS", "YUYV"), ("FULL", "1")],
    );
    assert_near(&colors[0], &[235; 3], 1);
    assert_near(&colors[7], &[16; 3], 1);
}

#[test]
#[ignore = "needs a C compiler"]
fn camera_jpegs_are_passed_through() {
    let desk = Desk::new();
    let tables = desk.write("tables.jpg", NUMBER);
    for padding in ["0", "1", "4000"] {
        let (frames, words) = capture(
            "/dev/video0",
            &[("JPEG", &tables), ("PADDING", padding)],
            40,
        );
        assert!(frames.iter().all(|frame| frame.jpeg == NUMBER));
        assert_eq!(
            frames
                .iter()
                .map(|frame| frame.sequence)
                .collect::<Vec<_>>(),
            (1..=40).map(Sequence::new).collect::<Vec<_>>()
        );
        assert_eq!(words, "");
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn jpegs_without_markers_are_repaired() {
    let desk = Desk::new();
    let without_end = &NUMBER[..NUMBER.len() - 2];
    for (name, picture, padding) in [
        ("end.jpg", without_end.to_vec(), "0"),
        ("lead.jpg", [&[0, 0, 0, 9], NUMBER].concat(), "0"),
        ("start.jpg", [&NUMBER[..2], NUMBER].concat(), "512"),
    ] {
        let path = desk.write(name, &picture);
        let (frames, _) = capture("/dev/video0", &[("JPEG", &path), ("PADDING", padding)], 3);
        assert!(frames.iter().all(|frame| frame.jpeg == NUMBER), "{name}");
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn missing_tables_are_inserted_and_thumbnails_removed() {
    let desk = Desk::new();
    let mut plain = Vec::new();
    jpeg_encoder::Encoder::new(&mut plain, 50)
        .encode(&[99; 300], 10, 10, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    let mut bare = plain.clone();
    while let Some(at) = bare.windows(2).position(|bytes| bytes == [0xff, 0xc4]) {
        let length = 2 + usize::from(u16::from_be_bytes([bare[at + 2], bare[at + 3]]));
        bare.drain(at..at + length);
    }
    let exif = [b"Exif\0\0".as_slice(), &plain].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let with_thumbnail = [&bare[..2], &[0xff, 0xe1], &length, &exif, &bare[2..]].concat();
    for (name, picture) in [("bare.jpg", &bare), ("thumbnail.jpg", &with_thumbnail)] {
        let path = desk.write(name, picture);
        let (frames, _) = capture("/dev/video0", &[("JPEG", &path), ("PADDING", "3")], 2);
        assert!(
            frames
                .iter()
                .all(|frame| frame.jpeg == with_standard_tables(&bare)),
            "{name}"
        );
        JpegDecoder::new(ZCursor::new(&frames[0].jpeg))
            .decode()
            .unwrap();
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn unsupported_mode_becomes_nearest_and_is_logged() {
    let desk = Desk::new();
    let (jpeg, log) = (desk.write("1.jpg", NUMBER), desk.path("log"));
    let nearest =
        |mode| format!("/dev/video0: requested mode not supported; using the nearest, {mode}\n");
    for (query, formats, start, words) in [
        ("", "YUYV MJPG", "640x480 MJPG at 30", String::new()),
        (
            "?size=1280x720",
            "YUYV MJPG",
            "1280x720 MJPG at 30",
            String::new(),
        ),
        (
            "?format=yuyv",
            "YUYV MJPG",
            "640x480 YUYV at 30",
            String::new(),
        ),
        (
            "?size=1280x720&fps=10",
            "YUYV MJPG",
            "1280x720 YUYV at 10",
            String::new(),
        ),
        (
            "?size=1920x1080&fps=20",
            "YUYV MJPG",
            "1280x720 MJPG at 15",
            nearest("mjpg 1280x720 at 15 fps"),
        ),
        (
            "?size=1280x720",
            "H264 GREY YUYV",
            "1280x720 YUYV at 10",
            nearest("yuyv 1280x720 at 10 fps"),
        ),
        (
            "?fps=1",
            "GREY RGB3 NV12",
            "640x480 NV12 at 15",
            nearest("nv12 640x480 at 15 fps"),
        ),
    ] {
        let _ = fs::remove_file(&log);
        let setting = [("FORMATS", formats), ("JPEG", &jpeg), ("LOG", &log)];
        let (_, found) = capture(&format!("/dev/video0{query}"), &setting, 1);
        assert_eq!(
            (desk.log(), found),
            (format!("start {start}\n"), words),
            "{query}"
        );
    }
}

#[test]
#[ignore = "needs a C compiler"]
fn stepwise_frame_size_is_rounded() {
    let desk = Desk::new();
    let setting = [
        ("STEPWISE", "1"),
        ("FORMATS", "YUYV"),
        ("LOG", &desk.path("log")),
    ];
    let (_, words) = capture("/dev/video0?size=321x235&fps=47", &setting, 1);
    assert_eq!(desk.log(), "start 320x232 YUYV at 47\n");
    assert_eq!(
        words,
        "/dev/video0: requested mode not supported; using the nearest, yuyv 320x232 at 47 fps\n"
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn frame_has_its_capture_time() {
    let wall = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let desk = Desk::new();
    let jpeg = desk.write("1.jpg", NUMBER);
    let capture_at = |setting: Setting| {
        let started = wall();
        let at = capture("/dev/video0", setting, 1).0[0]
            .captured_at
            .unwrap()
            .since_epoch();
        (at + Duration::from_micros(1), started, wall())
    };
    let (at, started, _) = capture_at(&[("JPEG", &jpeg)]);
    assert!(at >= started);
    let (at, started, ended) = capture_at(&[("JPEG", &jpeg), ("AGE", "9000")]);
    assert!(
        at + Duration::from_secs(9) >= started
            && at + Duration::from_secs(9) <= ended + Duration::from_millis(1)
    );
    let (at, started, ended) = capture_at(&[("JPEG", &jpeg), ("CLOCK", "1")]);
    assert!(
        at >= started && at <= ended + Duration::from_millis(1),
        "a timestamp of another clock is ignored"
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn controls_are_set_in_order_before_streaming() {
    let desk = Desk::new();
    let jpeg = desk.write("1.jpg", NUMBER);
    let source = "/dev/video0?brightness=-64&exposure_auto=1&exposure_absolute=2047";
    capture(source, &[("JPEG", &jpeg), ("LOG", &desk.path("log"))], 1);
    let controls = "control 0x980900 is -64\ncontrol 0x9a0901 is 1\ncontrol 0x9a0902 is 2047\n";
    assert_eq!(desk.log(), format!("{controls}start 640x480 MJPG at 30\n"));
}

#[test]
#[ignore = "needs a C compiler"]
fn controls_have_the_names_of_any_kernel() {
    let desk = Desk::new();
    let jpeg = desk.write("1.jpg", NUMBER);
    let both = [
        ("exposure_auto=1&exposure_absolute=99", false),
        ("auto_exposure=1&exposure_time_absolute=99", false),
    ];
    for (controls, names) in both
        .into_iter()
        .chain(both.map(|(controls, _)| (controls, true)))
    {
        let _ = fs::remove_file(desk.path("log"));
        let log = desk.path("log");
        let mut setting = vec![("JPEG", jpeg.as_str()), ("LOG", &log)];
        if names {
            setting.push(("NAMES", "1"));
        }
        let (_, words) = capture(&format!("/dev/video0?{controls}"), &setting, 1);
        assert_eq!(words, "", "{controls}");
        assert!(
            desk.log()
                .starts_with("control 0x9a0901 is 1\ncontrol 0x9a0902 is 99\n"),
            "{}",
            desk.log()
        );
    }
}

/// The exposure time depends on the exposure mode, which comes later in the list.
#[test]
#[ignore = "needs a C compiler"]
fn dependent_controls_are_set_in_any_order() {
    let desk = Desk::new();
    let jpeg = desk.write("1.jpg", NUMBER);
    let setting = [("JPEG", jpeg.as_str()), ("LOG", &desk.path("log"))];
    let (_, words) = capture(
        "/dev/video0?exposure_absolute=99&exposure_auto=1",
        &setting,
        1,
    );
    assert_eq!(words, "");
    assert!(
        desk.log()
            .starts_with("control 0x9a0901 is 1\ncontrol 0x9a0902 is 99\n"),
        "{}",
        desk.log()
    );
}

#[test]
#[ignore = "needs a C compiler"]
fn format_changed_by_driver_is_used() {
    let setting = [("FORMATS", "MJPG YUYV"), ("FORCE", "UYVY")];
    for source in [
        "/dev/video0?quality=95",
        "/dev/video0?format=yuyv&quality=95",
    ] {
        let (colors, _) = bars(source, &setting);
        colors
            .iter()
            .zip(&BARS)
            .for_each(|(found, wanted)| assert_near(found, wanted, 6));
    }
    let (_, words) = capture("/dev/video0?format=yuyv", &setting, 1);
    assert!(words.contains("nearest, uyvy"), "{words}");
}

#[test]
#[ignore = "needs a C compiler"]
fn cameras_command_lists_cameras() {
    let list = |setting| {
        let output = program(&["cameras"], setting).output().unwrap();
        assert!(output.status.success());
        let table = String::from_utf8(output.stdout).unwrap();
        // This machine may have real cameras.
        table
            .lines()
            .take(4)
            .fold(String::new(), |table, line| table + line + "\n")
    };
    let expected = "\
DEVICE       NAME          FORMAT              SIZE      FPS
/dev/video0  Fake: camera  H264 (unsupported)  640x480   30, 15
                                               1280x720  10
                           YUYV                640x480   30, 15
";
    assert_eq!(list(&[("FORMATS", "H264 YUYV")]), expected);
    let expected = "\
DEVICE       NAME          FORMAT  SIZE                FPS
/dev/video0  Fake: camera  NV12    32x16 to 1920x1080  1 to 60
";
    assert!(list(&[("FORMATS", "NV12"), ("STEPWISE", "1")]).starts_with(expected));
}

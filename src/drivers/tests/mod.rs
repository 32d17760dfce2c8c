//! The drivers, run through the library.

mod network;
mod numbers;

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use crate::drivers::canvas::Canvas;
use crate::drivers::clock::Ticks;
use crate::drivers::clock::picture_at;
use crate::drivers::hints::SOURCES;
use crate::drivers::numbers::PICTURES;
use crate::drivers::{CaptureError, Source, run};
use crate::wire::jpeg::FRAME_BYTES_MAX;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// The output of a driver: takes `writes_left` writes, then fails with `error`.
struct Output {
    writes: Vec<Vec<u8>>,
    /// Those writes that no flush has followed yet.
    unflushed: usize,
    writes_left: usize,
    error: ErrorKind,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes_left = self.writes_left.checked_sub(1).ok_or(self.error)?;
        self.writes.push(bytes.to_vec());
        self.unflushed += 1;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unflushed = 0;
        Ok(())
    }
}

/// One frame of an output.
struct Frame {
    captured_at: Duration,
    jpeg: Vec<u8>,
}

fn output(writes_left: usize, error: ErrorKind) -> Output {
    Output {
        writes: Vec::new(),
        unflushed: 0,
        writes_left,
        error,
    }
}

/// Runs `source` until its reader goes away after `count` frames, and takes its output apart.
fn frames(source: &str, count: usize) -> Vec<Frame> {
    let mut output = output(1 + count, ErrorKind::BrokenPipe);
    run(&source.parse().unwrap(), FRAME_BYTES_MAX, &mut output)
        .expect("a reader that goes away is a quiet end");
    assert_eq!(output.unflushed, 0);
    let (preamble, parts) = output.writes.split_first().unwrap();
    assert_eq!(preamble, b"--frame\r\n");
    assert_eq!(parts.len(), count);
    (1..)
        .zip(parts)
        .map(|(sequence, part)| frame(part, sequence))
        .collect()
}

/// Takes one part apart, which must be whole and nothing else.
fn frame(part: &[u8], sequence: u64) -> Frame {
    let end = part
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .expect("a header block");
    let head = std::str::from_utf8(&part[..end]).unwrap();
    let fields: Vec<_> = head
        .split("\r\n")
        .map(|line| line.split_once(": ").unwrap())
        .collect();
    let body = &part[end + 4..];
    let field = |name| {
        fields
            .iter()
            .find(|field| field.0 == name)
            .unwrap_or_else(|| panic!("no {name} in {head}"))
            .1
    };
    assert_eq!(field("Content-Type"), "image/jpeg");
    assert_eq!(field("X-Frame-Sequence"), sequence.to_string());
    let (jpeg, rest) = body.split_at(field("Content-Length").parse().unwrap());
    assert_eq!(rest, b"\r\n--frame\r\n");
    let (seconds, micros) = field("X-Timestamp").split_once('.').unwrap();
    let captured_at = Duration::new(
        seconds.parse().unwrap(),
        micros.parse::<u32>().unwrap() * 1000,
    );
    Frame {
        captured_at,
        jpeg: jpeg.to_vec(),
    }
}

/// The pixels of `jpeg`, which must have the size given.
fn decode(jpeg: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut decoder = JpegDecoder::new(ZCursor::new(jpeg));
    let pixels = decoder.decode().unwrap();
    assert_eq!(decoder.dimensions(), Some((width, height)));
    pixels
}

#[test]
fn sources_are_read_and_shown_as_written() {
    for (text, canonical) in [
        ("stills", "stills:?fps=1"),
        ("stills:", "stills:?fps=1"),
        ("stills?fps=2", "stills:?fps=2"),
        ("stills:photos", "stills:photos?fps=1"),
        ("stills:/a b/c?fps=0.5", "stills:/a b/c?fps=0.5"),
        ("stills:/what?/is?fps=3", "stills:/what?/is?fps=3"),
        ("stills:/what??", "stills:/what??fps=1"),
        ("stills:a:b?", "stills:a:b?fps=1"),
        ("stills:a?watch=1", "stills:a?fps=10&watch=1"),
        ("stills:a?watch=0", "stills:a?fps=1"),
        (
            "rpicam",
            "rpicam:?size=1280x720&fps=30&quality=80&hflip=0&vflip=0&rotation=0&camera=0",
        ),
        (
            "rpicam:size=640x480&hflip=1&vflip=1&rotation=180&camera=1&fps=5",
            "rpicam:?size=640x480&fps=5&quality=80&hflip=1&vflip=1&rotation=180&camera=1",
        ),
        ("exec:a 'b c'  d=e", "exec:a 'b c'  d=e"),
        ("-", "-"),
        ("pattern", "pattern:1280x720?fps=30&quality=80"),
        ("pattern:", "pattern:1280x720?fps=30&quality=80"),
        ("pattern?fps=10", "pattern:1280x720?fps=10&quality=80"),
        ("pattern:640x480", "pattern:640x480?fps=30&quality=80"),
        (
            "pattern:16x8192?quality=1&fps=240",
            "pattern:16x8192?fps=240&quality=1",
        ),
        (
            "pattern:640x480?fps=59.94&quality=100",
            "pattern:640x480?fps=59.94&quality=100",
        ),
        ("pattern?fps=1&fps=%32", "pattern:1280x720?fps=2&quality=80"),
    ] {
        let source: Source = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(source.to_string(), text);
        assert_eq!(canonical.parse::<Source>().unwrap(), source, "{text}");
    }
}

/// Why `text` is no source.
fn refusal(text: &str) -> String {
    text.parse::<Source>().expect_err(text).to_string()
}

#[test]
fn what_is_no_source_is_told_the_sources_there_are() {
    let sources = format!("the sources are {}", SOURCES.join(", "));
    assert_eq!(refusal(""), format!("that is no source; {sources}"));
    assert_eq!(
        refusal("carrier-pigeon:user:secret?token=secret"),
        format!("there is no source \"carrier-pigeon\"; {sources}")
    );
    for (text, hint) in [
        ("/dev/null", "/dev/video"),
        ("webcam:user:secret?token=secret", "/dev/video0"),
        ("patern:", "pattern:"),
        ("192.168.1.5:8080/secret", "http://"),
    ] {
        let refusal = refusal(text);
        assert!(
            refusal.contains(hint) && !refusal.contains("secret") && !refusal.contains(&sources),
            "{refusal}"
        );
    }
}

#[test]
fn what_is_no_parameter_is_told_those_there_are() {
    for (text, sentence) in [
        (
            "stills:x?fsp=1",
            r#"stills has no parameter "fsp"; it takes fps and watch"#,
        ),
        (
            "stills:x?fps=1&quality=80",
            r#"stills has no parameter "quality"; it takes fps and watch"#,
        ),
        (
            "pattern?size=1",
            r#"pattern has no parameter "size"; it takes fps and quality"#,
        ),
    ] {
        assert_eq!(refusal(text), sentence);
    }
}

#[test]
fn a_value_out_of_range_is_told_the_range() {
    for value in ["", "0", "-1", "240.1", "NaN", "inf", "1e400", "fast"] {
        let rule = "write a number above 0 and at most 240, such as 30 or 0.5";
        for scheme in ["stills", "pattern"] {
            let text = format!("{scheme}?fps={value}");
            assert_eq!(
                refusal(&text),
                format!("{value:?} is no fps for {scheme}; {rule}")
            );
        }
    }
    for value in ["", "0", "101", "1.5", "999", "best"] {
        let rule = "write a whole number from 1 to 100";
        assert_eq!(
            refusal(&format!("pattern?quality={value}")),
            format!("{value:?} is no quality for pattern; {rule}")
        );
    }
    for value in [
        "15x480",
        "640x8193",
        "640x99999",
        "640",
        "x",
        "640X480",
        "640x480x3",
        "-640x480",
    ] {
        let rule = "write WIDTHxHEIGHT, each from 16 to 8192, such as 1280x720";
        assert_eq!(
            refusal(&format!("pattern:{value}")),
            format!("{value:?} is no size for pattern; {rule}")
        );
    }
    assert_eq!(
        refusal("stills:x?watch=yes"),
        r#""yes" is no watch for stills; write 0 or 1"#
    );
    assert_eq!(
        refusal("rpicam:?rotation=90"),
        r#""90" is no rotation for rpicam; write 0 or 180"#
    );
    assert!(
        refusal("rpicam:?camera=x")
            .starts_with(r#""x" is no camera for rpicam; write a whole number from 0 to 9"#)
    );
    assert!(
        refusal("rpicam:?size=9x9")
            .starts_with(r#""9x9" is no size for rpicam; write WIDTHxHEIGHT"#)
    );
    assert!(
        refusal("pattern?fps=a%0ab").starts_with(r#""a\nb" is no fps"#),
        "control characters are escaped"
    );
}

#[test]
fn a_directory_without_pictures_is_told_before_and_during_capture() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("readme.txt"), b"\xff\xd8\xff\xd9").unwrap();
    fs::create_dir(directory.path().join("folder.jpg")).unwrap();
    let (empty, missing) = (directory.path().display(), directory.path().join("missing"));
    for (name, sentence) in [
        (
            empty.to_string(),
            format!("no JPEG in {empty}: put at least one whole .jpg or .jpeg file there"),
        ),
        (
            missing.display().to_string(),
            format!(
                "cannot read the directory {}: No such file or directory (os error 2); \
                 name a directory that holds JPEG pictures",
                missing.display()
            ),
        ),
    ] {
        let source: Source = format!("stills:{name}").parse().unwrap();
        assert_eq!(source.check().unwrap_err().to_string(), sentence);
        let mut output = output(1, ErrorKind::BrokenPipe);
        assert_eq!(
            run(&source, FRAME_BYTES_MAX, &mut output)
                .unwrap_err()
                .to_string(),
            sentence
        );
        assert!(output.writes.is_empty());
    }
    for ready in ["stills", "pattern"] {
        ready.parse::<Source>().unwrap().check().unwrap();
    }
}

#[test]
fn the_clock_chooses_the_picture() {
    let millis = Duration::from_millis;
    for (unix, fps, count, picture) in [
        (millis(0), 1.0, 3, 0),
        (millis(999), 1.0, 3, 0),
        (millis(1000), 1.0, 3, 1),
        (millis(2999), 1.0, 3, 2),
        (millis(3000), 1.0, 3, 0),
        (millis(1_800_000_000_500), 2.0, 3, 1),
        (millis(3999), 0.5, 3, 1),
        (millis(4000), 0.5, 3, 2),
        (millis(5000), 30.0, 1, 0),
    ] {
        assert_eq!(
            picture_at(unix, fps, count),
            picture,
            "{unix:?} at {fps} fps of {count}"
        );
    }
}

#[test]
fn no_tick_comes_twice() {
    let seen: Vec<u64> = Ticks::new(240.0).take(10).map(|(tick, _)| tick).collect();
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:?}");
}

#[test]
fn stills_show_the_picture_of_the_moment() {
    let directory = tempfile::tempdir().unwrap();
    let colors = [Rgb888::RED, Rgb888::GREEN, Rgb888::WHITE, Rgb888::BLUE];
    let [red, green, white, blue] = colors.map(|color| Canvas::new(8, 8, color).to_jpeg(80));
    for (name, picture) in [("1.jpg", &red), ("2.jpg", &green), ("10.jpg", &blue)] {
        fs::write(
            directory.path().join(name),
            [picture, &b"what a phone appends \xff\xd9"[..]].concat(),
        )
        .unwrap();
    }
    // Just written and not whole: the next picture is shown in its place.
    fs::write(directory.path().join("5.jpg"), &red[..red.len() - 1]).unwrap();
    fs::write(
        directory.path().join("6.jpg"),
        [b"no JPEG", &white[..]].concat(),
    )
    .unwrap();
    let pictures = [&red, &green, &white, &white, &blue];
    for frame in frames(&format!("stills:{}?fps=240", directory.path().display()), 8) {
        // The header has whole microseconds: the picture is that of its beginning or, at the turn
        // of a tick, its end.
        let moments = [
            frame.captured_at,
            frame.captured_at + Duration::from_micros(1),
        ];
        assert!(
            moments
                .iter()
                .any(|&moment| &frame.jpeg == pictures[picture_at(moment, 240.0, 5)])
        );
    }
}

#[test]
fn the_embedded_pictures_are_those_that_are_drawn() {
    for (number, picture) in (1..).zip(PICTURES) {
        let (kept, drawn) = (
            decode(picture, 640, 480),
            decode(&numbers::draw(number), 640, 480),
        );
        // The encoder rounds differently with and without AVX2, so the pictures are compared, not
        // the files. What that leaves is a mean of 0.02 steps of brightness; a caption moved by one
        // pixel is more than 0.05 away.
        let apart: u64 = kept
            .iter()
            .zip(&drawn)
            .map(|(&a, &b)| u64::from(a.abs_diff(b)))
            .sum();
        assert!(
            apart < kept.len() as u64 / 20,
            "frames/{number}.jpg is not what numbers::draw({number}) draws"
        );
    }
    let first = frames("stills?fps=240", 1).remove(0);
    assert!(PICTURES.contains(&first.jpeg.as_slice()));
}

#[test]
#[ignore = "redraws frames/; run by hand"]
fn draw_the_three_pictures() {
    for number in 1..=3 {
        let path = format!("{}/frames/{number}.jpg", env!("CARGO_MANIFEST_DIR"));
        fs::write(path, numbers::draw(number)).unwrap();
    }
}

#[test]
fn the_test_card_moves_at_every_size() {
    for (width, height) in [(160, 120), (641, 359), (120, 300)] {
        let frames = frames(&format!("pattern:{width}x{height}?fps=240&quality=90"), 4);
        let pictures: Vec<_> = frames
            .iter()
            .map(|frame| decode(&frame.jpeg, width, height))
            .collect();
        for pair in pictures.windows(2) {
            assert!(pair[0] != pair[1], "two equal frames of {width}x{height}");
        }
        assert!(
            frames
                .windows(2)
                .all(|pair| pair[0].captured_at < pair[1].captured_at)
        );
    }
    for (width, height) in [(16, 16), (16, 8192), (8192, 16)] {
        decode(
            &frames(&format!("pattern:{width}x{height}"), 1)[0].jpeg,
            width,
            height,
        );
    }
}

#[test]
fn an_output_that_fails_is_told() {
    let error = run(
        &"stills".parse().unwrap(),
        FRAME_BYTES_MAX,
        &mut output(1, ErrorKind::StorageFull),
    )
    .unwrap_err();
    assert!(matches!(error, CaptureError::Output(_)));
    assert_eq!(
        error.to_string(),
        "cannot write frames to standard output: no storage space"
    );
}

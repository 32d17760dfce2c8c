//! The placeholder, as written by `framecast draw-offline`.

use std::process::Command;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::{FRAMECAST, run};

fn draw(name: &str, reason: &str, since: &str, size: (usize, usize)) -> Vec<u8> {
    let mut command = Command::new(FRAMECAST);
    command.args([
        "draw-offline",
        "--name",
        name,
        "--reason",
        reason,
        "--since",
        since,
    ]);
    let output = command
        .args(["--size", &format!("{}x{}", size.0, size.1)])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// The brightness of the pixels of `jpeg`, row by row.
fn decode(jpeg: &[u8], size: (usize, usize)) -> Vec<Vec<u8>> {
    let mut decoder = JpegDecoder::new(ZCursor::new(jpeg));
    let pixels = decoder.decode().unwrap();
    assert_eq!(decoder.dimensions(), Some(size));
    pixels
        .chunks_exact(size.0 * 3)
        .map(|row| row.iter().skip(1).step_by(3).copied().collect())
        .collect()
}

const REASON: &str = "cannot open /dev/video0: No such file or directory (os error 2); plug it in, or name another one";

#[test]
fn placeholder_is_a_valid_jpeg_at_any_size_and_text() {
    let endless = "x".repeat(100_000);
    for size in [
        (16, 16),
        (17, 31),
        (640, 480),
        (641, 359),
        (33, 1000),
        (2001, 19),
    ] {
        decode(&draw("front-door", REASON, "1795442709", size), size);
    }
    for words in [
        "",
        "-",
        "--size",
        "\u{202e}\u{0}漢字\n\r\t🎥",
        "ÀÉîõü ß – “x”",
        &endless[..],
    ] {
        // An argument cannot contain NUL.
        let words = words.replace('\0', "");
        decode(
            &draw(&words, &words, "18446744073709551615", (320, 240)),
            (320, 240),
        );
    }
    decode(&draw("tiny", "", "0", (1, 1)), (16, 16));
}

#[test]
fn placeholder_shows_all_text_within_its_edges() {
    for size in [(160, 120), (320, 240), (640, 480), (1920, 1080), (240, 426)] {
        let long = draw(
            "a-camera-with-quite-a-long-name",
            &REASON.repeat(3),
            "1795442709",
            size,
        );
        let rows = decode(&long, size);
        let lit = |row: &[u8]| row.iter().any(|&pixel| pixel > 64);
        assert!(
            rows.iter().filter(|row| lit(row)).count() > size.1.min(size.0) / 4,
            "{size:?} says little"
        );
        let margin = size.0 / 40;
        assert!(
            !rows
                .iter()
                .any(|row| lit(&row[..margin]) || lit(&row[size.0 - margin..])),
            "{size:?} is cut off"
        );
        assert!(!lit(&rows[0]) && !lit(&rows[size.1 - 1]));
        // Most of the picture is dark.
        let mean = rows
            .iter()
            .flatten()
            .map(|&pixel| usize::from(pixel))
            .sum::<usize>()
            / (size.0 * size.1);
        assert!(mean < 64, "{size:?} has a mean brightness of {mean}");
    }
    let size = (320, 240);
    let one = draw("a", "b", "1", size);
    assert!(one != draw("c", "b", "1", size));
    assert!(one != draw("a", "c", "1", size));
    assert!(one != draw("a", "b", "2", size));
    assert!(one == draw("a", "b", "1", size));
}

#[test]
fn placeholder_with_invalid_size_is_rejected() {
    let (exit, words) = run(&[
        "draw-offline",
        "--name",
        "a",
        "--reason",
        "b",
        "--since",
        "1",
        "--size",
        "9",
    ]);
    assert_eq!(exit, 2);
    assert!(words.contains("WIDTHxHEIGHT"), "{words}");
    let help = Command::new(FRAMECAST).arg("--help").output().unwrap();
    assert!(
        !String::from_utf8_lossy(&help.stdout).contains("draw-offline"),
        "internal command"
    );
}

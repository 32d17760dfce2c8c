//! Players that open clips.

use std::fs;
use std::iter;
use std::path::Path;
use std::process::{Command, Output};

use crate::matrix::{Show, picture_of_rgb};
use crate::players::{recorded_until, vlc_to};
use crate::support::{Program, eventually};

/// Starts a server and waits until its camera has a history of some seconds.
fn clips() -> (Program, tempfile::TempDir) {
    let camera = [
        "--camera",
        "front=pattern:320x240?fps=20",
        "--always-on",
        "--history",
        "30s",
    ];
    let program = Program::serve(&camera);
    eventually("there is a history", || {
        program.state()["cameras"][0]["history_frames"].as_u64() >= Some(70)
    });
    (program, tempfile::tempdir().unwrap())
}

fn output(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be run: {error}"))
}

/// Returns a field that ffprobe prints after decoding all pictures. It must print no warning.
fn probe(file: &Path, entry: &str) -> String {
    let path = file.to_str().unwrap();
    let entry = format!("stream={entry}");
    let probed = output(
        "ffprobe",
        &[
            "-v",
            "warning",
            "-count_frames",
            "-show_entries",
            &entry,
            "-of",
            "csv=p=0",
            path,
        ],
    );
    assert_eq!(String::from_utf8_lossy(&probed.stderr), "", "{path}");
    String::from_utf8(probed.stdout).unwrap().trim().to_owned()
}

#[test]
#[ignore = "needs ffmpeg"]
fn ffmpeg_opens_both_files_without_warnings() {
    let (program, folder) = clips();
    for name in ["clip.avi", "clip.mjpeg"] {
        let file = folder.path().join(name);
        let reply = program.get(&format!("/{name}?seconds=3"));
        fs::write(&file, &reply.body).unwrap();
        let frames = reply.field("X-Frames").unwrap();
        assert_eq!(probe(&file, "nb_read_frames"), frames, "{name}");
        assert_eq!(
            probe(&file, "codec_name,width,height"),
            "mjpeg,320,240",
            "{name}"
        );
        let decoded = output(
            "ffmpeg",
            &[
                "-v",
                "error",
                "-i",
                file.to_str().unwrap(),
                "-f",
                "null",
                "-",
            ],
        );
        assert!(
            decoded.status.success() && decoded.stderr.is_empty(),
            "{name}: {decoded:?}"
        );
    }
    let seconds: f64 = probe(&folder.path().join("clip.avi"), "duration")
        .parse()
        .unwrap();
    assert!((2.5..3.2).contains(&seconds), "{seconds} s");
}

/// VLC shows each picture of the file in turn. With `--start-time` it starts in the middle, which
/// the index must locate. The last picture is not expected: VLC does not show the last one of an
/// AVI, even if ffmpeg wrote it. VLC opens concatenated JPEGs as one still picture without
/// `--demux`.
#[test]
#[ignore = "needs vlc-bin, vlc-plugin-base and ffmpeg"]
fn vlc_plays_both_files_to_their_end() {
    let show = Show::open_with(&["--always-on", "--history", "30s"]);
    eventually("there is a history", || {
        show.server.state()["cameras"][0]["history_frames"].as_u64() >= Some(35)
    });
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("clip.avi", &[][..]),
        ("clip.avi", &["--start-time", "1.5"]),
        ("clip.mjpeg", &["--demux", "avformat"]),
    ] {
        let file = folder.path().join(name);
        let reply = show.server.get(&format!("/{name}?seconds=3"));
        fs::write(&file, &reply.body).unwrap();
        let clip = pictures_in(&file);
        assert_eq!(
            clip.len().to_string(),
            reply.field("X-Frames").unwrap(),
            "{name}"
        );
        let first = if options.contains(&"--start-time") {
            clip.len() / 2 - 2..=clip.len() / 2 + 2
        } else {
            0..=0
        };
        let expected: Vec<_> = first
            .map(|first| in_turn(&clip[first..clip.len() - 1]))
            .collect();
        println!("VLC {options:?} {name}: expected {:?}", expected[0]);
        let scenes = tempfile::tempdir().unwrap();
        fs::copy(&file, scenes.path().join(name)).unwrap();
        let path = scenes.path().join(name);
        let arguments = [&["--play-and-pause"], options, &[path.to_str().unwrap()]].concat();
        // VLC shows a picture again while there is no newer one.
        recorded_until(vlc_to(scenes.path(), &arguments), scenes.path(), |seen| {
            expected.contains(&in_turn(seen))
        });
    }
}

/// Decodes a file with ffmpeg and returns the indices of its pictures.
fn pictures_in(file: &Path) -> Vec<usize> {
    let decoded = output(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            file.to_str().unwrap(),
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-",
        ],
    );
    let mut frames = decoded.stdout.as_slice();
    iter::from_fn(|| picture_of_rgb(&mut frames).ok()).collect()
}

fn in_turn(pictures: &[usize]) -> Vec<usize> {
    let mut turns = pictures.to_vec();
    turns.dedup();
    turns
}

/// OpenCV seeks to the middle of the file, which the index must locate.
#[test]
#[ignore = "needs aiohttp, opencv-python-headless and requests in target/clients"]
fn opencv_seeks_in_an_avi() {
    let (program, folder) = clips();
    let file = folder.path().join("clip.avi");
    let reply = program.get("/clip.avi?seconds=3");
    fs::write(&file, &reply.body).unwrap();
    let script = "import cv2, sys; c = cv2.VideoCapture(sys.argv[1]); n = int(c.get(cv2.CAP_PROP_FRAME_COUNT)); \
                  c.set(cv2.CAP_PROP_POS_FRAMES, n // 2); k = 0\nwhile c.read()[0]: k += 1\nprint(n, n - n // 2 == k)";
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/bin/python");
    let printed = output(python, &["-c", script, file.to_str().unwrap()]);
    assert_eq!(
        String::from_utf8_lossy(&printed.stdout).trim(),
        format!("{} True", reply.field("X-Frames").unwrap())
    );
}

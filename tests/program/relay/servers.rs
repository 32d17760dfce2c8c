//! Relaying real servers.

use std::collections::HashMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::support::PICTURES;
use framecast::wire::metadata::Sequence;

use crate::driver::Driver;
use crate::support::{Program, field};

#[test]
fn framecast_stream_is_relayed_unchanged() {
    let program = Program::serve(&["--camera", "stills:?fps=20"]);
    let mut driver = Driver::start(program.url("/stream"));
    let mut viewer = program.watch("/stream");
    let frames: Vec<_> = (0..20).map(|_| driver.frame()).collect();
    let parts: HashMap<_, _> = (0..20)
        .map(|_| viewer.part())
        .map(|part| (part.sequence, part))
        .collect();
    assert!(
        frames
            .windows(2)
            .all(|pair| pair[0].sequence < pair[1].sequence)
    );
    let mut compared = 0;
    for frame in frames {
        assert!(PICTURES.contains(&frame.jpeg.as_ref()));
        let Some(part) = parts.get(&frame.sequence.unwrap().get()) else {
            continue;
        };
        let time = frame.captured_at.unwrap();
        assert_eq!(field(&part.header, "X-Timestamp"), Some(&*time.to_string()));
        assert!(frame.jpeg == part.jpeg);
        compared += 1;
    }
    assert!(compared > 0, "the two have seen no frame in common");
}

#[test]
fn framecast_snapshots_are_relayed_once_each() {
    let program = Program::serve(&["--camera", "stills:?fps=10"]);
    // The first request starts the camera.
    assert_eq!(program.get("/snapshot?after=0").status(), 200);
    let mut driver = Driver::start(program.url("/snapshot#fps=50"));
    let frames: Vec<_> = (0..5).map(|_| driver.frame()).collect();
    assert!(
        frames
            .windows(2)
            .all(|pair| pair[0].sequence < pair[1].sequence && pair[0].jpeg != pair[1].jpeg)
    );
}

/// Kills a process when dropped.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs ffmpeg"]
fn ffmpeg_stream_is_relayed() {
    for (format, codec) in [("mpjpeg", "mjpeg"), ("mjpeg", "mjpeg")] {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let url = format!("http://127.0.0.1:{port}/");
        let mut command = Command::new("ffmpeg");
        command.args([
            "-v",
            "error",
            "-re",
            "-f",
            "lavfi",
            "-i",
            "testsrc=size=320x240:rate=25",
            "-c:v",
            codec,
        ]);
        command
            .args(["-f", format, "-listen", "1", &url])
            .stdin(Stdio::null());
        let _ffmpeg = Guard(command.spawn().expect("ffmpeg starts"));
        crate::support::eventually("ffmpeg listens", || is_listening(port));
        let mut driver = Driver::start(&url);
        for number in 1..=25 {
            let frame = driver.frame();
            assert_eq!(
                (frame.picture.width, frame.picture.height, frame.sequence),
                (320, 240, Sequence::new(number))
            );
        }
    }
}

/// Whether a socket of this machine listens on `port`. Connecting would use up the only connection
/// that ffmpeg accepts.
fn is_listening(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table
        .lines()
        .any(|line| line.contains(&format!(":{port:04X} 00000000:0000 0A")))
}

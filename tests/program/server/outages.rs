//! Drivers that fail: viewers stay connected, and get a placeholder.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::PICTURES;
use framecast::wire::jpeg;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Program, TIMEOUT, Viewer, eventually};

/// Writes a shell script, and returns the source that runs it.
fn script(folder: &Path, text: &str) -> String {
    let path = folder.join("driver.sh");
    std::fs::write(&path, text).unwrap();
    format!("exec:sh {}", path.display())
}

/// Reads up to the first placeholder, a picture that is none of the numbered ones.
fn placeholder(viewer: &mut Viewer) -> Vec<u8> {
    let begun = Instant::now();
    loop {
        let part = viewer.part();
        if !PICTURES.contains(&part.jpeg.as_slice()) {
            return part.jpeg;
        }
        assert!(begun.elapsed() < TIMEOUT, "no placeholder");
    }
}

fn size(picture: &[u8]) -> (u16, u16) {
    let picture = jpeg::check(picture).expect("a whole picture");
    (picture.width, picture.height)
}

#[test]
fn driver_that_exits_at_once_is_offline_with_a_placeholder() {
    let program = Program::serve(&["--camera", "front=exec:false"]);
    let mut viewer = program.watch("/stream");
    assert_eq!(size(&placeholder(&mut viewer)), (640, 480));
    for _ in 0..3 {
        let before = Instant::now();
        viewer.part();
        assert!(
            before.elapsed() < Duration::from_millis(2500),
            "the placeholder is not repeated"
        );
    }
    let reply = program.get("/snapshot");
    assert_eq!(
        (reply.status(), reply.field("Retry-After")),
        (503, Some("1"))
    );
    assert!(
        reply.text().starts_with("Camera front is offline: "),
        "{}",
        reply.text()
    );
    let state = program.state();
    assert_eq!(state["cameras"][0]["online"], false);
    assert!(state["cameras"][0]["error"].is_string());
    assert!(state["cameras"][0]["driver_restarts"].as_u64() >= Some(1));
}

/// A driver that exits is restarted before the outage is reported, which happens after 0.5 s.
#[test]
fn outage_is_reported_and_loop_does_not_spin_while_restarted_driver_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let text = format!(
        "test -e {0} && sleep 60; touch {0}; sleep 1; exit 1",
        run.display()
    );
    let program = Program::serve(&[
        "--always-on",
        "--camera",
        &format!("front={}", script(folder.path(), &text)),
    ]);
    eventually("the first driver has exited", || {
        program.state()["cameras"][0]["driver_restarts"].as_u64() == Some(1)
    });
    let time = eventually("the outage is reported", || {
        program.state()["cameras"][0]["offline"] == true
    });
    assert!(time < Duration::from_secs(2), "reported after {time:?}");
    let turns = || program.state()["loop"]["turns"].as_u64().unwrap();
    let before = turns();
    std::thread::sleep(Duration::from_secs(1));
    let spent = turns() - before;
    assert!(spent < 1000, "the loop spins: {spent} turns in a second");
}

#[test]
fn placeholder_has_the_size_of_the_last_frame_and_ends_with_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    let small = {
        let mut small = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut small, 80);
        encoder
            .encode(&[99; 320 * 200], 320, 200, jpeg_encoder::ColorType::Luma)
            .unwrap();
        small
    };
    let picture = pictures.join("1.jpg");
    std::fs::write(&picture, &small).unwrap();
    let program = Program::serve(&["--camera", &format!("stills:{}?fps=20", pictures.display())]);
    let mut viewers: Vec<_> = (0..5).map(|_| program.watch("/stream")).collect();
    viewers
        .iter_mut()
        .for_each(|viewer| assert_eq!(viewer.part().jpeg, small));

    std::fs::remove_file(&picture).unwrap();
    let driver = Pid::from_raw(program.children()[0].parse().unwrap()).unwrap();
    kill_process(driver, Signal::KILL).unwrap();
    let begun = Instant::now();
    for viewer in &mut viewers {
        while viewer.part().jpeg == small {
            assert!(begun.elapsed() < TIMEOUT, "no placeholder");
        }
    }
    let shown = viewers[0].part().jpeg;
    assert_eq!(size(&shown), (320, 200));
    // A placeholder is no snapshot. The last live frame is one only with stale=1.
    assert_eq!(program.get("/snapshot").status(), 503);
    let stale = program.get("/snapshot?stale=1");
    assert_eq!((stale.status(), &stale.body), (200, &small));
    assert!(stale.field("X-Frame-Age").unwrap().parse::<u64>().unwrap() > 400);

    std::fs::write(&picture, &small).unwrap();
    for viewer in &mut viewers {
        while viewer.part().jpeg != small {
            assert!(begun.elapsed() < TIMEOUT, "no live frame");
        }
    }
    assert_eq!(program.get("/snapshot").body, small);
    assert_eq!(program.state()["cameras"][0]["viewers"], 5);
}

#[test]
fn offline_option_shows_the_last_frame_or_the_users_picture() {
    let folder = tempfile::tempdir().unwrap();
    let one_frame = folder.path().join("one.jpg");
    std::fs::write(&one_frame, PICTURES[0]).unwrap();
    let own = folder.path().join("own.jpg");
    std::fs::write(&own, PICTURES[2]).unwrap();
    let source = script(
        folder.path(),
        &format!("cat {}; exit 3", one_frame.display()),
    );
    for (offline, expected) in [("last", PICTURES[0]), (own.to_str().unwrap(), PICTURES[2])] {
        let program = Program::serve(&["--camera", &source, "--offline", offline]);
        let mut viewer = program.watch("/stream");
        assert_eq!(viewer.part().jpeg, PICTURES[0]);
        eventually("the camera is offline", || {
            program.get("/snapshot").status() == 503
        });
        let begun = Instant::now();
        while viewer.part().jpeg != expected {
            assert!(begun.elapsed() < TIMEOUT);
        }
    }
}

#[test]
fn truncated_frames_are_rejected_counted_and_logged_once() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.jpg");
    std::fs::write(&cut, &PICTURES[0][..9000]).unwrap();
    let whole = folder.path().join("whole.jpg");
    std::fs::write(&whole, PICTURES[1]).unwrap();
    let text = format!(
        "while :; do cat {1}; cat {0}; sleep 0.01; done",
        cut.display(),
        whole.display()
    );
    let program = Program::serve(&["--camera", &script(folder.path(), &text)]);
    let mut viewer = program.watch("/stream");
    for _ in 0..50 {
        assert!(
            viewer.part().jpeg == PICTURES[1],
            "a truncated frame was sent"
        );
    }
    let state = program.state();
    assert!(
        state["cameras"][0]["rejected_frames"]["truncated"].as_u64() >= Some(40),
        "{}",
        state["cameras"]
    );
    program.signal(Signal::TERM);
    let (_, log) = program.wait();
    assert_eq!(log.matches("rejected").count(), 1, "{log}");
}

#[test]
fn frames_without_end_marker_are_repaired_counted_and_logged_once() {
    let folder = tempfile::tempdir().unwrap();
    let unended = folder.path().join("unended.jpg");
    std::fs::write(&unended, PICTURES[0].strip_suffix(b"\xff\xd9").unwrap()).unwrap();
    let source = script(
        folder.path(),
        &format!("while :; do cat {}; sleep 0.01; done", unended.display()),
    );
    let program = Program::serve(&["--camera", &source]);
    let mut viewer = program.watch("/stream");
    for _ in 0..10 {
        assert!(viewer.part().jpeg == PICTURES[0]);
    }
    let camera = &program.state()["cameras"][0];
    assert!(camera["repaired_frames"].as_u64() >= Some(10), "{camera}");
    assert!(
        program
            .get("/metrics")
            .text()
            .contains("framecast_frames_repaired_total{camera=\"camera\"} ")
    );
    program.signal(Signal::TERM);
    let (_, log) = program.wait();
    assert_eq!(log.matches("end marker").count(), 1, "{log}");
}

#[test]
fn frame_of_100_mb_is_rejected_and_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let huge = folder.path().join("huge.jpg");
    let mut bytes = PICTURES[0][..PICTURES[0].len() - 2].to_vec();
    bytes.resize(100_000_000, 0);
    bytes.extend_from_slice(PICTURES[1]);
    std::fs::write(&huge, bytes).unwrap();
    let source = script(folder.path(), &format!("cat {}; sleep 60", huge.display()));
    let program = Program::serve(&["--camera", &source]);
    let mut viewer = program.watch("/stream");
    assert!(viewer.part().jpeg == PICTURES[1], "the next frame is lost");
    assert_eq!(
        program.state()["cameras"][0]["rejected_frames"]["too_large"],
        1
    );
    let status = format!("/proc/{}/status", program.pid().as_raw_nonzero());
    let status = std::fs::read_to_string(status).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < 64 * 1024, "{peak_kib} KiB");
    program.signal(Signal::TERM);
    let (_, log) = program.wait();
    assert!(log.contains("8 MiB; raise --frame-max-mib"), "{log}");
}

#[test]
fn silent_camera_is_offline_and_a_slow_one_is_not() {
    let program = Program::serve(&[
        "--camera",
        "mute=exec:sleep 60",
        "--camera",
        "slow=stills:?fps=0.1",
    ]);
    let mut slow = program.watch("/stream?camera=slow");
    let mut mute = program.watch("/stream?camera=mute");
    let begun = Instant::now();
    assert_eq!(size(&placeholder(&mut mute)), (640, 480));
    assert!(begun.elapsed() >= Duration::from_secs(4));
    for _ in 0..3 {
        assert!(PICTURES.contains(&slow.part().jpeg.as_slice()));
    }
}

#[test]
fn driver_that_floods_stderr_is_logged_five_times_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let source = script(folder.path(), "yes this is what went wrong >&2");
    let program = Program::serve(&["--camera", &source]);
    let viewer = program.watch("/stream");
    let seconds = 3;
    std::thread::sleep(Duration::from_secs(seconds));
    // The driver does not delay other requests.
    assert_eq!(program.get("/healthz").status(), 200);
    program.signal(Signal::TERM);
    drop(viewer);
    let (_, log) = program.wait();
    let lines = log.matches("this is what went wrong").count() as u64;
    assert!((1..=5 * (seconds + 2)).contains(&lines), "{lines} lines");
}

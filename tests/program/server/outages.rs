//! Cameras that fail, in every way a program can: their viewers stay, and are told.

use std::path::Path;
use std::time::{Duration, Instant};

use framecast::drivers::numbers::PICTURES;
use framecast::wire::jpeg;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Program, TIMEOUT, Viewer, eventually};

/// A driver that is a shell script.
fn script(folder: &Path, text: &str) -> String {
    let path = folder.join("driver.sh");
    std::fs::write(&path, text).unwrap();
    format!("exec:sh {}", path.display())
}

/// The first picture that is none of the three numbered ones: what stands in for them.
fn publish_placeholder(viewer: &mut Viewer) -> Vec<u8> {
    let begun = Instant::now();
    loop {
        let part = viewer.part();
        if !PICTURES.contains(&part.jpeg.as_slice()) {
            return part.jpeg;
        }
        assert!(begun.elapsed() < TIMEOUT, "the viewer is never told");
    }
}

fn size(picture: &[u8]) -> (u16, u16) {
    let picture = jpeg::check(picture).expect("a whole picture");
    (picture.width, picture.height)
}

#[test]
fn a_camera_that_dies_at_once_is_shown_to_be_offline() {
    let program = Program::serve(&["--camera", "front=exec:false"]);
    let begun = Instant::now();
    let mut viewer = program.watch("/stream");
    assert_eq!(size(&publish_placeholder(&mut viewer)), (640, 480));
    let told_after = begun.elapsed();
    println!("told after {told_after:?}");
    for _ in 0..3 {
        let before = Instant::now();
        viewer.part();
        assert!(
            before.elapsed() < Duration::from_millis(2500),
            "it is not repeated"
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

/// A driver that dies is restarted within the half second after which the outage is reported.
#[test]
fn outage_is_reported_and_loop_waits_while_restarted_driver_is_silent() {
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
    eventually("its first driver has died", || {
        program.state()["cameras"][0]["driver_restarts"].as_u64() == Some(1)
    });
    let begun = Instant::now();
    while program.state()["cameras"][0]["offline"] == false {
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "the outage is not reported"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let turns = || program.state()["loop"]["turns"].as_u64().unwrap();
    let before = turns();
    std::thread::sleep(Duration::from_secs(1));
    let spent = turns() - before;
    assert!(spent < 1000, "the loop spins: {spent} turns in a second");
}

#[test]
fn the_picture_that_stands_in_has_the_size_of_those_before_and_goes_when_they_are_back() {
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
            assert!(begun.elapsed() < TIMEOUT, "the viewer is never told");
        }
        println!("told after {:?}", begun.elapsed());
    }
    let shown = viewers[0].part().jpeg;
    assert_eq!(size(&shown), (320, 200));
    // What stands in is no snapshot; the last live frame is one only for who says that it will do.
    assert_eq!(program.get("/snapshot").status(), 503);
    let stale = program.get("/snapshot?stale=1");
    assert_eq!((stale.status(), &stale.body), (200, &small));
    assert!(stale.field("X-Frame-Age").unwrap().parse::<u64>().unwrap() > 400);

    std::fs::write(&picture, &small).unwrap();
    for viewer in &mut viewers {
        while viewer.part().jpeg != small {
            assert!(begun.elapsed() < TIMEOUT, "the camera is never back");
        }
    }
    assert_eq!(program.get("/snapshot").body, small);
    assert_eq!(program.state()["cameras"][0]["viewers"], 5);
}

#[test]
fn the_last_frame_or_a_picture_of_the_users_may_stand_in() {
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
fn garbage_is_skipped_counted_and_said_once() {
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
            "what was cut short is never shown"
        );
    }
    let state = program.state();
    assert!(
        state["cameras"][0]["rejected_frames"]["truncated"].as_u64() >= Some(40),
        "{}",
        state["cameras"]
    );
    program.signal(Signal::TERM);
    let (_, words) = program.wait();
    assert_eq!(words.matches("rejected").count(), 1, "{words}");
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
    let (_, words) = program.wait();
    assert_eq!(words.matches("end marker").count(), 1, "{words}");
}

#[test]
fn a_frame_of_100_mb_is_refused_and_costs_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let huge = folder.path().join("huge.jpg");
    let mut bytes = PICTURES[0][..PICTURES[0].len() - 2].to_vec();
    bytes.resize(100_000_000, 0);
    bytes.extend_from_slice(PICTURES[1]);
    std::fs::write(&huge, bytes).unwrap();
    let source = script(folder.path(), &format!("cat {}; sleep 60", huge.display()));
    let program = Program::serve(&["--camera", &source]);
    let mut viewer = program.watch("/stream");
    assert!(
        viewer.part().jpeg == PICTURES[1],
        "the frame after it is not lost"
    );
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
fn a_camera_that_says_nothing_is_told_from_one_that_is_slow() {
    let program = Program::serve(&[
        "--camera",
        "mute=exec:sleep 60",
        "--camera",
        "slow=stills:?fps=0.1",
    ]);
    let mut slow = program.watch("/stream?camera=slow");
    let mut mute = program.watch("/stream?camera=mute");
    let begun = Instant::now();
    assert_eq!(size(&publish_placeholder(&mut mute)), (640, 480));
    assert!(begun.elapsed() >= Duration::from_secs(4));
    for _ in 0..3 {
        assert!(PICTURES.contains(&slow.part().jpeg.as_slice()));
    }
}

#[test]
fn a_driver_that_shouts_is_heard_five_times_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let source = script(folder.path(), "yes this is what went wrong >&2");
    let program = Program::serve(&["--camera", &source]);
    let viewer = program.watch("/stream");
    let seconds = 3;
    std::thread::sleep(Duration::from_secs(seconds));
    // Nobody else is held up by it.
    assert_eq!(program.get("/healthz").status(), 200);
    program.signal(Signal::TERM);
    drop(viewer);
    let (_, words) = program.wait();
    let lines = words.matches("this is what went wrong").count() as u64;
    assert!((1..=5 * (seconds + 2)).contains(&lines), "{lines} lines");
}

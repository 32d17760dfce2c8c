//! Network cameras with faults.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::PICTURES;
use rustix::process::Signal;

use crate::support::{Program, eventually};
use crate::upstream::{Upstream, answer, stream_of};

/// Starts a server with the camera `upstream` and these parameters.
fn serve(upstream: &Upstream, parameters: &str) -> Program {
    Program::serve(&[
        "--camera",
        &format!("front={}", upstream.url(&format!("/video{parameters}"))),
    ])
}

/// Receives `count` frames, which must not be placeholders.
fn watch_live(program: &Program, count: usize) {
    let mut viewer = program.watch("/stream");
    for number in 0..count {
        let picture = viewer.part().jpeg;
        assert!(
            PICTURES.contains(&picture.as_slice()),
            "part {number} is a placeholder"
        );
    }
}

#[test]
fn damaged_frames_of_a_network_camera_are_counted_by_reason_and_logged_once() {
    let upstream = Upstream::sending(stream_of(&[
        PICTURES[0],
        &PICTURES[1][..5000],
        b"no picture",
        PICTURES[2],
    ]));
    let program = serve(&upstream, "#fps=20");
    let _viewer = program.watch("/stream");
    let count = |reason: &str| program.state()["cameras"][0]["rejected_frames"][reason].as_u64();
    eventually("damaged frames are counted", || {
        count("truncated") >= Some(5) && count("not_jpeg") >= Some(5)
    });
    let metrics = program.get("/metrics");
    let name = "framecast_frames_rejected_total{camera=\"front\",reason=\"truncated\"} ";
    let line = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect("a counter");
    assert!(line.parse::<f64>().unwrap() >= 5.0, "{line}");
    assert_eq!(program.state()["cameras"][0]["driver_restarts"], 0);
    program.signal(Signal::TERM);
    let (_, log) = program.wait();
    for reason in ["truncated", "not_jpeg"] {
        assert_eq!(
            log.matches(&format!("rejected: {reason}")).count(),
            1,
            "{log}"
        );
    }
}

#[test]
fn network_camera_that_fails_each_third_poll_stays_online() {
    let requests = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |_| match requests.fetch_add(1, Ordering::Relaxed) {
        number if number % 3 == 2 => answer("503 Busy", "", b""),
        number => answer(
            "200 OK",
            "Content-Type: image/jpeg\r\n",
            PICTURES[number % 3],
        ),
    });
    let program = serve(&upstream, "#fps=20");
    watch_live(&program, 20);
    let state = program.state();
    assert_eq!(
        (
            &state["cameras"][0]["online"],
            &state["cameras"][0]["driver_restarts"]
        ),
        (&true.into(), &0.into())
    );
}

#[test]
fn network_camera_that_closes_after_each_part_stays_online() {
    let requests = AtomicUsize::new(0);
    let upstream = Upstream::start(move |connection| {
        connection.request();
        connection.send(stream_of(&[
            PICTURES[requests.fetch_add(1, Ordering::Relaxed) % 3]
        ]));
    });
    let program = serve(&upstream, "#fps=10");
    watch_live(&program, 20);
    assert_eq!(program.state()["cameras"][0]["driver_restarts"], 0);
}

#[test]
fn timeout_of_a_network_camera_applies_in_driver_and_server() {
    // Pauses of more than 5 s, the timeout of other sources: before the first part, and between two.
    let upstream = Upstream::start(|connection| {
        connection.request();
        for picture in PICTURES {
            thread::sleep(Duration::from_secs(6));
            connection.send(stream_of(&[picture]));
        }
        connection.wait();
    });
    let program = serve(&upstream, "#timeout=20s");
    // A viewer gets nothing before the first frame. Later, the newest frame is repeated.
    watch_live(&program, 5);
    let state = program.state();
    assert_eq!(
        (
            &state["cameras"][0]["online"],
            &state["cameras"][0]["driver_restarts"]
        ),
        (&true.into(), &0.into())
    );
    assert_eq!(program.get("/healthz").status(), 200);
}

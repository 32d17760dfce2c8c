//! The child process behind a camera: when it runs, when it does not, and what its end costs the
//! viewers.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Program, eventually};

#[test]
fn a_camera_runs_while_somebody_watches_and_stops_afterwards() {
    let program = Program::serve(&["--camera-linger", "300ms"]);
    assert_eq!(program.children(), Vec::<String>::new(), "nobody watches");
    let mut viewer = program.watch("/stream");
    viewer.part();
    assert_eq!(program.children().len(), 1);
    drop(viewer);
    let time = eventually("the camera stops", || program.children().is_empty());
    assert!(
        time >= Duration::from_millis(250),
        "it lingered for {time:?} only"
    );
    program.watch("/stream").part();
    assert_eq!(program.children().len(), 1);
}

/// As programs do that make a timelapse, or show a still that they ask for again and again.
#[test]
fn a_camera_whose_snapshots_are_asked_for_goes_on_running() {
    let program = Program::serve(&["--camera-linger", "1s"]);
    let snapshot = || assert_eq!(program.get("/snapshot").status(), 200);
    snapshot();
    let driver = program.children();
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
        snapshot();
        assert_eq!(
            program.children(),
            driver,
            "the driver that gave the first snapshot still runs"
        );
    }
    let time = eventually("the camera stops", || program.children().is_empty());
    assert!(
        time >= Duration::from_millis(900),
        "it lingered for {time:?} only"
    );
}

#[test]
fn a_camera_that_is_always_on_runs_without_a_viewer() {
    let program = Program::serve(&["--always-on"]);
    eventually("it has given a frame", || {
        program.state()["cameras"][0]["sequence"].as_u64() > Some(0)
    });
    assert_eq!(program.children().len(), 1);
}

/// `FRAMECAST_KILLS=100 cargo test --release --test program -- killed --nocapture` is the long form.
#[test]
fn a_driver_that_is_killed_is_started_again_and_no_viewer_is_dropped() {
    let kills =
        std::env::var("FRAMECAST_KILLS").map_or(4, |kills| kills.parse().expect("a number"));
    let program = Program::serve(&["--camera", "stills:?fps=30"]);
    let mut viewers: Vec<_> = (0..200).map(|_| program.watch("/stream")).collect();
    let (watched, shown) = viewers.split_first_mut().expect("viewers");
    let mut last = watched.part().sequence;
    let descriptors = program.descriptors();
    let mut times = Vec::new();
    for _ in 0..kills {
        // Long enough for the driver to be taken for well, so that it is started again without much
        // delay.
        let well = Instant::now() + Duration::from_millis(2100);
        while Instant::now() < well {
            last = watched.part().sequence;
        }
        let pid = program.children()[0].parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        let killed = Instant::now();
        eventually("another driver runs", || {
            program
                .children()
                .first()
                .is_some_and(|child| child.parse() != Ok(pid))
        });
        let part = watched.part();
        assert!(part.sequence > last);
        times.push(killed.elapsed());
        shown.iter_mut().for_each(|viewer| drop(viewer.part()));
    }
    times.sort();
    println!(
        "from the kill to a new frame: median {:?}, at most {:?}",
        times[times.len() / 2],
        times[times.len() - 1]
    );
    let state = program.state();
    assert_eq!(state["cameras"][0]["viewers"], 200);
    assert_eq!(state["cameras"][0]["driver_restarts"], kills);
    assert_eq!(program.children().len(), 1, "no zombie is left");
    eventually("descriptors are back to where they were", || {
        program.descriptors() == descriptors
    });
}

#[test]
fn an_idle_server_sleeps() {
    let program = Program::serve(&[]);
    let request = |connection: &mut crate::support::Viewer| -> u64 {
        use std::io::{Read, Write};
        let stream = connection.reader.get_mut();
        stream
            .write_all(b"GET /state HTTP/1.1\r\nHost: cam\r\n\r\n")
            .unwrap();
        let head = connection.block();
        let length = crate::support::field(&head, "Content-Length")
            .unwrap()
            .parse()
            .unwrap();
        let mut body = vec![0; length];
        connection.reader.read_exact(&mut body).unwrap();
        serde_json::from_slice::<serde_json::Value>(&body).unwrap()["loop"]["wakeups"]
            .as_u64()
            .unwrap()
    };
    let stream = program.send("");
    let mut connection = crate::support::Viewer {
        reader: std::io::BufReader::new(stream),
        head: String::new(),
    };
    let before = request(&mut connection);
    std::thread::sleep(Duration::from_secs(3));
    let wakeups = request(&mut connection) - before;
    // The second request itself is one of them.
    assert!(
        wakeups <= 3,
        "{wakeups} wake-ups in 3 s with nobody watching"
    );
}

#[test]
fn the_first_picture_is_there_at_once_though_no_camera_was_running() {
    for source in ["stills:", "pattern:640x480?fps=30"] {
        let program = Program::serve(&["--camera", source]);
        assert_eq!(program.children(), Vec::<String>::new());
        let begun = Instant::now();
        program.watch("/stream").part();
        println!("{source}: the first picture after {:?}", begun.elapsed());
    }
}

//! Drivers: when they run, and what their exit means for viewers.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Program, eventually};

#[test]
fn driver_runs_while_there_are_viewers_and_stops_after_the_linger_time() {
    let program = Program::serve(&["--camera-linger", "300ms"]);
    assert_eq!(program.children(), Vec::<String>::new(), "no viewers");
    let mut viewer = program.watch("/stream");
    viewer.part();
    assert_eq!(program.children().len(), 1);
    drop(viewer);
    let time = eventually("the driver stops", || program.children().is_empty());
    assert!(time >= Duration::from_millis(250), "stopped after {time:?}");
    program.watch("/stream").part();
    assert_eq!(program.children().len(), 1);
}

/// Programs for time lapses poll snapshots.
#[test]
fn polled_snapshots_keep_the_driver_running() {
    let program = Program::serve(&["--camera-linger", "1s"]);
    let snapshot = || assert_eq!(program.get("/snapshot").status(), 200);
    snapshot();
    let driver = program.children();
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
        snapshot();
        assert_eq!(program.children(), driver, "the first driver still runs");
    }
    let time = eventually("the driver stops", || program.children().is_empty());
    assert!(time >= Duration::from_millis(900), "stopped after {time:?}");
}

#[test]
fn always_on_driver_runs_without_viewers() {
    let program = Program::serve(&["--always-on"]);
    eventually("there is a frame", || {
        program.state()["cameras"][0]["sequence"].as_u64() > Some(0)
    });
    assert_eq!(program.children().len(), 1);
}

/// The long form: `FRAMECAST_KILLS=100 cargo test --release --test program -- killed --nocapture`.
#[test]
fn killed_driver_is_restarted_and_no_viewer_is_closed() {
    let kills =
        std::env::var("FRAMECAST_KILLS").map_or(4, |kills| kills.parse().expect("a number"));
    let program = Program::serve(&["--camera", "stills:?fps=30"]);
    let mut viewers: Vec<_> = (0..200).map(|_| program.watch("/stream")).collect();
    let (first, others) = viewers.split_first_mut().expect("viewers");
    let mut last = first.part().sequence;
    let descriptors = program.descriptors();
    let mut times = Vec::new();
    for _ in 0..kills {
        // After 2 s of frames, the backoff is at its minimum again.
        let healthy = Instant::now() + Duration::from_millis(2100);
        while Instant::now() < healthy {
            last = first.part().sequence;
        }
        let pid = program.children()[0].parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        let killed = Instant::now();
        eventually("a new driver runs", || {
            program
                .children()
                .first()
                .is_some_and(|child| child.parse() != Ok(pid))
        });
        let part = first.part();
        assert!(part.sequence > last);
        times.push(killed.elapsed());
        others.iter_mut().for_each(|viewer| drop(viewer.part()));
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
    assert_eq!(program.children().len(), 1, "no zombie");
    eventually("no descriptor leaks", || {
        program.descriptors() == descriptors
    });
}

#[test]
fn idle_server_does_not_wake_up() {
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
    // The second request causes one of them.
    assert!(wakeups <= 3, "{wakeups} wake-ups in 3 s without viewers");
}

#[test]
fn first_viewer_of_a_stopped_camera_gets_a_frame() {
    for source in ["stills:", "pattern:640x480?fps=30"] {
        let program = Program::serve(&["--camera", source]);
        assert_eq!(program.children(), Vec::<String>::new());
        let begun = Instant::now();
        program.watch("/stream").part();
        println!("{source}: first frame after {:?}", begun.elapsed());
    }
}

//! Redis lists: each frame goes to exactly one consumer, and the length of the list is bounded.

use std::collections::BTreeSet;

use rustix::process::Signal;

use super::server::Redis;
use crate::driver::Driver;
use crate::support::{Program, eventually};

#[test]
#[ignore = "needs redis-server"]
fn list_delivers_each_frame_to_one_of_two_consumers() {
    let redis = Redis::start(&[]);
    let place = redis.url("redis+list", "work");
    let mut workers = [Driver::start(&place), Driver::start(&place)];
    eventually("both consumers wait", || {
        redis.figure("blocked_clients") == 2
    });
    let _origin = Program::serve(&["--camera", "stills:?fps=30", "--publish", &place]);
    let done = workers.each_mut().map(|worker| {
        (0..60)
            .map(|_| worker.frame().sequence.unwrap().get())
            .collect::<Vec<_>>()
    });
    for sequences in &done {
        assert!(
            sequences.is_sorted(),
            "the oldest comes first: {sequences:?}"
        );
    }
    let distinct: BTreeSet<u64> = done.iter().flatten().copied().collect();
    assert_eq!(distinct.len(), 120, "none twice: {done:?}");
}

#[test]
#[ignore = "needs redis-server"]
fn full_list_drops_oldest_frames_and_counts_them() {
    let redis = Redis::start(&[]);
    let place = redis.url("redis+list", "work");
    let origin = Program::serve(&[
        "--camera",
        "stills:?fps=60",
        "--publish",
        &format!("{place}?max=10"),
    ]);
    let waiting = || redis.ask::<u64>("LLEN work");
    eventually("the list is full", || waiting() == 10);
    let delivered = || {
        origin.state()["publishers"][0]["delivered"]
            .as_u64()
            .unwrap()
    };
    let enough = delivered() + 60;
    while delivered() < enough {
        assert!(waiting() <= 10);
    }
    // The list holds the newest frames, in order.
    let mut worker = Driver::start(&place);
    let sequences: Vec<u64> = (0..10)
        .map(|_| worker.frame().sequence.unwrap().get())
        .collect();
    assert!(sequences[0] > 40 && sequences.is_sorted(), "{sequences:?}");
    origin.signal(Signal::TERM);
    let (_, words) = origin.wait();
    assert!(words.contains("dropped, list full: "), "{words}");
}

#[test]
#[ignore = "needs redis-server"]
fn key_of_another_type_is_reported() {
    let redis = Redis::start(&[]);
    let place = redis.url("redis+list", "text");
    let _: () = redis.ask("SET text x");
    let problem = format!("{place}: the key does not hold a list");
    let failure = Driver::start(&place).failure();
    assert!(failure.starts_with(&problem), "{failure}");
    let origin = Program::serve(&["--publish", &place]);
    let error = || {
        origin.state()["publishers"][0]["error"]
            .as_str()
            .map(str::to_owned)
    };
    eventually("the publisher reports it too", || {
        error().is_some_and(|error| error.starts_with(&problem))
    });
}

//! Frames as work: each to exactly one worker, and never more of them waiting than are wanted.

use std::collections::BTreeSet;

use rustix::process::Signal;

use super::server::Redis;
use crate::driver::Driver;
use crate::support::{Program, eventually};

#[test]
#[ignore = "needs redis-server"]
fn every_frame_goes_to_exactly_one_of_two_workers() {
    let redis = Redis::start(&[]);
    let place = redis.url("redis+list", "work");
    let mut workers = [Driver::start(&place), Driver::start(&place)];
    eventually("both wait for work", || {
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
fn no_more_frames_wait_than_are_wanted_and_the_others_are_counted() {
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
    // What waits is the newest, in order.
    let mut worker = Driver::start(&place);
    let sequences: Vec<u64> = (0..10)
        .map(|_| worker.frame().sequence.unwrap().get())
        .collect();
    assert!(sequences[0] > 40 && sequences.is_sorted(), "{sequences:?}");
    origin.signal(Signal::TERM);
    let (_, words) = origin.wait();
    assert!(
        words.contains("dropped because 10 waited already: "),
        "{words}"
    );
}

#[test]
#[ignore = "needs redis-server"]
fn a_key_that_holds_no_list_is_told() {
    let redis = Redis::start(&[]);
    let place = redis.url("redis+list", "text");
    let _: () = redis.ask("SET text x");
    let sentence = "the key holds something that is no list; choose another one";
    assert_eq!(
        Driver::start(&place).failure(),
        format!("no frames from {place}: {sentence}")
    );
    let origin = Program::serve(&["--publish", &place]);
    let error = || {
        origin.state()["publishers"][0]["error"]
            .as_str()
            .map(str::to_owned)
    };
    eventually("the publisher tells it too", || {
        error() == Some(format!("no frames to {place}: {sentence}"))
    });
}

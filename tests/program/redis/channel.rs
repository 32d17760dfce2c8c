//! Redis channels: published frames arrive unchanged on other machines.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::PICTURES;
use framecast::wire::metadata::Sequence;
use rustix::process::{Pid, Signal, kill_process};

use super::server::Redis;
use crate::driver::Driver;
use crate::support::{Program, eventually};

#[test]
#[ignore = "needs redis-server"]
fn frames_are_unchanged_on_another_server() {
    let redis = Redis::start(&[]);
    let place = redis.url("redis", "front%20door");
    let origin = Program::serve(&["--camera", "stills:?fps=30", "--publish", &place]);
    let other = Program::serve(&["--camera", &place]);
    let mut original = origin.watch("/stream");
    let mut copy = other.watch("/stream");
    let copies = thread::spawn(move || (0..60).map(|_| copy.part()).collect::<Vec<_>>());
    let originals: BTreeMap<_, _> = (0..90)
        .map(|_| original.part())
        .map(|part| (part.sequence, part))
        .collect();
    let copies = copies.join().unwrap();
    let pairs: Vec<_> = copies
        .iter()
        .filter_map(|copy| Some((originals.get(&copy.sequence)?, copy)))
        .collect();
    assert!(pairs.len() >= 20, "{} pairs", pairs.len());
    for (original, copy) in pairs {
        // Header block and JPEG, so also sequence and capture time.
        assert_eq!(original, copy);
        assert!(PICTURES.contains(&copy.jpeg.as_slice()));
    }
}

#[test]
#[ignore = "needs redis-server"]
fn message_is_a_header_block_and_a_jpeg() {
    let redis = Redis::start(&[]);
    let _origin = Program::serve(&[
        "--camera",
        "stills:?fps=30",
        "--publish",
        &redis.url("redis", "cam"),
    ]);
    let mut connection = redis.connect();
    let mut subscription = connection.as_pubsub();
    subscription.subscribe("cam").unwrap();
    let message = subscription.get_message().unwrap();
    let message = message.get_payload_bytes();
    let blank = message
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let (head, jpeg) = (
        std::str::from_utf8(&message[..blank]).unwrap(),
        &message[blank + 4..],
    );
    assert!(PICTURES.contains(&jpeg));
    let names: Vec<_> = head
        .lines()
        .map(|line| line.split_once(": ").unwrap().0)
        .collect();
    assert_eq!(
        names,
        [
            "Content-Type",
            "Content-Length",
            "X-Timestamp",
            "X-Frame-Sequence"
        ]
    );
    assert!(
        head.contains(&format!("Content-Length: {}\r\n", jpeg.len())),
        "{head}"
    );
}

#[test]
#[ignore = "needs redis-server"]
fn foreign_jpegs_are_shown_and_other_messages_rejected() {
    let redis = Redis::start(&[]);
    let mut driver = Driver::start(redis.url("redis", "cam"));
    let mut connection = redis.connect();
    let mut publish = |message: &[u8]| -> u64 {
        redis::cmd("PUBLISH")
            .arg("cam")
            .arg(message)
            .query(&mut connection)
            .unwrap()
    };
    eventually("subscribed", || publish(b"no picture") == 1);
    publish(b"");
    publish(&PICTURES[0][..500]);
    publish(PICTURES[1]);
    assert_eq!(
        driver.frame().jpeg,
        PICTURES[1],
        "a message without a header is a JPEG"
    );
    publish(&[b"x-frame-sequence: 77\r\n\r\n", PICTURES[2]].concat());
    let frame = driver.frame();
    assert_eq!(
        (frame.jpeg, frame.sequence),
        (PICTURES[2].into(), Sequence::new(77))
    );
}

#[test]
#[ignore = "needs redis-server"]
fn publisher_needs_no_viewer_and_exits_with_the_server() {
    let redis = Redis::start(&[]);
    let place = redis.url("redis", "cam");
    let origin = Program::serve(&[
        "--camera",
        "a=stills:",
        "--camera",
        "b=stills:?fps=30",
        "--publish",
        &format!("b={place}"),
    ]);
    let count = |name: &str| origin.state()["publishers"][0][name].as_u64();
    eventually("frames are published", || count("delivered") >= Some(30));
    let state = origin.state();
    let publisher = &state["publishers"][0];
    assert_eq!(
        (&publisher["camera"], &publisher["running"]),
        (&"b".into(), &true.into()),
        "{publisher}"
    );
    assert_eq!(publisher["target"], format!("{place}"));
    assert!(publisher["error"].is_null(), "{publisher}");
    assert_eq!(state["cameras"][0]["driver_running"], false);
    assert_eq!(origin.children().len(), 2);

    // A killed publisher is restarted.
    let other_driver = format!("--server={}", origin.pid().as_raw_nonzero());
    let publisher = origin.children().into_iter().find(|pid| {
        let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        arguments.contains("publish") && arguments.contains(&other_driver)
    });
    let publisher = Pid::from_raw(publisher.unwrap().parse().unwrap()).unwrap();
    kill_process(publisher, Signal::KILL).unwrap();
    eventually("the publisher is restarted", || {
        count("restarts") == Some(1) && count("delivered") >= Some(30)
    });

    let begun = Instant::now();
    origin.signal(Signal::TERM);
    let (status, words) = origin.wait();
    assert!(status.success(), "{words}");
    assert!(
        begun.elapsed() < Duration::from_millis(1500),
        "returned before the timeout"
    );
    assert!(!words.contains("cannot"), "{words}");
}

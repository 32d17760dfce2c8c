//! Outages of Redis: down, paused, killed, or disconnecting a slow subscriber. No viewer is
//! disconnected, and frames resume within two seconds after Redis is back.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::server::Redis;
use super::watcher::Watcher;
use crate::driver::Driver;
use crate::support::{Program, eventually};

/// The maximum time from Redis being back to a new frame.
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// The maximum number of connections of one process per second.
const ATTEMPTS_PER_SECOND_MAX: u64 = 5;

const VIEWERS: usize = 20;

/// The maximum number of frames that a viewer of the publishing server misses. Redis causes no
/// misses; a loaded machine causes some.
const MISSED_MAX: u64 = 15;

/// A number from the environment variable `name`, for a longer run of a test.
fn long_form(name: &str, short: u64) -> u64 {
    std::env::var(name).map_or(short, |number| number.parse().expect("a number"))
}

/// A directory of three pictures of noise, and a source that shows them.
fn noise(width: u16, height: u16) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 1_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    for number in 0..3 {
        let pixels: Vec<u8> = (0..u32::from(width) * u32::from(height))
            .map(|_| next())
            .collect();
        let encoder =
            jpeg_encoder::Encoder::new_file(folder.path().join(format!("{number}.jpg")), 90)
                .unwrap();
        encoder
            .encode(&pixels, width, height, jpeg_encoder::ColorType::Luma)
            .unwrap();
    }
    let source = format!("stills:{}?fps=15", folder.path().display());
    (folder, source)
}

/// A server that publishes, another one that relays the published frames, and viewers of both.
struct Pair {
    origin: Program,
    other: Program,
    original: Vec<Watcher>,
    copies: Vec<Watcher>,
    _pictures: TempDir,
}

impl Pair {
    fn watched(redis: &Redis) -> Self {
        // Small pictures: the socket buffer holds seconds of them for a viewer that is not
        // scheduled.
        let (pictures, source) = noise(64, 48);
        let place = redis.url("redis", "cam");
        let origin = Program::serve(&["--camera", &source, "--publish", &place]);
        let other = Program::serve(&["--camera", &place, "--offline", "last"]);
        let original = Watcher::crowd(&origin, VIEWERS);
        let copies = Watcher::crowd(&other, VIEWERS);
        Self {
            origin,
            other,
            original,
            copies,
            _pictures: pictures,
        }
    }

    /// Checks that every viewer is connected and that those of the origin have missed no frames.
    /// Returns the logs of both servers.
    fn end(self) -> (String, String) {
        assert_eq!(
            self.origin.state()["cameras"][0]["viewers"],
            VIEWERS + 1,
            "a publisher is one more process"
        );
        assert_eq!(self.other.state()["cameras"][0]["viewers"], VIEWERS);
        let missed = self
            .original
            .into_iter()
            .map(Watcher::end)
            .map(|gaps| gaps.iter().map(|gap| gap.1 - gap.0 - 1).sum());
        let missed: Vec<u64> = missed.collect();
        println!(
            "frames that {VIEWERS} viewers of the origin missed: {}",
            missed.iter().sum::<u64>()
        );
        assert!(
            missed.iter().all(|&missed| missed <= MISSED_MAX),
            "{missed:?}"
        );
        self.copies
            .into_iter()
            .for_each(|watcher| drop(watcher.end()));
        assert_eq!(self.origin.state()["publishers"][0]["restarts"], 0);
        assert_eq!(self.other.state()["cameras"][0]["driver_restarts"], 0);
        self.origin.signal(Signal::TERM);
        self.other.signal(Signal::TERM);
        (self.origin.wait().1, self.other.wait().1)
    }
}

/// A longer run: `FRAMECAST_RESTARTS=50 cargo test --release --test program -- --ignored
/// frames_resume_after_redis_restarts --nocapture`.
#[test]
#[ignore = "needs redis-server"]
fn frames_resume_after_redis_restarts() {
    let restarts = long_form("FRAMECAST_RESTARTS", 3);
    let mut redis = Redis::start(&[]);
    let pair = Pair::watched(&redis);
    let mut driver = Driver::start(redis.url("redis", "cam"));
    let mut times = Vec::new();
    for restart in 0..restarts {
        redis.end(if restart % 2 == 0 {
            Signal::TERM
        } else {
            Signal::KILL
        });
        thread::sleep(Duration::from_millis(300 * (1 + restart % 5)));
        let back = redis.start_again();
        times.push(pair.copies[0].next_after(back));
        assert!(times[times.len() - 1] <= BACK_WITHIN, "{times:?}");
    }
    times.sort();
    println!(
        "back after {:?} in the median and {:?} at most",
        times[times.len() / 2],
        times[times.len() - 1]
    );
    let (mut last, newest) = (0, pair.copies[0].newest());
    while last < newest {
        let sequence = driver.frame().sequence.expect("a number").get();
        assert!(sequence > last, "{sequence} after {last}");
        last = sequence;
    }
    let (origin, other) = pair.end();
    // At most one line per outage. An outage shorter than the interval of attempts may be
    // unnoticed.
    let count = |words: &str, said: &str| words.matches(said).count() as u64;
    assert!(
        (1..=restarts).contains(&count(&origin, "; retrying")),
        "{origin}"
    );
    assert!(
        (1..=restarts).contains(&count(&other, "; retrying")),
        "{other}"
    );
}

/// A longer run: `FRAMECAST_PAUSE=10 cargo test --release --test program -- --ignored
/// frames_resume_after_redis_pauses --nocapture`.
#[test]
#[ignore = "needs redis-server"]
fn frames_resume_after_redis_pauses() {
    let pause = Duration::from_secs(long_form("FRAMECAST_PAUSE", 3));
    let redis = Redis::start(&[]);
    let pair = Pair::watched(&redis);
    let connections = redis.figure("total_connections_received");

    let begun = Instant::now();
    let _: () = redis.ask(&format!("CLIENT PAUSE {} ALL", pause.as_millis()));
    thread::sleep(pause.saturating_sub(begun.elapsed()));
    let back = pair.copies[0].next_after(Instant::now());
    println!("after CLIENT PAUSE, back after {back:?}");
    assert!(back <= BACK_WITHIN);

    redis.signal(Signal::STOP);
    thread::sleep(pause);
    redis.signal(Signal::CONT);
    let back = pair.copies[0].next_after(Instant::now());
    println!("after SIGSTOP, back after {back:?}");
    assert!(back <= BACK_WITHIN);

    // These include the connections of this test.
    let connections = redis.figure("total_connections_received") - connections;
    println!("{connections} connections meanwhile");
    assert!(connections <= 2 * 2 * pause.as_secs() * ATTEMPTS_PER_SECOND_MAX);
    pair.end();
}

#[test]
#[ignore = "needs redis-server"]
fn slow_subscriber_reconnects_after_redis_disconnects_it() {
    let (_pictures, source) = noise(640, 480);
    let redis = Redis::start(&["--client-output-buffer-limit", "pubsub 2mb 0 0"]);
    let place = redis.url("redis", "cam");
    let origin = Program::serve(&["--camera", &source, "--publish", &place]);
    let other = Program::serve(&["--camera", &place]);
    let watcher = Watcher::of(&other);
    let driver = Pid::from_raw(other.children()[0].parse().unwrap()).unwrap();
    kill_process(driver, Signal::STOP).unwrap();
    let subscribed = || !redis.ask::<Vec<redis::Value>>("PUBSUB CHANNELS").is_empty();
    eventually("disconnected by Redis", || !subscribed());
    kill_process(driver, Signal::CONT).unwrap();
    let resumed = Instant::now();
    eventually("resubscribed", subscribed);
    let back = watcher.next_after(resumed);
    println!("back after {back:?}");
    assert!(back <= BACK_WITHIN);
    assert_eq!(
        other.state()["cameras"][0]["driver_restarts"],
        0,
        "the driver reconnected by itself"
    );
    assert_eq!(origin.state()["publishers"][0]["restarts"], 0);
    watcher.end();
}

#[test]
#[ignore = "needs redis-server"]
fn password_is_required_and_never_logged() {
    let redis = Redis::start(&["--requirepass", "top-secret"]);
    let with = |password: &str| {
        redis
            .url("redis", "cam")
            .replace("//", &format!("//:{password}@"))
    };
    let place = redis.url("redis", "cam");
    for (source, problem) in [
        (with("wrong-secret"), "user or password rejected"),
        (place.clone(), "password required"),
    ] {
        let failure = Driver::start(source).failure();
        assert!(
            failure.starts_with(&format!("{place}: {problem}")),
            "{failure}"
        );
    }

    let origin = Program::serve(&[
        "-vv",
        "--camera",
        "stills:?fps=15",
        "--publish",
        &with("top%2Dsecret"),
    ]);
    let wrong = Program::serve(&["-vv", "--publish", &with("wrong-secret")]);
    let other = Program::serve(&["-vv", "--camera", &with("top-secret")]);
    other.watch("/stream").part();
    eventually("the error is reported", || {
        wrong.state()["publishers"][0]["restarts"].as_u64() >= Some(2)
    });
    let error = wrong.state()["publishers"][0]["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(error.starts_with("redis://"), "{error}");
    let mut words = String::new();
    for program in [origin, wrong, other] {
        words += &program.state().to_string();
        for child in program.children() {
            words += &std::fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
        }
        program.signal(Signal::TERM);
        let (_, log) = program.wait();
        // Logged once at this level, and each time at the next one.
        assert!(
            log.matches("WARN  publisher of camera: redis://").count() <= 1,
            "{log}"
        );
        words += &log;
    }
    assert!(words.contains("user or password rejected"), "{words}");
    assert!(!words.contains("secret"), "{words}");
}

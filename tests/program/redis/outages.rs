//! Redis away, paused, killed, or cutting off who reads too slowly: no viewer is dropped, and all
//! is well again within two seconds of Redis.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::server::Redis;
use super::watcher::Watcher;
use crate::driver::Driver;
use crate::support::{Program, eventually};

/// From Redis being there to a new frame.
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// Connections that one process of ours may make in a second.
const ATTEMPTS_PER_SECOND_MAX: u64 = 5;

const VIEWERS: usize = 20;

/// None is missed because of Redis. But a machine that gives the server no time for a moment makes
/// it skip some, and far fewer than an outage that held it up would.
const MISSED_MAX: u64 = 15;

/// A number that a longer form of a test gives.
fn long_form(name: &str, short: u64) -> u64 {
    std::env::var(name).map_or(short, |number| number.parse().expect("a number"))
}

/// A folder of three pictures of noise, and a source that shows them.
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

/// A server that publishes, another that shows what is published, and the viewers of each.
struct Pair {
    origin: Program,
    other: Program,
    original: Vec<Watcher>,
    copies: Vec<Watcher>,
    _pictures: TempDir,
}

impl Pair {
    fn watched(redis: &Redis) -> Self {
        // So small that the kernel keeps seconds of them for a viewer whose thread gets no time.
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

    /// Every viewer is still there; those of the origin have missed nothing. What the two have
    /// logged.
    fn end(self) -> (String, String) {
        assert_eq!(
            self.origin.state()["cameras"][0]["viewers"],
            VIEWERS + 1,
            "a publisher is one more"
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

/// `FRAMECAST_RESTARTS=50 cargo test --release --test program -- --ignored restarted --nocapture` is
/// the long form.
#[test]
#[ignore = "needs redis-server"]
fn redis_is_restarted_and_killed() {
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
        thread::sleep(Duration::from_millis(500));
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
    // Once for each outage at most; one that is as short as the wait between two attempts may not
    // be noticed at all.
    let count = |words: &str, said: &str| words.matches(said).count() as u64;
    assert!(
        (1..=restarts).contains(&count(&origin, "no frames to")),
        "{origin}"
    );
    assert!(
        (1..=restarts).contains(&count(&other, "no frames from")),
        "{other}"
    );
}

/// `FRAMECAST_PAUSE=10 cargo test --release --test program -- --ignored paused --nocapture` is the
/// long form.
#[test]
#[ignore = "needs redis-server"]
fn redis_is_paused_and_stopped() {
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

    // Those of this test among them.
    let connections = redis.figure("total_connections_received") - connections;
    println!("{connections} connections meanwhile");
    assert!(connections <= 2 * 2 * pause.as_secs() * ATTEMPTS_PER_SECOND_MAX);
    pair.end();
}

#[test]
#[ignore = "needs redis-server"]
fn redis_cuts_off_a_subscriber_that_is_too_slow() {
    let (_pictures, source) = noise(640, 480);
    let redis = Redis::start(&["--client-output-buffer-limit", "pubsub 2mb 0 0"]);
    let place = redis.url("redis", "cam");
    let origin = Program::serve(&["--camera", &source, "--publish", &place]);
    let other = Program::serve(&["--camera", &place]);
    let watcher = Watcher::of(&other);
    let driver = Pid::from_raw(other.children()[0].parse().unwrap()).unwrap();
    kill_process(driver, Signal::STOP).unwrap();
    let subscribed = || !redis.ask::<Vec<redis::Value>>("PUBSUB CHANNELS").is_empty();
    eventually("it is cut off", || !subscribed());
    kill_process(driver, Signal::CONT).unwrap();
    let resumed = Instant::now();
    eventually("it has subscribed again", subscribed);
    let back = watcher.next_after(resumed);
    println!("back after {back:?}");
    assert!(back <= BACK_WITHIN);
    assert_eq!(
        other.state()["cameras"][0]["driver_restarts"],
        0,
        "the driver saw to it by itself"
    );
    assert_eq!(origin.state()["publishers"][0]["restarts"], 0);
    watcher.end();
}

#[test]
#[ignore = "needs redis-server"]
fn a_password_is_wanted_and_told_to_nobody_else() {
    let redis = Redis::start(&["--requirepass", "top-secret"]);
    let with = |password: &str| {
        redis
            .url("redis", "cam")
            .replace("//", &format!("//:{password}@"))
    };
    let place = redis.url("redis", "cam");
    let sentence =
        "it does not accept the user and password; check them (in the address, %40 stands for @)";
    assert_eq!(
        Driver::start(with("wrong-secret")).failure(),
        format!("no frames from {place}: {sentence}")
    );
    let sentence = "it wants a password; write redis://USER:PASSWORD@HOST/NAME, or redis://:PASSWORD@HOST/NAME";
    assert_eq!(
        Driver::start(&place).failure(),
        format!("no frames from {place}: {sentence}")
    );

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
    eventually("it is told", || {
        wrong.state()["publishers"][0]["restarts"].as_u64() >= Some(2)
    });
    let error = wrong.state()["publishers"][0]["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(error.starts_with("no frames to redis://"), "{error}");
    let mut words = String::new();
    for program in [origin, wrong, other] {
        words += &program.state().to_string();
        for child in program.children() {
            words += &std::fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
        }
        program.signal(Signal::TERM);
        let (_, log) = program.wait();
        // Said once; at the next level of the log each time.
        assert!(
            log.matches("WARN  publisher of camera: no frames to")
                .count()
                <= 1,
            "{log}"
        );
        words += &log;
    }
    assert!(words.contains("it does not accept"), "{words}");
    assert!(!words.contains("secret"), "{words}");
}

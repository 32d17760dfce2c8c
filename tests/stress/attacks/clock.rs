//! The wall clock is set one year forward and back.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::attackers::{Attackers, Profile, Reads};
use crate::fixture::{Fixture, Form, Report};
use crate::support::{TIMEOUT, eventually, field};

/// Directory of libfaketime on Debian, below an architecture's directory.
const LIBRARIES: &str = "/usr/lib";
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub fn attack(form: Form, report: &mut Report) {
    let Some(library) = faketime() else {
        report.require(false, "libfaketime is missing; apt-get install faketime");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("offset");
    let set = |offset: &str| {
        let unfinished = folder.path().join("unfinished");
        fs::write(&unfinished, offset)
            .and_then(|()| fs::rename(&unfinished, &file))
            .expect("the clock can be set");
    };
    set("+0");
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &file)
        .env("FAKETIME_CACHE_DURATION", "1");
    command
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_DONT_RESET", "1");
    let timeout = form.choose(Duration::from_secs(10), Duration::from_secs(3));
    let fixture = Fixture::start_with(
        form,
        command,
        &["--request-timeout", &format!("{}s", timeout.as_secs())],
        Vec::new(),
    );
    let began = server_time(&fixture);
    let mut jumps = Vec::new();
    for offset in form.choose(
        &["+1y", "-1y", "+0", "-1y", "+1y", "+0"][..],
        &["+1y", "-1y"][..],
    ) {
        let mut attackers = Attackers::new(fixture.program.address);
        let sends = vec![b"GET /st".to_vec()];
        attackers.open(
            0,
            Profile {
                sends,
                pause: Duration::ZERO,
                reads: Reads::Everything,
                resets_after: None,
            },
        );
        attackers.watch(Duration::from_millis(100));
        let newest = fixture
            .control_group
            .snapshot()
            .iter()
            .map(|viewer| viewer.seen.last)
            .max()
            .unwrap_or(0);
        set(offset);
        let expected = match offset.as_bytes()[0..2] {
            [b'+', b'1'] => began + YEAR,
            [b'-', b'1'] => began - YEAR,
            _ => began,
        };
        eventually("the server's clock jumps", || {
            server_time(&fixture).abs_diff(expected) < Duration::from_secs(24 * 60 * 60)
        });
        // A deadline that is running when the clock jumps expires at its original time.
        let until = Instant::now() + timeout + TIMEOUT;
        while attackers.len() > 0 && Instant::now() < until {
            attackers.watch(Duration::from_millis(20));
        }
        let closed = attackers
            .ended
            .first()
            .filter(|ended| ended.status() == Some(408));
        let age = closed.map_or(Duration::MAX, |ended| ended.age);
        report.require(
            age >= timeout && closed.is_some(),
            format!("{offset}: a request was ended after {age:?}"),
        );
        let is_late = age > timeout + Duration::from_millis(500);
        form.require_if_full(
            report,
            !is_late,
            format!("{offset}: a request was ended after {age:?}"),
        );
        jumps.push(format!("{offset}: {:.2} s", age.as_secs_f64()));
        eventually("frames continue", || {
            fixture
                .control_group
                .snapshot()
                .iter()
                .all(|viewer| viewer.seen.last > newest + 30 || viewer.fault.is_some())
        });
    }
    report.figure(format!(
        "a request's deadline of {} s across each jump: {}",
        timeout.as_secs(),
        jumps.join(", ")
    ));
    fixture.finish(report);
}

/// Returns the server's wall time since 1970, from the `Date` header.
fn server_time(fixture: &Fixture) -> Duration {
    let reply = fixture.program.get("/healthz");
    let date = field(&reply.head, "Date").and_then(|date| httpdate::parse_http_date(date).ok());
    date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok())
        .expect("the reply has a date")
}

fn faketime() -> Option<std::path::PathBuf> {
    let places = fs::read_dir(LIBRARIES)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    let libraries = places.map(|place| place.join("faketime/libfaketime.so.1"));
    libraries
        .into_iter()
        .find(|library: &std::path::PathBuf| Path::exists(library))
}

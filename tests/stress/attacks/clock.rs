//! The clock is set a year forward and a year back while everything runs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::crowd::{Crowd, Manner, Reads};
use crate::stand::{Form, Report, Stand};
use crate::support::{TIMEOUT, eventually, field};

/// Debian's place for it, on every architecture.
const LIBRARIES: &str = "/usr/lib";
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub fn attack(form: Form, report: &mut Report) {
    let Some(library) = faketime() else {
        report.must(false, "libfaketime is missing; apt-get install faketime");
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
    let stand = Stand::raise_with(
        form,
        command,
        &["--request-timeout", &format!("{}s", timeout.as_secs())],
        Vec::new(),
    );
    let began = server_time(&stand);
    let mut jumps = Vec::new();
    for offset in form.choose(
        &["+1y", "-1y", "+0", "-1y", "+1y", "+0"][..],
        &["+1y", "-1y"][..],
    ) {
        let mut crowd = Crowd::new(stand.program.address);
        let says = vec![b"GET /st".to_vec()];
        crowd.open(
            0,
            Manner {
                says,
                pause: Duration::ZERO,
                reads: Reads::Everything,
                resets_after: None,
            },
        );
        crowd.watch(Duration::from_millis(100));
        let newest = stand
            .audience
            .look()
            .iter()
            .map(|watched| watched.seen.last)
            .max()
            .unwrap_or(0);
        set(offset);
        let expected = match offset.as_bytes()[0..2] {
            [b'+', b'1'] => began + YEAR,
            [b'-', b'1'] => began - YEAR,
            _ => began,
        };
        eventually("the server's clock jumps", || {
            server_time(&stand).abs_diff(expected) < Duration::from_secs(24 * 60 * 60)
        });
        // The deadline that ran when the clock jumped comes when it would have come.
        let until = Instant::now() + timeout + TIMEOUT;
        while crowd.len() > 0 && Instant::now() < until {
            crowd.watch(Duration::from_millis(20));
        }
        let closed = crowd
            .ended
            .first()
            .filter(|ended| ended.status() == Some(408));
        let age = closed.map_or(Duration::MAX, |ended| ended.age);
        report.must(
            age >= timeout && closed.is_some(),
            format!("{offset}: a request was ended after {age:?}"),
        );
        let is_late = age > timeout + Duration::from_millis(500);
        form.bar(
            report,
            !is_late,
            format!("{offset}: a request was ended after {age:?}"),
        );
        jumps.push(format!("{offset}: {:.2} s", age.as_secs_f64()));
        eventually("frames come as before", || {
            stand
                .audience
                .look()
                .iter()
                .all(|watched| watched.seen.last > newest + 30 || watched.fault.is_some())
        });
    }
    report.figure(format!(
        "a request's deadline of {} s across each jump: {}",
        timeout.as_secs(),
        jumps.join(", ")
    ));
    stand.settle(report);
}

/// What the server takes the time to be, as a time since 1970.
fn server_time(stand: &Stand) -> Duration {
    let reply = stand.program.get("/healthz");
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

//! The server is stopped (SIGSTOP) for longer than all deadlines, and continues.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::control_group::{ViewerSpec, ViewerState};
use crate::fixture::{Fixture, Form, Report, check_streams};
use crate::support::eventually;

/// Number of requests completed while the server is stopped: more than one batch of events.
const CLIENTS: usize = 1500;

pub fn attack(form: Form, report: &mut Report) {
    // Some of these viewers are always within a frame.
    let slow = ViewerSpec::slow(form.choose(20, 4), 200_000);
    let program = Command::new(env!("CARGO_BIN_EXE_framecast"));
    // Deadlines shorter than the stop, in the short form too.
    let short = [
        "--stall-timeout",
        "3s",
        "--frame-timeout",
        "3s",
        "--request-timeout",
        "3s",
    ];
    let options: &[&str] = form.choose(&[], &short);
    let fixture = Fixture::start_with(form, program, options, slow);
    let stopped_for = form.choose(Duration::from_secs(60), Duration::from_secs(4));
    let mut clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| fixture.program.send("GET /viewer.js HTT"))
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let before = fixture.control_group.snapshot();
    fixture.program.signal(Signal::STOP);
    for client in &mut clients {
        client
            .write_all(b"P/1.1\r\nHost: cam\r\n\r\n")
            .expect("the kernel takes it");
    }
    std::thread::sleep(stopped_for);
    fixture.program.signal(Signal::CONT);
    let newest = before
        .iter()
        .map(|viewer| viewer.seen.last)
        .max()
        .unwrap_or(0);
    let again = eventually("every viewer has a new frame", || {
        let has_gone = |viewer: &ViewerState| viewer.fault.is_some() || viewer.ended_at.is_some();
        fixture
            .control_group
            .snapshot()
            .iter()
            .all(|viewer| viewer.seen.last > newest || has_gone(viewer))
    });
    let mut replies: BTreeMap<String, usize> = BTreeMap::new();
    for client in &mut clients {
        let mut line = [0; 12];
        let reply = client
            .read_exact(&mut line)
            .map(|()| line.escape_ascii().to_string());
        *replies
            .entry(reply.unwrap_or_else(|error| error.to_string()))
            .or_default() += 1;
    }
    let unanswered = CLIENTS - replies.get("HTTP/1.1 200").copied().unwrap_or(0);
    report.require(
        unanswered == 0,
        format!("{unanswered} requests sent meanwhile were not answered: {replies:?}"),
    );
    drop(clients);
    std::thread::sleep(form.choose(Duration::from_secs(5), Duration::from_millis(500)));
    let after = fixture.control_group.snapshot();
    check_streams(&after, report);
    let closed_count = after
        .iter()
        .filter(|viewer| viewer.ended_at.is_some())
        .count();
    let closed = fixture.program.state()["connections"]["closed"].clone();
    report.require(
        closed_count == 0,
        format!("{closed_count} viewers were closed: {closed}"),
    );
    report.figure(format!(
        "stopped for {} s: {closed_count} of {} viewers closed, a new frame for all after {:.0} ms, {unanswered} of \
         {CLIENTS} requests sent meanwhile not answered",
        stopped_for.as_secs(),
        after.len(),
        again.as_secs_f64() * 1000.0,
    ));
    fixture.finish_with_gaps(report);
}

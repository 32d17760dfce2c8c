//! The server is stopped for a while, as by a debugger or a machine that is put to sleep, and goes
//! on.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::audience::{Seat, Watched};
use crate::stand::{Form, Report, Stand, check_streams};
use crate::support::eventually;

/// Requests that come to their end meanwhile: more than the server takes events at once.
const ASKERS: usize = 1500;

pub fn attack(form: Form, report: &mut Report) {
    // Some are in the middle of a frame at any time.
    let slow = Seat::slow(form.choose(20, 4), 200_000);
    let program = Command::new(env!("CARGO_BIN_EXE_framecast"));
    // In the short form, too, the time stopped is longer than any deadline.
    let short = [
        "--stall-timeout",
        "3s",
        "--frame-timeout",
        "3s",
        "--request-timeout",
        "3s",
    ];
    let options: &[&str] = form.choose(&[], &short);
    let stand = Stand::raise_with(form, program, options, slow);
    let stopped_for = form.choose(Duration::from_secs(60), Duration::from_secs(4));
    let mut askers: Vec<TcpStream> = (0..ASKERS)
        .map(|_| stand.program.send("GET /viewer.js HTT"))
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let before = stand.audience.look();
    stand.program.signal(Signal::STOP);
    for asker in &mut askers {
        asker
            .write_all(b"P/1.1\r\nHost: cam\r\n\r\n")
            .expect("the kernel takes it");
    }
    std::thread::sleep(stopped_for);
    stand.program.signal(Signal::CONT);
    let newest = before
        .iter()
        .map(|watched| watched.seen.last)
        .max()
        .unwrap_or(0);
    let again = eventually("everybody sees something new", || {
        let has_gone = |watched: &Watched| watched.fault.is_some() || watched.ended_at.is_some();
        stand
            .audience
            .look()
            .iter()
            .all(|watched| watched.seen.last > newest || has_gone(watched))
    });
    let mut replies: BTreeMap<String, usize> = BTreeMap::new();
    for asker in &mut askers {
        let mut line = [0; 12];
        let reply = asker
            .read_exact(&mut line)
            .map(|()| line.escape_ascii().to_string());
        *replies
            .entry(reply.unwrap_or_else(|error| error.to_string()))
            .or_default() += 1;
    }
    let unanswered = ASKERS - replies.get("HTTP/1.1 200").copied().unwrap_or(0);
    report.must(
        unanswered == 0,
        format!("{unanswered} who asked meanwhile were not answered: {replies:?}"),
    );
    drop(askers);
    std::thread::sleep(form.choose(Duration::from_secs(5), Duration::from_millis(500)));
    let after = stand.audience.look();
    check_streams(&after, report);
    let gone = after
        .iter()
        .filter(|watched| watched.ended_at.is_some())
        .count();
    let closed = stand.program.state()["connections"]["closed"].clone();
    report.must(gone == 0, format!("{gone} were dropped: {closed}"));
    report.figure(format!(
        "stopped for {} s: {gone} of {} viewers dropped, a new picture for all of them {:.0} ms later, {unanswered} of \
         {ASKERS} who asked meanwhile not answered",
        stopped_for.as_secs(),
        after.len(),
        again.as_secs_f64() * 1000.0,
    ));
    stand.settle_as_counted(report);
}

//! All descriptors are in use (EMFILE), and more connections wait in the backlog.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::Meter;

use crate::fixture::{Fixture, Form, Report, spread, wait_for_control_group_only};
use crate::support::TIMEOUT;

const CPU_PERCENT_MAX: f64 = 5.0;
const WAIT_MAX: Duration = Duration::from_millis(250);
/// Maximum rate of turns while the server can only retry accept: ten per second, and repeats.
const TURNS_PER_SECOND_MAX: f64 = 300.0;

pub fn attack(form: Form, report: &mut Report) {
    let limit = form.choose(1024, 64);
    let (waiting_count, freed) = form.choose((400, 40), (30, 10));
    let mut command = Command::new("prlimit");
    command.args([
        &format!("--nofile={limit}:{limit}"),
        env!("CARGO_BIN_EXE_framecast"),
    ]);
    let fixture = Fixture::start_with(form, command, &["--idle-timeout", "300s"], Vec::new());
    let control_viewers = fixture.control_group.snapshot().len();
    let turns_before = fixture.program.state()["loop"]["turns"]
        .as_u64()
        .unwrap_or(0);
    let connections: Vec<TcpStream> = (0..limit - control_viewers + waiting_count)
        .map(|_| request(&fixture))
        .collect();
    let (mut served, mut waiting) = split_answered(connections, Duration::from_secs(2));
    report.require(
        fixture.program.descriptors() >= limit - 1,
        "the descriptors did not run out",
    );
    report.require(!waiting.is_empty(), "no connection waits");

    // The streams continue. The cost of EMFILE alone is measured while the cameras are paused.
    std::thread::sleep(form.choose(Duration::from_secs(5), Duration::from_millis(500)));
    fixture.camera_control.pause();
    let meter = Meter::start(fixture.program.pid().as_raw_pid() as u32).expect("the server runs");
    let full_for = form.choose(Duration::from_secs(10), Duration::from_secs(2));
    let full_since = Instant::now();
    std::thread::sleep(full_for);
    let cpu = meter.finish().own.cpu_percent;

    let mut waits = Vec::new();
    for _ in 0..freed.min(served.len()).min(waiting.len()) {
        drop(served.pop());
        let freed_at = Instant::now();
        let next = waiting.remove(0);
        next.set_read_timeout(Some(TIMEOUT))
            .expect("a timeout can be set");
        let accepted = (&next).read(&mut [0; 512]).is_ok_and(|count| count > 0);
        report.require(
            accepted,
            "a waiting connection was not accepted after a descriptor was closed",
        );
        waits.push(freed_at.elapsed());
        served.insert(0, next);
    }
    let (_, median, longest) = spread(&mut waits);
    let full_seconds = full_since.elapsed().as_secs_f64();
    let (backlog, held) = (waiting.len(), served.len());
    drop((served, waiting));
    wait_for_control_group_only(&fixture);
    let state = fixture.program.state();
    let exhausted = state["loop"]["accept_failures"].as_u64().unwrap_or(0);
    let turns = state["loop"]["turns"].as_u64().unwrap_or(0) - turns_before;
    report.require(exhausted > 0, "accept failures were not counted");
    let per_second = exhausted as f64 / full_seconds;
    report.require(
        per_second < TURNS_PER_SECOND_MAX,
        format!("it tried to accept {per_second:.0} times a second"),
    );
    report.figure(format!(
        "limit {limit}: {held} served, {} waited, {} of them were accepted {:.1} ms (median) and {:.1} ms (at \
         most) after \
         one descriptor was free; {cpu:.1} % CPU while full and the cameras silent, {exhausted} accepts tried, \
         {turns} turns",
        backlog + waits.len(),
        waits.len(),
        median * 1000.0,
        longest * 1000.0,
    ));
    form.require_if_full(
        report,
        cpu <= CPU_PERCENT_MAX,
        format!("{cpu:.1} % CPU while full"),
    );
    form.require_if_full(
        report,
        longest <= WAIT_MAX.as_secs_f64(),
        format!("one waited for {longest:.3} s"),
    );
    fixture.camera_control.resume();
    fixture.finish(report);
}

/// Opens a connection that sends a request and stays open.
fn request(fixture: &Fixture) -> TcpStream {
    let mut stream = TcpStream::connect(fixture.program.address).expect("the kernel takes it");
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: cam\r\n\r\n")
        .expect("it can ask");
    stream.set_nonblocking(true).expect("it can be looked at");
    stream
}

/// Separates answered from waiting connections, in the order of their requests.
fn split_answered(connections: Vec<TcpStream>, time: Duration) -> (Vec<TcpStream>, Vec<TcpStream>) {
    let until = Instant::now() + time;
    let (mut served, mut waiting) = (Vec::new(), connections);
    while Instant::now() < until {
        let is_silent = |stream: &TcpStream| {
            let mut stream = stream;
            stream
                .read(&mut [0; 512])
                .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        let (silent, answered): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_silent);
        served.extend(answered);
        waiting = silent;
        std::thread::sleep(Duration::from_millis(50));
    }
    waiting
        .iter()
        .for_each(|stream| stream.set_nonblocking(false).expect("it can be waited for"));
    (served, waiting)
}

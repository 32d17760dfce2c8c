//! No descriptor is left, and more connections wait.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use framecast::bench::process::Meter;

use crate::stand::{Form, Report, Stand, await_only_the_control_group, spread};
use crate::support::TIMEOUT;

const CPU_PERCENT_MAX: f64 = 5.0;
const WAIT_MAX: Duration = Duration::from_millis(250);
/// Times around while there is nothing to do but to try again: ten a second, and the repeats.
const TURNS_PER_SECOND_MAX: f64 = 300.0;

pub fn attack(form: Form, report: &mut Report) {
    let limit = form.choose(1024, 64);
    let (waiting_count, freed) = form.choose((400, 40), (30, 10));
    let mut command = Command::new("prlimit");
    command.args([
        &format!("--nofile={limit}:{limit}"),
        env!("CARGO_BIN_EXE_framecast"),
    ]);
    let stand = Stand::raise_with(form, command, &["--idle-timeout", "300s"], Vec::new());
    let staying = stand.audience.look().len();
    let turns_before = stand.program.state()["loop"]["turns"].as_u64().unwrap_or(0);
    let coming: Vec<TcpStream> = (0..limit - staying + waiting_count)
        .map(|_| ask(&stand))
        .collect();
    let (mut served, mut waiting) = sort_out(coming, Duration::from_secs(2));
    report.must(
        stand.program.descriptors() >= limit - 1,
        "the descriptors did not run out",
    );
    report.must(!waiting.is_empty(), "nobody waits");

    // The streams go on beside it; what it costs to be full shows when they are silent.
    std::thread::sleep(form.choose(Duration::from_secs(5), Duration::from_millis(500)));
    stand.baton.silence();
    let meter = Meter::start(stand.program.pid().as_raw_pid() as u32).expect("the server runs");
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
        report.must(
            accepted,
            "who waits was not accepted when a descriptor was free",
        );
        waits.push(freed_at.elapsed());
        served.insert(0, next);
    }
    let (_, median, longest) = spread(&mut waits);
    let full_seconds = full_since.elapsed().as_secs_f64();
    let (backlog, held) = (waiting.len(), served.len());
    drop((served, waiting));
    await_only_the_control_group(&stand);
    let state = stand.program.state();
    let exhausted = state["loop"]["accept_failures"].as_u64().unwrap_or(0);
    let turns = state["loop"]["turns"].as_u64().unwrap_or(0) - turns_before;
    report.must(exhausted > 0, "the lack was not counted");
    let per_second = exhausted as f64 / full_seconds;
    report.must(
        per_second < TURNS_PER_SECOND_MAX,
        format!("it tried to accept {per_second:.0} times a second"),
    );
    report.figure(format!(
        "limit {limit}: {held} served, {} waited, of whom {} were accepted {:.1} ms (median) and {:.1} ms (at \
         most) after \
         one descriptor was free; {cpu:.1} % CPU while full and the cameras silent, {exhausted} accepts tried, \
         {turns} turns",
        backlog + waits.len(),
        waits.len(),
        median * 1000.0,
        longest * 1000.0,
    ));
    form.bar(
        report,
        cpu <= CPU_PERCENT_MAX,
        format!("{cpu:.1} % CPU while full"),
    );
    form.bar(
        report,
        longest <= WAIT_MAX.as_secs_f64(),
        format!("one waited for {longest:.3} s"),
    );
    stand.baton.go_on();
    stand.settle(report);
}

/// A connection that asks, and stays.
fn ask(stand: &Stand) -> TcpStream {
    let mut stream = TcpStream::connect(stand.program.address).expect("the kernel takes it");
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: cam\r\n\r\n")
        .expect("it can ask");
    stream.set_nonblocking(true).expect("it can be looked at");
    stream
}

/// Who was answered, and who waits, in the order in which they came.
fn sort_out(coming: Vec<TcpStream>, time: Duration) -> (Vec<TcpStream>, Vec<TcpStream>) {
    let until = Instant::now() + time;
    let (mut served, mut waiting) = (Vec::new(), coming);
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

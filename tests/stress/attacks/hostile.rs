//! Drivers whose output is costly to decode, each beside viewers of another camera.

use std::process::Command;
use std::time::Duration;

use framecast::wire::budget::{BudgetedDecoder, DecodeBudget};
use framecast::wire::jpeg::FRAME_BYTES_MAX;
use rustix::time::{ClockId, clock_gettime};

use crate::audience::Seat;
use crate::camera::Baton;
use crate::hostile::KINDS;
use crate::stand::{Form, Report, Stand};
use crate::support::eventually;

/// The control group of each.
const VIEWERS: usize = 20;

/// What a turn may take, in milliseconds: of CPU time on any machine, and of time on a quiet one.
const TURN_MS_MAX: f64 = 20.0;

/// What is decoded of each kind to see what a turn of it costs.
const SAMPLE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes that a driver must have got rid of, so that the attack was one.
const BYTES_MIN: u64 = 100_000;

pub fn attack(form: Form, report: &mut Report) {
    for (kind, unit) in KINDS {
        let mut one = Report::default();
        let cpu_ms = longest_turn_cpu(&unit()).as_secs_f64() * 1000.0;
        one.figure(format!("at most {cpu_ms:.1} ms of CPU to decode in a turn"));
        one.must(
            cpu_ms <= TURN_MS_MAX,
            format!("decoding took {cpu_ms:.1} ms of CPU in a turn"),
        );
        stress(kind, form, &mut one);
        report.figures.extend(
            one.figures
                .into_iter()
                .map(|figure| format!("{kind}: {figure}")),
        );
        report.faults.extend(
            one.faults
                .into_iter()
                .map(|fault| format!("{kind}: {fault}")),
        );
    }
}

/// The most CPU time that decoding these bytes, again and again, takes in one turn. Unlike the turn
/// itself, it does not depend on what else the machine has to do.
fn longest_turn_cpu(unit: &[u8]) -> Duration {
    let stream = unit.repeat((SAMPLE_BYTES / unit.len()).max(3));
    let mut pieces = stream.chunks(64 * 1024);
    let mut decoder = BudgetedDecoder::new(FRAME_BYTES_MAX);
    let mut longest = Duration::ZERO;
    loop {
        let (mut budget, began) = (DecodeBudget::TURN, cpu_time());
        while !budget.is_spent() {
            while decoder.decode(&mut budget).transpose().is_some() {}
            match pieces.next() {
                Some(piece) => decoder.push(piece),
                None => return longest,
            }
        }
        longest = longest.max(cpu_time() - began);
    }
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime)
        .try_into()
        .expect("a thread's CPU time is not negative")
}

fn stress(kind: &str, form: Form, report: &mut Report) {
    let baton = Baton::new();
    let camera = format!("bad={}", baton.hostile(kind));
    let program = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let options = ["--always-on", "--camera", &camera];
    let stand = Stand::raise_for(
        form,
        program,
        &options,
        (30.0, 15_000),
        Seat::steady(VIEWERS),
    );
    std::thread::sleep(form.choose(Duration::from_secs(10), Duration::from_secs(1)));
    if kind != "stderr-lines" {
        eventually("the driver's bytes are counted", || {
            let state = stand.program.state();
            let count = |name: &str| state["cameras"][1][name].as_u64().unwrap_or_default();
            let parts = [
                "accepted_bytes",
                "rejected_bytes",
                "discarded_bytes",
                "buffered_bytes",
            ];
            parts.into_iter().map(count).sum::<u64>() > BYTES_MIN
        });
    }
    let longest_ms = stand.program.state()["loop"]["longest_turn_us"]
        .as_f64()
        .unwrap_or(f64::NAN)
        / 1000.0;
    form.bar(
        report,
        longest_ms <= TURN_MS_MAX,
        format!("the longest turn took {longest_ms:.1} ms"),
    );
    stand.settle(report);
}

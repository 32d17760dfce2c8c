//! Drivers whose output is expensive to decode, each beside viewers of another camera.

use std::process::Command;
use std::time::Duration;

use framecast::wire::budget::{BudgetedDecoder, DecodeBudget};
use framecast::wire::jpeg::FRAME_BYTES_MAX;
use rustix::time::{ClockId, clock_gettime};

use crate::camera::CameraControl;
use crate::control_group::ViewerSpec;
use crate::fixture::{Fixture, Form, Report};
use crate::hostile::KINDS;
use crate::support::eventually;

/// Size of the control group.
const VIEWERS: usize = 20;

/// Maximum length of a turn in milliseconds: CPU time on any machine, wall time on a quiet one.
const TURN_MS_MAX: f64 = 20.0;

/// Bytes decoded of each kind to measure the cost of a turn.
const SAMPLE_BYTES: usize = 16 * 1024 * 1024;

/// Minimum number of bytes that the server must have read from the driver.
const BYTES_MIN: u64 = 100_000;

pub fn attack(form: Form, report: &mut Report) {
    for (kind, unit) in KINDS {
        let mut one = Report::default();
        let cpu_ms = longest_turn_cpu(&unit()).as_secs_f64() * 1000.0;
        one.figure(format!("at most {cpu_ms:.1} ms of CPU to decode in a turn"));
        one.require(
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

/// Returns the maximum CPU time per turn of decoding these bytes repeatedly. Unlike the length of a
/// turn, it does not depend on other load.
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
    let camera_control = CameraControl::new();
    let camera = format!("bad={}", camera_control.hostile(kind));
    let program = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let options = ["--always-on", "--camera", &camera];
    let fixture = Fixture::start_for(
        form,
        program,
        &options,
        (30.0, 15_000),
        ViewerSpec::steady(VIEWERS),
    );
    std::thread::sleep(form.choose(Duration::from_secs(10), Duration::from_secs(1)));
    if kind != "stderr-lines" {
        eventually("the driver's bytes are counted", || {
            let state = fixture.program.state();
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
    let longest_ms = fixture.program.state()["loop"]["longest_turn_us"]
        .as_f64()
        .unwrap_or(f64::NAN)
        / 1000.0;
    form.require_if_full(
        report,
        longest_ms <= TURN_MS_MAX,
        format!("the longest turn took {longest_ms:.1} ms"),
    );
    fixture.finish(report);
}

//! Drivers whose output is costly to decode, each beside viewers of another camera.

use std::process::Command;
use std::time::Duration;

use crate::audience::Seat;
use crate::camera::Baton;
use crate::hostile::KINDS;
use crate::stand::{Form, Report, Stand};
use crate::support::eventually;

/// The control group of each.
const VIEWERS: usize = 20;

/// What a turn may take, in milliseconds: on a quiet machine, and on any.
const TURN_MS_MAX: f64 = 20.0;
const TURN_MS_MAX_ANYWHERE: f64 = 100.0;

/// Bytes that a driver must have got rid of, so that the attack was one.
const BYTES_MIN: u64 = 100_000;

pub fn attack(form: Form, report: &mut Report) {
    for (kind, _) in KINDS {
        let mut one = Report::default();
        besiege(kind, form, &mut one);
        report.figures.extend(one.figures.into_iter().map(|figure| format!("{kind}: {figure}")));
        report.faults.extend(one.faults.into_iter().map(|fault| format!("{kind}: {fault}")));
    }
}

fn besiege(kind: &str, form: Form, report: &mut Report) {
    let baton = Baton::new();
    let camera = format!("bad={}", baton.hostile(kind));
    let program = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let options = ["--always-on", "--camera", &camera];
    let stand = Stand::raise_for(form, program, &options, (30.0, 15_000), Seat::steady(VIEWERS));
    std::thread::sleep(form.choose(Duration::from_secs(10), Duration::from_secs(1)));
    if kind != "stderr-lines" {
        eventually("the driver's bytes are counted", || {
            let state = stand.program.state();
            let count = |name: &str| state["cameras"][1][name].as_u64().unwrap_or_default();
            let parts = ["accepted_bytes", "rejected_bytes", "skipped_bytes", "undecided_bytes"];
            parts.into_iter().map(count).sum::<u64>() > BYTES_MIN
        });
    }
    let longest_ms = stand.program.state()["loop"]["longest_turn_us"].as_f64().unwrap_or(f64::NAN) / 1000.0;
    report.must(longest_ms <= TURN_MS_MAX_ANYWHERE, format!("the longest turn took {longest_ms:.1} ms"));
    form.bar(report, longest_ms <= TURN_MS_MAX, format!("the longest turn took {longest_ms:.1} ms"));
    stand.settle(report);
}

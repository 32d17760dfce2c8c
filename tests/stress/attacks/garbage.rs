//! A camera that mixes good frames with every kind of garbage, as fast as a pipe goes.

use std::process::Command;

use crate::audience::{Audience, Seat};
use crate::camera::Baton;
use crate::garbage::GOOD_AT_LAST;
use crate::stand::{Form, Report, Stand, await_only_the_control_group, check_streams};
use crate::support::eventually;

pub fn among_jpegs(form: Form, report: &mut Report) {
    attack("jpegs", form, report);
}

pub fn among_parts(form: Form, report: &mut Report) {
    attack("parts", form, report);
}

fn attack(format: &str, form: Form, report: &mut Report) {
    let baton = Baton::new();
    let frames = form.choose(500_000, 30_000);
    let camera = format!("bad={}", baton.garbage(format, frames));
    let program = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let stand = Stand::raise_with(form, program, &["--camera", &camera], Vec::new());
    let seat = Seat {
        target: "/stream?camera=bad".into(),
        is_advance: false,
        is_numbered: false,
        rate: None,
    };
    let watchers = Audience::gather(stand.program.address, vec![seat; form.choose(10, 3)]);
    let ledger = baton.ledger();
    let bad = || stand.program.state()["cameras"][1].clone();
    let count = |camera: &serde_json::Value, name: &str| camera[name].as_u64().unwrap_or(u64::MAX);
    let parts = [
        "accepted_bytes",
        "rejected_bytes",
        "discarded_bytes",
        "buffered_bytes",
    ];
    let sum =
        |camera: &serde_json::Value| parts.iter().map(|part| count(camera, part)).sum::<u64>();
    let took = eventually("all is read", || sum(&bad()) >= ledger.bytes);
    let camera = bad();
    report.must(
        sum(&camera) == ledger.bytes,
        format!("{} bytes were written, counted are {camera}", ledger.bytes),
    );
    let accepted = count(&camera, "accepted_frames");
    report.must(
        accepted == ledger.good,
        format!("of {} good frames {accepted} were accepted", ledger.good),
    );
    let repaired = count(&camera, "repaired_frames");
    report.must(
        repaired == ledger.unended,
        format!(
            "of {} that were to be, {repaired} are repaired",
            ledger.unended
        ),
    );
    let last = (frames + GOOD_AT_LAST) as u64;
    eventually("whoever watches has the last good frame", || {
        watchers
            .look()
            .iter()
            .all(|watched| watched.seen.last == last || watched.fault.is_some())
    });
    check_streams(&watchers.look(), report);
    let shown = watchers
        .look()
        .iter()
        .map(|watched| watched.seen.frames)
        .min()
        .unwrap_or(0);
    report.figure(format!(
        "{} frames, {:.0} MiB: {accepted} good ones accepted of {} written, {repaired} of them repaired, rejected {}, \
         {:.1} MiB between frames skipped, \
         {} bytes in all as written; {:.1} s after the last byte; {shown} or more shown",
        ledger.good + ledger.flawed,
        ledger.bytes as f64 / 1048576.0,
        ledger.good,
        camera["rejected_frames"],
        count(&camera, "discarded_bytes") as f64 / 1048576.0,
        sum(&camera),
        took.as_secs_f64(),
    ));
    drop(watchers);
    // Their keys are those of the control group, and each is served until a write to it fails.
    await_only_the_control_group(&stand);
    stand.settle(report);
}

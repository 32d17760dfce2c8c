//! A camera that mixes valid frames with all kinds of garbage at pipe speed.

use std::process::Command;

use crate::camera::CameraControl;
use crate::control_group::{ControlGroup, ViewerSpec};
use crate::fixture::{Fixture, Form, Report, check_streams, wait_for_control_group_only};
use crate::garbage::GOOD_AT_LAST;
use crate::support::eventually;

pub fn among_jpegs(form: Form, report: &mut Report) {
    attack("jpegs", form, report);
}

pub fn among_parts(form: Form, report: &mut Report) {
    attack("parts", form, report);
}

fn attack(format: &str, form: Form, report: &mut Report) {
    let camera_control = CameraControl::new();
    let frames = form.choose(500_000, 30_000);
    let camera = format!("bad={}", camera_control.garbage(format, frames));
    let program = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let fixture = Fixture::start_with(form, program, &["--camera", &camera], Vec::new());
    let spec = ViewerSpec {
        target: "/stream?camera=bad".into(),
        is_advance: false,
        is_numbered: false,
        rate: None,
    };
    let watchers = ControlGroup::start(fixture.program.address, vec![spec; form.choose(10, 3)]);
    let totals = camera_control.totals();
    let bad = || fixture.program.state()["cameras"][1].clone();
    let count = |camera: &serde_json::Value, name: &str| camera[name].as_u64().unwrap_or(u64::MAX);
    let parts = [
        "accepted_bytes",
        "rejected_bytes",
        "discarded_bytes",
        "buffered_bytes",
    ];
    let sum =
        |camera: &serde_json::Value| parts.iter().map(|part| count(camera, part)).sum::<u64>();
    let took = eventually("all bytes are read", || sum(&bad()) >= totals.bytes);
    let camera = bad();
    report.require(
        sum(&camera) == totals.bytes,
        format!("{} bytes were written, counted are {camera}", totals.bytes),
    );
    let accepted = count(&camera, "accepted_frames");
    report.require(
        accepted == totals.good,
        format!("of {} good frames {accepted} were accepted", totals.good),
    );
    let repaired = count(&camera, "repaired_frames");
    report.require(
        repaired == totals.unended,
        format!(
            "of {} that were to be, {repaired} are repaired",
            totals.unended
        ),
    );
    let last = (frames + GOOD_AT_LAST) as u64;
    eventually("every viewer has the last valid frame", || {
        watchers
            .snapshot()
            .iter()
            .all(|viewer| viewer.seen.last == last || viewer.fault.is_some())
    });
    check_streams(&watchers.snapshot(), report);
    let shown = watchers
        .snapshot()
        .iter()
        .map(|viewer| viewer.seen.frames)
        .min()
        .unwrap_or(0);
    report.figure(format!(
        "{} frames, {:.0} MiB: {accepted} valid ones accepted of {} written, {repaired} of them repaired, rejected {}, \
         {:.1} MiB discarded between frames, \
         {} bytes in all as written; {:.1} s after the last byte; {shown} or more shown",
        totals.good + totals.flawed,
        totals.bytes as f64 / 1048576.0,
        totals.good,
        camera["rejected_frames"],
        count(&camera, "discarded_bytes") as f64 / 1048576.0,
        sum(&camera),
        took.as_secs_f64(),
    ));
    drop(watchers);
    // They use the same keys as the control group, and the server serves them until a write fails.
    wait_for_control_group_only(&fixture);
    fixture.finish(report);
}

//! Shared by all attacks: a server, a camera that can be paused, the control group, and the check
//! of all counters.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::Meter;
use serde_json::Value;

use crate::camera::CameraControl;
use crate::control_group::{ControlGroup, ViewerSpec, ViewerState};
use crate::support::{Program, eventually};

/// Minimum share of the frames that a viewer of the control group must receive, in percent.
pub const SHARE_MIN: f64 = 99.5;

/// The result of an attack.
#[derive(Debug, Default)]
pub struct Report {
    pub figures: Vec<String>,
    pub faults: Vec<String>,
}

impl Report {
    pub fn figure(&mut self, figure: impl Into<String>) {
        self.figures.push(figure.into());
    }

    /// Records a fault unless the condition holds. For what must hold on any machine.
    pub fn require(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.faults.push(what.into());
        }
    }
}

/// The size of an attack.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Full size, with the limits that only a quiet machine can meet.
    pub is_full: bool,
}

impl Form {
    /// Returns the value for this form.
    pub fn choose<T>(self, full: T, short: T) -> T {
        if self.is_full { full } else { short }
    }

    /// Records a fault unless the condition holds, in the full form only.
    pub fn require_if_full(self, report: &mut Report, holds: bool, what: impl Into<String>) {
        report.require(holds || !self.is_full, what);
    }
}

/// The server under attack, with its control group.
pub struct Fixture {
    pub form: Form,
    pub program: Program,
    pub camera_control: CameraControl,
    pub control_group: ControlGroup,
    cpu_began: Meter,
    began: Instant,
}

impl Fixture {
    /// Starts a server with a control group of 200 viewers at 30 fps, or 12 in the short form.
    pub fn start(form: Form, options: &[&str]) -> Self {
        Self::start_with(
            form,
            Command::new(env!("CARGO_BIN_EXE_framecast")),
            options,
            Vec::new(),
        )
    }

    /// Starts the server with this command, and with additional viewers.
    pub fn start_with(
        form: Form,
        command: Command,
        options: &[&str],
        more: Vec<ViewerSpec>,
    ) -> Self {
        let specs = [ViewerSpec::steady(form.choose(200, 12)), more].concat();
        Self::start_for(form, command, options, (30.0, 15_000), specs)
    }

    /// Starts the server with a camera of this rate and frame size, and with these viewers.
    pub fn start_for(
        form: Form,
        mut command: Command,
        options: &[&str],
        (fps, bytes): (f64, usize),
        specs: Vec<ViewerSpec>,
    ) -> Self {
        let camera_control = CameraControl::new();
        let camera = format!("good={}", camera_control.steady(fps, bytes));
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--offline",
                "last",
                "--camera",
                &camera,
            ])
            .args(options);
        Self::begin(form, camera_control, Program::start(command), specs)
    }

    fn begin(
        form: Form,
        camera_control: CameraControl,
        program: Program,
        specs: Vec<ViewerSpec>,
    ) -> Self {
        let control_group = ControlGroup::start(program.address, specs);
        let cpu_began = Meter::start(pid(&program)).expect("the server runs");
        Self {
            form,
            program,
            camera_control,
            control_group,
            cpu_began,
            began: Instant::now(),
        }
    }

    /// Returns the server's resident memory in bytes.
    pub fn rss_bytes(&self) -> u64 {
        Meter::start(pid(&self.program))
            .expect("the server runs")
            .finish()
            .own
            .rss_end_bytes
    }

    /// Pauses the camera and compares the frames that the control group received with the server's
    /// counters. The control group must have received nearly every frame.
    pub fn finish(self, report: &mut Report) {
        self.close(report, true);
    }

    /// As [`Self::finish`], for attacks in which viewers miss frames: each must be counted.
    pub fn finish_with_gaps(self, report: &mut Report) {
        self.close(report, false);
    }

    fn close(self, report: &mut Report, gets_all: bool) {
        let usage = self.cpu_began.finish().own;
        let seconds = self.began.elapsed().as_secs_f64();
        let last = self.camera_control.pause();
        let has_last = |viewer: &ViewerState| {
            viewer.seen.last == last || viewer.fault.is_some() || viewer.ended_at.is_some()
        };
        eventually("every live viewer has the last frame", || {
            self.control_group.snapshot().iter().all(has_last)
        });
        check_streams(&self.control_group.snapshot(), report);
        if gets_all {
            check_share(self.form, &self.control_group.snapshot(), report);
        }
        check_counters(&self.program, &self.control_group, report);
        let state = self.program.state();
        let longest_ms = state["loop"]["longest_turn_us"]
            .as_f64()
            .unwrap_or(f64::NAN)
            / 1000.0;
        report.figure(format!(
            "server {:.1} % CPU over {seconds:.0} s, {:.1} MiB, longest turn {longest_ms:.1} ms",
            usage.cpu_percent,
            usage.rss_end_bytes as f64 / 1048576.0,
        ));
    }
}

fn pid(program: &Program) -> u32 {
    program.pid().as_raw_pid() as u32
}

/// Guarantees 1 and 2: every stream is whole and in order, and none was closed.
pub fn check_streams(viewer: &[ViewerState], report: &mut Report) {
    for ViewerState {
        key,
        fault,
        ended_at,
        ..
    } in viewer
    {
        report.require(ended_at.is_none(), format!("{key} was closed"));
        report.require(
            fault.is_none(),
            format!("{key}: {}", fault.as_deref().unwrap_or_default()),
        );
    }
}

/// Checks the share of frames that each viewer received. The camera's numbers have no gaps.
fn check_share(form: Form, viewer: &[ViewerState], report: &mut Report) {
    let share = |viewer: &ViewerState| {
        let seen = &viewer.seen;
        100.0 * seen.frames as f64 / (seen.last - seen.first + 1) as f64
    };
    let steady: Vec<&ViewerState> = viewer.iter().filter(|viewer| !viewer.is_slow).collect();
    let lowest = steady
        .iter()
        .map(|viewer| share(viewer))
        .fold(100.0, f64::min);
    let frames = steady
        .iter()
        .map(|viewer| viewer.seen.frames)
        .min()
        .unwrap_or_default();
    report.figure(format!(
        "{} in the control group, each with {frames} frames or more, {lowest:.2} %",
        steady.len()
    ));
    form.require_if_full(
        report,
        lowest >= SHARE_MIN,
        format!("a viewer of the control group received only {lowest:.2} %"),
    );
}

/// Guarantee 5: offered = delivered + skipped + cut over all viewers, and for each viewer of the
/// control group by its own counters. No frame is in flight: every viewer has the last one.
pub fn check_counters(program: &Program, control_group: &ControlGroup, report: &mut Report) {
    let sum = |counts: &Value| {
        let parts = ["delivered", "skipped_slow", "skipped_rate", "cut"];
        parts
            .iter()
            .filter_map(|part| counts[part].as_u64())
            .sum::<u64>()
    };
    let holds = || {
        let frames = &program.state()["frames"];
        frames["offered"].as_u64() == Some(sum(frames))
    };
    eventually("offered = delivered + skipped + cut", holds);
    let before = control_group.snapshot();
    let keys: Vec<&str> = before.iter().map(|viewer| viewer.key.as_str()).collect();
    // A request line is too short for all keys.
    let mut counted = HashMap::new();
    for keys in keys.chunks(50) {
        let reply = program.get(&format!("/state?key={}", keys.join(",")));
        let state: Value = serde_json::from_slice(&reply.body).expect("/state is JSON");
        let viewers = state["result"]["stream"]["clients_stat"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        counted.extend(
            viewers
                .into_iter()
                .map(|(_, viewer)| (viewer["key"].as_str().unwrap_or("").to_owned(), viewer)),
        );
    }
    // This snapshot comes after a turn of the control group, so it includes all earlier frames.
    control_group.snapshot();
    for (before, after) in before.iter().zip(control_group.snapshot()) {
        let Some(viewer) = counted.get(&before.key) else {
            report.require(false, format!("{} is not in /state", before.key));
            continue;
        };
        let count = |name: &str| viewer[name].as_u64().unwrap_or(u64::MAX);
        let repeats = before.seen.repeats..=after.seen.repeats;
        let holds = count("delivered") == before.seen.frames
            && repeats.contains(&count("repeated"))
            && count("offered") == sum(viewer);
        report.require(
            holds,
            format!("{} saw {:?}, /state says {viewer}", before.key, before.seen),
        );
    }
}

/// Waits until the server has no connections but those of the control group.
pub fn wait_for_control_group_only(fixture: &Fixture) {
    let control_viewers = fixture.control_group.snapshot().len() as u64;
    eventually("all other connections are closed", || {
        fixture.program.state()["connections"]["open"].as_u64() <= Some(control_viewers + 1)
    });
}

/// Returns the minimum, the median and the maximum in seconds.
pub fn spread(times: &mut [Duration]) -> (f64, f64, f64) {
    times.sort_unstable();
    let at = |index: usize| times.get(index).map_or(f64::NAN, Duration::as_secs_f64);
    (
        at(0),
        at(times.len() / 2),
        at(times.len().saturating_sub(1)),
    )
}

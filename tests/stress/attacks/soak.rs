//! As many frames as a day has, faster than real time, with short-lived viewers and a driver that
//! is killed from time to time.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::attackers::{Attackers, Profile, Reads};
use crate::control_group::ViewerSpec;
use crate::fixture::{Fixture, Form, Report, wait_for_control_group_only};
use crate::support::eventually;

/// Frames per second, and their size.
const FPS: f64 = 2000.0;
const FRAME_BYTES: usize = 3000;
/// The rate of a real camera, for figures per hour of its time.
const REAL_FPS: f64 = 30.0;
/// Frames between two kills of the driver: half an hour of a real camera's time.
const FRAMES_PER_KILL: u64 = 54_000;
const RSS_BYTES_PER_HOUR_MAX: f64 = 1024.0 * 1024.0;
const TURN_MAX_MS: f64 = 50.0;
/// Short-lived viewers per second.
const SHORT_LIVED_PER_SECOND: f64 = 20.0;
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Share of the samples left out at the start, while the server's buffers reach their size.
const WARM_UP: f64 = 0.1;

pub fn short(form: Form, report: &mut Report) {
    // `--soak` runs the full form.
    soak(Form { is_full: false }, form.choose(20_000, 8_000), report);
}

pub fn soak(form: Form, frames: u64, report: &mut Report) {
    let program = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let fixture = Fixture::start_for(form, program, &[], (FPS, FRAME_BYTES), specs());
    let descriptors = fixture.program.descriptors();
    let mut attackers = Attackers::new(fixture.program.address);
    let mut samples = Vec::new();
    let mut kills = 0;
    let kill_every = FRAMES_PER_KILL.min(frames / 3);
    let began = Instant::now();
    let mut passed = 0;
    loop {
        attackers.open_at_rate(SHORT_LIVED_PER_SECOND, short_lived(10), Duration::ZERO);
        passed += 10;
        attackers.watch(POLL_INTERVAL);
        attackers.ended.clear();
        let state = fixture.program.state();
        let accepted = state["cameras"][0]["accepted_frames"].as_u64().unwrap_or(0);
        samples.push((
            accepted as f64 / REAL_FPS / 3600.0,
            fixture.rss_bytes() as f64,
        ));
        if accepted >= frames {
            break;
        }
        if accepted / kill_every > kills {
            kills = accepted / kill_every;
            kill_driver(&fixture);
        }
        if began.elapsed().as_secs_f64() > 60.0 + 10.0 * frames as f64 / FPS {
            report.require(false, format!("there were only {accepted} frames"));
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    drop(attackers);
    wait_for_control_group_only(&fixture);
    eventually("as many descriptors as before", || {
        fixture.program.descriptors() <= descriptors
    });
    let state = fixture.program.state();
    let camera = &state["cameras"][0];
    let accepted = camera["accepted_frames"].as_u64().unwrap_or(0);
    let restarts = camera["driver_restarts"].as_u64().unwrap_or(0);
    report.require(
        restarts == kills,
        format!("{kills} drivers were killed, {restarts} started again"),
    );
    report.require(
        camera["published_frames"].as_u64() >= Some(accepted),
        "not every frame was published",
    );
    let slope = slope(samples.split_off((samples.len() as f64 * WARM_UP) as usize));
    let longest_ms = state["loop"]["longest_turn_us"]
        .as_f64()
        .unwrap_or(f64::NAN)
        / 1000.0;
    report.figure(format!(
        "{accepted} frames in {seconds:.0} s, {:.1} hours' worth at 30 a second; {passed} joins and leaves, \
         {kills} drivers \
         killed; memory {:+.1} KiB an hour, {:.1} MiB at the end; {descriptors} descriptors before and after; \
         {} deliveries",
        accepted as f64 / REAL_FPS / 3600.0,
        slope / 1024.0,
        fixture.rss_bytes() as f64 / 1048576.0,
        state["frames"]["delivered"],
    ));
    form.require_if_full(
        report,
        slope <= RSS_BYTES_PER_HOUR_MAX,
        format!("memory grows by {slope:.0} bytes an hour"),
    );
    form.require_if_full(
        report,
        longest_ms <= TURN_MAX_MS,
        format!("a turn took {longest_ms:.1} ms"),
    );
    fixture.finish_with_gaps(report);
}

/// Returns 24 viewers at the full rate, 4 with `fps=30`, and 4 with slow links.
fn specs() -> Vec<ViewerSpec> {
    let few = |spec: ViewerSpec| ViewerSpec {
        target: format!("{}&fps=30", spec.target),
        ..spec
    };
    let capped = ViewerSpec::steady(4).into_iter().map(few).collect();
    [ViewerSpec::steady(24), capped, ViewerSpec::slow(4, 500_000)].concat()
}

fn short_lived(count: usize) -> impl Iterator<Item = (usize, Profile)> {
    let request = b"GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n";
    let profile = |frames: usize| Profile {
        sends: vec![request.to_vec()],
        pause: Duration::ZERO,
        reads: Reads::Everything,
        resets_after: Some(frames * FRAME_BYTES),
    };
    (0..count).map(move |number| (number, profile(1 + number * 20)))
}

fn kill_driver(fixture: &Fixture) {
    for child in fixture.program.children() {
        if let Some(pid) = child.parse().ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::KILL).expect("the driver is ours");
        }
    }
}

/// Returns the slope of the least-squares line through the samples.
fn slope(samples: Vec<(f64, f64)>) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let above: f64 = samples
        .iter()
        .map(|sample| (sample.0 - x) * (sample.1 - y))
        .sum();
    let below: f64 = samples.iter().map(|sample| (sample.0 - x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

//! A day's frames at a multiple of real time, with viewers who come and go and a driver that is
//! killed now and then.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::audience::Seat;
use crate::crowd::{Crowd, Manner, Reads};
use crate::stand::{Form, Report, Stand, await_only_the_control_group};
use crate::support::eventually;

/// Frames written a second, and their size.
const FPS: f64 = 2000.0;
const FRAME_BYTES: usize = 3000;
/// What the frames would have taken at a camera's rate.
const REAL_FPS: f64 = 30.0;
/// How often the driver is killed, in frames: every half hour of a camera's time.
const FRAMES_PER_KILL: u64 = 54_000;
const RSS_BYTES_PER_HOUR_MAX: f64 = 1024.0 * 1024.0;
const TURN_MAX_MS: f64 = 50.0;
/// Passers-by, as many a second.
const PASSING_PER_SECOND: f64 = 20.0;
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Samples are taken from here on: until then the server's memory fills for the first time.
const WARM_UP: f64 = 0.1;

pub fn short(form: Form, report: &mut Report) {
    // In the full form the soak is asked for by itself.
    soak(Form { is_full: false }, form.choose(20_000, 8_000), report);
}

pub fn soak(form: Form, frames: u64, report: &mut Report) {
    let program = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let stand = Stand::raise_for(form, program, &[], (FPS, FRAME_BYTES), seats());
    let descriptors = stand.program.descriptors();
    let mut crowd = Crowd::new(stand.program.address);
    let mut samples = Vec::new();
    let mut kills = 0;
    let kill_every = FRAMES_PER_KILL.min(frames / 3);
    let began = Instant::now();
    let mut passed = 0;
    loop {
        crowd.feed(PASSING_PER_SECOND, passers_by(10), Duration::ZERO);
        passed += 10;
        crowd.watch(LOOK_INTERVAL);
        crowd.ended.clear();
        let state = stand.program.state();
        let accepted = state["cameras"][0]["accepted_frames"].as_u64().unwrap_or(0);
        samples.push((
            accepted as f64 / REAL_FPS / 3600.0,
            stand.rss_bytes() as f64,
        ));
        if accepted >= frames {
            break;
        }
        if accepted / kill_every > kills {
            kills = accepted / kill_every;
            kill_driver(&stand);
        }
        if began.elapsed().as_secs_f64() > 60.0 + 10.0 * frames as f64 / FPS {
            report.must(false, format!("there were only {accepted} frames"));
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    drop(crowd);
    await_only_the_control_group(&stand);
    eventually("as many descriptors as before", || {
        stand.program.descriptors() <= descriptors
    });
    let state = stand.program.state();
    let camera = &state["cameras"][0];
    let accepted = camera["accepted_frames"].as_u64().unwrap_or(0);
    let restarts = camera["driver_restarts"].as_u64().unwrap_or(0);
    report.must(
        restarts == kills,
        format!("{kills} drivers were killed, {restarts} started again"),
    );
    report.must(
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
        stand.rss_bytes() as f64 / 1048576.0,
        state["frames"]["delivered"],
    ));
    form.bar(
        report,
        slope <= RSS_BYTES_PER_HOUR_MAX,
        format!("memory grows by {slope:.0} bytes an hour"),
    );
    form.bar(
        report,
        longest_ms <= TURN_MAX_MS,
        format!("a turn took {longest_ms:.1} ms"),
    );
    stand.settle_as_counted(report);
}

/// Two dozen who take every frame, four who want a few, and four whose links are slow.
fn seats() -> Vec<Seat> {
    let few = |seat: Seat| Seat {
        target: format!("{}&fps=30", seat.target),
        ..seat
    };
    let capped = Seat::steady(4).into_iter().map(few).collect();
    [Seat::steady(24), capped, Seat::slow(4, 500_000)].concat()
}

fn passers_by(count: usize) -> impl Iterator<Item = (usize, Manner)> {
    let request = b"GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n";
    let manner = |frames: usize| Manner {
        says: vec![request.to_vec()],
        pause: Duration::ZERO,
        reads: Reads::Everything,
        resets_after: Some(frames * FRAME_BYTES),
    };
    (0..count).map(move |number| (number, manner(1 + number * 20)))
}

fn kill_driver(stand: &Stand) {
    for child in stand.program.children() {
        if let Some(pid) = child.parse().ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::KILL).expect("the driver is ours");
        }
    }
}

/// The slope of the line that fits the samples best.
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

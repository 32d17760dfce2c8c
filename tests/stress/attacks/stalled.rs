//! Viewers that never read, that read one byte per second, and that read too slowly for one frame.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::attackers::{Attackers, Profile, Reads};
use crate::camera::CameraControl;
use crate::fixture::{Fixture, Form, Report, wait_for_control_group_only};
use crate::support::TIMEOUT;

/// Limit of retained frames (64 MiB by default), and of the memory per viewer.
const RETAINED_BYTES_MAX: u64 = 64 * 1024 * 1024;
const RSS_BYTES_EACH_MAX: u64 = 4096;
const LARGE_BYTES: usize = 400_000;
/// Maximum time from a deadline to the close that `/state` shows. `/state` is polled.
const LATE_MAX: Duration = Duration::from_secs(2);

pub fn attack(form: Form, report: &mut Report) {
    let (stall, frame) = form.choose((30, 60), (2, 4));
    let options = [
        "--stall-timeout",
        &format!("{stall}s"),
        "--frame-timeout",
        &format!("{frame}s"),
    ];
    // Frames that are larger than the kernel's buffers.
    let large = CameraControl::new();
    let camera = format!("large={}", large.steady(5.0, LARGE_BYTES));
    let options = [&options[..], &["--camera", &camera]].concat();
    let fixture = Fixture::start(form, &options);
    let rss_before = fixture.rss_bytes();
    let mut attackers = Attackers::new(fixture.program.address);
    fill(&mut attackers, form);
    let control_viewers = fixture.control_group.snapshot().len() as u64;
    let Closings {
        rss_peak,
        present_max,
        closed_at,
    } = watch_closings(
        &fixture,
        &mut attackers,
        control_viewers,
        (stall, frame),
        report,
    );
    let growth = rss_peak.saturating_sub(rss_before);
    let (stall_last, stalled) = closed_at["stall_timeout"];
    let (frame_last, too_slow) = closed_at["frame_timeout"];
    let state = fixture.program.state();
    report.figure(format!(
        "{present_max} at once; {stalled} closed by the stall timeout ({stall} s, the last after {stall_last:.1} s), \
         {too_slow} by the frame timeout ({frame} s, the last after {frame_last:.1} s), {} by the \
         limit of retained frames; {:.1} MiB of memory in all",
        closed_at["retained_limit"].1,
        growth as f64 / 1048576.0,
    ));
    let all = stalled + too_slow + closed_at["retained_limit"].1;
    report.require(
        all == attackers.opened,
        format!(
            "{all} of {} were closed: {}",
            attackers.opened, state["connections"]["closed"]
        ),
    );
    report.require(too_slow > 0, "no viewer was closed by --frame-timeout");
    let bytes_max = RETAINED_BYTES_MAX + attackers.opened * RSS_BYTES_EACH_MAX;
    report.require(
        growth <= bytes_max,
        format!("memory grew by {growth} bytes"),
    );
    let in_time = |last: f64, timeout: u64| {
        last.is_nan() || last <= (Duration::from_secs(timeout) + LATE_MAX).as_secs_f64()
    };
    form.require_if_full(
        report,
        in_time(frame_last, frame),
        format!("the last slow viewer was closed after {frame_last:.1} s"),
    );
    drop(attackers);
    wait_for_control_group_only(&fixture);
    fixture.finish(report);
}

/// Opens the viewers: half of them never read, a tenth of the rest read large frames slowly, the
/// others read one byte per second.
fn fill(attackers: &mut Attackers, form: Form) {
    let count = form.choose(1000, 40);
    // Fast enough that the kernel accepts bytes, too slow for one large frame.
    let slow_rate = form.choose(1500, 8000);
    let kinds = [
        ("good", Reads::Nothing),
        ("good", Reads::Slowly(1)),
        ("large", Reads::Slowly(slow_rate)),
    ];
    let counts = [count, count - count / 10, count / 10];
    for (index, ((camera, reads), count)) in kinds.into_iter().zip(counts).enumerate() {
        for _ in 0..count {
            let sends = vec![
                format!("GET /stream?camera={camera} HTTP/1.1\r\nHost: cam\r\n\r\n").into_bytes(),
            ];
            attackers.open(
                index,
                Profile {
                    sends,
                    pause: Duration::ZERO,
                    reads,
                    resets_after: None,
                },
            );
            if attackers.opened.is_multiple_of(100) {
                attackers.watch(Duration::from_millis(20));
            }
        }
    }
}

/// Observations until the last viewer was closed.
struct Closings {
    rss_peak: u64,
    present_max: u64,
    /// For each reason, the seconds until the last close, and the number of closes.
    closed_at: HashMap<&'static str, (f64, u64)>,
}

fn watch_closings(
    fixture: &Fixture,
    attackers: &mut Attackers,
    control_viewers: u64,
    (stall, frame): (u64, u64),
    report: &mut Report,
) -> Closings {
    let began = Instant::now();
    let (mut rss_peak, mut present_max) = (0, 0);
    let mut closed_at = HashMap::new();
    loop {
        attackers.watch(Duration::from_millis(250));
        let state = fixture.program.state();
        let viewers = |camera: usize| state["cameras"][camera]["viewers"].as_u64().unwrap_or(0);
        let present = (viewers(0) + viewers(1)).saturating_sub(control_viewers);
        (present_max, rss_peak) = (present_max.max(present), rss_peak.max(fixture.rss_bytes()));
        for reason in ["stall_timeout", "frame_timeout", "retained_limit"] {
            let closed = closes(&state, reason);
            let known = closed_at.entry(reason).or_insert((f64::NAN, 0));
            if closed > known.1 {
                *known = (began.elapsed().as_secs_f64(), closed);
            }
        }
        if present == 0 && began.elapsed() > Duration::from_secs(stall) {
            break;
        }
        if began.elapsed() > Duration::from_secs(2 * frame) + TIMEOUT {
            report.require(false, format!("{present} of them are still there"));
            break;
        }
    }
    Closings {
        rss_peak,
        present_max,
        closed_at,
    }
}

fn closes(state: &Value, reason: &str) -> u64 {
    state["connections"]["closed"][reason].as_u64().unwrap_or(0)
}

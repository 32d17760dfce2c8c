//! Viewers that never read, that read a byte a second, and that read too little for a frame to be
//! through in time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::camera::Baton;
use crate::crowd::{Crowd, Manner, Reads};
use crate::stand::{Form, Report, Stand, await_only_the_control_group};
use crate::support::TIMEOUT;

/// What slow viewers may pin (64 MiB by default), and 4 KiB for each of them.
const RETAINED_BYTES_MAX: u64 = 64 * 1024 * 1024;
const RSS_BYTES_EACH_MAX: u64 = 4096;
const LARGE_BYTES: usize = 400_000;
/// How much later than its deadline a viewer may be seen to be let go: the state is asked for this
/// often.
const LATE_MAX: Duration = Duration::from_secs(2);

pub fn attack(form: Form, report: &mut Report) {
    let (stall, frame) = form.choose((30, 60), (2, 4));
    let options = [
        "--stall-timeout",
        &format!("{stall}s"),
        "--frame-timeout",
        &format!("{frame}s"),
    ];
    // Large frames, which no buffer of the kernel's takes whole.
    let large = Baton::new();
    let camera = format!("large={}", large.steady(5.0, LARGE_BYTES));
    let options = [&options[..], &["--camera", &camera]].concat();
    let stand = Stand::raise(form, &options);
    let rss_before = stand.rss_bytes();
    let mut crowd = Crowd::new(stand.program.address);
    fill(&mut crowd, form);
    let staying = stand.audience.look().len() as u64;
    let Departure {
        rss_peak,
        present_max,
        let_go_at,
    } = watch_them_go(&stand, &mut crowd, staying, (stall, frame), report);
    let growth = rss_peak.saturating_sub(rss_before);
    let (stall_last, stalled) = let_go_at["stall_timeout"];
    let (frame_last, too_slow) = let_go_at["frame_timeout"];
    let state = stand.program.state();
    report.figure(format!(
        "{present_max} at once; {stalled} let go as stalled (timeout {stall} s, the last after {stall_last:.1} s), \
         {too_slow} as too slow for one frame (timeout {frame} s, the last after {frame_last:.1} s), {} as over the \
         limit of retained frames; {:.1} MiB of memory in all",
        let_go_at["retained_limit"].1,
        growth as f64 / 1048576.0,
    ));
    let all = stalled + too_slow + let_go_at["retained_limit"].1;
    report.must(
        all == crowd.opened,
        format!(
            "{all} of {} were let go: {}",
            crowd.opened, state["connections"]["closed"]
        ),
    );
    report.must(too_slow > 0, "nobody was let go for one frame's time");
    let bytes_max = RETAINED_BYTES_MAX + crowd.opened * RSS_BYTES_EACH_MAX;
    report.must(growth <= bytes_max, format!("they take {growth} bytes"));
    let in_time = |last: f64, timeout: u64| {
        last.is_nan() || last <= (Duration::from_secs(timeout) + LATE_MAX).as_secs_f64()
    };
    form.bar(
        report,
        in_time(frame_last, frame),
        format!("the last slow one was let go after {frame_last:.1} s"),
    );
    drop(crowd);
    await_only_the_control_group(&stand);
    stand.settle(report);
}

/// Half of them never read, a tenth of the rest read something of large frames, and the others a
/// byte a second.
fn fill(crowd: &mut Crowd, form: Form) {
    let count = form.choose(1000, 40);
    // Fast enough for the kernel to go on taking bytes, too slow for one such frame.
    let dripping = form.choose(1500, 8000);
    let kinds = [
        ("good", Reads::Nothing),
        ("good", Reads::Slowly(1)),
        ("large", Reads::Slowly(dripping)),
    ];
    let counts = [count, count - count / 10, count / 10];
    for (index, ((camera, reads), count)) in kinds.into_iter().zip(counts).enumerate() {
        for _ in 0..count {
            let says = vec![
                format!("GET /stream?camera={camera} HTTP/1.1\r\nHost: cam\r\n\r\n").into_bytes(),
            ];
            crowd.open(
                index,
                Manner {
                    says,
                    pause: Duration::ZERO,
                    reads,
                    resets_after: None,
                },
            );
            if crowd.opened.is_multiple_of(100) {
                crowd.watch(Duration::from_millis(20));
            }
        }
    }
}

/// What was seen until the last had gone.
struct Departure {
    rss_peak: u64,
    present_max: u64,
    /// For each reason, when the last one was let go, in seconds, and how many were.
    let_go_at: HashMap<&'static str, (f64, u64)>,
}

fn watch_them_go(
    stand: &Stand,
    crowd: &mut Crowd,
    staying: u64,
    (stall, frame): (u64, u64),
    report: &mut Report,
) -> Departure {
    let began = Instant::now();
    let (mut rss_peak, mut present_max) = (0, 0);
    let mut let_go_at = HashMap::new();
    loop {
        crowd.watch(Duration::from_millis(250));
        let state = stand.program.state();
        let viewers = |camera: usize| state["cameras"][camera]["viewers"].as_u64().unwrap_or(0);
        let present = (viewers(0) + viewers(1)).saturating_sub(staying);
        (present_max, rss_peak) = (present_max.max(present), rss_peak.max(stand.rss_bytes()));
        for reason in ["stall_timeout", "frame_timeout", "retained_limit"] {
            let closed = closes(&state, reason);
            let known = let_go_at.entry(reason).or_insert((f64::NAN, 0));
            if closed > known.1 {
                *known = (began.elapsed().as_secs_f64(), closed);
            }
        }
        if present == 0 && began.elapsed() > Duration::from_secs(stall) {
            break;
        }
        if began.elapsed() > Duration::from_secs(2 * frame) + TIMEOUT {
            report.must(false, format!("{present} of them are still there"));
            break;
        }
    }
    Departure {
        rss_peak,
        present_max,
        let_go_at,
    }
}

fn closes(state: &Value, reason: &str) -> u64 {
    state["connections"]["closed"][reason].as_u64().unwrap_or(0)
}

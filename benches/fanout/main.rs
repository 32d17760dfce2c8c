//! What handing one frame to many viewers costs without the kernel: time, allocations, copies.
//!
//! The viewers are in memory and take whatever they are given, so all that is measured is
//! framecast's own code: [`Hub::publish`](framecast::hub::Hub::publish) and
//! [`turn`](framecast::hub::Hub::turn). An allocator counts what is asked of it meanwhile. That no
//! byte is copied for a viewer is not inferred but seen: each looks whether what it is handed lies
//! within the frame's one allocation.
//!
//! `cargo bench --bench fanout`

use std::time::{Duration, Instant};

mod allocations;
mod audience;

use allocations::Allocations;
use audience::Audience;

const VIEWERS: [usize; 3] = [100, 1_000, 10_000];
const FRAME_BYTES: usize = 15_000;
/// The time between two frames on the hub's clock: timers come up as they would.
const FRAME_TIME: Duration = Duration::from_micros(33_333);
/// Frames given before anything is counted: every list has its room by then.
const WARM_UP_FRAMES: usize = 200;
/// Deliveries that are counted, over all viewers.
const DELIVERIES: usize = 5_000_000;

fn main() {
    println!("a frame of {FRAME_BYTES} bytes to viewers in memory, a turn at a time\n");
    println!(
        "{:<9}{:^32}{:^38}{:^28}",
        "", "ns per viewer and frame", "allocated per frame", "bytes per viewer and frame"
    );
    let [publish, turn, sum] = ["publish", "turn", "all"];
    let [count, bytes, each, each_bytes] = ["count", "bytes", "/viewer", "bytes/v."];
    println!(
        "{:<9}{publish:>10}{turn:>10}{sum:>10}  {count:>9}{bytes:>9}{each:>9}{each_bytes:>9}  \
         {:>9}{:>9}{:>8}",
        "viewers", "shared", "copied", "writes"
    );
    for viewers in VIEWERS {
        measure(viewers);
    }
}

fn measure(viewers: usize) {
    let mut audience = Audience::gather(viewers, FRAME_BYTES);
    let frames = (DELIVERIES / viewers).max(1);
    for _ in 0..WARM_UP_FRAMES {
        show(&mut audience, &mut Times::default());
    }
    let witness = audience.witness.clone();
    for counted in [
        &witness.shared_bytes,
        &witness.copied_bytes,
        &witness.writes,
    ] {
        counted.set(0);
    }
    let before = Allocations::so_far();
    let mut times = Times::default();
    for _ in 0..frames {
        show(&mut audience, &mut times);
    }
    let allocated = Allocations::so_far() - before;

    let deliveries = (viewers * frames) as f64;
    let nanos = |time: Duration| time.as_nanos() as f64 / deliveries;
    let Times { publish, turn } = times;
    let per_frame = |count: u64| count as f64 / frames as f64;
    let per_viewer = |count: u64| count as f64 / deliveries;
    println!(
        "{viewers:<9}{:>10.1}{:>10.1}{:>10.1}  {:>9.1}{:>9.0}{:>9.4}{:>9.2}  {:>9.0}{:>9.0}{:>8.2}",
        nanos(publish),
        nanos(turn),
        nanos(publish + turn),
        per_frame(allocated.count),
        per_frame(allocated.bytes),
        per_viewer(allocated.count),
        per_viewer(allocated.bytes),
        per_viewer(witness.shared_bytes.get()),
        per_viewer(witness.copied_bytes.get()),
        per_viewer(witness.writes.get()),
    );
}

/// How long each step took, over all frames.
#[derive(Default)]
struct Times {
    publish: Duration,
    turn: Duration,
}

/// Gives every viewer one frame.
fn show(audience: &mut Audience, times: &mut Times) {
    audience.pass(FRAME_TIME);
    times.publish += timed(|| audience.publish());
    times.turn += timed(|| audience.turn());
}

fn timed(step: impl FnOnce()) -> Duration {
    let started_at = Instant::now();
    step();
    started_at.elapsed()
}

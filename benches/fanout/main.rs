//! Measures the cost of sending one frame to many viewers without the kernel: time, allocations and
//! copies.
//!
//! The viewers are in memory and accept all bytes, so only framecast's own code is measured:
//! [`Hub::publish`](framecast::hub::Hub::publish) and [`turn`](framecast::hub::Hub::turn). An
//! allocator counts allocations. Each viewer checks by address that the bytes it receives lie in
//! the frame's one allocation, so copies are counted, not inferred.
//!
//! `cargo bench --bench fanout`

use std::time::{Duration, Instant};

mod allocations;
mod audience;

use allocations::Allocations;
use audience::Audience;

const VIEWERS: [usize; 3] = [100, 1_000, 10_000];
const FRAME_BYTES: usize = 15_000;
/// Time between two frames on the hub's clock, so that timers expire as in a real server.
const FRAME_TIME: Duration = Duration::from_micros(33_333);
/// Frames sent before counting starts, so that all lists have reached their capacity.
const WARM_UP_FRAMES: usize = 200;
/// Counted deliveries, over all viewers.
const DELIVERIES: usize = 5_000_000;

fn main() {
    println!("frames of {FRAME_BYTES} bytes, viewers in memory, one turn per frame\n");
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
    let mut audience = Audience::new(viewers, FRAME_BYTES);
    let frames = (DELIVERIES / viewers).max(1);
    for _ in 0..WARM_UP_FRAMES {
        deliver(&mut audience, &mut Times::default());
    }
    let written = audience.written.clone();
    for counted in [
        &written.shared_bytes,
        &written.copied_bytes,
        &written.writes,
    ] {
        counted.set(0);
    }
    let before = Allocations::totals();
    let mut times = Times::default();
    for _ in 0..frames {
        deliver(&mut audience, &mut times);
    }
    let allocated = Allocations::totals() - before;

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
        per_viewer(written.shared_bytes.get()),
        per_viewer(written.copied_bytes.get()),
        per_viewer(written.writes.get()),
    );
}

/// Total time of each step, over all frames.
#[derive(Default)]
struct Times {
    publish: Duration,
    turn: Duration,
}

/// Sends one frame to every viewer.
fn deliver(audience: &mut Audience, times: &mut Times) {
    audience.advance(FRAME_TIME);
    times.publish += timed(|| audience.publish());
    times.turn += timed(|| audience.turn());
}

fn timed(step: impl FnOnce()) -> Duration {
    let started_at = Instant::now();
    step();
    started_at.elapsed()
}

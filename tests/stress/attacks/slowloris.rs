//! Thousands of requests that are sent byte by byte and never end, and some that never start.

use std::time::{Duration, Instant};

use crate::attackers::{Attackers, Profile, Reads};
use crate::fixture::{Fixture, Form, Report, spread, wait_for_control_group_only};

const RSS_BYTES_EACH_MAX: f64 = 4096.0;
const FIRST_FRAME_MAX: Duration = Duration::from_secs(1);
/// Maximum time from a deadline to the close that the client observes.
const LATE_MAX: Duration = Duration::from_millis(500);
const EARLY_MAX: Duration = Duration::from_millis(50);
const OPENED_AT_ONCE: usize = 100;

pub fn attack(form: Form, report: &mut Report) {
    let count: usize = form.choose(8000, 300);
    let timeout = form.choose(Duration::from_secs(10), Duration::from_secs(2));
    let option = format!("{}s", timeout.as_secs());
    let fixture = Fixture::start(form, &["--request-timeout", &option]);
    let rss_before = fixture.rss_bytes();
    let mut attackers = Attackers::new(fixture.program.address);
    let mut first_frame_times = Vec::new();
    let mut rss_peak = rss_before;
    let began = Instant::now();
    let mut looked_at = began;
    // Closed connections are replaced, so that the number stays the same.
    let lasts = timeout * form.choose(3, 1);
    let mut open_max = 0;
    while began.elapsed() < lasts {
        for _ in 0..count.saturating_sub(attackers.len()).min(OPENED_AT_ONCE) {
            attackers.open(
                attackers.opened as usize,
                profile(attackers.opened as usize, timeout),
            );
        }
        attackers.watch(Duration::from_millis(10));
        open_max = open_max.max(attackers.len());
        if looked_at.elapsed() > Duration::from_millis(500) {
            looked_at = Instant::now();
            first_frame_times.push(first_frame(&fixture));
            rss_peak = rss_peak.max(fixture.rss_bytes());
        }
    }
    let until = Instant::now() + crate::support::TIMEOUT + timeout;
    while attackers.len() > 0 && Instant::now() < until {
        attackers.watch(Duration::from_millis(100));
    }
    report.require(
        attackers.len() == 0,
        format!("{} connections were never closed", attackers.len()),
    );
    report.require(
        attackers.failed == 0,
        format!("{} connections failed", attackers.failed),
    );
    for ended in &attackers.ended {
        let expected = if is_silent(ended.tag) {
            None
        } else {
            Some(408)
        };
        let is_right = ended.is_clean && ended.status() == expected;
        report.require(
            is_right,
            format!(
                "connection {} received {:?}",
                ended.tag,
                ended.response.escape_ascii().to_string()
            ),
        );
        // A turn uses the time of its start, so a connection may appear older than it is by the
        // length of a turn.
        report.require(
            ended.age >= timeout / 2,
            format!("closed after {:?} already", ended.age),
        );
    }
    let (first, _, last) = spread(
        &mut attackers
            .ended
            .iter()
            .map(|ended| ended.age)
            .collect::<Vec<_>>(),
    );
    let (_, _, slowest) = spread(&mut first_frame_times);
    let each = (rss_peak - rss_before) as f64 / open_max.max(1) as f64;
    report.figure(format!(
        "{open_max} open, {} in all, each closed after {first:.2} to {last:.2} s (timeout {option}), \
         first frame of a new viewer after {:.0} ms at most, {each:.0} bytes of memory each",
        attackers.ended.len(),
        slowest * 1000.0,
    ));
    form.require_if_full(
        report,
        open_max >= count,
        format!("only {open_max} were open at once"),
    );
    form.require_if_full(
        report,
        first >= (timeout - EARLY_MAX).as_secs_f64(),
        format!("one was closed after {first:.2} s"),
    );
    form.require_if_full(
        report,
        last <= (timeout + LATE_MAX).as_secs_f64(),
        format!("one was closed after {last:.2} s"),
    );
    form.require_if_full(
        report,
        slowest <= FIRST_FRAME_MAX.as_secs_f64(),
        format!("a new viewer waited {slowest:.2} s for its first frame"),
    );
    form.require_if_full(
        report,
        each <= RSS_BYTES_EACH_MAX,
        format!("each takes {each:.0} bytes"),
    );
    wait_for_control_group_only(&fixture);
    fixture.finish(report);
}

/// One connection in ten sends nothing.
fn is_silent(tag: usize) -> bool {
    tag.is_multiple_of(10)
}

fn profile(tag: usize, timeout: Duration) -> Profile {
    let head = b"GET /stream HTTP/1.1\r\nHost: cam\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let sends = if is_silent(tag) {
        Vec::new()
    } else {
        head.iter().map(|&byte| vec![byte]).collect()
    };
    Profile {
        sends,
        pause: timeout / 10,
        reads: Reads::Everything,
        resets_after: None,
    }
}

fn first_frame(fixture: &Fixture) -> Duration {
    let began = Instant::now();
    fixture.program.watch("/stream").part();
    began.elapsed()
}

//! Thousands of requests that come byte by byte and never to an end, and some that never begin.

use std::time::{Duration, Instant};

use crate::crowd::{Crowd, Manner, Reads};
use crate::stand::{Form, Report, Stand, await_only_the_control_group, spread};

const RSS_BYTES_EACH_MAX: f64 = 4096.0;
const FIRST_PICTURE_MAX: Duration = Duration::from_secs(1);
/// How much later than its deadline a connection may be seen to be closed.
const LATE_MAX: Duration = Duration::from_millis(500);
const EARLY_MAX: Duration = Duration::from_millis(50);
const OPENED_AT_ONCE: usize = 100;

pub fn attack(form: Form, report: &mut Report) {
    let count: usize = form.choose(8000, 300);
    let timeout = form.choose(Duration::from_secs(10), Duration::from_secs(2));
    let option = format!("{}s", timeout.as_secs());
    let stand = Stand::raise(form, &["--request-timeout", &option]);
    let rss_before = stand.rss_bytes();
    let mut crowd = Crowd::new(stand.program.address);
    let mut newcomers = Vec::new();
    let mut rss_peak = rss_before;
    let began = Instant::now();
    let mut looked_at = began;
    // As many as ever, in the places of those that were closed.
    let lasts = timeout * form.choose(3, 1);
    let mut held_max = 0;
    while began.elapsed() < lasts {
        for _ in 0..count.saturating_sub(crowd.len()).min(OPENED_AT_ONCE) {
            crowd.open(
                crowd.opened as usize,
                manner(crowd.opened as usize, timeout),
            );
        }
        crowd.watch(Duration::from_millis(10));
        held_max = held_max.max(crowd.len());
        if looked_at.elapsed() > Duration::from_millis(500) {
            looked_at = Instant::now();
            newcomers.push(first_picture(&stand));
            rss_peak = rss_peak.max(stand.rss_bytes());
        }
    }
    let until = Instant::now() + crate::support::TIMEOUT + timeout;
    while crowd.len() > 0 && Instant::now() < until {
        crowd.watch(Duration::from_millis(100));
    }
    report.must(
        crowd.len() == 0,
        format!("{} are held for ever", crowd.len()),
    );
    report.must(
        crowd.failed == 0,
        format!("{} could not connect", crowd.failed),
    );
    for ended in &crowd.ended {
        let expected = if is_silent(ended.tag) {
            None
        } else {
            Some(408)
        };
        let is_right = ended.in_order && ended.status() == expected;
        report.must(
            is_right,
            format!(
                "number {} was answered {:?}",
                ended.tag,
                ended.heard.escape_ascii().to_string()
            ),
        );
        // A turn's time is that of its beginning, so by that of a turn a connection may seem older
        // than it is.
        report.must(
            ended.age >= timeout / 2,
            format!("closed after {:?} already", ended.age),
        );
    }
    let (first, _, last) = spread(
        &mut crowd
            .ended
            .iter()
            .map(|ended| ended.age)
            .collect::<Vec<_>>(),
    );
    let (_, _, slowest) = spread(&mut newcomers);
    let each = (rss_peak - rss_before) as f64 / held_max.max(1) as f64;
    report.figure(format!(
        "{held_max} held, {} in all, each closed after {first:.2} to {last:.2} s (timeout {option}), \
         a newcomer's first picture after {:.0} ms at most, {each:.0} bytes of memory each",
        crowd.ended.len(),
        slowest * 1000.0,
    ));
    form.bar(
        report,
        held_max >= count,
        format!("only {held_max} were held at once"),
    );
    form.bar(
        report,
        first >= (timeout - EARLY_MAX).as_secs_f64(),
        format!("one was closed after {first:.2} s"),
    );
    form.bar(
        report,
        last <= (timeout + LATE_MAX).as_secs_f64(),
        format!("one was closed after {last:.2} s"),
    );
    form.bar(
        report,
        slowest <= FIRST_PICTURE_MAX.as_secs_f64(),
        format!("a newcomer waited {slowest:.2} s"),
    );
    form.bar(
        report,
        each <= RSS_BYTES_EACH_MAX,
        format!("each takes {each:.0} bytes"),
    );
    await_only_the_control_group(&stand);
    stand.settle(report);
}

/// One in ten says nothing at all.
fn is_silent(tag: usize) -> bool {
    tag.is_multiple_of(10)
}

fn manner(tag: usize, timeout: Duration) -> Manner {
    let head = b"GET /stream HTTP/1.1\r\nHost: cam\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let says = if is_silent(tag) {
        Vec::new()
    } else {
        head.iter().map(|&byte| vec![byte]).collect()
    };
    Manner {
        says,
        pause: timeout / 10,
        reads: Reads::Everything,
        resets_after: None,
    }
}

fn first_picture(stand: &Stand) -> Duration {
    let began = Instant::now();
    stand.program.watch("/stream").part();
    began.elapsed()
}

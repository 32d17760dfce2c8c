//! Connections that are reset at every point of a request.

use std::time::{Duration, Instant};

use crate::attackers::{Attackers, Profile, Reads};
use crate::fixture::{Fixture, Form, Report, wait_for_control_group_only};
use crate::support::{TIMEOUT, eventually};

const REQUEST: &[u8] = b"GET /stream HTTP/1.1\r\nHost: cam\r\nUser-Agent: reset\r\n\r\n";
/// Bytes sent before the reset: none, within the request line, after it, within the head, all but
/// one, all.
const CUTS: [usize; 6] = [0, 9, 22, 30, REQUEST.len() - 1, REQUEST.len()];
/// Bytes read before the reset: within the response head, after it, within the first frame, after
/// it.
const READ: [usize; 4] = [50, 400, 5_000, 15_700];
const PER_SECOND: f64 = 2000.0;

pub fn attack(form: Form, report: &mut Report) {
    let fixture = Fixture::start(form, &[]);
    let (descriptors, rss) = (fixture.program.descriptors(), fixture.rss_bytes());
    let mut attackers = Attackers::new(fixture.program.address);
    let moments: Vec<(usize, usize)> = CUTS
        .map(|cut| (cut, 0))
        .into_iter()
        .chain(READ.map(|read| (REQUEST.len(), read)))
        .collect();
    let seconds = form.choose(60.0, 2.0);
    let count = (PER_SECOND * seconds) as usize;
    let profiles = (0..count).map(|number| {
        let (cut, read) = moments[number % moments.len()];
        let sends = if cut == 0 {
            Vec::new()
        } else {
            vec![REQUEST[..cut].to_vec()]
        };
        (
            number,
            Profile {
                sends,
                pause: Duration::ZERO,
                reads: Reads::Everything,
                resets_after: Some(read),
            },
        )
    });
    let began = Instant::now();
    attackers.open_at_rate(PER_SECOND, profiles, TIMEOUT);
    let rate = count as f64 / began.elapsed().as_secs_f64();
    report.require(
        attackers.failed == 0,
        format!("{} could not connect", attackers.failed),
    );
    report.require(
        attackers.len() == 0,
        format!("{} were never answered", attackers.len()),
    );
    let answered = |ended: &&crate::attackers::Ended| ended.status() == Some(200);
    let (ended, seen) = (
        attackers.ended.len(),
        attackers.ended.iter().filter(answered).count(),
    );
    // Peers that reset after reading must have received a response.
    let due = count / moments.len() * READ.len();
    report.require(seen >= due, format!("{seen} of {due} were answered"));
    wait_for_control_group_only(&fixture);
    let back = eventually("all descriptors are closed", || {
        fixture.program.descriptors() <= descriptors
    });
    report.figure(format!(
        "{ended} resets at {} moments, {rate:.0} a second, {seen} of them after a response; as many descriptors \
         as before \
         after {:.0} ms, {:+.1} MiB of memory",
        moments.len(),
        back.as_secs_f64() * 1000.0,
        (fixture.rss_bytes() as f64 - rss as f64) / 1048576.0,
    ));
    form.require_if_full(
        report,
        rate >= 0.98 * PER_SECOND,
        format!("there were only {rate:.0} resets a second"),
    );
    fixture.finish(report);
}

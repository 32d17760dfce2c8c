//! Connections that are reset at every moment of a request.

use std::time::{Duration, Instant};

use crate::crowd::{Crowd, Manner, Reads};
use crate::stand::{Form, Report, Stand, await_only_the_control_group};
use crate::support::{TIMEOUT, eventually};

const REQUEST: &[u8] = b"GET /stream HTTP/1.1\r\nHost: cam\r\nUser-Agent: nobody\r\n\r\n";
/// Before any byte, in the request line, behind it, in the head, before its end, and behind it.
const CUTS: [usize; 6] = [0, 9, 22, 30, REQUEST.len() - 1, REQUEST.len()];
/// In the response head, behind it, in the first frame, behind it; where the stream is asked for.
const READ: [usize; 4] = [50, 400, 5_000, 15_700];
const PER_SECOND: f64 = 2000.0;

pub fn attack(form: Form, report: &mut Report) {
    let stand = Stand::raise(form, &[]);
    let (descriptors, rss) = (stand.program.descriptors(), stand.rss_bytes());
    let mut crowd = Crowd::new(stand.program.address);
    let moments: Vec<(usize, usize)> = CUTS
        .map(|cut| (cut, 0))
        .into_iter()
        .chain(READ.map(|read| (REQUEST.len(), read)))
        .collect();
    let seconds = form.choose(60.0, 2.0);
    let count = (PER_SECOND * seconds) as usize;
    let manners = (0..count).map(|number| {
        let (cut, read) = moments[number % moments.len()];
        let says = if cut == 0 {
            Vec::new()
        } else {
            vec![REQUEST[..cut].to_vec()]
        };
        (
            number,
            Manner {
                says,
                pause: Duration::ZERO,
                reads: Reads::Everything,
                resets_after: Some(read),
            },
        )
    });
    let began = Instant::now();
    crowd.feed(PER_SECOND, manners, TIMEOUT);
    let rate = count as f64 / began.elapsed().as_secs_f64();
    report.must(
        crowd.failed == 0,
        format!("{} could not connect", crowd.failed),
    );
    report.must(
        crowd.len() == 0,
        format!("{} were never answered", crowd.len()),
    );
    let answered = |ended: &&crate::crowd::Ended| ended.status() == Some(200);
    let (ended, seen) = (
        crowd.ended.len(),
        crowd.ended.iter().filter(answered).count(),
    );
    // Those who wait for bytes of the stream must have been given them.
    let due = count / moments.len() * READ.len();
    report.must(seen >= due, format!("{seen} of {due} were answered"));
    await_only_the_control_group(&stand);
    let back = eventually("no descriptor is left", || {
        stand.program.descriptors() <= descriptors
    });
    report.figure(format!(
        "{ended} resets at {} moments, {rate:.0} a second, {seen} of them behind an answer; as many descriptors \
         as before \
         after {:.0} ms, {:+.1} MiB of memory",
        moments.len(),
        back.as_secs_f64() * 1000.0,
        (stand.rss_bytes() as f64 - rss as f64) / 1048576.0,
    ));
    form.bar(
        report,
        rate >= 0.98 * PER_SECOND,
        format!("there were only {rate:.0} resets a second"),
    );
    stand.settle(report);
}

//! SIGTERM while many watch and some never read.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::audience::Seat;
use crate::crowd::{Crowd, Manner, Reads};
use crate::stand::{Form, Report, Stand, spread};

const END_MAX: Duration = Duration::from_secs(2);
const EXIT_MAX: Duration = Duration::from_secs(5);

pub fn attack(form: Form, report: &mut Report) {
    let (readers, stalled) = form.choose((1000, 100), (40, 8));
    let program = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let stand = Stand::raise_for(form, program, &[], (30.0, 15_000), Seat::steady(readers));
    let mut crowd = Crowd::new(stand.program.address);
    for _ in 0..stalled {
        let says = vec![b"GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n".to_vec()];
        crowd.open(
            0,
            Manner {
                says,
                pause: Duration::ZERO,
                reads: Reads::Nothing,
                resets_after: None,
            },
        );
    }
    // Long enough for those who do not read to hold a frame that cannot leave.
    crowd.watch(Duration::from_secs(2));
    let Stand {
        program,
        audience,
        baton,
        ..
    } = stand;
    let told_at = Instant::now();
    program.signal(Signal::TERM);
    let (status, _) = program.wait();
    let exited = told_at.elapsed();
    report.must(status.success(), format!("it ended with {status}"));
    crate::support::eventually("every stream has ended", || {
        audience
            .look()
            .iter()
            .all(|watched| watched.ended_at.is_some() || watched.fault.is_some())
    });
    let watched = audience.look();
    for watched in &watched {
        report.must(
            watched.fault.is_none(),
            format!("{}: {:?}", watched.key, watched.fault),
        );
        report.must(
            watched.seen.is_closed,
            format!("{} saw no closing boundary", watched.key),
        );
    }
    let ended = watched
        .iter()
        .filter_map(|watched| Some(watched.ended_at?.saturating_duration_since(told_at)));
    let (_, median, last) = spread(&mut ended.collect::<Vec<_>>());
    report.figure(format!(
        "{readers} readers saw the closing boundary after {:.0} ms (median) and {:.0} ms (the last), with \
         {stalled} who never \
         read; exit 0 after {:.2} s",
        median * 1000.0,
        last * 1000.0,
        exited.as_secs_f64(),
    ));
    form.bar(
        report,
        last <= END_MAX.as_secs_f64(),
        format!("the last stream ended after {last:.2} s"),
    );
    form.bar(
        report,
        exited <= EXIT_MAX,
        format!("it ended after {exited:.2?}"),
    );
    drop((crowd, baton));
}

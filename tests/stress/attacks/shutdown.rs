//! SIGTERM with many viewers, some of which never read.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::attackers::{Attackers, Profile, Reads};
use crate::control_group::ViewerSpec;
use crate::fixture::{Fixture, Form, Report, spread};

const END_MAX: Duration = Duration::from_secs(2);
const EXIT_MAX: Duration = Duration::from_secs(5);

pub fn attack(form: Form, report: &mut Report) {
    let (readers, stalled) = form.choose((1000, 100), (40, 8));
    let program = Command::new(env!("CARGO_BIN_EXE_framecast"));
    let fixture = Fixture::start_for(
        form,
        program,
        &[],
        (30.0, 15_000),
        ViewerSpec::steady(readers),
    );
    let mut attackers = Attackers::new(fixture.program.address);
    for _ in 0..stalled {
        let sends = vec![b"GET /stream HTTP/1.1\r\nHost: cam\r\n\r\n".to_vec()];
        attackers.open(
            0,
            Profile {
                sends,
                pause: Duration::ZERO,
                reads: Reads::Nothing,
                resets_after: None,
            },
        );
    }
    // Long enough that the viewers that never read have a frame in flight.
    attackers.watch(Duration::from_secs(2));
    let Fixture {
        program,
        control_group,
        camera_control,
        ..
    } = fixture;
    let signalled_at = Instant::now();
    program.signal(Signal::TERM);
    let (status, _) = program.wait();
    let exited = signalled_at.elapsed();
    report.require(status.success(), format!("it ended with {status}"));
    crate::support::eventually("every stream has ended", || {
        control_group
            .snapshot()
            .iter()
            .all(|viewer| viewer.ended_at.is_some() || viewer.fault.is_some())
    });
    let viewer = control_group.snapshot();
    for viewer in &viewer {
        report.require(
            viewer.fault.is_none(),
            format!("{}: {:?}", viewer.key, viewer.fault),
        );
        report.require(
            viewer.seen.is_closed,
            format!("{} saw no closing boundary", viewer.key),
        );
    }
    let ended = viewer
        .iter()
        .filter_map(|viewer| Some(viewer.ended_at?.saturating_duration_since(signalled_at)));
    let (_, median, last) = spread(&mut ended.collect::<Vec<_>>());
    report.figure(format!(
        "{readers} readers saw the closing boundary after {:.0} ms (median) and {:.0} ms (the last), beside \
         {stalled} that never read; exit 0 after {:.2} s",
        median * 1000.0,
        last * 1000.0,
        exited.as_secs_f64(),
    ));
    form.require_if_full(
        report,
        last <= END_MAX.as_secs_f64(),
        format!("the last stream ended after {last:.2} s"),
    );
    form.require_if_full(
        report,
        exited <= EXIT_MAX,
        format!("it ended after {exited:.2?}"),
    );
    drop((attackers, camera_control));
}

//! Viewers of a scripted server.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bench::{self, BenchError, Load, Moment, Plan, verdict};

use super::tiny_server::{Then, TinyServer, part, stream};

/// Everything this server sends is there before figures begin, so it is the counts of before that
/// are exact.
#[test]
fn fifty_viewers_count_exactly_the_frames_sent() {
    let large = {
        let jpeg = [&b"\xff\xd8"[..], &[0; 300_000], b"\xff\xd9"].concat();
        let header = format!(
            "Content-Length: {}\r\nX-Frame-Sequence: 3\r\n\r\n",
            jpeg.len()
        );
        [header.as_bytes(), &jpeg, b"\r\n--frame\r\n"].concat()
    };
    for verify in [false, true] {
        let parts = [part(1), part(1), part(2), large.clone(), part(4)];
        let server = TinyServer::start(stream(&parts), Then::Close);
        let plan = Plan {
            verify,
            ..Plan::new(&server.url(), 50, 0.05)
        };
        let mut load = Load::new(&plan).unwrap();
        load.join(&mut |_| ()).unwrap();
        // Closing is the last thing that the server does to a viewer, so once all are closed, all
        // has come.
        let mut parts_seen = 0;
        loop {
            let outcome = load.measure(plan.duration(), &mut |_| ()).unwrap();
            parts_seen += outcome.joining_parts;
            assert_eq!((outcome.steady.viewers, outcome.steady.failed), (50, 0));
            assert_eq!(
                (outcome.steady.tally.damaged, outcome.steady.mismatched),
                (0, 0)
            );
            if outcome.steady.closed_by_server == 50 && outcome.parts() == 0 {
                break;
            }
        }
        assert_eq!(parts_seen, 50 * parts.len() as u64);
    }
}

#[test]
fn refused_first_viewer_ends_the_run_before_others_connect() {
    let asked: &'static AtomicUsize = Box::leak(Box::default());
    let busy = |_| {
        asked.fetch_add(1, Ordering::Relaxed);
        b"HTTP/1.0 503 Busy\r\n\r\n".to_vec()
    };
    let server = TinyServer::answering(busy, Then::Close);
    let plan = Plan {
        slow: 2,
        stalled: 1,
        ..Plan::new(&server.url(), 5, 0.05)
    };
    let error = bench::run(&plan, &mut |_| ()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(&server.url()) && message.contains("status 503"),
        "{message}"
    );
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn later_refused_viewers_fail_and_are_a_fault() {
    let answer = |index| {
        if index < 3 {
            stream(&[part(1)])
        } else {
            b"HTTP/1.0 503 Busy\r\n\r\n".to_vec()
        }
    };
    let server = TinyServer::answering(answer, Then::KeepQuiet);
    let outcome = bench::run(&Plan::new(&server.url(), 5, 0.05), &mut |_| ()).unwrap();
    assert_eq!(
        (
            outcome.steady.viewers,
            outcome.steady.failed,
            outcome.watching()
        ),
        (5, 2, 3)
    );
    let faults = verdict::faults(&outcome).unwrap();
    assert!(
        faults.contains("5 viewers") && faults.contains("status 503): 2"),
        "{faults}"
    );
}

#[test]
fn unreachable_server_is_an_error() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = bench::run(
        &Plan::new(&format!("http://{address}/"), 7, 0.05),
        &mut |_| (),
    )
    .unwrap_err();
    assert!(matches!(error, BenchError::Refused { .. }), "{error}");
}

#[test]
fn server_that_ends_all_streams_ends_the_run() {
    let server = TinyServer::start(stream(&[part(1)]), Then::Close);
    let error = bench::run(&Plan::new(&server.url(), 4, 3600.0), &mut |_| ()).unwrap_err();
    assert!(
        matches!(error, BenchError::AllClosed { viewers: 4, .. }),
        "{error}"
    );
}

#[test]
fn run_reports_its_progress() {
    let server = TinyServer::start(stream(&[]), Then::Send(part));
    let plan = Plan::new(&server.url(), 4, 0.3);
    let mut load = Load::new(&plan).unwrap();
    let mut moments = Vec::new();
    load.join(&mut |moment| moments.push(moment)).unwrap();
    assert_eq!(moments.pop(), Some(Moment::Joining { joined: 4 }));
    load.measure(plan.duration(), &mut |moment| moments.push(moment))
        .unwrap();
    let Some(Moment::Measuring {
        elapsed,
        fps,
        damaged: 0,
    }) = moments.pop()
    else {
        panic!("no figures: {moments:?}")
    };
    assert!(elapsed >= plan.duration() && fps > 0.0, "{elapsed:?} {fps}");
}

#[test]
fn figures_contain_every_frame_of_every_viewer() {
    let server = TinyServer::start(stream(&[]), Then::Send(part));
    let plan = Plan {
        slow: 1,
        slow_bytes_per_second: 1_000_000,
        verify: true,
        ..Plan::new(&server.url(), 3, 0.3)
    };
    let outcome = bench::run(&plan, &mut |_| ()).unwrap();
    let steady = &outcome.steady;
    assert_eq!(steady.frames_by_viewer.len(), 3);
    assert_eq!(
        steady.frames_by_viewer.iter().sum::<u64>(),
        steady.tally.frames
    );
    assert!(
        steady.frames_by_viewer.iter().all(|frames| *frames > 0),
        "{steady:?}"
    );
    assert_eq!(
        (
            steady.mismatched,
            outcome.slow.mismatched,
            verdict::faults(&outcome)
        ),
        (0, 0, None)
    );
}

#[test]
fn too_many_viewers_for_the_file_limit_are_rejected_with_the_number() {
    let Err(error) = Load::new(&Plan::new("http://127.0.0.1:1/", usize::MAX / 2, 1.0)) else {
        panic!("a load of impossible size was created");
    };
    assert!(
        error
            .to_string()
            .contains(&(usize::MAX / 2 + 64).to_string()),
        "{error}"
    );
}

#[test]
fn outcome_is_formatted_as_json_and_as_table() {
    let server = TinyServer::start(stream(&[part(1)]), Then::KeepQuiet);
    let plan = Plan {
        pid: Some(std::process::id()),
        ..Plan::new(&server.url(), 3, 0.05)
    };
    let outcome = bench::run(&plan, &mut |_| ()).unwrap();
    assert_eq!(outcome.joining_parts, 3);
    let json = serde_json::to_value(&outcome).unwrap();
    assert_eq!(json["plan"]["viewers"], 3);
    assert_eq!(json["steady"]["viewers"], 3);
    assert_eq!(json["steady"]["damaged"], 0);
    assert!(json["server"]["own"]["rss_end_bytes"].as_u64().unwrap() > 0);
    assert!(outcome.to_string().contains("steady"));
}

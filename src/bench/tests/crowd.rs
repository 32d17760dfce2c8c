//! Crowds in front of a server that does what it is told.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bench::{self, BenchError, Crowd, Moment, Plan, verdict};

use super::tiny_server::{Then, TinyServer, part, stream};

/// Everything this server sends is there before figures begin, so it is the counts of before that
/// are exact.
#[test]
fn fifty_viewers_count_exactly_what_was_sent() {
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
        let mut crowd = Crowd::gather(&plan).unwrap();
        crowd.join(&mut |_| ()).unwrap();
        // Closing is the last thing that the server does to a viewer, so once all are closed, all
        // has come.
        let mut parts_seen = 0;
        loop {
            let outcome = crowd.measure(plan.duration(), &mut |_| ()).unwrap();
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
fn where_the_first_viewer_is_refused_nobody_else_asks() {
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
    assert_eq!(
        error.to_string(),
        format!(
            "{} cannot be watched: the server answered with status 503",
            server.url()
        )
    );
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn later_viewers_that_are_refused_have_failed_and_are_a_fault() {
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
    assert_eq!(
        faults,
        "with 5 viewers: failed viewers (the server answered with status 503): 2"
    );
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
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
fn a_server_that_ends_every_stream_ends_the_run() {
    let server = TinyServer::start(stream(&[part(1)]), Then::Close);
    let error = bench::run(&Plan::new(&server.url(), 4, 3600.0), &mut |_| ()).unwrap_err();
    assert!(
        matches!(error, BenchError::Deserted { viewers: 4, .. }),
        "{error}"
    );
}

#[test]
fn a_run_tells_where_it_stands() {
    let server = TinyServer::start(stream(&[]), Then::Send(part));
    let plan = Plan::new(&server.url(), 4, 0.3);
    let mut crowd = Crowd::gather(&plan).unwrap();
    let mut moments = Vec::new();
    crowd.join(&mut |moment| moments.push(moment)).unwrap();
    assert_eq!(moments.pop(), Some(Moment::Joining { joined: 4 }));
    crowd
        .measure(plan.duration(), &mut |moment| moments.push(moment))
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
fn every_frame_of_every_viewer_is_in_the_figures() {
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
fn more_viewers_than_files_are_refused_with_the_number_wanted() {
    let Err(error) = Crowd::gather(&Plan::new("http://127.0.0.1:1/", usize::MAX / 2, 1.0)) else {
        panic!("a crowd of impossible size was gathered");
    };
    assert!(
        error
            .to_string()
            .contains(&(usize::MAX / 2 + 64).to_string()),
        "{error}"
    );
}

#[test]
fn an_outcome_is_written_as_json_and_as_a_table() {
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

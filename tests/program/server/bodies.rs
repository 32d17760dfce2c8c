//! Tables and events from the whole program.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::{Program, Viewer, eventually};

/// What a server sends of a body that it makes on the way, to one who asks in the old version:
/// right up to the end of the connection, in no chunks.
fn listen(program: &Program, target: &str, fields: &str) -> BufReader<TcpStream> {
    let mut reader = BufReader::new(program.send(format!("GET {target} HTTP/1.0\r\n{fields}\r\n")));
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    reader
}

/// The next event: its number, its name and its data.
fn event(reader: &mut impl BufRead) -> (u64, String, Value) {
    let mut event = (0, String::new(), Value::Null);
    for line in reader.lines().map(Result::unwrap) {
        match line.split_once(": ") {
            Some(("id", id)) => event.0 = id.parse().unwrap(),
            Some(("event", name)) => event.1 = name.to_owned(),
            Some(("data", data)) => event.2 = serde_json::from_str(data).unwrap(),
            _ if line.is_empty() && event.0 > 0 => return event,
            _ => {}
        }
    }
    panic!("the events end");
}

#[test]
fn a_table_has_as_many_rows_as_were_asked_for() {
    let program = Program::serve(&["--camera", "stills:?fps=20"]);
    // The camera was not running: the answer waits for its first frame.
    let reply = program.request("GET /table?rows=12345 HTTP/1.0\r\n\r\n");
    assert_eq!(reply.status(), 200);
    assert_eq!(
        reply.field("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    let rows = reply
        .text()
        .lines()
        .filter(|line| line.starts_with("<tr><td>"));
    assert_eq!(rows.count(), 12_345);
    assert!(reply.text().starts_with("<!DOCTYPE html>") && reply.text().ends_with("</table>\n"));
}

#[test]
fn a_table_without_end_is_sent_row_by_row_and_watches_its_camera() {
    let program = Program::serve(&["--camera", "stills:?fps=20", "--camera-linger", "0.1s"]);
    let mut table = listen(&program, "/table", "");
    let mut last = 0;
    for line in table.by_ref().lines().map(Result::unwrap) {
        let Some(row) = line.strip_prefix("<tr><td>") else {
            continue;
        };
        let sequence: u64 = row.split('<').next().unwrap().parse().unwrap();
        assert!(
            last == 0 || sequence == last + 1,
            "row {sequence} follows row {last}"
        );
        last = sequence;
        if sequence >= 10 {
            break;
        }
    }
    let state = program.state();
    assert_eq!(
        (&state["connections"]["tables"], &state["viewers"]),
        (&1.into(), &0.into())
    );
    assert_eq!(state["cameras"][0]["driver_running"], true);
    drop(table);
    eventually("the camera is stopped", || {
        program.state()["cameras"][0]["driver_running"] == false
    });
}

/// What is in memory is the chunk on its way, whatever the length of the table and whoever reads
/// it.
#[test]
fn tables_of_ten_million_rows_take_next_to_no_memory() {
    let program = Program::serve(&["--camera", "stills:?fps=30"]);
    let mut viewer = program.watch("/stream");
    (0..30).for_each(|_| drop(viewer.part()));
    let status = format!("/proc/{}/status", program.pid().as_raw_nonzero());
    let most_kib = || -> u64 {
        let status = std::fs::read_to_string(&status).unwrap();
        let most = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        most.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let idle = most_kib();
    let request = "GET /table?rows=10000000 HTTP/1.1\r\nHost: cam\r\n\r\n";
    let unread: Vec<_> = (0..20).map(|_| program.send(request)).collect();
    let readers: Vec<_> = (0..20).map(|_| program.send(request)).collect();
    let mut buffer = vec![0; 64 * 1024];
    for mut reader in &readers {
        let mut bytes = 0;
        while bytes < 5_000_000 {
            bytes += reader.read(&mut buffer).unwrap();
        }
    }
    let grown = most_kib() - idle;
    assert!(grown < 8 * 1024, "{grown} KiB for tables");
    assert!(viewer.part().sequence > 0);
    drop((unread, readers));
}

#[test]
fn events_tell_of_frames_figures_and_turns() {
    let program = Program::serve(&["--camera", "front=stills:?fps=20"]);
    let _viewer: Viewer = program.watch("/stream?key=mine");
    let mut events = listen(&program, "/events?frames=1&loop=1", "");
    let (mut frames, mut states, mut loops, mut last) = (0, 0, 0, 0);
    while frames < 10 || states < 2 || loops < 10 {
        let (id, name, data) = event(&mut events);
        assert!(id > last, "event {id} follows event {last}");
        last = id;
        match name.as_str() {
            "frame" => {
                frames += 1;
                assert_eq!(
                    (&data["camera"], &data["width"]),
                    (&"front".into(), &640.into())
                );
                assert!(data["sequence"].as_u64() > Some(0) && data["bytes"].as_u64() > Some(1000));
            }
            "state" => {
                states += 1;
                assert_eq!(
                    (&data["cameras"][0]["name"], &data["viewers"]),
                    (&"front".into(), &1.into())
                );
                assert_eq!(data["connections"]["event_streams"], 1);
            }
            "loop" => {
                loops += 1;
                let lanes = data["connections"].as_array().unwrap();
                assert!(
                    lanes
                        .iter()
                        .any(|lane| lane["key"] == "mine" && lane["kind"] == "viewer")
                );
                assert!(
                    lanes
                        .iter()
                        .any(|lane| lane["kind"] == "events" && lane["sent_bytes"].is_u64())
                );
                let frames: u64 = data["turns"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|turn| turn[5].as_u64().unwrap())
                    .sum();
                assert!(
                    frames < 20,
                    "{frames} frames in a tenth of a second at 20 a second"
                );
            }
            _ => panic!("{name}"),
        }
    }
}

#[test]
fn a_listener_that_comes_back_is_told_what_it_missed() {
    let program = Program::serve(&["--camera", "stills:?fps=20", "--always-on"]);
    let mut events = listen(&program, "/events?frames=1", "");
    let frame = |events: &mut BufReader<TcpStream>| loop {
        let (id, name, data) = event(events);
        if name == "frame" {
            return (id, data["sequence"].as_u64().unwrap());
        }
    };
    let (id, sequence) = frame(&mut events);
    drop(events);
    eventually("five frames were missed", || {
        program.state()["cameras"][0]["sequence"].as_u64() >= Some(sequence + 5)
    });
    for (target, fields) in [
        (
            "/events?frames=1".to_owned(),
            format!("Last-Event-ID: {id}\r\n"),
        ),
        (
            format!("/events?frames=1&last_event_id={id}"),
            String::new(),
        ),
    ] {
        let mut events = listen(&program, &target, &fields);
        for missed in 1..=5 {
            assert_eq!(frame(&mut events).1, sequence + missed, "{target}");
        }
    }
}

#[test]
fn a_viewer_with_a_rate_is_sent_no_more_than_that() {
    // Pictures that are ready: a busy machine draws too few of the test card to skip any.
    let program = Program::serve(&["--camera", "stills:?fps=30"]);
    let mut swift = program.watch("/stream");
    let mut capped = program.watch("/stream?kbps=1000&key=capped");
    let (begun, mut bytes) = (std::time::Instant::now(), 0);
    let mut last = 0;
    for _ in 0..12 {
        let part = capped.part();
        // What came before is paid for: 125 bytes a millisecond, less the head that was ahead of
        // it.
        let allowed = 125 * (begun.elapsed().as_millis() as usize + 500);
        assert!(
            bytes <= allowed,
            "{bytes} bytes where {allowed} are allowed"
        );
        bytes += part.jpeg.len();
        assert!(part.sequence > last);
        last = part.sequence;
    }
    (0..10).for_each(|_| drop(swift.part()));
    let state = program.state();
    let clients = state["result"]["stream"]["clients_stat"]
        .as_object()
        .unwrap();
    let capped = clients
        .values()
        .find(|client| client["key"] == "capped")
        .unwrap();
    assert!(capped["skipped_rate"].as_u64() > Some(5));
    assert_eq!(capped["skipped_slow"], 0);
}

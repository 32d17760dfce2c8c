//! Tables and event streams.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::{Program, Viewer, eventually};

/// Requests `target` with HTTP/1.0, and returns a reader at the start of the body: it ends with the
/// connection, and is not chunked.
fn open(program: &Program, target: &str, fields: &str) -> BufReader<TcpStream> {
    let mut reader = BufReader::new(program.send(format!("GET {target} HTTP/1.0\r\n{fields}\r\n")));
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    reader
}

/// Reads the next event: its id, its name and its data.
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
    panic!("the event stream ended");
}

#[test]
fn table_has_the_requested_number_of_rows() {
    let program = Program::serve(&["--camera", "stills:?fps=20"]);
    // The driver is not running: the reply waits for the first frame.
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
fn endless_table_has_a_row_for_each_frame_and_keeps_its_driver_running() {
    let program = Program::serve(&["--camera", "stills:?fps=20", "--camera-linger", "0.1s"]);
    let mut table = open(&program, "/table", "");
    let mut last = 0;
    for line in table.by_ref().lines().map(Result::unwrap) {
        let Some(row) = line.strip_prefix("<tr><td>") else {
            continue;
        };
        let sequence: u64 = row.split('<').next().unwrap().parse().unwrap();
        assert!(
            last == 0 || sequence == last + 1,
            "row {sequence} after row {last}"
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
    eventually("the driver stops", || {
        program.state()["cameras"][0]["driver_running"] == false
    });
}

/// The server holds one chunk of a table, whatever its length and the speed of the client.
#[test]
fn tables_of_ten_million_rows_take_little_memory() {
    let program = Program::serve(&["--camera", "stills:?fps=30"]);
    let mut viewer = program.watch("/stream");
    (0..30).for_each(|_| drop(viewer.part()));
    let status = format!("/proc/{}/status", program.pid().as_raw_nonzero());
    let peak_kib = || -> u64 {
        let status = std::fs::read_to_string(&status).unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let idle = peak_kib();
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
    let grown = peak_kib() - idle;
    assert!(grown < 8 * 1024, "{grown} KiB for tables");
    viewer.part();
    drop((unread, readers));
}

#[test]
fn event_stream_has_frames_state_and_loop() {
    let program = Program::serve(&["--camera", "front=stills:?fps=20"]);
    let _viewer: Viewer = program.watch("/stream?key=mine");
    let mut events = open(&program, "/events?frames=1&loop=1", "");
    let (mut frames, mut states, mut loops, mut last) = (0, 0, 0, 0);
    while frames < 10 || states < 2 || loops < 10 {
        let (id, name, data) = event(&mut events);
        assert!(id > last, "event {id} after event {last}");
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
                let connections = data["connections"].as_array().unwrap();
                assert!(
                    connections
                        .iter()
                        .any(|view| view["key"] == "mine" && view["kind"] == "viewer")
                );
                assert!(
                    connections
                        .iter()
                        .any(|view| view["kind"] == "events" && view["sent_bytes"].is_u64())
                );
                let frames: u64 = data["turns"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|turn| turn[5].as_u64().unwrap())
                    .sum();
                assert!(frames < 20, "{frames} frames in 0.1 s at 20 fps");
            }
            _ => panic!("{name}"),
        }
    }
}

#[test]
fn event_stream_resumes_after_the_last_event_id() {
    let program = Program::serve(&["--camera", "stills:?fps=20", "--always-on"]);
    let mut events = open(&program, "/events?frames=1", "");
    let frame = |events: &mut BufReader<TcpStream>| loop {
        let (id, name, data) = event(events);
        if name == "frame" {
            return (id, data["sequence"].as_u64().unwrap());
        }
    };
    let (id, sequence) = frame(&mut events);
    drop(events);
    eventually("the client has missed five frames", || {
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
        let mut events = open(&program, &target, &fields);
        for missed in 1..=5 {
            assert_eq!(frame(&mut events).1, sequence + missed, "{target}");
        }
    }
}

#[test]
fn viewer_with_kbps_receives_at_most_that_rate() {
    // Ready pictures: a busy machine draws too few of the test card to skip any.
    let program = Program::serve(&["--camera", "stills:?fps=30"]);
    let mut unlimited = program.watch("/stream");
    let mut capped = program.watch("/stream?kbps=1000&key=capped");
    let (begun, mut bytes) = (std::time::Instant::now(), 0);
    let mut last = 0;
    for _ in 0..12 {
        let part = capped.part();
        // The bytes before this part must fit the rate: 125 bytes per millisecond, with 500 ms for
        // the head of the response.
        let allowed = 125 * (begun.elapsed().as_millis() as usize + 500);
        assert!(bytes <= allowed, "{bytes} bytes, allowed are {allowed}");
        bytes += part.jpeg.len();
        assert!(part.sequence > last);
        last = part.sequence;
    }
    (0..10).for_each(|_| drop(unlimited.part()));
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

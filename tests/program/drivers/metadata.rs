//! Capture times and sequences stated by a driver: the server accepts any value.

use std::fs;

use super::picture;
use crate::support::{Program, eventually};

/// A server whose driver writes one part for each of these header lines, then sleeps.
fn serve(headers: &[&str]) -> (Program, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = b"--frame\r\n".to_vec();
    for (header, number) in headers.iter().zip(1..) {
        parts.extend(format!("Content-Type: image/jpeg\r\n{header}\r\n\r\n").bytes());
        parts.extend(picture(number));
        parts.extend(b"\r\n--frame\r\n");
    }
    let file = folder.path().join("parts");
    fs::write(&file, parts).unwrap();
    let camera = format!(
        "exec:sh -c 'cat \"$0\"; exec sleep 1000' {}",
        file.display()
    );
    let program = Program::serve(&["--always-on", "--history", "30s", "--camera", &camera]);
    let captured = || program.state()["cameras"][0]["accepted_frames"].as_u64();
    eventually("the driver has written all", || {
        captured() == Some(headers.len() as u64)
    });
    (program, folder)
}

/// The cells of the column `column`, from 0, of the table of `rows` frames.
fn cells(program: &Program, rows: usize, column: usize) -> Vec<String> {
    let reply = program.get(&format!("/table?rows={rows}"));
    assert_eq!(reply.status(), 200);
    let cell = |row: &str| {
        row.split("<td>")
            .nth(column + 1)
            .unwrap_or_default()
            .to_owned()
    };
    reply
        .text()
        .lines()
        .filter(|line| line.starts_with("<tr><td>"))
        .map(cell)
        .collect()
}

#[test]
fn capture_time_out_of_range_becomes_arrival_time_and_is_counted() {
    let ignored = [
        "18446744073709551615",
        "253402300800",
        "0.000000",
        "-1",
        "99999999999999999999999",
        "now",
    ];
    let headers = ignored.map(|value| format!("X-Timestamp: {value}"));
    let (program, _folder) = serve(&headers.each_ref().map(String::as_str));
    let this_year = |time: &String| (2024..9000).contains(&time[..4].parse().unwrap_or(0));
    let times = cells(&program, ignored.len(), 1);
    assert!(
        times.len() == ignored.len() && times.iter().all(this_year),
        "{times:?}"
    );
    for path in [
        "/clip.avi",
        "/clip.mjpeg",
        "/snapshot",
        "/state",
        "/healthz",
    ] {
        assert_eq!(program.get(path).status(), 200, "{path}");
    }
    assert_eq!(
        program.state()["cameras"][0]["timestamps_ignored"],
        ignored.len()
    );
    let metrics = program.get("/metrics");
    assert!(
        metrics
            .text()
            .contains("framecast_timestamps_ignored_total{camera=\"camera\"} 6"),
        "{}",
        metrics.text()
    );
}

#[test]
fn capture_times_in_milliseconds_and_microseconds_are_converted() {
    let headers = ["1795783697.704", "1795783697704", "1795783697704000"]
        .map(|time| format!("X-Timestamp: {time}"));
    let (program, _folder) = serve(&headers.each_ref().map(String::as_str));
    assert_eq!(cells(&program, 3, 1), ["2026-11-27 12:48:17.704"; 3]);
    assert_eq!(program.state()["cameras"][0]["timestamps_ignored"], 0);
    let clip = program.get("/clip.avi");
    assert!(
        clip.field("Content-Disposition")
            .is_some_and(|name| name.contains("2026-11-27T124817Z")),
        "{}",
        clip.head
    );
}

#[test]
fn sequence_increases_for_any_number_of_the_driver() {
    let stated = [
        "15",
        "18446744073709551615",
        "",
        "9007199254740992",
        "8000000000000000",
        "20",
        "3",
        "",
    ];
    let headers = stated.map(|value| match value {
        "" => "X-Other: 1".to_owned(),
        value => format!("X-Frame-Sequence: {value}"),
    });
    let (program, _folder) = serve(&headers.each_ref().map(String::as_str));
    assert_eq!(
        cells(&program, stated.len(), 0),
        ["15", "16", "17", "18", "19", "20", "21", "22"]
    );
    assert_eq!(program.state()["cameras"][0]["sequences_ignored"], 3);
}

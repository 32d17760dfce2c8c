//! The tables of the guide's page on metrics: as the code exports them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::connection_view::{ConnectionView, InFlight, LoopEvent, Turn};
use super::events;
use super::metrics::{self, Format};
use super::snapshot::{Camera, Driver, Publisher, Snapshot, Tls};
use super::state::State;
use crate::stream::FrameRecord;
use crate::wire::metadata::WallTime;

const PAGE: &str = include_str!("../guide/metrics.md");

/// A server with a camera, a publisher, a viewer and TLS: every field has a value.
fn snapshot() -> Snapshot {
    let driver = Driver {
        name: "front".to_owned(),
        rejected_frames: BTreeMap::from([("truncated", 1)]),
        error: Some("offline".to_owned()),
        ..Driver::default()
    };
    let camera = Camera {
        driver,
        captured_fps: 29.97,
        frame_age_ms: Some(1),
        ..Camera::default()
    };
    let publisher = Publisher {
        error: Some("offline".to_owned()),
        ..Publisher::default()
    };
    Snapshot {
        cameras: vec![camera],
        publishers: vec![publisher],
        tls: Some(Tls::default()),
        listed: vec![viewer()],
        ..Snapshot::default()
    }
}

fn viewer() -> ConnectionView {
    ConnectionView {
        waiting_sequence: Some(2),
        in_flight: Some(InFlight {
            sequence: 1,
            bytes: 2,
            bytes_left: 1,
        }),
        ..ConnectionView::default()
    }
}

/// Returns the rows of the table under a heading, each as its cells.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let section = PAGE
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap_or_else(|| panic!("the page has no heading {heading:?}"));
    section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

/// Adds the paths of a document and the types of their values. The keys of maps are `*`.
fn add_paths(path: &str, value: &Value, paths: &mut BTreeMap<String, &'static str>) {
    let kind = match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let is_map = path.ends_with("rejected_frames") || path.ends_with("clients_stat");
                let key = if is_map { "*" } else { key };
                let separator = if path.is_empty() { "" } else { "." };
                add_paths(&format!("{path}{separator}{key}"), field, paths);
            }
            return;
        }
        Value::Array(values) => {
            let element = values.first().expect("each array has an element");
            let separator = if path.ends_with(']') { "." } else { "" };
            return add_paths(&format!("{path}{separator}[]"), element, paths);
        }
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Null => panic!("{path} has no value"),
    };
    paths.insert(path.to_owned(), kind);
}

fn assert_documented(heading: &str, document: &impl Serialize) {
    let mut exported = BTreeMap::new();
    add_paths("", &serde_json::to_value(document).unwrap(), &mut exported);
    let rows = rows(heading);
    let documented: BTreeMap<String, &str> = rows
        .iter()
        .map(|cells| {
            let kind = cells[1].strip_suffix(" or null").unwrap_or(cells[1]);
            (cells[0].replace('`', ""), kind)
        })
        .collect();
    let documented_paths: BTreeSet<_> = documented.iter().collect();
    let exported_paths: BTreeSet<_> = exported.iter().collect();
    let missing: Vec<_> = exported_paths.difference(&documented_paths).collect();
    let unknown: Vec<_> = documented_paths.difference(&exported_paths).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "{heading}: not documented: {missing:?}; not exported: {unknown:?}"
    );
    assert_eq!(rows.len(), documented.len(), "{heading}: duplicate rows");
    for cells in rows {
        let path = cells[0].trim_matches('`');
        for (suffix, unit) in [
            ("_ms", "ms"),
            ("_us", "µs"),
            ("_bytes", "bytes"),
            ("_bytes_max", "bytes"),
        ] {
            assert!(
                !path.ends_with(suffix) || cells[2] == unit,
                "{path} is in {unit}"
            );
        }
    }
}

#[test]
fn guide_lists_every_metric_with_its_help() {
    let text = metrics::write(snapshot(), Format::Text).unwrap();
    let mut expected = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').unwrap();
        let kind = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("# TYPE {name} ")))
            .unwrap_or_else(|| panic!("{name} has a type"));
        let unit = ["seconds", "bytes"]
            .into_iter()
            .find(|unit| name.trim_end_matches("_total").ends_with(unit))
            .unwrap_or_default();
        let sample = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default();
        let labels: Vec<&str> = ["camera", "reason", "version"]
            .into_iter()
            .filter(|label| sample.contains(&format!("{label}=\"")))
            .collect();
        expected.push(format!(
            "| `{name}` | {kind} | {unit} | {} | {help} |",
            labels.join(", ")
        ));
    }
    assert!(expected.len() > 40, "the page has the metrics");
    let table: Vec<String> = PAGE
        .split("\n## ")
        .find(|section| section.starts_with("Metrics"))
        .expect("the page has the heading")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(str::to_owned)
        .collect();
    assert!(
        table == expected,
        "the guide's table of metrics is to be:\n{}",
        expected.join("\n")
    );
}

#[test]
fn guide_lists_every_field_of_state() {
    assert_documented("Fields of `/state`", &State::new(&snapshot(), 0));
}

#[test]
fn guide_lists_every_field_of_the_frame_event() {
    let record = FrameRecord {
        id: 1,
        number: 1,
        sequence: 1,
        captured_wall: WallTime::MIN,
        interval: None,
        bytes: 1,
        width: 1,
        height: 1,
    };
    let frame = events::Frame::new("front", &record);
    assert_documented("Fields of a `frame` event", &frame);
}

#[test]
fn guide_lists_every_field_of_the_loop_event() {
    let event = LoopEvent {
        turns: vec![Turn::default()],
        turns_omitted: 0,
        connections_open: 1,
        connections: vec![viewer()],
    };
    assert_documented("Fields of a `loop` event", &event);
}

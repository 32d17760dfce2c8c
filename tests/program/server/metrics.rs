//! `/metrics`, and the metrics that the dashboard uses.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::dashboard::{dashboard, expressions};
use crate::support::{Program, Reply, eventually};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The Accept field of Prometheus.
const PROMETHEUS: &str =
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";

fn metrics(program: &Program, accept: &str) -> Reply {
    let reply = program.request(&format!(
        "GET /metrics HTTP/1.1\r\nHost: cam\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    ));
    assert_eq!(reply.status(), 200);
    reply
}

/// Parses the samples of a page in either format: name with labels, and value.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| {
        let (name, value) = line
            .rsplit_once(' ')
            .unwrap_or_else(|| panic!("invalid sample: {line:?}"));
        (
            name.to_owned(),
            value
                .parse()
                .unwrap_or_else(|_| panic!("invalid value: {line:?}")),
        )
    });
    samples.collect()
}

/// Starts a server with two cameras. One of them has had a viewer, which has left.
fn watched() -> Program {
    let program = Program::serve(&[
        "--camera",
        "a=stills:?fps=50",
        "--camera",
        "b=pattern:64x48?fps=30",
    ]);
    let mut viewer = program.watch("/stream?camera=a");
    (0..10).for_each(|_| drop(viewer.part()));
    drop(viewer);
    eventually("the viewer is closed", || {
        program.state()["connections"]["closed"]["peer_closed"] == 1
    });
    program
}

#[test]
fn metrics_have_the_values_of_state() {
    let program = watched();
    let state = program.state();
    let page = samples(metrics(&program, "*/*").text());
    let frames = &state["cameras"][0]["frames"];
    let delivered = frames["delivered"].as_f64().unwrap();
    assert!(delivered >= 10.0);
    // These do not change any more, since the viewer has left.
    for (name, expected) in [
        (r#"framecast_frames_delivered_total{camera="a"}"#, delivered),
        (
            r#"framecast_frames_offered_total{camera="a"}"#,
            frames["offered"].as_f64().unwrap(),
        ),
        (
            r#"framecast_frames_skipped_total{camera="a",reason="slow"}"#,
            frames["skipped_slow"].as_f64().unwrap(),
        ),
        (r#"framecast_frames_delivered_total{camera="b"}"#, 0.0),
        (r#"framecast_viewers{camera="a"}"#, 0.0),
        (r#"framecast_driver_running{camera="b"}"#, 0.0),
        (
            r#"framecast_frames_rejected_total{camera="a",reason="truncated"}"#,
            0.0,
        ),
        (
            r#"framecast_connections_closed_total{reason="peer_closed"}"#,
            1.0,
        ),
        (r#"framecast_viewers_max"#, 20_000.0),
        (r#"framecast_build_info{version="0.1.0"}"#, 1.0),
    ] {
        assert_eq!(page.get(name), Some(&expected), "{name}");
    }
    // These increase.
    let requests = state["connections"]["requests"].as_f64().unwrap();
    assert!(page["framecast_requests_total"] > requests);
    assert!(
        page["framecast_sent_bytes_total"] > state["connections"]["sent_bytes"].as_f64().unwrap()
    );
    assert!(page["framecast_uptime_seconds"] > 0.1);
}

#[test]
fn histogram_buckets_are_cumulative() {
    let program = watched();
    let text = metrics(&program, "*/*");
    let page = samples(text.text());
    for (name, labels) in [
        ("framecast_capture_to_last_byte_seconds", r#"{camera="a"}"#),
        ("framecast_capture_to_publish_seconds", r#"{camera="a"}"#),
        ("framecast_loop_turn_seconds", ""),
    ] {
        let open =
            labels.trim_end_matches('}').to_owned() + if labels.is_empty() { "{" } else { "," };
        let start = format!("{name}_bucket{open}le=");
        let buckets: Vec<f64> = text
            .text()
            .lines()
            .filter_map(|line| line.strip_prefix(&start)?.split(' ').nth(1)?.parse().ok())
            .collect();
        assert_eq!(buckets.len(), 17, "{name}");
        assert!(buckets.is_sorted(), "{name}: {buckets:?}");
        let (count, sum) = (
            page[&format!("{name}_count{labels}")],
            page[&format!("{name}_sum{labels}")],
        );
        assert_eq!(buckets.last(), Some(&count));
        assert!(
            count >= 9.0 && sum > 0.0 && sum / count < 10.0,
            "{name}: {sum} s in {count}"
        );
    }
    let timed = page[r#"framecast_capture_to_last_byte_seconds_count{camera="a"}"#];
    assert!(timed <= page[r#"framecast_frames_delivered_total{camera="a"}"#]);
}

#[test]
fn accept_field_selects_openmetrics_or_text_format() {
    let program = Program::serve(&[]);
    for (accept, content_type) in [
        (PROMETHEUS, OPEN_METRICS),
        ("application/openmetrics-text", OPEN_METRICS),
        ("text/plain", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
    ] {
        let reply = metrics(&program, accept);
        assert_eq!(reply.field("Content-Type"), Some(content_type), "{accept}");
        assert_eq!(
            reply.text().ends_with("# EOF\n"),
            content_type == OPEN_METRICS
        );
    }
}

#[test]
fn every_metric_of_the_dashboard_is_exported() {
    let dashboard = dashboard();
    let mut queries = expressions(&dashboard);
    assert!(queries.len() > 20, "{queries:?}");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    queries.extend(
        variables
            .iter()
            .filter_map(|variable| variable["definition"].as_str())
            .map(str::to_owned),
    );
    let program = watched();
    let page = metrics(&program, "*/*");
    let exported: Vec<&str> = page
        .text()
        .lines()
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    for expression in queries {
        let tokens = expression
            .split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        let names: Vec<&str> = tokens
            .filter(|name| name.starts_with("framecast_") || name.starts_with("process_"))
            .collect();
        assert!(
            !names.is_empty(),
            "{expression} uses no metric of framecast"
        );
        for name in names {
            assert!(exported.contains(&name), "{expression}: no metric {name}");
        }
    }
}

/// Runs a checker on `input`. It must succeed without output.
fn assert_accepted_by(mut command: Command, input: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the checker is installed");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes())
        .expect("the checker reads");
    let output = child.wait_with_output().expect("the checker exits");
    let output_text = [output.stdout, output.stderr].concat();
    let output_text = String::from_utf8_lossy(&output_text);
    assert!(
        output.status.success() && output_text.trim().is_empty(),
        "{output_text}"
    );
}

#[test]
#[ignore = "needs promtool"]
fn promtool_accepts_metrics_and_dashboard_queries() {
    let program = watched();
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    assert_accepted_by(promtool, metrics(&program, "*/*").text());

    let folder = tempfile::tempdir().unwrap();
    let rules: Vec<Value> = expressions(&dashboard())
        .iter()
        .enumerate()
        .map(|(index, expression)| {
            let expression = expression.replace("$__rate_interval", "5m");
            serde_json::json!({ "record": format!("panel:{index}"), "expr": expression })
        })
        .collect();
    let rules = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let path = folder.path().join("rules.yml");
    // JSON is YAML.
    std::fs::write(&path, rules.to_string()).unwrap();
    let status = Command::new("promtool")
        .args(["check", "rules"])
        .arg(path)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "needs python3-prometheus-client"]
fn openmetrics_parser_accepts_every_line() {
    let program = watched();
    let mut python = Command::new("/usr/bin/python3");
    let script = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
        names = {family.name for family in parse(sys.stdin.read())}\n\
        assert 'framecast_frames_delivered' in names and len(names) > 35, names\n";
    python.args(["-c", script]);
    assert_accepted_by(python, metrics(&program, PROMETHEUS).text());
}

//! `/metrics`: what Prometheus reads, and the dashboard that shows it.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::dashboard::{dashboard, expressions};
use crate::support::{Program, Reply};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What Prometheus says that it understands.
const PROMETHEUS: &str =
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";

fn metrics(program: &Program, accept: &str) -> Reply {
    let reply = program.request(&format!(
        "GET /metrics HTTP/1.1\r\nHost: cam\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    ));
    assert_eq!(reply.status(), 200);
    reply
}

/// The samples of a page in either format: what stands before the value, and the value.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| {
        let (name, value) = line
            .rsplit_once(' ')
            .unwrap_or_else(|| panic!("no sample: {line:?}"));
        (
            name.to_owned(),
            value
                .parse()
                .unwrap_or_else(|_| panic!("no number: {line:?}")),
        )
    });
    samples.collect()
}

/// A server of two cameras of which one has been watched.
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
    while program.state()["connections"]["closed"]["peer_closed"] != 1 {}
    program
}

#[test]
fn the_metrics_are_the_figures_of_state() {
    let program = watched();
    let state = program.state();
    let page = samples(metrics(&program, "*/*").text());
    let frames = &state["cameras"][0]["frames"];
    let delivered = frames["delivered"].as_f64().unwrap();
    assert!(delivered >= 10.0);
    // The viewer has gone, so these stand still.
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
    // These go on.
    let requests = state["connections"]["requests"].as_f64().unwrap();
    assert!(page["framecast_requests_total"] > requests);
    assert!(
        page["framecast_sent_bytes_total"] > state["connections"]["sent_bytes"].as_f64().unwrap()
    );
    assert!(page["framecast_uptime_seconds"] > 0.1);
}

#[test]
fn latencies_are_counted_in_buckets_that_only_grow() {
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
fn whoever_knows_openmetrics_is_given_it_and_everybody_else_the_older_format() {
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
fn every_metric_of_the_dashboard_is_there() {
    let dashboard = dashboard();
    let mut asked = expressions(&dashboard);
    assert!(asked.len() > 20, "{asked:?}");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    asked.extend(
        variables
            .iter()
            .filter_map(|variable| variable["definition"].as_str())
            .map(str::to_owned),
    );
    let program = watched();
    let page = metrics(&program, "*/*");
    let there: Vec<&str> = page
        .text()
        .lines()
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    for expression in asked {
        let words = expression
            .split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        let names: Vec<&str> = words
            .filter(|word| word.starts_with("framecast_") || word.starts_with("process_"))
            .collect();
        assert!(
            !names.is_empty(),
            "{expression} asks for nothing of framecast's"
        );
        for name in names {
            assert!(there.contains(&name), "{expression}: there is no {name}");
        }
    }
}

/// Runs a program on `input`; it must have nothing to complain of.
fn satisfied(mut command: Command, input: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is installed");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes())
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let words = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    assert!(
        output.status.success() && words.trim().is_empty(),
        "{words}"
    );
}

#[test]
#[ignore = "needs promtool"]
fn prometheus_has_nothing_to_say_against_the_metrics_and_understands_the_dashboard() {
    let program = watched();
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    satisfied(promtool, metrics(&program, "*/*").text());

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
fn a_strict_parser_of_openmetrics_takes_every_line() {
    let program = watched();
    let mut python = Command::new("/usr/bin/python3");
    let script = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
        names = {family.name for family in parse(sys.stdin.read())}\n\
        assert 'framecast_frames_delivered' in names and len(names) > 35, names\n";
    python.args(["-c", script]);
    satisfied(python, metrics(&program, PROMETHEUS).text());
}

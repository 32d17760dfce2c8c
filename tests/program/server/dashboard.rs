//! The Grafana dashboard, against a real Prometheus that scrapes a real server.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Program, eventually};

/// The `$__rate_interval` of Grafana: four scrape intervals of 1 s.
const RATE_INTERVAL: &str = "4s";

/// The number of scrapes before the queries.
const SCRAPES: f64 = 10.0;

pub(crate) fn dashboard() -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_framecast"))
        .args(["--generate", "grafana"])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).expect("the dashboard is JSON")
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().expect("panels")
}

fn variables(dashboard: &Value) -> &Vec<Value> {
    dashboard["templating"]["list"]
        .as_array()
        .expect("variables")
}

fn targets(panel: &Value) -> impl Iterator<Item = &Value> {
    panel["targets"].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {value}"))
}

/// Returns the queries of all panels.
pub(crate) fn expressions(dashboard: &Value) -> Vec<String> {
    panels(dashboard)
        .iter()
        .flat_map(targets)
        .map(|target| text(target, "expr").to_owned())
        .collect()
}

#[test]
fn dashboard_panels_do_not_overlap_and_have_queries() {
    let dashboard = dashboard();
    let panels = panels(&dashboard);
    let ids: BTreeSet<u64> = panels
        .iter()
        .map(|panel| panel["id"].as_u64().expect("an id"))
        .collect();
    assert_eq!(ids.len(), panels.len(), "two panels have the same id");
    let mut cells = BTreeMap::new();
    for panel in panels {
        let title = text(panel, "title");
        let [x, y, width, height] = ["x", "y", "w", "h"].map(|side| {
            panel["gridPos"][side]
                .as_u64()
                .unwrap_or_else(|| panic!("{title}: {side}"))
        });
        assert!(
            width > 0 && height > 0 && x + width <= 24,
            "{title} does not fit the grid of 24 columns"
        );
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert_eq!(
                cells.insert(cell, title),
                None,
                "{title} overlaps another panel at {cell:?}"
            );
        }
        if text(panel, "type") == "row" {
            assert_eq!((x, width), (0, 24), "{title}");
            continue;
        }
        assert!(
            !title.is_empty()
                && panel["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
            "{title}"
        );
        assert!(
            panel["fieldConfig"]["defaults"]["unit"].is_string(),
            "{title} has no unit"
        );
        // Without thresholds, Grafana shows values over 80 in red.
        let steps = &panel["fieldConfig"]["defaults"]["thresholds"]["steps"];
        assert!(
            panel["type"] != "stat" || steps == &json!([{ "color": "green", "value": null }]),
            "{title}: {steps}"
        );
        let mut letters = BTreeSet::new();
        for query in std::iter::once(panel).chain(targets(panel)) {
            assert_eq!(
                query["datasource"],
                json!({ "type": "prometheus", "uid": "${datasource}" }),
                "{title}"
            );
        }
        assert!(
            targets(panel).all(|target| letters.insert(text(target, "refId"))),
            "{title}: two queries with the same letter"
        );
        assert!(!letters.is_empty(), "{title} has no query");
    }
    let known: Vec<String> = variables(&dashboard)
        .iter()
        .map(|variable| format!("${}", text(variable, "name")))
        .collect();
    for expression in expressions(&dashboard) {
        let tokens = expression.split(|character: char| {
            !character.is_ascii_alphanumeric() && !"$_".contains(character)
        });
        for name in tokens.filter(|name| name.starts_with('$') && *name != "$__rate_interval") {
            assert!(
                known.iter().any(|known| known == name),
                "{expression}: no variable {name}"
            );
        }
    }
}

/// A Prometheus that scrapes one server once a second, killed when dropped.
struct Prometheus {
    child: Child,
    url: String,
    _folder: TempDir,
}

impl Prometheus {
    fn watch(server: &Program) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = json!({
            "global": { "scrape_interval": "1s" },
            "scrape_configs": [
                { "job_name": "cameras", "static_configs": [{ "targets": [server.address.to_string()] }] },
            ],
        });
        let path = folder.path().join("prometheus.yml");
        // JSON is YAML.
        std::fs::write(&path, config.to_string()).expect("a file");
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", path.display()));
        command.arg(format!(
            "--storage.tsdb.path={}",
            folder.path().join("data").display()
        ));
        command.arg("--web.listen-address=127.0.0.1:0");
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("prometheus is installed");
        let mut log = BufReader::new(child.stderr.take().expect("its log is piped"))
            .lines()
            .map_while(Result::ok);
        let address = log.find_map(|line| {
            Some(
                line.split_once("msg=\"Listening on\" address=")?
                    .1
                    .to_owned(),
            )
        });
        // Prometheus must not block on a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        let url = address.map(|address| format!("http://{}/api/v1", address.trim()));
        Self {
            url: url.expect("the log has its address"),
            child,
            _folder: folder,
        }
    }

    /// Sends a request, which must succeed.
    fn request(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        let response = agent
            .get(format!("{}/{path}", self.url))
            .query_pairs(parameters.iter().copied())
            .call();
        let mut answer: Value = response
            .expect("a response")
            .body_mut()
            .read_json()
            .expect("JSON");
        assert_eq!(
            answer["status"], "success",
            "{path} {parameters:?}: {answer}"
        );
        answer["data"].take()
    }

    /// Evaluates a query. Returns the labels and the newest value of each series.
    fn series(&self, expression: &str, is_instant: bool) -> Vec<(Value, f64)> {
        let end = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970")
            .as_secs_f64();
        let (start, end) = (format!("{:.3}", end - 5.0), format!("{end:.3}"));
        let answer = if is_instant {
            self.request("query", &[("query", expression)])
        } else {
            self.request(
                "query_range",
                &[
                    ("query", expression),
                    ("start", &start),
                    ("end", &end),
                    ("step", "1"),
                ],
            )
        };
        let newest = |series: &Value| {
            let sample = if is_instant {
                &series["value"]
            } else {
                series["values"].as_array().expect("values").last()?
            };
            sample[1].as_str().expect("a value").parse().ok()
        };
        let series = answer["result"].as_array().expect("series").iter();
        series
            .map(|series| (series["metric"].clone(), newest(series).expect("a number")))
            .collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the values of the dashboard's variables when "All" is selected.
fn selected(dashboard: &Value, prometheus: &Prometheus) -> Vec<(String, String)> {
    let mut selected: Vec<(String, String)> =
        vec![("$__rate_interval".to_owned(), RATE_INTERVAL.to_owned())];
    for variable in variables(dashboard)
        .iter()
        .filter(|variable| variable["type"] == "query")
    {
        let definition = text(variable, "definition")
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = definition
            .and_then(|definition| definition.rsplit_once(", "))
            .expect("label_values(SERIES, LABEL)");
        let values = prometheus.request(
            &format!("label/{label}/values"),
            &[("match[]", &fill_in(series, &selected))],
        );
        let values: Vec<&str> = values
            .as_array()
            .expect("values")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert!(
            !values.is_empty(),
            "${} has no value",
            text(variable, "name")
        );
        selected.push((
            format!("${}", text(variable, "name")),
            format!("({})", values.join("|")),
        ));
    }
    selected
}

/// Replaces the variables in a query.
fn fill_in(expression: &str, values: &[(String, String)]) -> String {
    values
        .iter()
        .fold(expression.to_owned(), |expression, (name, value)| {
            expression.replace(name, value)
        })
}

/// Returns the legend of one series, from a format such as `{{camera}} {{reason}}`.
fn legend(format: &str, labels: &Value) -> String {
    let mut fields = format.split("{{");
    let mut legend = fields.next().unwrap_or_default().to_owned();
    for field in fields {
        let (label, rest) = field.split_once("}}").expect("the end of a label");
        legend += labels[label]
            .as_str()
            .unwrap_or_else(|| panic!("{format}: no {label} in {labels}"));
        legend += rest;
    }
    legend
}

/// Starts a server and viewers that change every metric of the dashboard: fast viewers, slow ones,
/// some with a rate limit, and a camera with damaged frames.
fn busy_server(folder: &TempDir) -> (Program, Vec<Child>) {
    let good = folder.path().join("good.jpg");
    std::fs::write(&good, crate::support::PICTURES[0]).expect("a file");
    let good = good.display();
    let script = format!(
        "while :; do head -c 999 {good}; cat {good}; printf garbage; cat {good}; sleep 0.1; done"
    );
    let damaged = format!("damaged=exec:sh -c \"{script}\"");
    let program = Program::serve(&[
        "--camera",
        "front=pattern:640x480?fps=30",
        "--camera",
        &damaged,
    ]);
    let watch = |target: &str, more: &[&str]| {
        let mut bench = Command::new(env!("CARGO_BIN_EXE_framecast"));
        bench
            .args([
                "bench",
                &program.url(target),
                "--viewers",
                "3",
                "--seconds",
                "60",
                "--quiet",
            ])
            .args(more);
        bench
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the viewers start")
    };
    let viewers = vec![
        watch(
            "/stream?camera=front",
            &["--slow", "1", "--slow-rate", "20000", "--churn", "2"],
        ),
        watch("/stream?camera=front&fps=5", &[]),
        watch("/stream?camera=damaged", &[]),
    ];
    (program, viewers)
}

/// The viewers, killed when dropped.
struct Viewers(Vec<Child>);

impl Drop for Viewers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
#[ignore = "needs prometheus"]
fn every_panel_of_the_dashboard_has_series_from_prometheus() {
    let folder = tempfile::tempdir().expect("a folder");
    let (program, viewers) = busy_server(&folder);
    let _viewers = Viewers(viewers);
    let prometheus = Prometheus::watch(&program);
    let scrapes = "min(count_over_time(framecast_uptime_seconds[1m]))";
    eventually("Prometheus has scraped often enough", || {
        std::thread::sleep(Duration::from_millis(500));
        prometheus
            .series(scrapes, true)
            .first()
            .is_some_and(|(_, count)| *count >= SCRAPES)
    });

    let dashboard = dashboard();
    let values = selected(&dashboard, &prometheus);
    let mut shown = 0;
    for panel in panels(&dashboard) {
        let title = text(panel, "title");
        let mut legends = BTreeSet::new();
        for target in targets(panel) {
            let expression = fill_in(text(target, "expr"), &values);
            let series = prometheus.series(&expression, target["instant"] == true);
            assert!(!series.is_empty(), "{title}: no series for {expression}");
            for (labels, value) in &series {
                let legend = legend(text(target, "legendFormat"), labels);
                assert!(
                    value.is_finite() && *value >= 0.0,
                    "{title}: {value} for {expression} {labels}"
                );
                assert!(
                    legends.insert(legend.clone()),
                    "{title}: two series with the legend '{legend}'"
                );
                shown += 1;
            }
        }
    }
    assert!(shown >= panels(&dashboard).len() / 2, "only {shown} series");
}

//! The dashboard for Grafana, against a real Prometheus that has watched a real server.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Program, eventually};

/// Grafana's own, for a scrape interval of a second: four times that.
const RATE_INTERVAL: &str = "4s";

/// Before figures are asked for, so many must be there.
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

/// What the panels of the dashboard ask for.
pub(crate) fn expressions(dashboard: &Value) -> Vec<String> {
    panels(dashboard)
        .iter()
        .flat_map(targets)
        .map(|target| text(target, "expr").to_owned())
        .collect()
}

#[test]
fn the_dashboard_is_laid_out_without_gaps_in_sense() {
    let dashboard = dashboard();
    let panels = panels(&dashboard);
    let ids: BTreeSet<u64> = panels
        .iter()
        .map(|panel| panel["id"].as_u64().expect("an id"))
        .collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    let mut taken = BTreeMap::new();
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
                taken.insert(cell, title),
                None,
                "{title} lies over another at {cell:?}"
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
                    .is_some_and(|words| !words.is_empty()),
            "{title}"
        );
        assert!(
            panel["fieldConfig"]["defaults"]["unit"].is_string(),
            "{title} has no unit"
        );
        // Without steps of its own, Grafana shows what is over 80 in red.
        let steps = &panel["fieldConfig"]["defaults"]["thresholds"]["steps"];
        assert!(
            panel["type"] != "stat" || steps == &json!([{ "color": "green", "value": null }]),
            "{title}: {steps}"
        );
        let mut letters = BTreeSet::new();
        for asks in std::iter::once(panel).chain(targets(panel)) {
            assert_eq!(
                asks["datasource"],
                json!({ "type": "prometheus", "uid": "${datasource}" }),
                "{title}"
            );
        }
        assert!(
            targets(panel).all(|target| letters.insert(text(target, "refId"))),
            "{title}: two queries of one letter"
        );
        assert!(!letters.is_empty(), "{title} asks for nothing");
    }
    let known: Vec<String> = variables(&dashboard)
        .iter()
        .map(|variable| format!("${}", text(variable, "name")))
        .collect();
    for expression in expressions(&dashboard) {
        let words = expression.split(|character: char| {
            !character.is_ascii_alphanumeric() && !"$_".contains(character)
        });
        for word in words.filter(|word| word.starts_with('$') && *word != "$__rate_interval") {
            assert!(
                known.iter().any(|known| known == word),
                "{expression}: there is no {word}"
            );
        }
    }
}

/// A Prometheus that asks one server once a second, ended when this is dropped.
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
        let mut words = BufReader::new(child.stderr.take().expect("its log is piped"))
            .lines()
            .map_while(Result::ok);
        let address = words.find_map(|line| {
            Some(
                line.split_once("msg=\"Listening on\" address=")?
                    .1
                    .to_owned(),
            )
        });
        // Nobody reads on, but what it writes must go somewhere.
        std::thread::spawn(move || words.for_each(drop));
        let url = address.map(|address| format!("http://{}/api/v1", address.trim()));
        Self {
            url: url.expect("it says where it listens"),
            child,
            _folder: folder,
        }
    }

    /// What it answers, which must be no error.
    fn request(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        let asked = agent
            .get(format!("{}/{path}", self.url))
            .query_pairs(parameters.iter().copied())
            .call();
        let mut answer: Value = asked
            .expect("it answers")
            .body_mut()
            .read_json()
            .expect("in JSON");
        assert_eq!(
            answer["status"], "success",
            "{path} {parameters:?}: {answer}"
        );
        answer["data"].take()
    }

    /// The series that an expression gives now: their labels, and their newest value.
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

/// The dashboard's variables as Grafana fills them in where all is chosen: every value that there
/// is.
fn chosen(dashboard: &Value, prometheus: &Prometheus) -> Vec<(String, String)> {
    let mut chosen: Vec<(String, String)> =
        vec![("$__rate_interval".to_owned(), RATE_INTERVAL.to_owned())];
    for variable in variables(dashboard)
        .iter()
        .filter(|variable| variable["type"] == "query")
    {
        let asked = text(variable, "definition")
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = asked
            .and_then(|asked| asked.rsplit_once(", "))
            .expect("label_values(SERIES, LABEL)");
        let values = prometheus.request(
            &format!("label/{label}/values"),
            &[("match[]", &filled(series, &chosen))],
        );
        let values: Vec<&str> = values
            .as_array()
            .expect("values")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert!(
            !values.is_empty(),
            "${} can be nothing",
            text(variable, "name")
        );
        chosen.push((
            format!("${}", text(variable, "name")),
            format!("({})", values.join("|")),
        ));
    }
    chosen
}

fn filled(expression: &str, chosen: &[(String, String)]) -> String {
    chosen
        .iter()
        .fold(expression.to_owned(), |expression, (name, value)| {
            expression.replace(name, value)
        })
}

/// A legend such as `{{camera}} {{reason}}` for one series.
fn legend(format: &str, labels: &Value) -> String {
    let mut pieces = format.split("{{");
    let mut legend = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (label, rest) = piece.split_once("}}").expect("a label ends");
        legend += labels[label]
            .as_str()
            .unwrap_or_else(|| panic!("{format}: no {label} in {labels}"));
        legend += rest;
    }
    legend
}

/// A server on which every figure of the dashboard moves: viewers that watch, one that cannot keep
/// up and one that wants less, and a camera whose frames are not all good.
fn busy_server(folder: &TempDir) -> (Program, Vec<Child>) {
    let good = folder.path().join("good.jpg");
    std::fs::write(&good, framecast::drivers::numbers::PICTURES[0]).expect("a file");
    let good = good.display();
    let script = format!(
        "while :; do head -c 999 {good}; cat {good}; printf garbage; cat {good}; sleep 0.1; done"
    );
    let flawed = format!("flawed=exec:sh -c \"{script}\"");
    let program = Program::serve(&[
        "--camera",
        "front=pattern:640x480?fps=30",
        "--camera",
        &flawed,
    ]);
    let watch = |target: &str, more: &[&str]| {
        let mut crowd = Command::new(env!("CARGO_BIN_EXE_framecast"));
        crowd
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
        crowd
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the crowd comes")
    };
    let crowds = vec![
        watch(
            "/stream?camera=front",
            &["--slow", "1", "--slow-rate", "20000", "--churn", "2"],
        ),
        watch("/stream?camera=front&fps=5", &[]),
        watch("/stream?camera=flawed", &[]),
    ];
    (program, crowds)
}

/// Whatever becomes of the test, its crowds go.
struct Crowds(Vec<Child>);

impl Drop for Crowds {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
#[ignore = "needs prometheus"]
fn every_panel_of_the_dashboard_shows_something_of_a_server_that_prometheus_watches() {
    let folder = tempfile::tempdir().expect("a folder");
    let (program, crowds) = busy_server(&folder);
    let _crowds = Crowds(crowds);
    let prometheus = Prometheus::watch(&program);
    let scrapes = "min(count_over_time(framecast_uptime_seconds[1m]))";
    eventually("Prometheus has asked often enough", || {
        std::thread::sleep(Duration::from_millis(500));
        prometheus
            .series(scrapes, true)
            .first()
            .is_some_and(|(_, count)| *count >= SCRAPES)
    });

    let dashboard = dashboard();
    let chosen = chosen(&dashboard, &prometheus);
    let mut shown = 0;
    for panel in panels(&dashboard) {
        let title = text(panel, "title");
        let mut legends = BTreeSet::new();
        for target in targets(panel) {
            let expression = filled(text(target, "expr"), &chosen);
            let series = prometheus.series(&expression, target["instant"] == true);
            assert!(!series.is_empty(), "{title}: nothing for {expression}");
            for (labels, value) in &series {
                let legend = legend(text(target, "legendFormat"), labels);
                println!("{title}: {legend} {value}");
                assert!(
                    value.is_finite() && *value >= 0.0,
                    "{title}: {value} for {expression} {labels}"
                );
                assert!(
                    legends.insert(legend.clone()),
                    "{title}: two series are called '{legend}'"
                );
                shown += 1;
            }
        }
    }
    println!("{shown} series in {} panels", panels(&dashboard).len());
}

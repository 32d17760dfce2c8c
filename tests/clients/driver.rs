//! A browser, driven through the WebDriver protocol (W3C WebDriver 2): JSON over HTTP to a
//! `chromedriver` of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

/// How often chromedriver is started until it has a port.
const STARTS_MAX: usize = 5;

/// Longer than any script here runs.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

const CHROMIUM_ARGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
];

/// Two browsers at once would take the processor from each other, and make each other's pictures
/// late.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// One Chromium with an empty profile. Both it and its driver end when this is dropped.
pub(crate) struct Driver {
    agent: Agent,
    session: String,
    browser: Option<Pid>,
    chromedriver: Child,
    _stdout: BufReader<ChildStdout>,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Driver {
    /// Starts a browser that shows an empty page, once no other test has one.
    pub(crate) fn start() -> Self {
        Self::start_with("normal", &[])
    }

    /// The same, but these host names resolve to this machine, as in DNS rebinding.
    pub(crate) fn start_at_home(names: &[&str]) -> Self {
        let rules: Vec<String> = names
            .iter()
            .map(|name| format!("MAP {name} 127.0.0.1"))
            .collect();
        Self::start_with(
            "normal",
            &[format!("--host-resolver-rules={}", rules.join(","))],
        )
    }

    /// The same, but it does not wait for a page to be whole: some never are.
    pub(crate) fn start_impatient() -> Self {
        Self::start_with("none", &[])
    }

    fn start_with(strategy: &str, more: &[String]) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (chromedriver, stdout, port) = (0..STARTS_MAX)
            .find_map(|_| start_chromedriver())
            .expect("chromedriver starts");
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(COMMAND_TIMEOUT))
            .http_status_as_error(false)
            .build()
            .into();

        let profile = tempfile::tempdir().expect("a directory for the profile");
        let args: Vec<String> = CHROMIUM_ARGS
            .iter()
            .map(|arg| arg.to_string())
            .chain([format!("--user-data-dir={}", profile.path().display())])
            .chain(more.iter().cloned())
            .collect();
        let wanted = json!({
            "pageLoadStrategy": strategy,
            "goog:chromeOptions": { "args": args },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": wanted } });
        let sessions = format!("http://127.0.0.1:{port}/session");
        let session = value(agent.post(&sessions).send_json(wanted));
        let browser = session["capabilities"]["goog:processID"].as_i64();
        Self {
            session: format!(
                "{sessions}/{}",
                session["sessionId"].as_str().expect("a session id")
            ),
            browser: browser.and_then(|pid| Pid::from_raw(pid.try_into().ok()?)),
            agent,
            chromedriver,
            _stdout: stdout,
            _profile: profile,
            _turn: turn,
        }
    }

    /// Shows the page at `url` and returns once it is loaded.
    pub(crate) fn go(&self, url: &str) {
        self.post("url", json!({ "url": url }));
    }

    /// Goes back to the page shown before.
    pub(crate) fn back(&self) {
        self.post("back", json!({}));
    }

    /// Runs the body of a function in the page and returns what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] }))
    }

    /// Runs the body of a function whose last argument is to be called with the result.
    pub(crate) fn run_async(&self, script: &str, args: Value) -> Value {
        self.post("execute/async", json!({ "script": script, "args": args }))
    }

    /// Sends commands to a frame of the page, from 0, or to the page again.
    pub(crate) fn switch_to_frame(&self, frame: Option<usize>) {
        self.post("frame", json!({ "id": frame }));
    }

    /// What stands on the console since this was asked last: violations of a policy, requests that
    /// failed, errors of scripts.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({ "type": "browser" }));
        let words = |entry: &Value| entry["message"].as_str().expect("a message").to_owned();
        entries
            .as_array()
            .expect("a list of entries")
            .iter()
            .map(words)
            .collect()
    }

    /// Presses keys one after another, as a person does.
    pub(crate) fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            let key = key.to_string();
            [
                json!({ "type": "keyDown", "value": key }),
                json!({ "type": "keyUp", "value": key }),
            ]
        });
        let strokes: Vec<Value> = strokes.collect();
        self.post(
            "actions",
            json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] }),
        );
    }

    /// Has files saved into `folder`.
    pub(crate) fn save_into(&self, folder: &Path) {
        let parameters = json!({ "behavior": "allow", "downloadPath": folder });
        self.post(
            "goog/cdp/execute",
            json!({ "cmd": "Browser.setDownloadBehavior", "params": parameters }),
        );
    }

    /// Gives the page this size, in pixels.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let parameters =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        let command = "Emulation.setDeviceMetricsOverride";
        self.post(
            "goog/cdp/execute",
            json!({ "cmd": command, "params": parameters }),
        );
    }

    /// The text of the first element that `selector` finds, empty if there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let found = self.run(&format!(
            "return document.querySelector({selector:?})?.textContent ?? ''"
        ));
        found.as_str().expect("a text").to_owned()
    }

    /// The window that commands go to.
    pub(crate) fn window(&self) -> Value {
        value(self.agent.get(format!("{}/window", self.session)).call())
    }

    /// Opens a second window. Commands still go to the first.
    pub(crate) fn open_window(&self) -> Value {
        self.post("window/new", json!({ "type": "window" }))["handle"].clone()
    }

    /// Sends commands to `window` from now on.
    pub(crate) fn switch_to(&self, window: &Value) {
        self.post("window", json!({ "handle": window }));
    }

    fn post(&self, command: &str, body: Value) -> Value {
        value(
            self.agent
                .post(format!("{}/{command}", self.session))
                .send_json(body),
        )
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let closed = self.agent.delete(&self.session).call();
        if let (Err(_), Some(browser)) = (closed, self.browser) {
            let _ = kill_process(browser, Signal::KILL);
        }
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
    }
}

/// Starts chromedriver, and returns it with its output and port; `None` if it ends instead. With
/// port 0 it takes a free port of IPv4 and then the same one of IPv6, which another program may
/// have.
fn start_chromedriver() -> Option<(Child, BufReader<ChildStdout>, u16)> {
    let mut command = Command::new("chromedriver");
    command
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut chromedriver = command.spawn().expect("chromedriver is installed");
    let mut stdout = BufReader::new(chromedriver.stdout.take().expect("its output is piped"));
    let port = |line: String| {
        line.split_once("started successfully on port ")?
            .1
            .trim_end_matches('.')
            .parse()
            .ok()
    };
    let Some(port) = stdout.by_ref().lines().map_while(Result::ok).find_map(port) else {
        let _ = chromedriver.wait();
        return None;
    };
    Some((chromedriver, stdout, port))
}

fn value(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
    let mut body: Value = answer
        .expect("chromedriver answers")
        .body_mut()
        .read_json()
        .expect("it answers in JSON");
    let value = body["value"].take();
    assert!(
        value.get("error").is_none(),
        "chromedriver refuses: {value}"
    );
    value
}

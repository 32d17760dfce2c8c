//! A Firefox, driven through its own remote protocol, Marionette: JSON with its length before it,
//! over TCP.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::eventually;

/// A new profile's first window takes its time on a busy machine.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(180);

/// No page but ours, and a free port of Firefox's choosing, which it leaves in a file of its
/// profile.
const SETTINGS: &str = "
    user_pref('marionette.port', 0);
    user_pref('browser.shell.checkDefaultBrowser', false);
    user_pref('browser.startup.page', 0);
    user_pref('datareporting.policy.dataSubmissionEnabled', false);
    user_pref('toolkit.telemetry.server', '');
    user_pref('app.update.enabled', false);
    user_pref('network.captive-portal-service.enabled', false);
    user_pref('network.connectivity-service.enabled', false);
    user_pref('network.proxy.type', 0);
";

/// One Firefox with an empty profile, ended when this is dropped.
pub(crate) struct Firefox {
    connection: TcpStream,
    commands: u32,
    child: Child,
    _profile: TempDir,
}

impl Firefox {
    /// Starts it, without a window.
    pub(crate) fn start() -> Self {
        Self::start_at_home(&[])
    }

    /// The same, but these host names resolve to this machine, as in DNS rebinding.
    pub(crate) fn start_at_home(names: &[&str]) -> Self {
        let profile = tempfile::tempdir().expect("a directory for the profile");
        let names = format!(
            "user_pref('network.dns.localDomains', '{}');",
            names.join(",")
        );
        fs::write(profile.path().join("user.js"), format!("{SETTINGS}{names}"))
            .expect("room for the settings");
        let mut command = Command::new("firefox-esr");
        command
            .args(["--headless", "--marionette", "--no-remote", "--profile"])
            .arg(profile.path());
        command
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().expect("firefox-esr is installed");
        let mut connection = None;
        eventually("Firefox can be driven", || {
            let port = fs::read_to_string(profile.path().join("MarionetteActivePort")).ok();
            let port = port.and_then(|port| port.trim().parse::<u16>().ok());
            connection = port.and_then(|port| TcpStream::connect(("127.0.0.1", port)).ok());
            connection.is_some()
        });
        let connection = connection.expect("it was there just now");
        connection
            .set_read_timeout(Some(COMMAND_TIMEOUT))
            .expect("a timeout can be set");
        let mut firefox = Self {
            connection,
            commands: 0,
            child,
            _profile: profile,
        };
        firefox.receive();
        firefox.command("WebDriver:NewSession", json!({}));
        firefox
    }

    /// Shows the page at `url` and returns once it is loaded.
    pub(crate) fn go(&mut self, url: &str) {
        self.command("WebDriver:Navigate", json!({ "url": url }));
    }

    /// Runs the body of a function whose last argument is to be called with the result.
    pub(crate) fn run_async(&mut self, script: &str, arguments: Value) -> Value {
        let answer = self.command(
            "WebDriver:ExecuteAsyncScript",
            json!({ "script": script, "args": arguments }),
        );
        answer["value"].clone()
    }

    /// Sends commands to a frame of the page, from 0, or to the page again.
    pub(crate) fn switch_to_frame(&mut self, frame: Option<usize>) {
        self.command("WebDriver:SwitchToFrame", json!({ "id": frame }));
    }

    fn command(&mut self, name: &str, parameters: Value) -> Value {
        self.commands += 1;
        let message = json!([0, self.commands, name, parameters]).to_string();
        write!(self.connection, "{}:{message}", message.len()).expect("Firefox listens");
        let answer = self.receive();
        assert_eq!(answer[2], Value::Null, "Firefox refuses {name}");
        answer[3].clone()
    }

    fn receive(&mut self) -> Value {
        let mut length = Vec::new();
        while length.last() != Some(&b':') {
            let mut byte = [0];
            self.connection
                .read_exact(&mut byte)
                .expect("Firefox answers");
            length.push(byte[0]);
        }
        length.pop();
        let length = String::from_utf8(length)
            .ok()
            .and_then(|length| length.parse().ok());
        let mut message = vec![0; length.expect("a length")];
        self.connection
            .read_exact(&mut message)
            .expect("a whole message");
        serde_json::from_slice(&message).expect("Firefox speaks JSON")
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

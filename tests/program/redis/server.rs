//! A Redis server for one test: on a free port, without files, killed when dropped.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use redis::{Connection, FromRedisValue, cmd};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::eventually;

pub struct Redis {
    pub port: u16,
    options: Vec<String>,
    folder: TempDir,
    child: Child,
}

impl Redis {
    pub fn start(options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(port, &options, &folder);
        let redis = Self {
            port,
            options,
            folder,
            child,
        };
        redis.await_answer();
        redis
    }

    /// The URL of a channel or key.
    pub fn url(&self, scheme: &str, name: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/{name}", self.port)
    }

    /// Sends `signal` and waits until the server has exited.
    pub fn end(&mut self, signal: Signal) {
        self.signal(signal);
        self.child.wait().unwrap();
    }

    /// Restarts it on the same port. Waits until it replies, and returns the time of the first
    /// reply.
    pub fn start_again(&mut self) -> Instant {
        self.child = spawn(self.port, &self.options, &self.folder);
        self.await_answer();
        Instant::now()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn connect(&self) -> Connection {
        self.try_connect().expect("Redis answers")
    }

    /// Sends a command, and returns the reply.
    pub fn ask<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut command = cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        command.query(&mut self.connect()).unwrap()
    }

    /// A value of `INFO`.
    pub fn figure(&self, name: &str) -> u64 {
        let info: String = self.ask("INFO all");
        let figure = info
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        figure
            .and_then(|figure| figure.trim().parse().ok())
            .unwrap_or_else(|| panic!("no {name} in {info}"))
    }

    fn try_connect(&self) -> Option<Connection> {
        let mut connection = redis::Client::open(self.url("redis", ""))
            .unwrap()
            .get_connection()
            .ok()?;
        // An error about a missing password is a reply too.
        match cmd("PING").exec(&mut connection) {
            Err(error) if error.code() != Some("NOAUTH") => None,
            _ => Some(connection),
        }
    }

    fn await_answer(&self) {
        eventually("Redis answers", || self.try_connect().is_some());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, options: &[String], folder: &TempDir) -> Child {
    let mut command = Command::new("redis-server");
    command.args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]);
    command
        .args(options)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("redis-server is installed")
}

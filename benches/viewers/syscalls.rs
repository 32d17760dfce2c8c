//! Counts a server's system calls with strace(1).

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

/// Maximum number of viewers while a server is traced.
pub(crate) const VIEWERS_MAX: usize = 100;
/// Seconds of tracing after all viewers have joined.
pub(crate) const SECONDS: f64 = 3.0;

/// A running strace.
pub(crate) struct Trace {
    strace: Child,
    summary: NamedTempFile,
}

impl Trace {
    /// Attaches to a process and its threads. Returns `None` if strace is not installed.
    pub(crate) fn attach(pid: u32) -> io::Result<Option<Self>> {
        let summary = NamedTempFile::new()?;
        let mut command = Command::new("strace");
        command
            .args(["-c", "-f", "-p", &pid.to_string(), "-o"])
            .arg(summary.path());
        let mut strace = match command.stderr(Stdio::piped()).spawn() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            spawned => spawned?,
        };
        if let Some(stderr) = strace.stderr.take() {
            // strace prints one line once it is attached.
            BufReader::new(stderr).read_line(&mut String::new())?;
        }
        Ok(Some(Self { strace, summary }))
    }

    /// Detaches and returns the number of calls by name, most frequent first.
    pub(crate) fn finish(mut self) -> io::Result<Vec<(String, u64)>> {
        kill_process(Pid::from_child(&self.strace), Signal::INT)?;
        self.strace.wait()?;
        let summary = fs::read_to_string(self.summary.path())?;
        let mut calls: Vec<_> = summary.lines().filter_map(parse_line).collect();
        calls.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
        Ok(calls)
    }
}

/// Parses a line of the summary: share, seconds, microseconds per call, calls, errors (optional),
/// name.
fn parse_line(line: &str) -> Option<(String, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let calls = fields.get(3)?.parse().ok()?;
    let name = fields.last().filter(|name| **name != "total")?;
    Some((name.to_string(), calls))
}

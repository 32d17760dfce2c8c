//! `RUST_LOG=trace` with a full pipe, a pipe without a reader, and a closed stderr.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::fixture::{Fixture, Form, Report};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stderr {
    Full,
    Unread,
    Closed,
}

pub fn attack(form: Form, report: &mut Report) {
    for stderr in [Stderr::Full, Stderr::Unread, Stderr::Closed] {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("log");
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("a pipe can be made");
        // Opened for reading and writing, so that neither open(2) blocks.
        let both = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .expect("the pipe can be opened");
        let reader = File::open(&path).expect("the pipe can be opened");
        let mut command = Command::new("sh");
        let redirection = if stderr == Stderr::Closed {
            "2>&-"
        } else {
            "2>\"$LOG\""
        };
        command.args([
            "-c",
            &format!("exec \"$0\" \"$@\" {redirection}"),
            env!("CARGO_BIN_EXE_framecast"),
        ]);
        command.env("RUST_LOG", "trace").env("LOG", &path);
        let fixture = Fixture::start_with(form, command, &[], Vec::new());
        drop(both);
        let reader = Some(reader).filter(|_| stderr == Stderr::Full);
        let requests = form.choose(10_000, 1500);
        for _ in 0..requests {
            fixture.program.get("/healthz");
        }
        std::thread::sleep(form.choose(Duration::from_secs(5), Duration::from_millis(300)));
        let lost = fixture.program.state()["loop"]["log_lines_dropped"]
            .as_u64()
            .unwrap_or(0);
        // A closed stderr is replaced by /dev/null, which accepts every line.
        report.require(
            lost > 0 || stderr == Stderr::Closed,
            format!("{stderr:?}: no line was lost"),
        );
        report.figure(format!(
            "stderr {stderr:?}: {requests} requests answered, {lost} lines counted as lost"
        ));
        fixture.finish(report);
        if let Some(reader) = reader {
            check_lines(reader, report);
        }
    }
}

/// Checks that the log consists of whole lines, each with its level.
fn check_lines(reader: File, report: &mut Report) {
    let levels = [
        " DEBUG ",
        " INFO ",
        " WARN ",
        " TRACE ",
        " ERROR ",
        "log lines dropped",
    ];
    let mut count = 0;
    for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
        count += 1;
        let line = String::from_utf8_lossy(&line);
        let is_whole = levels.iter().any(|level| line.contains(level));
        report.require(is_whole, format!("a log line is {line:?}"));
    }
    report.require(count > 0, "the log is empty");
}

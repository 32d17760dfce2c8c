//! Drivers that run other programs or read their files: the program with real processes, pipes and
//! directories.

mod commands;
mod input;
mod invalid;
mod lifetime;
mod metadata;
mod orphans;
mod placeholder;
mod rpicam;
mod slideshow;
mod still;
mod watch;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use jpeg_encoder::{ColorType, Encoder};

use crate::support::{Part, TIMEOUT, Viewer};

/// The program under test.
const FRAMECAST: &str = env!("CARGO_BIN_EXE_framecast");

/// The picture `number`, identified by its width.
fn picture(number: u16) -> Vec<u8> {
    let (width, height) = (16 + number, 16);
    let pixels = [0, 0, 255].repeat(usize::from(width) * usize::from(height));
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, 80)
        .encode(&pixels, width, height, ColorType::Rgb)
        .expect("the picture is small");
    jpeg
}

/// Writes an executable file, through a shell: if this process had it open for writing, a child
/// that another test forks at that moment would inherit the descriptor, and execve(2) would fail
/// with ETXTBSY.
fn script(path: &Path, text: &str) {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "cat >\"$0\" && chmod +x \"$0\""])
        .arg(path)
        .stdin(Stdio::piped());
    let mut child = shell.spawn().expect("there is a shell");
    child
        .stdin
        .take()
        .expect("its input is piped")
        .write_all(text.as_bytes())
        .expect("it reads");
    assert!(child.wait().expect("it ends").success());
}

/// Creates a named pipe.
fn fifo(path: &Path) {
    assert!(
        Command::new("mkfifo")
            .arg(path)
            .status()
            .expect("mkfifo runs")
            .success()
    );
}

/// Runs the program; returns its exit code and its stderr.
fn run(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(FRAMECAST)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    (
        output.status.code().expect("an exit code"),
        String::from_utf8(output.stderr).expect("words"),
    )
}

/// Reads parts until `jpeg` is shown.
fn watch_for(viewer: &mut Viewer, jpeg: &[u8]) -> Part {
    let begun = Instant::now();
    loop {
        let part = viewer.part();
        if part.jpeg == jpeg {
            return part;
        }
        assert!(begun.elapsed() < TIMEOUT, "the picture is never shown");
    }
}

/// Whether the process `pid` runs. A zombie does not.
fn runs(pid: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state
        .rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

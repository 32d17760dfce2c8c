//! The command lines of the server's child processes, which all run framecast itself.

use std::ffi::OsString;
use std::path::Path;

use crate::drivers::{SOURCE_VARIABLE, Source};
use crate::publish::{PUBLISHING, TARGET_VARIABLE, Target};
use crate::server::{DriverSpec, StdinFrom};

/// Returns the command line of the driver that captures `source` for the camera `name`.
pub(super) fn driver(
    program: &Path,
    name: &str,
    source: &Source,
    frame_bytes_max: usize,
) -> DriverSpec {
    // The name identifies the driver in a process list.
    let args = [
        "capture".into(),
        frame_max(frame_bytes_max),
        server(),
        format!("--camera={name}").into(),
    ];
    DriverSpec {
        env: vec![(SOURCE_VARIABLE, source.address().clone())],
        shown_as: source.address().clone(),
        stdin: if source.reads_stdin() {
            StdinFrom::Server
        } else {
            StdinFrom::Null
        },
        frame_timeout: source.frame_timeout(),
        recovers: source.recovers(),
        repeat_interval: source.repeat_interval(),
        ..command(program, args)
    }
}

/// Returns the command line of the publisher at `target`.
pub(super) fn publisher(program: &Path, target: &Target, frame_bytes_max: usize) -> DriverSpec {
    DriverSpec {
        env: vec![(TARGET_VARIABLE, target.written().clone())],
        shown_as: target.written().clone(),
        success_prefix: Some(PUBLISHING),
        ..command(
            program,
            ["publish".into(), server(), frame_max(frame_bytes_max)],
        )
    }
}

/// Returns the command line of the placeholder renderer.
pub(super) fn renderer(program: &Path) -> DriverSpec {
    command(program, ["draw-offline".into()])
}

/// Returns the command line of the password check.
pub(super) fn password_check(program: &Path) -> DriverSpec {
    command(program, ["check-password".into()])
}

fn command<const N: usize>(program: &Path, args: [OsString; N]) -> DriverSpec {
    DriverSpec {
        program: program.to_owned(),
        args: args.into(),
        ..DriverSpec::default()
    }
}

/// The child process ends when the process with this id does.
fn server() -> OsString {
    format!("--server={}", std::process::id()).into()
}

fn frame_max(bytes: usize) -> OsString {
    format!("--frame-max-mib={}", bytes / (1024 * 1024)).into()
}

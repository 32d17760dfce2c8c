//! The source `exec`: a command that writes frames to its standard output, as ffmpeg, rpicam-vid or a script does.
//!
//! There is nothing to be done between it and the server, so the driver becomes the command: what it writes goes
//! straight into the server's pipe, and a signal to the driver is a signal to the command.

use std::env;
use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{Access, access};

use super::source::SourceError;
use super::{CaptureError, Driver, Parts};
use crate::wire::secret::mask;

/// Where programs are looked for if `PATH` does not say.
const PATH_DEFAULT: &str = "/bin:/usr/bin";

/// `exec:COMMAND ARGUMENTS`: split into words as a shell does it, with its quotes, but run without one: no variable, no
/// `~`, no `*` and no `|` means anything. Who wants those writes `exec:sh -c '...'`.
#[derive(Clone, PartialEq, Eq)]
pub struct Exec {
    program: String,
    arguments: Vec<String>,
}

impl Exec {
    pub(crate) fn parse(rest: &str) -> Result<Self, SourceError> {
        let words = shlex::split(rest).filter(|_| !rest.contains('\0'));
        let mut words = words.unwrap_or_default().into_iter();
        let program = words.next().ok_or(SourceError::Command)?;
        Ok(Self { program, arguments: words.collect() })
    }
}

impl Driver for Exec {
    fn check(&self) -> Result<(), SourceError> {
        find(&self.program).map(drop)
    }

    fn run(&self, _: &mut Parts) -> Result<(), CaptureError> {
        Err(become_program(&self.program, &self.arguments).into())
    }
}

/// Replaces this process by `program`, which keeps our standard input, output and error and nothing else. It returns
/// only if that fails.
pub(super) fn become_program(program: &str, arguments: &[String]) -> SourceError {
    // The variable holds the whole address, with credentials that need not concern the program.
    let error = Command::new(program).args(arguments).env_remove(super::SOURCE_VARIABLE).exec();
    program_error(program, error)
}

/// An assignment such as `PASSWORD=x` may have been taken for the program.
fn program_error(program: &str, error: io::Error) -> SourceError {
    SourceError::Program { program: mask(program), error }
}

/// The file that `program` stands for: itself if it is a path, or else the first of its name in `PATH`.
///
/// # Errors
/// There is none that may be executed.
pub(super) fn find(program: &str) -> Result<PathBuf, SourceError> {
    let failed = |error| program_error(program, error);
    if program.contains('/') {
        return may_execute(Path::new(program)).map(|()| program.into()).map_err(failed);
    }
    let path = env::var_os("PATH").unwrap_or_else(|| PATH_DEFAULT.into());
    let mut found = env::split_paths(&path).map(|directory| directory.join(program));
    found.find(|file| may_execute(file).is_ok()).ok_or_else(|| failed(io::Error::other("it is not in PATH")))
}

fn may_execute(file: &Path) -> io::Result<()> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "it is no file"));
    }
    Ok(access(file, Access::EXEC_OK)?)
}

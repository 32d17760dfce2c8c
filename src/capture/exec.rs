//! The source `exec`: a command that writes frames to its standard output, as ffmpeg, rpicam-vid or a script does.
//!
//! There is nothing to be done between it and the server, so the driver becomes the command: what it writes goes
//! straight into the server's pipe, and a signal to the driver is a signal to the command.

use std::env;
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{Access, access};

use super::source::SourceError;
use super::{CaptureError, Driver, Parts};

/// Where programs are looked for if `PATH` does not say.
const PATH_DEFAULT: &str = "/bin:/usr/bin";

/// `exec:COMMAND ARGUMENTS`: split into words as a shell does it, with its quotes, but run without one: no variable, no
/// `~`, no `*` and no `|` means anything. Who wants those writes `exec:sh -c '...'`.
///
/// Its `Display` leaves out the users and passwords in the addresses of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    command: String,
    program: String,
    arguments: Vec<String>,
}

impl Exec {
    pub(crate) fn parse(rest: &str) -> Result<Self, SourceError> {
        let words = shlex::split(rest).filter(|_| !rest.contains('\0'));
        let mut words = words.unwrap_or_default().into_iter();
        let program = words.next().ok_or_else(|| SourceError::Command(rest.to_owned()))?;
        Ok(Self { command: rest.to_owned(), program, arguments: words.collect() })
    }
}

impl Driver for Exec {
    fn check(&self) -> Result<(), SourceError> {
        find(&self.program).map(drop)
    }

    fn run(&self, _: &mut Parts) -> Result<(), CaptureError> {
        Err(become_program(&self.program, &self.arguments).into())
    }

    fn with_secrets(&self) -> String {
        format!("exec:{}", self.command)
    }
}

impl fmt::Display for Exec {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "exec:{}", without_logins(&self.command))
    }
}

/// `text` without the user and password of each address in it, as in `rtsp://USER:PASSWORD@HOST`.
pub fn without_logins(text: &str) -> String {
    let mut rest = text;
    let mut shown = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let authority = after.find(|character: char| character == '/' || character.is_whitespace());
        let authority = &after[..authority.unwrap_or(after.len())];
        rest = authority.rfind('@').map_or(after, |at| &after[at + 1..]);
    }
    shown + rest
}

/// Replaces this process by `program`, which keeps our standard input, output and error and nothing else. It returns
/// only if that fails.
pub(super) fn become_program(program: &str, arguments: &[String]) -> SourceError {
    let error = Command::new(program).args(arguments).exec();
    SourceError::Program { program: program.to_owned(), error }
}

/// The file that `program` stands for: itself if it is a path, or else the first of its name in `PATH`.
///
/// # Errors
/// There is none that may be executed.
pub(super) fn find(program: &str) -> Result<PathBuf, SourceError> {
    let failed = |error| SourceError::Program { program: program.to_owned(), error };
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

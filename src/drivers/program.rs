//! The programs of `exec:` and `rpicam:`: finding them, and why one cannot be run.

use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{Access, access};

use super::error::SourceError;
use crate::text::secret::mask;

/// The search path if `PATH` is not set.
const PATH_DEFAULT: &str = "/bin:/usr/bin";

/// The kernel reads this much of a file to find its interpreter (`BINPRM_BUF_SIZE`).
const HEAD_BYTES: u64 = 256;

/// Replaces this process by `program` (execve(2)), which inherits stdin, stdout and stderr. Returns
/// only if that fails.
pub(super) fn exec(program: &str, arguments: &[String]) -> SourceError {
    // The variable may hold credentials that are not for the program.
    let error = Command::new(program)
        .args(arguments)
        .env_remove(super::SOURCE_VARIABLE)
        .exec();
    match find(program) {
        Err(error) => error,
        Ok(file) => failed(program, problem_of(&file, error)),
    }
}

/// Finds the file of `program`: the program itself if it is a path, or else the first executable
/// file of that name in `PATH`.
///
/// # Errors
/// There is no such file, or it cannot be run.
pub(super) fn find(program: &str) -> Result<PathBuf, SourceError> {
    if program.contains('/') {
        return runnable(program.into()).map_err(|problem| failed(program, problem));
    }
    let path = env::var_os("PATH").unwrap_or_else(|| PATH_DEFAULT.into());
    let mut problem = None;
    for file in env::split_paths(&path)
        .map(|directory| directory.join(program))
        .filter(|file| file.is_file())
    {
        match runnable(file) {
            Ok(file) => return Ok(file),
            Err(found) => problem = problem.or(Some(found)),
        }
    }
    Err(failed(
        program,
        problem.unwrap_or_else(|| Problem::new("not found in PATH", INSTALL)),
    ))
}

const INSTALL: &str = "install it, or name an executable file";

/// Why a program cannot be run, and what to do.
struct Problem {
    what: String,
    remedy: String,
}

impl Problem {
    fn new(what: impl ToString, remedy: impl ToString) -> Self {
        Self {
            what: what.to_string(),
            remedy: remedy.to_string(),
        }
    }
}

/// The error of a program. It is masked: `program` may be an assignment such as `PASSWORD=x`.
fn failed(program: &str, problem: Problem) -> SourceError {
    SourceError::Program {
        program: mask(program),
        problem: mask(&problem.what),
        remedy: mask(&problem.remedy),
    }
}

/// Returns `file` if it can be run.
fn runnable(file: PathBuf) -> Result<PathBuf, Problem> {
    let error = match file.metadata() {
        Err(error) => return Err(Problem::new(error, INSTALL)),
        Ok(metadata) if metadata.is_dir() => {
            return Err(Problem::new("it is a directory", "name a program in it"));
        }
        Ok(metadata) if !metadata.is_file() => {
            return Err(Problem::new("not a regular file", INSTALL));
        }
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
            return Err(Problem::new(
                "not executable",
                format!("run chmod +x {}", file.display()),
            ));
        }
        Ok(_) => access(&file, Access::EXEC_OK).err().map(io::Error::from),
    };
    match error {
        Some(error) => Err(problem_of(&file, error)),
        None => interpreter_problem(&file).map_or(Ok(file), Err),
    }
}

/// Why execve(2) of an existing `file` failed with `error`.
fn problem_of(file: &Path, error: io::Error) -> Problem {
    if let Some(problem) = interpreter_problem(file) {
        return problem;
    }
    match error.kind() {
        // The file exists, so ENOENT is about the dynamic loader named in it (execve(2)).
        ErrorKind::NotFound => Problem::new(
            "its dynamic loader does not exist",
            "install a program built for this system",
        ),
        ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            let remedy = format!(
                "allow user {user} to execute {}, on a file system mounted without noexec",
                file.display()
            );
            Problem::new(error, remedy)
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            Problem::new(
                "neither a program for this machine nor a script",
                "start a script with #! and its interpreter, such as #!/bin/sh, or install the right program",
            )
        }
        _ => Problem::new(error, INSTALL),
    }
}

/// The problem with the interpreter of `file`, if it is a script (execve(2), "Interpreter
/// scripts").
fn interpreter_problem(file: &Path) -> Option<Problem> {
    let mut head = Vec::new();
    File::open(file)
        .ok()?
        .take(HEAD_BYTES)
        .read_to_end(&mut head)
        .ok()?;
    let line = head
        .strip_prefix(b"#!")?
        .split(|&byte| byte == b'\n')
        .next()?
        .trim_ascii_start();
    let path = line.split(|byte| b" \t".contains(byte)).next()?;
    let interpreter = Path::new(std::ffi::OsStr::from_bytes(path));
    if path.ends_with(b"\r") {
        let remedy = format!(
            "remove the CR of each line: sed -i 's/\\r$//' {}",
            file.display()
        );
        return Some(Problem::new("its first line ends with CR LF", remedy));
    }
    if path.is_empty()
        || interpreter
            .metadata()
            .is_ok_and(|metadata| metadata.is_file())
    {
        return None;
    }
    Some(Problem::new(
        format!("its interpreter {} does not exist", interpreter.display()),
        format!(
            "install it, or correct the first line of {}",
            file.display()
        ),
    ))
}

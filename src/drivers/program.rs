//! The programs behind `exec:` and `rpicam:`: where they are, and why one cannot be run.

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

/// Where programs are looked for if `PATH` does not say.
const PATH_DEFAULT: &str = "/bin:/usr/bin";

/// The kernel reads so much of a file to tell how it is run (`BINPRM_BUF_SIZE`).
const HEAD_BYTES: u64 = 256;

/// Replaces this process by `program`, which keeps our standard input, output and error and nothing
/// else. It returns only if that fails.
pub(super) fn become_program(program: &str, arguments: &[String]) -> SourceError {
    // The variable holds the whole address, with credentials that need not concern the program.
    let error = Command::new(program)
        .args(arguments)
        .env_remove(super::SOURCE_VARIABLE)
        .exec();
    match find(program) {
        Err(explained) => explained,
        Ok(file) => failed(program, problem_of(&file, error)),
    }
}

/// The file that `program` stands for: itself if it is a path, or else the first of its name in
/// `PATH` that can be run.
///
/// # Errors
/// There is none, or it cannot be run.
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
        problem.unwrap_or_else(|| Problem::new("it is not in PATH", INSTALL)),
    ))
}

const INSTALL: &str = "install it, or name a file that may be executed";

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

/// An assignment such as `PASSWORD=x` may have been taken for the program.
fn failed(program: &str, problem: Problem) -> SourceError {
    SourceError::Program {
        program: mask(program),
        problem: mask(&problem.what),
        remedy: mask(&problem.remedy),
    }
}

fn runnable(file: PathBuf) -> Result<PathBuf, Problem> {
    let error = match file.metadata() {
        Err(error) => return Err(Problem::new(error, INSTALL)),
        Ok(metadata) if metadata.is_dir() => {
            return Err(Problem::new("it is a directory", "name a program in it"));
        }
        Ok(metadata) if !metadata.is_file() => return Err(Problem::new("it is no file", INSTALL)),
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
            return Err(Problem::new(
                "it is not executable",
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

/// Why `file`, which is there, could not be run.
fn problem_of(file: &Path, error: io::Error) -> Problem {
    if let Some(problem) = interpreter_problem(file) {
        return problem;
    }
    match error.kind() {
        // The file exists, so it is the loader named in it that does not (execve(2), ENOENT).
        ErrorKind::NotFound => Problem::new(
            "its loader is missing, as for a program built for another system",
            "install one built for this",
        ),
        ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            let remedy = format!(
                "let user {user} execute {}, on a file system mounted without noexec",
                file.display()
            );
            Problem::new(error, remedy)
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            let remedy = "begin a script with #! and its interpreter, such as #!/bin/sh, or install the right program";
            Problem::new(
                "it is neither a program for this machine nor a script",
                remedy,
            )
        }
        _ => Problem::new(error, INSTALL),
    }
}

/// What is wrong with the interpreter of `file`, if it is a script that names one (execve(2),
/// "Interpreter scripts").
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
    let word = line.split(|byte| b" \t".contains(byte)).next()?;
    let interpreter = Path::new(std::ffi::OsStr::from_bytes(word));
    if word.ends_with(b"\r") {
        let remedy = format!(
            "write its lines without CR, as by sed -i 's/\\r$//' {}",
            file.display()
        );
        return Some(Problem::new(
            "its first line ends with a carriage return (CR)",
            remedy,
        ));
    }
    if word.is_empty()
        || interpreter
            .metadata()
            .is_ok_and(|metadata| metadata.is_file())
    {
        return None;
    }
    let what = format!("its interpreter {} does not exist", interpreter.display());
    Some(Problem::new(
        what,
        format!(
            "install that, or correct the first line of {}",
            file.display()
        ),
    ))
}

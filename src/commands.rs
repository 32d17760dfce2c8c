//! The commands of the program: each parses its options, does its work and returns an exit code.

use std::error::Error;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[cfg(feature = "bench")]
use crate::bench::{self, BenchError};
use crate::clock::wall_time;
use crate::drivers::Source;
use crate::generate::File;
use crate::health::HealthError;
use crate::options::{Capture, Command, DrawOffline, Health, Help, Options, Publish, Serve, Token};
use crate::publish::Target;
use crate::server::{EventLoop, RIGHT, WRONG};
use crate::site::auth::{HASH_BYTES_MAX, PASSWORD_BYTES_MAX, PasswordHash};
use crate::text::secret::{SecretAddress, mask};
use crate::{drivers, health, logging, options, publish, server};
use clap::CommandFactory;
use log::Level;

/// Exit code of a failure that may not repeat, such as an address in use or an expired certificate.
/// A service manager should start the program again.
const FAILURE: u8 = 1;

/// Exit code of invalid options, the same as clap's. Starting again does not help.
const USAGE: u8 = 2;

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    let options = Options::from_process().unwrap_or_else(|error| {
        if error.use_stderr() {
            let _ = write!(io::stderr(), "{}", logging::priority(Level::Error));
        }
        // Clap repeats invalid arguments, which may contain a password.
        let text = error.to_string();
        let masked = std::env::args_os().fold(mask(&text), |text, argument| {
            SecretAddress::new(argument.to_string_lossy().trim_start_matches('-')).redact(&text)
        });
        if !error.use_stderr() || masked == text {
            error.exit()
        }
        let _ = write!(io::stderr(), "{masked}");
        std::process::exit(error.exit_code())
    });
    logging::start(options.verbosity.level());
    for warning in Options::unknown_variables() {
        log::warn!("{warning}");
    }
    let result = match options.command {
        None => match options.generate {
            Some(file) => generate(file),
            None => serve(options.serve),
        },
        Some(Command::Serve(options)) => serve(*options),
        Some(Command::Capture(options)) => run_capture(&options),
        Some(Command::Publish(options)) => run_publish(&options),
        Some(Command::DrawOffline(options)) => draw_offline(&options).map_err(failure),
        Some(Command::Token(options)) => sign_token(options),
        Some(Command::CheckPassword) => return check_password(),
        Some(Command::Cameras) => list_cameras(),
        Some(Command::Health(options)) => check_health(options),
        #[cfg(feature = "bench")]
        Some(Command::Bench(options)) => run_bench(&options),
        Some(Command::Help(options)) => help(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => {
            // If stderr is closed, the exit code is all that can be reported.
            let _ = writeln!(
                io::stderr(),
                "{}framecast: {}",
                logging::priority(Level::Error),
                mask(&error.to_string())
            );
            ExitCode::from(code)
        }
    }
}

type Outcome = Result<(), (u8, Box<dyn Error>)>;

fn serve(options: Serve) -> Outcome {
    let program = program().map_err(failure)?;
    let settings = options.settings(&program).map_err(usage)?;
    options::check_sources(&settings.cameras).map_err(usage)?;
    server::prepare();
    let event_loop = EventLoop::new(settings, &program).map_err(failure)?;
    for address in event_loop.addresses() {
        // Serve even if stdout is a closed pipe or a file on a full disk.
        if let Err(error) = writeln!(io::stdout(), "listening on {address}") {
            log::warn!("cannot write to standard output: {error}; listening on {address}");
        }
    }
    for line in event_loop.reach() {
        let _ = writeln!(io::stdout(), "{line}");
    }
    event_loop.run().map_err(failure)
}

/// Returns the path of this program, for child processes and for a restart. Without /proc, as in a
/// chroot, the path is taken from the first argument.
fn program() -> io::Result<PathBuf> {
    std::env::current_exe().or_else(|error| {
        let name = std::env::args_os()
            .next()
            .map(PathBuf::from)
            .filter(|name| name.components().count() > 1);
        name.ok_or(error)?.canonicalize()
    })
}

fn generate(file: File) -> Outcome {
    io::stdout()
        .write_all(&file.content(Options::command()))
        .map_err(failure)
}

fn run_capture(options: &Capture) -> Outcome {
    if let Some(server) = options.server {
        drivers::die_with_parent(server).map_err(failure)?;
    }
    let source: Source = options.source.expose().parse().map_err(usage)?;
    if io::stdout().is_terminal() {
        return Err(usage(
            "standard output is a terminal; redirect it, as in framecast capture SOURCE | mpv -",
        ));
    }
    drivers::run(&source, options.frame_max.bytes(), &mut io::stdout().lock()).map_err(failure)
}

fn run_publish(options: &Publish) -> Outcome {
    if let Some(server) = options.server {
        drivers::die_with_parent(server).map_err(failure)?;
    }
    let target: Target = options.target.expose().parse().map_err(usage)?;
    publish::run(&target, options.frame_max.bytes()).map_err(failure)
}

fn draw_offline(options: &DrawOffline) -> io::Result<()> {
    let DrawOffline {
        name,
        reason,
        since,
        size: (width, height),
    } = options;
    let jpeg =
        drivers::placeholder::draw(name, reason, Duration::from_secs(*since), *width, *height);
    io::stdout().write_all(&jpeg)
}

fn sign_token(mut options: Token) -> Outcome {
    let base = options.base().map_err(usage)?;
    let (camera, expires) = (options.camera.take(), wall_time() + options.valid);
    let secret = options.secret().map_err(usage)?;
    let token = secret.sign(camera.as_deref(), expires).map_err(usage)?;
    let printed = base.map_or_else(|| token.clone(), |base| base.link(&token));
    writeln!(io::stdout(), "{printed}").map_err(failure)
}

/// Reads a line with a hash, and perhaps a second hash behind a space, and after the line the
/// password. Standard input is used because every user can read an argument list. If the password
/// is wrong, it is checked against the second hash too, only to take as long as for another user.
fn check_password() -> ExitCode {
    let mut input = Vec::new();
    let bytes_max = (2 * (HASH_BYTES_MAX + 1) + PASSWORD_BYTES_MAX) as u64;
    let read = io::stdin().take(bytes_max).read_to_end(&mut input);
    let (hashes, password) = input.split_at(
        input
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap_or(input.len()),
    );
    let hashes = str::from_utf8(hashes).ok();
    let hashes =
        hashes.and_then(|hashes| hashes.split(' ').map(|hash| hash.parse().ok()).collect());
    match (read, hashes, password.strip_prefix(b"\n")) {
        (Ok(_), Some::<Vec<PasswordHash>>(hashes), Some(password)) => {
            let (hash, dummy) = hashes.split_at(1);
            let is_right = hash[0].verify(password);
            if !is_right {
                for hash in dummy {
                    std::hint::black_box(hash.verify(password));
                }
            }
            ExitCode::from(if is_right { RIGHT } else { WRONG })
        }
        _ => ExitCode::from(FAILURE),
    }
}

fn list_cameras() -> Outcome {
    let table = drivers::v4l2::table().map_err(failure)?;
    io::stdout().write_all(table.as_bytes()).map_err(failure)
}

fn check_health(options: Health) -> Outcome {
    let query = options.query().map_err(usage)?;
    let answer = health::check(&query).map_err(|error| match error {
        HealthError::Url { .. } | HealthError::Certificates { .. } => usage(error),
        _ => failure(error),
    })?;
    writeln!(io::stdout(), "{answer}").map_err(failure)
}

fn help(options: &Help) -> Outcome {
    let text = options.text().map_err(usage)?;
    Help::print(&text).map_err(failure)
}

#[cfg(feature = "bench")]
fn run_bench(options: &bench::Args) -> Outcome {
    bench::command(options).map_err(|error| match error {
        BenchError::Plan(_) | BenchError::Url { .. } => (USAGE, error.into()),
        _ => failure(error),
    })
}

fn usage(error: impl Into<Box<dyn Error>>) -> (u8, Box<dyn Error>) {
    (USAGE, error.into())
}

fn failure(error: impl Into<Box<dyn Error>>) -> (u8, Box<dyn Error>) {
    (FAILURE, error.into())
}

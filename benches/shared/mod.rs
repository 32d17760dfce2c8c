//! Shared by the benches of whole servers: test pictures, servers pinned to one core, and tables of
//! figures.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

pub(crate) mod figures;
pub(crate) mod pictures;
pub(crate) mod server;

/// Number of different pictures: a server must not gain by sending the same one again.
const PICTURES: u8 = 10;

/// Prints the error, if any, and returns the exit code of a bench.
pub(crate) fn exit_code(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Fills a directory with JPEGs of exactly `bytes` bytes each.
pub(crate) fn write_stills(directory: &Path, bytes: usize) -> io::Result<()> {
    for number in 0..PICTURES {
        fs::write(
            directory.join(format!("{number:03}.jpg")),
            pictures::jpeg(number, bytes)?,
        )?;
    }
    Ok(())
}

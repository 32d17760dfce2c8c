//! What the benches of whole servers have in common: pictures to show, servers on a core of their
//! own, and figures.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

pub(crate) mod figures;
pub(crate) mod pictures;
pub(crate) mod server;

/// Pictures that differ, so that no server can be quick by sending the same one again.
const PICTURES: u8 = 10;

/// What a bench ends with: its exit code, and why if it is no success.
pub(crate) fn conclude(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
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

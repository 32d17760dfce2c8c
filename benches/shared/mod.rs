//! What the benches of whole servers have in common: pictures to show, servers on a core of their own, and figures.

use std::fs;
use std::io;
use std::path::Path;

pub(crate) mod figures;
pub(crate) mod pictures;
pub(crate) mod server;

/// Pictures that differ, so that no server can be quick by sending the same one again.
const PICTURES: u8 = 10;

/// Fills a directory with JPEGs of exactly `bytes` bytes each.
pub(crate) fn write_stills(directory: &Path, bytes: usize) -> io::Result<()> {
    for number in 0..PICTURES {
        fs::write(directory.join(format!("{number:03}.jpg")), pictures::jpeg(number, bytes)?)?;
    }
    Ok(())
}

//! The drivers behind `framecast capture`: ordinary blocking programs that write frames to standard
//! output. They know nothing of the server: what they share with it is [`crate::wire`].
//!
//! A source is one variant of [`Source`] and one file with its `Driver`. To add one, write the
//! file, name it in `source.rs` where the compiler asks for it, and list it in `hints.rs`.

pub mod canvas;
pub mod card;
pub mod clock;
mod driver;
mod error;
pub mod exec;
mod folder;
pub mod hints;
pub mod http;
pub mod numbers;
pub mod offline;
mod parameters;
pub mod pattern;
pub mod pen;
mod program;
pub mod redis;
pub mod rpicam;
pub mod size;
pub mod source;
pub mod stdin;
pub mod stills;
#[cfg(test)]
mod tests;
mod turn;
pub mod v4l2;
mod watch;

use std::io::{self, Write};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

pub use error::{CaptureError, SourceError};
pub use source::Source;

use self::driver::Parts;

/// The environment variable that holds a driver's source: every user of the machine can read an
/// argument list, only the same user an environment.
pub const SOURCE_VARIABLE: &str = "FRAMECAST_SOURCE";

/// Captures from `source` and writes its frames to `out` as multipart parts, each with its wall
/// time of capture. A frame of the source larger than `frame_bytes_max` is rejected.
///
/// Returns `Ok` when the read end of `out` is closed, which is how the server ends a driver, or
/// when the source has no more frames.
///
/// # Errors
/// The source cannot be read, or `out` fails in any other way.
pub fn run(
    source: &Source,
    frame_bytes_max: usize,
    out: &mut impl Write,
) -> Result<(), CaptureError> {
    match source.driver().run(&mut Parts::new(out, frame_bytes_max)) {
        Err(CaptureError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Lets this process and whatever it becomes by `exec` die with the process `server` that started
/// it, however that ends: a driver without a reader would hold its camera for ever. For publishers
/// it holds likewise.
///
/// # Errors
/// `server` has ended already, or the kernel knows no such thing.
pub fn die_with_parent(server: Pid) -> io::Result<()> {
    // A program may ignore any other signal, and the server is no longer there to repeat it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() == Some(server) {
        Ok(())
    } else {
        Err(io::Error::other(
            "the server that started this driver has ended",
        ))
    }
}

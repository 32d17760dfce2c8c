//! The drivers of `framecast capture`: blocking programs that write frames to standard output. They
//! do not depend on the server; both depend on [`crate::wire`].
//!
//! A source is one variant of [`source::Kind`] and one file with its `Driver`. To add a source,
//! write the file, add the variant to `source.rs`, and the syntax to `hints.rs`.

pub mod canvas;
pub mod card;
pub mod clock;
mod directory;
mod driver;
mod error;
pub mod exec;
pub mod hints;
pub mod http;
pub mod numbers;
mod parameters;
pub mod pattern;
pub mod pen;
pub mod placeholder;
mod program;
#[cfg_attr(not(feature = "redis"), path = "redis/off.rs")]
pub mod redis;
pub mod rpicam;
pub mod size;
mod slideshow;
pub mod source;
pub(crate) mod stderr;
pub mod stdin;
pub mod stills;
#[cfg(test)]
mod tests;
pub mod v4l2;
mod watch;

use std::io::{self, Write};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

pub use error::{CaptureError, SourceError};
pub use source::Source;

use self::driver::FrameWriter;

/// The environment variable with the source of a driver. It may contain a password: every user of
/// the machine can read the arguments of a process, but only its own user the environment.
pub const SOURCE_VARIABLE: &str = "FRAMECAST_SOURCE";

/// Captures from `source` and writes its frames to `out` as multipart parts, each with the wall
/// time of its capture. Frames larger than `frame_bytes_max` bytes are rejected.
///
/// Returns `Ok` when the read end of `out` is closed (the server stops a driver this way), or when
/// the source has no more frames.
///
/// # Errors
/// The source cannot be read, or writing to `out` fails with an error other than EPIPE.
pub fn run(
    source: &Source,
    frame_bytes_max: usize,
    out: &mut impl Write,
) -> Result<(), CaptureError> {
    match source
        .driver()
        .run(&mut FrameWriter::new(out, frame_bytes_max))
    {
        Err(CaptureError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Makes the kernel kill this process when its parent, the process `server`, exits. This also
/// applies after exec(2). Otherwise a driver whose server was killed would keep its camera open.
///
/// # Errors
/// `server` has exited already, or prctl(2) fails.
pub fn die_with_parent(server: Pid) -> io::Result<()> {
    // A program can ignore any other signal.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The server may have exited before the call above.
    if getppid() == Some(server) {
        Ok(())
    } else {
        Err(io::Error::other("the server process has exited"))
    }
}

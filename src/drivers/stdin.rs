//! The source `-`: frames that another program writes to standard input.

use std::io::{self, ErrorKind, IsTerminal, Read};
use std::time::Duration;

use super::driver::{Driver, FrameWriter};
use super::error::{CaptureError, SourceError};

/// The size of the read buffer: the default capacity of a pipe (pipe(7)).
const BUFFER_BYTES: usize = 64 * 1024;

/// `-`: JPEGs one after another, or multipart parts, from standard input.
///
/// The driver copies the bytes to its output. The server decodes them, as the output of any other
/// program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stdin;

impl Driver for Stdin {
    fn frame_timeout(&self) -> Option<Duration> {
        None
    }

    /// Rejects a terminal: it would stop a background process that reads from it (SIGTTIN).
    fn check(&self) -> Result<(), SourceError> {
        if io::stdin().is_terminal() {
            Err(SourceError::Terminal)
        } else {
            Ok(())
        }
    }

    fn run(&self, writer: &mut FrameWriter) -> Result<(), CaptureError> {
        let mut input = io::stdin().lock();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return Err(SourceError::StdinEnded.into()),
                Ok(count) => writer.pass_through(&buffer[..count])?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(SourceError::Stdin(error).into()),
            }
        }
    }
}

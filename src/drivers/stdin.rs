//! The source `-`: frames that somebody else writes to standard input, passed on as they come.

use std::io::{self, ErrorKind, IsTerminal, Read};
use std::time::Duration;

use super::driver::{Driver, Parts};
use super::error::{CaptureError, SourceError};

/// Bytes read at once: what a pipe holds, unless it was told otherwise (pipe(7)).
const PIECE_BYTES: usize = 64 * 1024;

/// `-`: JPEGs one after another, or multipart parts, from standard input.
///
/// What is read is passed on at once, in whatever pieces it comes: the server finds the frames in
/// it as it does in what any other program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stdin;

impl Driver for Stdin {
    fn frame_timeout(&self) -> Option<Duration> {
        None
    }

    /// A driver in the background that reads from a terminal would be stopped by it.
    fn check(&self) -> Result<(), SourceError> {
        if io::stdin().is_terminal() {
            Err(SourceError::Terminal)
        } else {
            Ok(())
        }
    }

    fn run(&self, parts: &mut Parts) -> Result<(), CaptureError> {
        let mut input = io::stdin().lock();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match input.read(&mut piece) {
                Ok(0) => return Err(SourceError::StdinEnded.into()),
                Ok(count) => parts.pass(&piece[..count])?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(SourceError::Stdin(error).into()),
            }
        }
    }
}

//! The drivers behind `framecast capture`: ordinary blocking programs that write frames to standard output.
//! They know nothing of the server: what they share with it is [`crate::wire`].
//!
//! A source is one variant of [`Source`] and one file with its `Driver`. To add one, write the file and name it in the
//! four places of `source.rs` that the compiler and the list of sources there lead to.

pub mod canvas;
pub mod card;
pub mod clock;
pub mod numbers;
pub mod pattern;
pub mod pen;
pub mod source;
pub mod stills;
pub mod v4l2;

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

pub use source::{Source, SourceError};

use crate::wire::multipart::{EncodedPart, Framing, preamble};

/// The word between the parts that a driver writes.
pub const BOUNDARY: &str = "frame";

/// Captures from `source` and writes its frames to `out` as multipart parts, each with its wall time of capture.
///
/// Returns `Ok` when nobody reads `out` any more, which is how a driver is told to end, or when the source has no
/// more frames.
///
/// # Errors
/// The source cannot be read, or `out` fails in any other way.
pub fn run(source: &Source, out: &mut impl Write) -> Result<(), CaptureError> {
    match source.driver().run(&mut Parts { out, sequence: 0 }) {
        Err(CaptureError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Why a driver ended.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The source gives no frames.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The frames cannot be handed on.
    #[error("cannot write frames to standard output: {0}")]
    Output(io::Error),
}

/// What each source does; its `Display` gives back the words that name it, without secrets.
pub(crate) trait Driver: fmt::Display {
    /// Looks whether frames can be expected, without capturing any.
    fn check(&self) -> Result<(), SourceError>;

    /// Sends frames until there are no more or `parts` fails.
    fn run(&self, parts: &mut Parts) -> Result<(), CaptureError>;
}

/// The output of a driver.
pub(crate) struct Parts<'a> {
    out: &'a mut dyn Write,
    /// The number of the newest frame, from 1.
    sequence: u64,
}

impl Parts<'_> {
    /// Sends one frame, whole and at once: a reader is woken once for it and never waits for the rest in a buffer.
    fn send(&mut self, captured_at: Duration, jpeg: &[u8]) -> Result<(), CaptureError> {
        self.sequence += 1;
        let part = EncodedPart::encode(BOUNDARY, self.sequence, captured_at, jpeg).framed(Framing::Length);
        self.write(&part).map_err(CaptureError::Output)
    }

    fn write(&mut self, part: &[u8]) -> io::Result<()> {
        if self.sequence == 1 {
            self.out.write_all(&preamble(BOUNDARY, Framing::Length))?;
        }
        self.out.write_all(part)?;
        self.out.flush()
    }
}

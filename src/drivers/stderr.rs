//! Log lines of a driver: the server reads them from the driver's stderr.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes one line to stderr. An error is ignored: capturing goes on when stderr is closed.
pub(crate) fn log_line(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

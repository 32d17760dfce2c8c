//! The crowd, from a single parser fed byte by byte to the whole program, its ramp and its report.

mod balanced;
mod crowd;
mod parser;
mod report;
mod tiny_server;

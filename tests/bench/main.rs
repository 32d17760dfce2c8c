//! The crowd, from a single parser fed byte by byte to the whole program, its ramp and its report.

mod crowd;
mod parser;
mod program;
mod report;
#[path = "../support/mod.rs"]
mod support;
mod tiny_server;

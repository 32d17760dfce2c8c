//! Tests of the bench, from one parser fed byte by byte to the report of a ramp.

mod balanced;
mod load;
mod parser;
mod report;
mod tiny_server;

//! The whole program, as a user starts it: real sockets, real child processes, real cameras' formats.
//!
//! Tests that need other programs are ignored unless `--ignored` is given; `tests/all.sh` installs
//! these programs and runs them all.

mod bench;
mod driver;
mod drivers;
mod generate;
mod options;
mod redis;
mod relay;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod upstream;
mod v4l2;

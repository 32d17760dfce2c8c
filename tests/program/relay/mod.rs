//! The HTTP source: the program with real sockets, and simulated cameras of many kinds.

mod errors;
mod heads;
mod login;
mod numbering;
#[path = "../../../src/wire/tests/pictures.rs"]
#[allow(dead_code, reason = "the decoders' tests use more of it")]
mod pictures;
mod polling;
mod redirects;
mod servers;
mod sessions;
mod streams;
mod tls;

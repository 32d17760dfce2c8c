//! The relay of cameras on the network: the real program, on real sockets, in front of cameras of
//! every kind.

mod answers;
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

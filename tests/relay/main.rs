//! The relay of cameras on the network: the real program, on real sockets, in front of cameras of
//! every kind.

mod answers;
mod driver;
mod heads;
mod login;
mod numbering;
mod pictures;
mod polling;
mod redirects;
mod servers;
mod sessions;
mod sources;
mod streams;
mod tls;
mod upstream;

#[path = "../support/mod.rs"]
mod support;

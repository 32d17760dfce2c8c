//! The whole program, on real sockets and with real child processes.

mod access;
mod addresses;
mod cameras;
mod lifecycle;
mod link;
mod outages;
mod players;
mod pressure;
#[path = "../support/mod.rs"]
mod support;

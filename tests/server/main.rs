//! The whole program, on real sockets and with real child processes.

mod addresses;
mod cameras;
mod lifecycle;
mod link;
mod outages;
mod pressure;
#[path = "../support/mod.rs"]
mod support;

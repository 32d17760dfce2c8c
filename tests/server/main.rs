//! The whole program, on real sockets and with real child processes.

mod access;
mod addresses;
mod bodies;
mod cameras;
mod clips;
mod dashboard;
mod encrypted;
mod handover;
mod lifecycle;
mod link;
mod metrics;
mod outages;
mod peers;
mod pressure;
mod proxies;
mod reload;
mod supervised;
#[path = "../support/mod.rs"]
mod support;
mod tokens;

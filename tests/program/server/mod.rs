//! `framecast serve`, on real sockets and with real child processes.

mod access;
mod addresses;
mod bodies;
mod cameras;
mod clips;
mod dashboard;
mod encrypted;
mod health;
mod lenient;
mod lifecycle;
mod link;
mod metrics;
mod network;
mod outages;
mod outputs;
mod peers;
mod pressure;
mod proxies;
mod reload;
mod restart;
mod secrets;
mod supervised;
mod tokens;

//! TLS between the hub and a peer, both in memory: short reads and writes, "would block" anywhere, strict edges.
#![cfg(feature = "tls")]

mod edges;
mod handshakes;
mod studio;
mod wire;

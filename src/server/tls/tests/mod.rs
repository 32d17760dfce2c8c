//! TLS between the hub and a peer, both in memory: short reads and writes, "would block" anywhere,
//! strict edges.

#[allow(dead_code, reason = "each test program uses its own part of this")]
#[path = "../../../../tests/support/certificate.rs"]
mod certificate;
mod edges;
mod handshakes;
mod studio;
mod wire;

//! TLS between the hub and a client, both in memory: short reads and writes, "would block" at any
//! time, as few edges as possible.

#[allow(dead_code, reason = "each test program uses its own part of this")]
#[path = "../../../../tests/support/certificate.rs"]
mod certificate;
mod edges;
mod fixture;
mod handshakes;
mod wire;

//! What must hold for whatever bytes. Each target has a function here, which panics where it does
//! not: the fuzzer calls it with bytes of its own, and `cargo test` with those that are kept in
//! `corpus`.

#[allow(dead_code)]
#[path = "../../../src/wire/tests/feed.rs"]
#[allow(clippy::duplicate_mod, reason = "unit tests feed their decoders alike")]
mod feed;
pub mod jpeg;
pub mod parts;
pub mod request;
mod sample;
pub mod site;
pub mod source;
mod work;

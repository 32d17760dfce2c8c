//! What must hold for whatever bytes. Each target has a function here, which panics where it does
//! not: the fuzzer calls it with bytes of its own, and `cargo test` with those that are kept in
//! `corpus`.

#[allow(dead_code)]
#[path = "../../wire_media/feed.rs"]
mod feed;
pub mod jpeg;
pub mod parts;
pub mod request;
mod sample;
pub mod site;
pub mod source;
mod work;

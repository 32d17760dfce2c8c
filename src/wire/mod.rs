//! Bytes to values and back. Everything here is pure: no socket, no clock, no route.
//!
//! Every parser has three outcomes: `Ok(Some(value))`, `Ok(None)` for "not yet, give me more
//! bytes", and `Err` for "no more bytes can mend this".

pub mod avi;
pub mod budget;
pub mod decoder;
pub mod http;
pub mod jpeg;
pub mod metadata;
pub mod multipart;
pub mod part;
pub mod sniff;
pub mod sse;
#[cfg(test)]
mod tests;

//! The wire formats: parsers and encoders without sockets, clock or threads.
//!
//! | Module | Format |
//! |---|---|
//! | [`http`] | HTTP/1.x request heads, responses, the chunked coding |
//! | [`multipart`] | `multipart/x-mixed-replace` parts: encoder, and a lenient decoder |
//! | [`jpeg`] | where a JPEG ends, whether it is whole, and repairs |
//! | [`decoder`], [`budget`] | the output of a camera's driver: JPEGs or parts |
//! | [`part`], [`metadata`] | a decoded frame, its capture time and sequence, reasons for rejection |
//! | [`sniff`] | what a source sends if it is not JPEG |
//! | [`avi`], [`sse`] | AVI files, server-sent events |
//!
//! Incremental parsers have three results: `Ok(Some(value))`; `Ok(None)` if more bytes are needed;
//! and `Err` if no further bytes can make the input valid. The caller keeps the bytes received and
//! calls again with more. No parser panics, whatever the input.

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

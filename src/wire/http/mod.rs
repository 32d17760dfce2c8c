//! HTTP/1.x heads: requests in, responses out.
//!
//! `httparse` parses the header fields. This module adds what a server on a public port needs:
//! limits, early rejection, and strict rules for the ends of lines, heads and bodies. If a proxy
//! and a server disagree about these ends, a client can smuggle a request past the proxy (RFC 9112,
//! section 11.2).
//!
//! # The result does not depend on segmentation
//!
//! [`RequestReader`] tries to parse after each read. The result must not depend on how the network
//! split the bytes. Two stages guarantee that:
//!
//! 1. `head` scans lines from the first byte and stops at an error, at the end of the head, or at
//!    the end of the input. The first error in byte order is the same for every longer input.
//! 2. Everything else is checked only when the head is complete: the request line, version, method,
//!    fields, target, `Host`, body, `Expect`, in this order. The first error gives the status.

mod chunked;
mod fields;
mod head;
mod reader;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub use chunked::{BODY_END, CHUNK_END, chunk_start};
pub use fields::FIELDS_MAX;
pub use head::{
    EMPTY_LINES_BYTES_MAX, HEAD_BYTES_MAX, HeadSearch, METHOD_BYTES_MAX, REQUEST_LINE_BYTES_MAX,
    Version,
};
pub use reader::RequestReader;
pub use request::{Method, Request};
pub use response::{Refusal, ResponseHead, Status};

/// The supported methods, as the value of an `Allow` field (RFC 9110, section 10.2.1).
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

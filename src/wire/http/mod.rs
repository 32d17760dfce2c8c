//! HTTP/1.x heads: requests in, responses out.
//!
//! `httparse` reads the header fields. Around it stands what a server on an open port needs
//! besides: limits, an early end for what can only be refused, and no leniency about where a line,
//! a head or a body ends, because two readings of the same bytes are how requests are smuggled past
//! a proxy (RFC 9112, section 11.2).
//!
//! # One verdict, however the bytes arrive
//!
//! [`Request::parse`] is called again after each read, so its answer must not depend on how the
//! network cut the bytes. Two stages hold that:
//!
//! 1. `head` walks the lines from the first byte and stops at the first of: a fault that no later
//!    byte can mend, the end of the head, the end of what was received. The first fault *in byte
//!    order* is the same for every longer input.
//! 2. Everything else is judged only once the head is whole, and from the head alone: the shape of
//!    the request line, version, method, fields, target, `Host`, body, `Expect`, in this order. The
//!    first fault gives the status.

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

/// The methods framecast answers, as the value of an `Allow` field (RFC 9110, section 10.2.1).
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

//! `multipart/x-mixed-replace`: the endless body whose every part replaces the one before.
//!
//! # Two framings, one buffer
//!
//! A browser shows a part only once the header block of the *next* part is complete; `ffmpeg` and
//! most other clients show it once `Content-Length` bytes are there. So a part is encoded once, as
//!
//! ```text
//! [ part header with Content-Length ][ JPEG ][ CRLF --frame CRLF ][ Content-Type: image/jpeg CRLF CRLF ]
//!  \________________________ length _____________________________/
//!                                    \________________________ advance _________________________________/
//! ```
//!
//! and either framing is a slice of that one allocation.
//!
//! What comes in, from a driver or from a camera on the network, is read by [`PartDecoder`], which
//! is as lenient as the encoder is strict.

mod boundary;
mod decode;
mod encode;
mod head;

pub use decode::{HEAD_BYTES_MAX, PartDecoder, parse_message};
pub use encode::{EncodedPart, Framing, PartFormat, closing, preamble, rejected_part};

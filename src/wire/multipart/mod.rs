//! `multipart/x-mixed-replace` (MJPEG): an endless body in which each part replaces the one before.
//!
//! # Two framings, one buffer
//!
//! A browser shows a part only when the header block of the *next* part is complete. `ffmpeg` and
//! most other clients show it when `Content-Length` bytes have arrived. So a part is encoded once,
//! as
//!
//! ```text
//! [ part header with Content-Length ][ JPEG ][ CRLF --frame CRLF ][ Content-Type: image/jpeg CRLF CRLF ]
//!  \________________________ length _____________________________/
//!                                    \________________________ advance _________________________________/
//! ```
//!
//! and each framing is a slice of this one allocation.
//!
//! [`PartDecoder`] reads the output of drivers and cameras. It is lenient, because cameras violate
//! the standard in many ways.

mod boundary;
mod decode;
mod encode;
mod head;

pub use decode::{HEAD_BYTES_MAX, PartDecoder, parse_message};
pub use encode::{EncodedPart, Framing, PartFormat, closing, preamble, rejected_part};

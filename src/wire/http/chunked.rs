//! The chunked transfer coding (RFC 9112, section 7.1), in which a body of unknown length is sent.

use bytes::Bytes;

/// What follows the bytes of a chunk.
pub const CHUNK_END: Bytes = Bytes::from_static(b"\r\n");

/// What follows the last chunk.
pub const BODY_END: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// What precedes the bytes of a chunk. A chunk of no bytes would be the end of the body.
pub fn chunk_start(length: usize) -> Bytes {
    format!("{length:x}\r\n").into()
}

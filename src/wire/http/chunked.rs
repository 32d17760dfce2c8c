//! The chunked transfer coding (RFC 9112, section 7.1), for bodies of unknown length.

use bytes::Bytes;

/// The end of each chunk.
pub const CHUNK_END: Bytes = Bytes::from_static(b"\r\n");

/// The last chunk, which has no bytes, and the end of the body.
pub const BODY_END: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// Returns the header of a chunk. `length` must not be zero: an empty chunk ends the body.
pub fn chunk_start(length: usize) -> Bytes {
    format!("{length:x}\r\n").into()
}

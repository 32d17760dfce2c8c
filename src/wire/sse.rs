//! Server-sent events (HTML standard, section 9.2).

/// The media type.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// A comment, which clients ignore: it shows that the connection is alive.
pub const COMMENT: &[u8] = b":\n\n";

/// Appends an event. `data` must be one line of UTF-8, such as compact JSON.
pub fn write_event(out: &mut Vec<u8>, id: u64, name: &str, data: &[u8]) {
    use std::io::Write;
    // Writing to a Vec does not fail.
    let _ = write!(out, "id: {id}\nevent: {name}\ndata: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

/// Appends the time after which a client reconnects.
pub fn write_retry(out: &mut Vec<u8>, milliseconds: u32) {
    out.extend_from_slice(format!("retry: {milliseconds}\n\n").as_bytes());
}

//! Server-sent events (the HTML standard, section 9.2): lines of text, and an empty one after each
//! event.

/// The media type.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// A line that means nothing.
pub const COMMENT: &[u8] = b":\n\n";

/// Appends an event. `data` must be one line of UTF-8, as JSON without layout is.
pub fn write_event(out: &mut Vec<u8>, id: u64, name: &str, data: &[u8]) {
    use std::io::Write;
    // Writing to memory that grows does not fail.
    let _ = write!(out, "id: {id}\nevent: {name}\ndata: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

/// Appends how long a client is to wait before it connects again.
pub fn write_retry(out: &mut Vec<u8>, milliseconds: u32) {
    out.extend_from_slice(format!("retry: {milliseconds}\n\n").as_bytes());
}

//! Encodes parts.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::metadata::WallTime;
use crate::wire::part::{REJECTED_FIELD, Reason};

/// The format of a stream: what all its parts have in common.
#[derive(Clone, Copy, Debug)]
pub struct PartFormat<'a> {
    /// The boundary between two parts, without dashes.
    pub boundary: &'a str,
    /// Additional header lines of every part, each with its CRLF; may be empty.
    pub fields: &'a str,
}

impl<'a> From<&'a str> for PartFormat<'a> {
    /// Returns a format with this boundary and no additional header lines.
    fn from(boundary: &'a str) -> Self {
        Self {
            boundary,
            fields: "",
        }
    }
}

/// The slice of an encoded part that a viewer receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Header with `Content-Length`, JPEG, delimiter. For players and libraries.
    #[default]
    Length,
    /// JPEG, delimiter, header of the next part. A browser shows the frame as soon as it is sent.
    Advance,
}

/// A part, encoded for both framings.
#[derive(Clone, Debug)]
pub struct EncodedPart {
    bytes: Bytes,
    jpeg: Range<usize>,
    /// The offset of the next part's header, which `Framing::Advance` sends in advance.
    next: usize,
}

impl EncodedPart {
    /// Encodes a part. Copies `jpeg` once, into the allocation.
    pub fn encode<'a>(
        format: impl Into<PartFormat<'a>>,
        sequence: u64,
        captured_at: WallTime,
        jpeg: &[u8],
    ) -> Self {
        use std::io::Write;
        let PartFormat { boundary, fields } = format.into();
        let mut bytes =
            BytesMut::with_capacity(jpeg.len() + boundary.len() + 2 * fields.len() + 192).writer();
        let _ = write!(
            bytes,
            "Content-Type: image/jpeg\r\nContent-Length: {}\r\n\
             X-Timestamp: {captured_at}\r\nX-Frame-Sequence: {sequence}\r\n{fields}\r\n",
            jpeg.len(),
        );
        let mut bytes = bytes.into_inner();
        let start = bytes.len();
        bytes.put_slice(jpeg);
        let end = bytes.len();
        bytes.put_slice(b"\r\n--");
        bytes.put_slice(boundary.as_bytes());
        bytes.put_slice(b"\r\n");
        let next = bytes.len();
        bytes.put_slice(b"Content-Type: image/jpeg\r\n");
        bytes.put_slice(fields.as_bytes());
        bytes.put_slice(b"\r\n");
        Self {
            bytes: bytes.freeze(),
            jpeg: start..end,
            next,
        }
    }

    /// Returns the whole allocation, of which all other values are slices.
    pub fn allocation(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the JPEG.
    pub fn jpeg(&self) -> Bytes {
        self.bytes.slice(self.jpeg.clone())
    }

    /// Returns the size of the JPEG, in bytes.
    pub fn jpeg_len(&self) -> usize {
        self.jpeg.len()
    }

    /// Returns header and JPEG without a delimiter, the content of a Redis message.
    pub fn message(&self) -> Bytes {
        self.bytes.slice(..self.jpeg.end)
    }

    /// Returns the slice for one framing. It shares the allocation.
    pub fn framed(&self, framing: Framing) -> Bytes {
        match framing {
            Framing::Length => self.bytes.slice(..self.next),
            Framing::Advance => self.bytes.slice(self.jpeg.start..),
        }
    }
}

/// Returns the bytes before the first part of a body.
pub fn preamble<'a>(format: impl Into<PartFormat<'a>>, framing: Framing) -> Bytes {
    let PartFormat { boundary, fields } = format.into();
    match framing {
        Framing::Length => format!("--{boundary}\r\n").into(),
        Framing::Advance => {
            format!("--{boundary}\r\nContent-Type: image/jpeg\r\n{fields}\r\n").into()
        }
    }
}

/// Encodes a part without a picture, by which a driver reports a frame that it has rejected.
pub fn rejected_part(boundary: &str, reason: Reason) -> Bytes {
    format!("{REJECTED_FIELD}: {reason}\r\n\r\n--{boundary}\r\n").into()
}

/// Returns the end of a body, behind a whole part: an empty part and the closing delimiter (RFC
/// 2046, section 5.1.1).
pub fn closing(boundary: &str) -> Bytes {
    format!("\r\n--{boundary}--\r\n").into()
}

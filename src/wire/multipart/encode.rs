//! Parts as they are sent.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::metadata::WallTime;
use crate::wire::part::{REJECTED_FIELD, Reason};

/// How a stream is divided: what is the same in all its parts.
#[derive(Clone, Copy, Debug)]
pub struct PartFormat<'a> {
    /// The word between two parts.
    pub boundary: &'a str,
    /// Whole header lines that every part has besides its own, each with its CRLF; may be empty.
    pub fields: &'a str,
}

impl<'a> From<&'a str> for PartFormat<'a> {
    /// A boundary, and no fields but a part's own.
    fn from(boundary: &'a str) -> Self {
        Self {
            boundary,
            fields: "",
        }
    }
}

/// Which slice of an encoded part a viewer is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Header with `Content-Length`, JPEG, delimiter: what players and libraries expect.
    #[default]
    Length,
    /// JPEG, delimiter, header of the part to come: what makes a browser show a frame as soon as it
    /// is sent.
    Advance,
}

/// One part, encoded for both framings.
#[derive(Clone, Debug)]
pub struct EncodedPart {
    bytes: Bytes,
    jpeg: Range<usize>,
    /// Where the header of the next part begins, which `advance` sends ahead.
    next: usize,
}

impl EncodedPart {
    /// Encodes `jpeg`, captured at the wall time `captured_at`, as a part.
    pub fn encode<'a>(
        division: impl Into<PartFormat<'a>>,
        sequence: u64,
        captured_at: WallTime,
        jpeg: &[u8],
    ) -> Self {
        use std::io::Write;
        let PartFormat { boundary, fields } = division.into();
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

    /// The one allocation, of which everything else is a slice.
    pub fn allocation(&self) -> &Bytes {
        &self.bytes
    }

    /// The picture alone.
    pub fn jpeg(&self) -> Bytes {
        self.bytes.slice(self.jpeg.clone())
    }

    /// The size of the picture alone.
    pub fn jpeg_len(&self) -> usize {
        self.jpeg.len()
    }

    /// Header and picture without a delimiter: what stands alone, as a message does.
    pub fn message(&self) -> Bytes {
        self.bytes.slice(..self.jpeg.end)
    }

    /// The part as one framing sends it: a reference, not a copy.
    pub fn framed(&self, framing: Framing) -> Bytes {
        match framing {
            Framing::Length => self.bytes.slice(..self.next),
            Framing::Advance => self.bytes.slice(self.jpeg.start..),
        }
    }
}

/// What precedes the first part of a body.
pub fn preamble<'a>(division: impl Into<PartFormat<'a>>, framing: Framing) -> Bytes {
    let PartFormat { boundary, fields } = division.into();
    match framing {
        Framing::Length => format!("--{boundary}\r\n").into(),
        Framing::Advance => {
            format!("--{boundary}\r\nContent-Type: image/jpeg\r\n{fields}\r\n").into()
        }
    }
}

/// A part without a picture, in the place of a frame that the driver has rejected for `reason`.
pub fn rejected_part(boundary: &str, reason: Reason) -> Bytes {
    format!("{REJECTED_FIELD}: {reason}\r\n\r\n--{boundary}\r\n").into()
}

/// What ends a body after a whole part: an empty part, then the closing delimiter (RFC 2046,
/// section 5.1.1).
pub fn closing(boundary: &str) -> Bytes {
    format!("\r\n--{boundary}--\r\n").into()
}

//! Decoding of a body: by its length, in chunks, or until the connection closes.

use bytes::{Buf, BytesMut};
use memchr::memchr;

use super::head::Head;

/// The maximum length of the line with the size and the extensions of a chunk.
const SIZE_LINE_BYTES_MAX: usize = 1024;

/// The framing of a body (RFC 9112, section 6.3).
#[derive(Debug)]
pub(super) enum Framing {
    /// This many bytes are left.
    Length(u64),
    /// The body is chunked.
    Chunks(Chunk),
    /// The body ends when the connection closes.
    UntilClose,
}

/// The next element of a chunked body (RFC 9112, section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// The line with the size of a chunk.
    Size,
    /// This many bytes of data.
    Data(u64),
    /// The line break after the data.
    End,
    /// Nothing: the last chunk has been read.
    Last,
}

/// The result of decoding received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Bytes of the body.
    Bytes,
    /// Nothing: more bytes must be received.
    NeedsMore,
    /// The end of the body.
    End,
}

impl Framing {
    pub(super) fn from_head(head: &Head) -> Self {
        if head.has_token("Transfer-Encoding", "chunked") {
            return Self::Chunks(Chunk::Size);
        }
        match head.content_length() {
            _ if matches!(head.status, 100..=199 | 204 | 304) => Self::Length(0),
            Some(length) => Self::Length(length),
            None => Self::UntilClose,
        }
    }

    /// Whether the body can end before the connection does.
    pub(super) fn is_finite(&self) -> bool {
        !matches!(self, Self::UntilClose)
    }

    /// Decodes bytes of `raw` and appends them to `body`.
    pub(super) fn decode(&mut self, raw: &mut BytesMut, body: &mut BytesMut) -> Found {
        loop {
            match self {
                Self::UntilClose => return move_up_to(u64::MAX, raw, body).1,
                Self::Length(0) | Self::Chunks(Chunk::Last) => return Found::End,
                Self::Length(left) => {
                    let (taken, found) = move_up_to(*left, raw, body);
                    *left -= taken;
                    return found;
                }
                Self::Chunks(Chunk::Data(left)) => {
                    let (taken, found) = move_up_to(*left, raw, body);
                    *left -= taken;
                    if *left == 0 {
                        *self = Self::Chunks(Chunk::End);
                    }
                    return found;
                }
                Self::Chunks(Chunk::End) => match raw.as_ref() {
                    [] | [b'\r'] => return Found::NeedsMore,
                    [b'\n', ..] => self.begin_chunk(raw, 1),
                    [b'\r', b'\n', ..] => self.begin_chunk(raw, 2),
                    // The size was wrong. The rest is passed on unchanged: the end of each picture
                    // is found by its markers.
                    _ => *self = Self::UntilClose,
                },
                Self::Chunks(Chunk::Size) => match self.read_size(raw) {
                    Found::Bytes => {}
                    found => return found,
                },
            }
        }
    }

    fn begin_chunk(&mut self, raw: &mut BytesMut, line_break: usize) {
        raw.advance(line_break);
        *self = Self::Chunks(Chunk::Size);
    }

    /// Parses the line with the size of a chunk. Some cameras declare a chunked body but send it
    /// without chunks: then the rest is passed on unchanged.
    fn read_size(&mut self, raw: &mut BytesMut) -> Found {
        let Some(end) = memchr(b'\n', raw.get(..SIZE_LINE_BYTES_MAX).unwrap_or(raw)) else {
            let can_be_size = raw.len() < SIZE_LINE_BYTES_MAX
                && raw.iter().take(1).all(|&byte| begins_size(byte));
            if can_be_size {
                return Found::NeedsMore;
            }
            *self = Self::UntilClose;
            return Found::Bytes;
        };
        let line = raw.get(..end).unwrap_or_default().trim_ascii();
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let size = str::from_utf8(line.get(..digits).unwrap_or_default()).ok();
        let size = size.and_then(|size| u64::from_str_radix(size, 16).ok());
        let ends_well = line.get(digits).is_none_or(|byte| b"; \t".contains(byte));
        match size {
            // An extra line break.
            None if line.is_empty() => raw.advance(end + 1),
            Some(0) if ends_well => {
                raw.advance(end + 1);
                self.end(raw);
                return Found::End;
            }
            Some(size) if ends_well => {
                raw.advance(end + 1);
                *self = Self::Chunks(Chunk::Data(size));
            }
            _ => *self = Self::UntilClose,
        }
        Found::Bytes
    }

    /// Skips the trailer, as far as it was received. `HeadReader` skips the rest of a blank line.
    fn end(&mut self, raw: &mut BytesMut) {
        *self = Self::Chunks(Chunk::Last);
        while let Some(end) = memchr(b'\n', raw) {
            let line = raw.split_to(end + 1);
            if line.trim_ascii().is_empty() {
                break;
            }
        }
    }
}

fn begins_size(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte.is_ascii_whitespace()
}

fn move_up_to(bytes_max: u64, raw: &mut BytesMut, body: &mut BytesMut) -> (u64, Found) {
    let bytes = usize::try_from(bytes_max)
        .unwrap_or(usize::MAX)
        .min(raw.len());
    if bytes == 0 {
        return (0, Found::NeedsMore);
    }
    // Appending to an empty buffer moves the bytes without a copy.
    body.unsplit(raw.split_to(bytes));
    (bytes as u64, Found::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a chunked body received in pieces of `bytes` bytes. Also returns whether its end was
    /// found.
    fn decode(text: &[u8], bytes: usize) -> (Vec<u8>, bool) {
        let (mut framing, mut raw, mut body) = (
            Framing::Chunks(Chunk::Size),
            BytesMut::new(),
            BytesMut::new(),
        );
        for piece in text.chunks(bytes) {
            raw.extend_from_slice(piece);
            loop {
                match framing.decode(&mut raw, &mut body) {
                    Found::Bytes => {}
                    Found::NeedsMore => break,
                    Found::End => return (body.to_vec(), true),
                }
            }
        }
        (body.to_vec(), false)
    }

    #[test]
    fn invalid_chunks_are_decoded_leniently() {
        for (text, body, ends) in [
            ("4\r\nabcd\r\n0\r\n\r\n", "abcd", true),
            ("4;NAME=\"V\"\r\nabcd\r\n2 \nef\n0\n\n", "abcdef", true),
            ("\r\n00004\r\nabcd\r\n\r\n2\r\nef\r\n", "abcdef", false),
            ("2\r\nabcd\r\n", "abcd\r\n", false),
            ("9\r\nabcd\r\n4\r\nefgh\r\n", "abcd\r\n4\r\nefgh\r\n", false),
            ("--b\r\nnot in chunks", "--b\r\nnot in chunks", false),
            (
                "face\u{ff}not in chunks\r\n",
                "face\u{ff}not in chunks\r\n",
                false,
            ),
            ("fffffffffffffffff\r\nx", "fffffffffffffffff\r\nx", false),
        ] {
            for bytes in [1, 2, 3, text.len()] {
                let (found, ended) = decode(text.as_bytes(), bytes);
                assert_eq!(
                    (String::from_utf8_lossy(&found), ended),
                    (body.into(), ends),
                    "{text:?} by {bytes}"
                );
            }
        }
    }
}

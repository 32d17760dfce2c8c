//! Detects what a source sends if it is not JPEG, and suggests a remedy.

use std::fmt;

use memchr::memmem;

/// The number of bytes that are examined.
pub const HEAD_BYTES: usize = 512;

/// The content that a source sends instead of JPEGs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// No bytes.
    Nothing,
    /// Pictures of another format, such as PNG.
    Pictures(&'static str),
    /// Video in a container or without one, such as MP4 or H.264.
    Video(&'static str),
    /// A playlist: HLS or DASH.
    Playlist(&'static str),
    /// An HTML page, for example a login form.
    Page,
    /// JSON or XML.
    Data(&'static str),
    /// Compressed bytes, such as gzip.
    Compressed(&'static str),
    /// The head of an HTTP response, as `curl -i` writes it.
    HttpHead,
    /// Text, for example the log of a program.
    Text,
    /// Other bytes, for example raw pixels.
    Binary,
}

/// Magic numbers. ISO media files (ISO/IEC 14496-12) and MPEG transport streams are detected
/// separately.
const MAGIC: [(&[u8], Content); 20] = [
    (b"\x89PNG\r\n\x1a\n", Content::Pictures("PNG")),
    (b"GIF8", Content::Pictures("GIF")),
    (b"II*\0", Content::Pictures("TIFF")),
    (b"MM\0*", Content::Pictures("TIFF")),
    (b"\0\0\0\x0cjP  ", Content::Pictures("JPEG 2000")),
    (b"\xff\x4f\xff\x51", Content::Pictures("JPEG 2000")),
    (b"\x1a\x45\xdf\xa3", Content::Video("Matroska or WebM")),
    (b"FLV\x01", Content::Video("FLV")),
    (b"OggS", Content::Video("Ogg")),
    (b"YUV4MPEG2", Content::Video("YUV4MPEG2")),
    (b"\0\0\x01\xba", Content::Video("MPEG")),
    (b"\0\0\x01\xb3", Content::Video("MPEG")),
    (b"DKIF", Content::Video("IVF")),
    (b"#EXTM3U", Content::Playlist("HLS")),
    (b"\x1f\x8b", Content::Compressed("gzip")),
    (b"\x28\xb5\x2f\xfd", Content::Compressed("zstd")),
    (b"BZh", Content::Compressed("bzip2")),
    (b"\xfd7zXZ\0", Content::Compressed("xz")),
    (b"PK\x03\x04", Content::Compressed("zip")),
    (b"HTTP/1.", Content::HttpHead),
];

/// Tags near the beginning of an HTML page, in lower case. Pages of cameras often lack the doctype.
const PAGE_TAGS: [&str; 13] = [
    "<!doctype html",
    "<html",
    "<head>",
    "<body",
    "<title",
    "<meta",
    "<script",
    "<style",
    "<center",
    "<h1",
    "<div",
    "<table",
    "<frameset",
];

/// The remedy for a URL that is not a stream: the paths that common cameras and servers use.
pub const STREAM_ADDRESSES: &str = "try the URL of the stream itself, such as /stream, /video_feed, \
    /?action=stream, /video or /mjpg/video.mjpg";

/// The size of a packet of an MPEG transport stream (ISO/IEC 13818-1, 2.4.3.2).
const TRANSPORT_PACKET_BYTES: usize = 188;
/// The first byte of each packet.
const TRANSPORT_SYNC: u8 = 0x47;

impl Content {
    /// Detects the content that begins with `head`. If `head` is a multipart part, its body counts.
    /// Examines at most [`HEAD_BYTES`].
    pub fn detect(head: &[u8]) -> Self {
        let head = head.get(..HEAD_BYTES).unwrap_or(head);
        if head.is_empty() {
            return Self::Nothing;
        }
        if let Some(body) = part_body(head).filter(|_| head.starts_with(b"--")) {
            return Self::detect(body);
        }
        let head = without_leading_blanks(head);
        let magic = MAGIC.iter().find(|(magic, _)| head.starts_with(magic));
        if let Some((_, content)) = magic {
            return *content;
        }
        match head {
            // The four bytes behind the size are reserved and zero.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Self::Pictures("BMP"),
            [b'P', b'5', b'\n' | b' ', ..] => Self::Pictures("PGM"),
            [b'P', b'6', b'\n' | b' ', ..] => Self::Pictures("PPM"),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Self::Pictures("WebP"),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'A',
                b'V',
                b'I',
                b' ',
                ..,
            ] => Self::Video("AVI"),
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand.get(..4) {
                Some(b"avif" | b"heic" | b"heix" | b"mif1") => Self::Pictures("HEIF or AVIF"),
                _ => Self::Video("MP4"),
            },
            [_, _, _, _, b's', b't', b'y', b'p' | b'm', ..]
            | [_, _, _, _, b'm', b'o', b'o', b'f' | b'v', ..] => Self::Video("MP4"),
            _ => Self::detect_without_magic(head),
        }
    }

    /// Detects content that has no magic number.
    fn detect_without_magic(head: &[u8]) -> Self {
        if head.first() == Some(&TRANSPORT_SYNC)
            && head.get(TRANSPORT_PACKET_BYTES) == Some(&TRANSPORT_SYNC)
        {
            return Self::Video("MPEG-TS");
        }
        if let Some(video) = byte_stream(head) {
            return Self::Video(video);
        }
        if !is_text(head) {
            return Self::Binary;
        }
        let text = head.to_ascii_lowercase();
        let has = |word: &str| memmem::find(&text, word.as_bytes()).is_some();
        match head.first() {
            Some(b'<') if has("<mpd") => Self::Playlist("DASH"),
            Some(b'<') if text.starts_with(b"<!--") || PAGE_TAGS.into_iter().any(has) => Self::Page,
            Some(b'<') => Self::Data("XML"),
            Some(b'{' | b'[') => Self::Data("JSON"),
            _ => Self::Text,
        }
    }

    /// Whether the bytes exclude that JPEGs or parts follow.
    pub fn is_not_jpeg(self) -> bool {
        !matches!(
            self,
            Self::Nothing | Self::HttpHead | Self::Text | Self::Binary
        )
    }

    /// Returns the remedy, as a clause for an error message.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Nothing => "check that the source is on",
            Self::Pictures(_) | Self::Binary => {
                "make it write JPEGs, or convert them, as in exec:ffmpeg -i INPUT -f mjpeg -"
            }
            Self::Video(_) | Self::Playlist(_) => {
                "convert it to MJPEG, as in exec:ffmpeg -i INPUT -an -f mjpeg -q:v 5 -"
            }
            Self::Page | Self::Data(_) => STREAM_ADDRESSES,
            Self::Compressed(_) => {
                "turn the compression off, or decompress it, as in exec:curl -s --compressed URL"
            }
            Self::HttpHead => "use the URL as the source, as in http://HOST/PATH, or omit the head",
            Self::Text => "make it write JPEGs to standard output and its log to standard error",
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Pictures(kind) => write!(f, "{kind} pictures"),
            Self::Video(kind) => write!(f, "{kind} video"),
            Self::Playlist(kind) => write!(f, "a playlist of {kind}"),
            Self::Page => f.write_str("a web page, perhaps a login form"),
            Self::Data(kind) => write!(f, "{kind}, perhaps an error message"),
            Self::Compressed(kind) => write!(f, "{kind} data"),
            Self::HttpHead => f.write_str("an HTTP response with its head"),
            Self::Text => f.write_str("text"),
            Self::Binary => f.write_str("binary data of an unknown format"),
        }
    }
}

/// Returns the body of the first part, if its header block is complete.
pub fn part_body(parts: &[u8]) -> Option<&[u8]> {
    let blank_lines = [b"\r\n\r\n".as_slice(), b"\n\n"].into_iter();
    let bodies =
        blank_lines.filter_map(|blank| memmem::find(parts, blank).map(|at| at + blank.len()));
    bodies.min().and_then(|at| parts.get(at..))
}

/// Removes blanks and a byte order mark before text. Returns other content unchanged.
fn without_leading_blanks(head: &[u8]) -> &[u8] {
    let text = head.trim_ascii_start();
    let text = text
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(text)
        .trim_ascii_start();
    if is_text(text) { text } else { head }
}

/// Detects a video byte stream, which begins with a start code (ITU-T H.264 and H.265, annex B).
fn byte_stream(head: &[u8]) -> Option<&'static str> {
    let unit = head
        .strip_prefix(b"\0\0\0\x01")
        .or_else(|| head.strip_prefix(b"\0\0\x01"))?;
    match *unit {
        // Types 5 to 9: picture, supplement, parameter sets, delimiter (H.264, table 7-1).
        [first, ..] if first & 0x80 == 0 && matches!(first & 0x1f, 5..=9) && first & 0x60 != 0 => {
            Some("H.264")
        }
        // Layer 0, temporal id 1, and VPS, SPS, PPS or delimiter (H.265, table 7-1).
        [first, 0x01, ..] if first & 0x80 == 0 && matches!(first >> 1, 32..=35) => Some("H.265"),
        [first, ..] if first & 0x80 == 0 && matches!(first & 0x1f, 1 | 5..=9) => Some("H.264"),
        _ => Some("MPEG"),
    }
}

/// Whether `head` is text in UTF-8 or another superset of ASCII.
fn is_text(head: &[u8]) -> bool {
    let controls = head
        .iter()
        .filter(|&&byte| (byte < 0x20 && !b"\t\r\n\x1b".contains(&byte)) || byte == 0x7f);
    let printable = head
        .iter()
        .filter(|&&byte| (0x20..0x7f).contains(&byte) || b"\r\n\t".contains(&byte));
    controls.count() == 0 && printable.count() * 4 >= head.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_detected_by_its_first_bytes() {
        let transport = [[0x47].as_slice(), &[0; 187], &[0x47], &[0; 187]].concat();
        let luma = [[16, 235, 128, 3].as_slice(); 200].concat();
        for (head, content) in [
            (b"".as_slice(), Content::Nothing),
            (b"\x89PNG\r\n\x1a\n\0\0", Content::Pictures("PNG")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Content::Pictures("WebP")),
            (b"\0\0\0\x18ftypavif", Content::Pictures("HEIF or AVIF")),
            (b"\0\0\0\x18ftypisom", Content::Video("MP4")),
            (b"\0\0\0\x01\x67\x42", Content::Video("H.264")),
            (b"\0\0\0\x01\x09\xf0", Content::Video("H.264")),
            (b"\0\0\x01\x27\x42", Content::Video("H.264")),
            (b"\0\0\0\x01\x40\x01\x0c", Content::Video("H.265")),
            (&transport, Content::Video("MPEG-TS")),
            (b"#EXTM3U\n#EXT-X", Content::Playlist("HLS")),
            (b"\xef\xbb\xbf\r\n#EXTM3U\n", Content::Playlist("HLS")),
            (
                b"<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash\">",
                Content::Playlist("DASH"),
            ),
            (
                b"<?xml version=\"1.0\"?>\n<error code=\"4\"/>",
                Content::Data("XML"),
            ),
            (b"<?xml version=\"1.0\"?>\n<!DOCTYPE html>", Content::Page),
            (b"BM\x36\0\x0c\0\0\0\0\0", Content::Pictures("BMP")),
            (b"BMW, the camera on the car\n", Content::Text),
            (b"P6\n640 480\n255\n", Content::Pictures("PPM")),
            (b"\x1f\x8b\x08\0", Content::Compressed("gzip")),
            (b"  <!DOCTYPE HTML><html>", Content::Page),
            (b"<html><body>", Content::Page),
            (b"{\"error\": 1}", Content::Data("JSON")),
            (b"HTTP/1.1 200 OK\r\n", Content::HttpHead),
            (
                b"--b\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n",
                Content::Pictures("PNG"),
            ),
            (
                b"--b\nContent-Type: image/png\n\n\x89PNG\r\n\x1a\n",
                Content::Pictures("PNG"),
            ),
            (b"starting camera 1\n", Content::Text),
            (
                "kamera lässt grüßen, es gibt kein Bild\n".as_bytes(),
                Content::Text,
            ),
            (&luma, Content::Binary),
        ] {
            assert_eq!(Content::detect(head), content, "{head:02x?}");
            assert!(!content.remedy().is_empty());
        }
    }
}

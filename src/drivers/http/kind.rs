//! The kind of a response body: a stream or pictures, by its declared type and its first bytes; or
//! why it is neither.

use memchr::memmem;

use super::Fault;
use super::head::{Head, shown};
use crate::wire::sniff::{Content, STREAM_ADDRESSES, part_body};

/// The number of bytes of a body that are searched for a picture or a boundary. Blanks or a binary
/// header may precede it.
pub(super) const START_BYTES_MAX: usize = 1024;

/// The number of bytes that are needed to recognize a web page.
const PAGE_START_BYTES: usize = 16;

/// The kind of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Multipart, with the declared boundary.
    Parts(Option<String>),
    /// Multipart, declared as another type.
    UndeclaredParts,
    /// One or more JPEGs, possibly with a few bytes around each.
    Jpegs,
}

impl Kind {
    /// Detects the kind by the type and the start of the body; `None` if more bytes are needed.
    pub(super) fn detect(head: &Head, start: &[u8]) -> Option<Self> {
        if let Some(declared) = declared_parts(head) {
            return Some(declared);
        }
        let start = start.get(..START_BYTES_MAX).unwrap_or(start);
        let jpeg = memmem::find(start, b"\xff\xd8\xff");
        let text = start.get(..jpeg.unwrap_or(start.len())).unwrap_or_default();
        if has_delimiter(text) {
            return Some(Self::UndeclaredParts);
        }
        jpeg.map(|_| Self::Jpegs)
    }

    /// The error of a body that begins with `start` and is neither a stream nor a picture.
    pub(super) fn fault(head: &Head, start: &[u8]) -> Fault {
        if start.is_empty() {
            return Fault::Ended { frames: 0 };
        }
        let declared = media_type(head);
        let encoding = head.text("Content-Encoding").trim().to_ascii_lowercase();
        let content = detect_content(start, &declared);
        if !matches!(encoding.as_str(), "" | "identity" | "none" | "binary") {
            return Fault::NotVideo(
                format!("{} data", shown(encoding.as_bytes())),
                Content::Compressed("").remedy(),
            );
        }
        // Without a head and without a picture, the response is not HTTP.
        if head.is_missing && !content.is_not_jpeg() {
            return Fault::NotHttp(shown(
                start
                    .split(|&byte| byte == b'\n')
                    .next()
                    .unwrap_or_default(),
            ));
        }
        let is_media = declared.starts_with("image/") || declared.starts_with("video/");
        let remedy = match content {
            // Text that is declared as a picture is an error message of the camera.
            Content::Binary if is_media => content.remedy(),
            Content::Text if is_media && !is_jpeg(&declared) => Content::Binary.remedy(),
            Content::Binary | Content::Text => STREAM_ADDRESSES,
            _ => content.remedy(),
        };
        match declared.as_str() {
            "" => Fault::NotVideo(content.to_string(), remedy),
            declared => Fault::NotVideo(
                format!("{content} ({})", shown(declared.as_bytes())),
                remedy,
            ),
        }
    }

    /// The error of a body that is declared as multipart but is not, once it has ended; `None` if
    /// its content is not recognized.
    pub(super) fn undeclared_fault(head: &Head, start: &[u8]) -> Option<Fault> {
        let is_foreign = !has_delimiter(start) && Content::detect(start).is_not_jpeg();
        is_foreign.then(|| Self::fault(head, start))
    }

    /// The error of a multipart body whose first part is not a JPEG; `None` if its content is not
    /// recognized.
    pub(super) fn part_fault(start: &[u8]) -> Option<Fault> {
        let content = Content::detect(part_body(start)?);
        // A web page or a message may precede the pictures, but not a video.
        let is_media = matches!(
            content,
            Content::Pictures(_) | Content::Video(_) | Content::Playlist(_)
        );
        is_media.then(|| Fault::NotVideo(format!("parts of {content}"), content.remedy()))
    }

    /// Whether `start` shows that neither a picture nor a boundary follows.
    pub(super) fn is_foreign(start: &[u8]) -> bool {
        start.len() >= START_BYTES_MAX
            || (start.len() >= PAGE_START_BYTES && Content::detect(start).is_not_jpeg())
    }
}

/// The content of a body by its first bytes, or else by its declared type.
fn detect_content(start: &[u8], declared: &str) -> Content {
    match (Content::detect(start), declared) {
        (
            Content::Text | Content::Binary,
            "application/vnd.apple.mpegurl" | "application/x-mpegurl" | "audio/mpegurl",
        ) => Content::Playlist("HLS"),
        (content, _) => content,
    }
}

/// Whether a media type means one or more JPEGs.
fn is_jpeg(declared: &str) -> bool {
    matches!(
        declared,
        "image/jpeg"
            | "image/jpg"
            | "image/pjpeg"
            | "video/x-motion-jpeg"
            | "video/x-mjpeg"
            | "video/mjpeg"
    )
}

/// The media type, in lower case and without parameters.
fn media_type(head: &Head) -> String {
    head.text("Content-Type")
        .split([';', ','])
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn declared_parts(head: &Head) -> Option<Kind> {
    media_type(head)
        .starts_with("multipart/")
        .then(|| Kind::Parts(parse_boundary(&head.text("Content-Type"))))
}

/// The boundary of a multipart type (RFC 2046, section 5.1.1). A boundary contains no semicolon.
fn parse_boundary(content_type: &str) -> Option<String> {
    let mut parameters = content_type
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='));
    let (_, boundary) =
        parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    Some(boundary.trim().to_owned())
}

/// Whether a line of `text` is a delimiter: two dashes followed by a boundary.
fn has_delimiter(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').any(|line| {
        let word = line.strip_prefix(b"--").map(<[u8]>::trim_ascii);
        // A line of a comment, `<!--` or `-->`, is not a delimiter.
        word.is_some_and(|word| {
            !word.is_empty()
                && word
                    .iter()
                    .all(|byte| (b'!'..=b'~').contains(byte) && *byte != b'>')
        })
    })
}

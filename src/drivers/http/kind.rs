//! What a camera sends, told by its declared type and by how it begins; and what else it may be.

use memchr::memmem;

use super::Fault;
use super::head::{Head, shown};
use crate::wire::sniff::{Content, STREAM_ADDRESSES, part_body};

/// So much of a body is looked at for a picture or a boundary. Blanks or a binary header may
/// precede it.
pub(super) const START_BYTES_MAX: usize = 1024;

/// So many bytes of a beginning tell a page from other markup.
const TELLING_BYTES: usize = 16;

/// What a camera sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Multipart, with the boundary that is declared.
    Parts(Option<String>),
    /// Multipart under a type that does not say so.
    UndeclaredParts,
    /// JPEGs, one or many, bare or with a few bytes around each.
    Jpegs,
}

impl Kind {
    /// Tells the kind by the type and the beginning of the body, as far as it has come; `None` if
    /// it takes more of it.
    pub(super) fn of(head: &Head, start: &[u8]) -> Option<Self> {
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

    /// Why a body that begins with `start` is neither a stream nor a picture, and what to do about
    /// it.
    pub(super) fn fault(head: &Head, start: &[u8]) -> Fault {
        if start.is_empty() {
            return Fault::Ended { frames: 0 };
        }
        let declared = media_type(head);
        let encoding = head.text("Content-Encoding").trim().to_ascii_lowercase();
        let content = content_of(start, &declared);
        if !matches!(encoding.as_str(), "" | "identity" | "none" | "binary") {
            return Fault::NotVideo(
                format!("{} data", shown(encoding.as_bytes())),
                Content::Compressed("").remedy(),
            );
        }
        // What has no head and no sign of a picture is not HTTP at all.
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
            // Something that is declared as a picture and is text is an error message.
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

    /// The same for a body that is declared as multipart and was none, now that it is over; `None`
    /// if that says nothing.
    pub(super) fn undeclared_fault(head: &Head, start: &[u8]) -> Option<Fault> {
        let is_foreign = !has_delimiter(start) && Content::detect(start).is_not_jpeg();
        is_foreign.then(|| Self::fault(head, start))
    }

    /// The same for a multipart body, of which the first part counts; `None` if that says nothing.
    pub(super) fn part_fault(start: &[u8]) -> Option<Fault> {
        let content = Content::detect(part_body(start)?);
        // A page or a message may precede the pictures; a video does not.
        let is_media = matches!(
            content,
            Content::Pictures(_) | Content::Video(_) | Content::Playlist(_)
        );
        is_media.then(|| Fault::NotVideo(format!("parts of {content}"), content.remedy()))
    }

    /// Whether it is clear from `start` already that neither picture nor boundary will follow.
    pub(super) fn is_foreign(start: &[u8]) -> bool {
        start.len() >= START_BYTES_MAX
            || (start.len() >= TELLING_BYTES && Content::detect(start).is_not_jpeg())
    }
}

/// What a body is that begins with `start`; where its bytes do not tell, by the type that is
/// `declared`.
fn content_of(start: &[u8], declared: &str) -> Content {
    match (Content::detect(start), declared) {
        (
            Content::Text | Content::Binary,
            "application/vnd.apple.mpegurl" | "application/x-mpegurl" | "audio/mpegurl",
        ) => Content::Playlist("HLS"),
        (content, _) => content,
    }
}

/// Whether a type stands for JPEGs, one or many.
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
        .then(|| Kind::Parts(boundary_of(&head.text("Content-Type"))))
}

/// The boundary that a multipart type declares (RFC 2046, section 5.1.1). No boundary has a
/// semicolon.
fn boundary_of(content_type: &str) -> Option<String> {
    let mut parameters = content_type
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='));
    let (_, boundary) =
        parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    Some(boundary.trim().to_owned())
}

/// Whether a line of `text` begins with the two dashes of a delimiter and has more on it.
fn has_delimiter(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').any(|line| {
        let word = line.strip_prefix(b"--").map(<[u8]>::trim_ascii);
        // `<!--` begins no line with its dashes, and `-->` has no word.
        word.is_some_and(|word| {
            !word.is_empty()
                && word
                    .iter()
                    .all(|byte| (b'!'..=b'~').contains(byte) && *byte != b'>')
        })
    })
}

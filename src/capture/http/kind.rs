//! What a camera sends, told by its declared type and by how it begins; and what else it may be.

use memchr::{memchr, memmem};

use super::Fault;
use super::error::TRY;
use super::head::{Head, shown};

/// So much of a body is looked at for a picture or a boundary. Blanks or a binary header may precede it.
pub(super) const START_BYTES_MAX: usize = 1024;

/// What to do about what ffmpeg can read.
const FFMPEG: &str = "use the source exec:ffmpeg -i URL -f mjpeg - with its address";

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
    /// Tells the kind by the type and the beginning of the body, as far as it has come; `None` if it takes more of it.
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

    /// Why a body that begins with `start` is neither a stream nor a picture, and what to do about it.
    pub(super) fn fault(head: &Head, start: &[u8]) -> Fault {
        let declared = media_type(head);
        if start.is_empty() {
            return Fault::Ended { frames: 0 };
        }
        let start = start.get(..START_BYTES_MAX).unwrap_or(start);
        let encoding = head.text("Content-Encoding").trim().to_ascii_lowercase();
        if start.starts_with(b"\x1f\x8b") || !matches!(encoding.as_str(), "" | "identity" | "none" | "binary") {
            let what = format!("compressed ({})", if encoding.is_empty() { "gzip" } else { &encoding });
            let way = "switch that off, or use the source exec:curl -s --compressed URL with its address";
            return Fault::NotVideo(shown(what.as_bytes()), way.to_owned());
        }
        let (found, way) = look_at(start, &declared);
        let what = match (found, declared.as_str()) {
            (Some(found), "") => found.to_owned(),
            // A type that only repeats what was found, as text/html for a page, or tells more of it.
            (Some(found), declared) => format!("{found} ({})", shown(declared.as_bytes())),
            // What has no head and no sign of a picture is not HTTP at all.
            (None, "") if head.is_missing => {
                return Fault::NotHttp(shown(start.split(|&byte| byte == b'\n').next().unwrap_or_default()));
            }
            (None, "") => "something of unknown type".to_owned(),
            (None, declared) => shown(declared.as_bytes()),
        };
        Fault::NotVideo(what, way.to_owned())
    }

    /// The same for a body that is declared as multipart and was none, now that it is over; `None` if that says
    /// nothing.
    pub(super) fn undeclared_fault(head: &Head, start: &[u8]) -> Option<Fault> {
        let is_foreign = !has_delimiter(start) && look_at(start, "").0.is_some();
        is_foreign.then(|| Self::fault(head, start))
    }

    /// The same for a multipart body, of which the first part counts; `None` if that says nothing.
    pub(super) fn part_fault(start: &[u8]) -> Option<Fault> {
        let start = start.get(..START_BYTES_MAX).unwrap_or(start);
        let body = ["\r\n\r\n", "\n\n"]
            .into_iter()
            .find_map(|blank| memmem::find(start, blank.as_bytes()).and_then(|at| start.get(at + blank.len()..)));
        let (found, way) = look_at(body?, "");
        // A page or a message may precede the pictures; a video does not.
        found
            .filter(|_| way == FFMPEG)
            .map(|found| Fault::NotVideo(format!("a stream of parts, of which the first is {found},"), way.to_owned()))
    }

    /// Whether it is clear from `start` already that neither picture nor boundary will follow.
    pub(super) fn is_foreign(start: &[u8]) -> bool {
        start.len() >= START_BYTES_MAX || look_at(start, "").0.is_some()
    }
}

/// The media type, in lower case and without parameters.
fn media_type(head: &Head) -> String {
    head.text("Content-Type").split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn declared_parts(head: &Head) -> Option<Kind> {
    media_type(head).starts_with("multipart/").then(|| Kind::Parts(boundary_of(&head.text("Content-Type"))))
}

/// The boundary that a multipart type declares (RFC 2046, section 5.1.1). No boundary has a semicolon.
fn boundary_of(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, boundary) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    Some(boundary.trim().to_owned())
}

/// Whether a line of `text` begins with the two dashes of a delimiter and has more on it.
fn has_delimiter(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').any(|line| {
        let word = line.strip_prefix(b"--").map(<[u8]>::trim_ascii);
        // `<!--` begins no line with its dashes, and `-->` has no word.
        word.is_some_and(|word| {
            !word.is_empty() && word.iter().all(|byte| (b'!'..=b'~').contains(byte) && *byte != b'>')
        })
    })
}

/// What bytes that are no JPEG look like, and the way out.
fn look_at(start: &[u8], declared: &str) -> (Option<&'static str>, &'static str) {
    let text = start.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let begins = |signs: &[&[u8]]| signs.iter().any(|sign| start.starts_with(sign));
    let found = match text {
        _ if begins(&[b"\x89PNG\r\n\x1a\n"]) => Some(("a PNG picture", FFMPEG)),
        _ if begins(&[b"GIF87a", b"GIF89a"]) => Some(("a GIF picture", FFMPEG)),
        _ if begins(&[b"RIFF"]) && start.get(8..12) == Some(b"WEBP") => Some(("a WebP picture", FFMPEG)),
        _ if begins(&[b"RIFF"]) && start.get(8..12) == Some(b"AVI ") => Some(("an AVI video", FFMPEG)),
        _ if start.get(4..8) == Some(b"ftyp") => Some(("an MP4 video", FFMPEG)),
        _ if begins(&[b"\0\0\0\x01", b"\0\0\x01"]) => Some(("an H.264 or H.265 video", FFMPEG)),
        _ if begins(&[b"FLV\x01"]) => Some(("a Flash video", FFMPEG)),
        _ if begins(&[b"\x1a\x45\xdf\xa3"]) => Some(("a WebM or Matroska video", FFMPEG)),
        _ if begins(&[b"OggS"]) => Some(("an Ogg video", FFMPEG)),
        _ if start.first() == Some(&0x47) && start.get(188) == Some(&0x47) => {
            Some(("an MPEG transport stream", FFMPEG))
        }
        _ if begins(&[b"\x1f\x8b"]) => Some(("compressed (gzip)", "")),
        _ if text.starts_with(b"#EXTM3U") => Some(("a playlist of HLS", FFMPEG)),
        [b'<', ..] if memmem::find(text, b"<MPD").is_some() => Some(("a playlist of DASH", FFMPEG)),
        [b'<', b'?', ..] => Some(("an XML document", TRY)),
        [b'<', ..] => Some(("a page, such as that of its login", TRY)),
        [b'{' | b'[', ..] => Some(("JSON, such as an error or the answer to a login", TRY)),
        _ => None,
    };
    if let Some((found, way)) = found {
        return (Some(found), way);
    }
    let is_text = memchr(0, text).is_none() && str::from_utf8(text.get(..text.len().min(64)).unwrap_or(text)).is_ok();
    match declared {
        "application/vnd.apple.mpegurl" | "application/x-mpegurl" | "audio/mpegurl" => {
            (Some("a playlist of HLS"), FFMPEG)
        }
        "image/jpeg" | "image/jpg" | "image/pjpeg" if is_text => (Some("text"), TRY),
        "video/x-motion-jpeg" | "video/x-mjpeg" | "video/mjpeg" if is_text => (Some("text"), TRY),
        declared if declared.starts_with("video/") || declared.starts_with("image/") => (None, FFMPEG),
        _ => (None, TRY),
    }
}

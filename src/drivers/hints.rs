//! The error message for an unknown source: what to write instead. Users often write a source as
//! another program expects it.
//!
//! Of the user's text, only the scheme is shown: the rest may contain a password.

use std::fmt;

/// The syntax of each source, as listed in error messages.
pub const SOURCES: [&str; 10] = [
    "v4l2:/dev/video0?size=1280x720&fps=30",
    "rpicam:?size=1280x720&fps=30",
    "http://USER:PASSWORD@HOST/PATH#fps=1",
    "redis://USER:PASSWORD@HOST/CHANNEL#timeout=5s",
    "redis+list://USER:PASSWORD@HOST/KEY#timeout=5s",
    "exec:COMMAND ARGUMENTS#every=1s",
    "- (standard input)",
    "stills:DIR?fps=1",
    "stills:DIR?watch=1",
    "pattern:1280x720?fps=30&quality=80",
];

/// An `exec:` source with ffmpeg and these input options.
macro_rules! ffmpeg {
    ($input:literal) => {
        concat!(
            "decode it with ffmpeg: 'exec:ffmpeg -nostdin -loglevel error ",
            $input,
            " -an -q:v 5 -f mjpeg -'"
        )
    };
}

const RTSP: &str = ffmpeg!("-rtsp_transport tcp -i rtsp://USER:PASSWORD@HOST/PATH");
const INPUT: &str = ffmpeg!("-i URL");
const FILE: &str = ffmpeg!("-re -stream_loop -1 -i FILE");
const SCREEN: &str = ffmpeg!("-f x11grab -i :0");
const ONVIF: &str = "ONVIF is a control protocol without pictures; use the camera's http:// address of snapshots or \
                     of an MJPEG stream, or its rtsp:// address with 'exec:ffmpeg -nostdin -loglevel error \
                     -rtsp_transport tcp -i rtsp://USER:PASSWORD@HOST/PATH -an -q:v 5 -f mjpeg -'";
const DIRECTORY: &str = "write stills:DIR for a directory of JPEG files, 'exec:ffmpeg -re -stream_loop -1 -i FILE \
                         -an -q:v 5 -f mjpeg -' for a video file";
const PICTURE: &str = "write stills:DIR with the directory that holds the picture";
const HTTP: &str = "write http:// before the host, as in http://HOST:PORT/PATH";
const DEVICE: &str =
    "write the device of the camera, as in /dev/video0; \"framecast cameras\" lists them";
const OTHER_DEVICE: &str =
    "only /dev/video* devices give pictures; \"framecast cameras\" lists cameras";
const RASPBERRY_PI: &str = "write rpicam: for the camera of a Raspberry Pi";
const PATTERN: &str = "write pattern:1280x720?fps=30 for a test picture";
const COMMAND: &str = "write exec:COMMAND ARGUMENTS for a command that writes JPEGs";
const WINDOWS: &str =
    "framecast runs on Linux: write a directory as stills:/mnt/pictures, a camera as /dev/video0";
const NAME: &str = "write = after the name, as in front=/dev/video0";
const DASH: &str = "write each source on its own line, without a dash before it";

/// The extensions of video files.
const VIDEOS: [&str; 12] = [
    "mp4", "mkv", "avi", "mov", "webm", "ts", "m4v", "mjpeg", "mjpg", "h264", "flv", "m3u8",
];
/// The extensions of picture files.
const PICTURES: [&str; 7] = ["jpg", "jpeg", "png", "gif", "bmp", "webp", "heic"];
/// Schemes and names of sources in other programs, with the hint for each.
const FOREIGN_NAMES: [(&[&str], &str); 8] = [
    (&["rtsp", "rtsps", "rtspt", "rtspu"], RTSP),
    (
        &[
            "rtmp", "rtmps", "srt", "udp", "rtp", "tcp", "mms", "hls", "ftp", "rist", "webrtc",
            "whep", "ws", "wss",
        ],
        INPUT,
    ),
    (&["onvif"], ONVIF),
    (
        &[
            "libcamera",
            "picamera",
            "picamera2",
            "picam",
            "raspicam",
            "raspivid",
            "rpi",
            "csi",
            "libcamera-vid",
        ],
        RASPBERRY_PI,
    ),
    (
        &[
            "usb", "webcam", "camera", "cam", "uvc", "v4l", "video", "device", "dev", "dshow", "tv",
        ],
        DEVICE,
    ),
    (
        &[
            "test",
            "testsrc",
            "testsrc2",
            "testcard",
            "demo",
            "dummy",
            "fake",
            "videotestsrc",
            "lavfi",
        ],
        PATTERN,
    ),
    (&["screen", "desktop", "x11", "x11grab", "display"], SCREEN),
    (
        &[
            "ffmpeg",
            "gst-launch-1.0",
            "gst",
            "sh",
            "bash",
            "python3",
            "rpicam-vid",
            "cmd",
            "command",
            "pipe",
        ],
        COMMAND,
    ),
];
/// The schemes of the sources, for suggestions.
const SCHEMES: [&str; 10] = [
    "v4l2",
    "rpicam",
    "http",
    "https",
    "redis",
    "rediss",
    "redis+list",
    "exec",
    "stills",
    "pattern",
];

/// The minimum similarity of a suggestion, from 0 to 1 (Jaro-Winkler).
const SIMILARITY_MIN: f64 = 0.85;

/// A text that does not name a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSource {
    /// The part of the text that may be shown.
    shown: Option<String>,
    hint: Option<&'static str>,
    /// The most similar scheme.
    suggestion: Option<&'static str>,
    is_word: bool,
}

impl UnknownSource {
    /// Analyzes a text that does not name a source.
    pub(super) fn new(text: &str) -> Self {
        let scheme = text
            .split([':', '?', '/', '@', ' '])
            .next()
            .unwrap_or_default();
        let is_plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        // The text before an `@` may be a user name, and a text without a scheme a password.
        let shown =
            is_plain(scheme) && !text[scheme.len()..].contains('@') || is_scheme(text, scheme);
        let hint = hint(text, &scheme.to_ascii_lowercase());
        Self {
            shown: shown.then(|| scheme.to_owned()),
            hint,
            suggestion: hint
                .is_none()
                .then(|| most_similar(&scheme.to_ascii_lowercase()))
                .flatten(),
            is_word: is_plain(text),
        }
    }

    /// Whether it is a plain word that no other program uses for a source: it may be a misspelled
    /// command.
    pub fn is_word(&self) -> bool {
        self.is_word && self.hint.is_none()
    }
}

impl fmt::Display for UnknownSource {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.shown {
            Some(shown) => write!(f, "unknown source {shown:?}; ")?,
            None => f.write_str("unknown source; ")?,
        }
        match (self.hint, self.suggestion) {
            (Some(hint), _) => f.write_str(hint),
            (None, Some(scheme)) => write!(f, "did you mean {scheme}:?"),
            (None, None) => write!(f, "expected one of {}", SOURCES.join(", ")),
        }
    }
}

fn is_scheme(text: &str, scheme: &str) -> bool {
    !scheme.is_empty() && text[scheme.len()..].starts_with("://")
}

fn hint(text: &str, scheme: &str) -> Option<&'static str> {
    let rest = text.get(scheme.len()..).unwrap_or_default();
    let extension = text
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .rsplit_once('.');
    let extension = extension
        .map(|(_, extension)| extension.to_ascii_lowercase())
        .unwrap_or_default();
    let has_extension = |extensions: &[&str]| extensions.contains(&extension.as_str());
    let file = || match () {
        () if has_extension(&PICTURES) => PICTURE,
        () if has_extension(&VIDEOS) => FILE,
        () => DIRECTORY,
    };
    let is_drive =
        scheme.len() == 1 && scheme.as_bytes()[0].is_ascii_alphabetic() && rest.starts_with(':');
    let port = rest
        .strip_prefix(':')
        .map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    let is_port = port.is_some_and(|port| port.parse::<u16>().is_ok());
    let is_word = text == scheme || rest.starts_with(':');
    let foreign = FOREIGN_NAMES
        .iter()
        .find(|(names, _)| names.contains(&scheme))
        .map(|(_, hint)| *hint);
    match scheme {
        _ if text.starts_with("- ") => Some(DASH),
        _ if rest.starts_with(": ") => Some(NAME),
        "http" | "https" if rest.starts_with("//") => Some(HTTP),
        _ if is_drive || text.contains('\\') || is_numbered("com", text) => Some(WINDOWS),
        _ if text.starts_with("/dev/") => Some(OTHER_DEVICE),
        _ if text.starts_with(['/', '~'])
            || text.starts_with("./")
            || text.starts_with("../")
            || text == "." =>
        {
            Some(file())
        }
        "file" | "dir" | "folder" | "path" if rest.starts_with(':') => Some(file()),
        _ if ["", "video", "/video", "dev/video"]
            .iter()
            .any(|word| is_numbered(word, text)) =>
        {
            Some(DEVICE)
        }
        _ if foreign.is_some() && is_word && !is_port => foreign,
        _ if text.contains(char::is_whitespace) && !text.contains("://") => Some(COMMAND),
        _ if is_host(text) => Some(HTTP),
        _ if rest.starts_with("://") => most_similar(scheme).is_none().then_some(INPUT),
        _ if has_extension(&PICTURES) || has_extension(&VIDEOS) || text.contains('/') => {
            Some(file())
        }
        _ => None,
    }
}

/// Whether `text` is `word` followed by a number, like the names of devices.
fn is_numbered(word: &str, text: &str) -> bool {
    let number = text
        .get(..word.len())
        .filter(|start| start.eq_ignore_ascii_case(word))
        .map(|_| &text[word.len()..]);
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Whether `text` begins with a host, recognized by a port or dots, possibly after a user.
fn is_host(text: &str) -> bool {
    let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let has_port = port.parse::<u16>().is_ok();
    let is_address = name.starts_with('[') && name.ends_with(']');
    let is_name = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    let is_file = |name: &str| {
        let extension = name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_ascii_lowercase())
            .unwrap_or_default();
        authority.len() == text.len()
            && (PICTURES.contains(&&*extension) || VIDEOS.contains(&&*extension))
    };
    match (is_address, is_name) {
        (true, _) => true,
        (false, true) if has_port => true,
        (false, true) => {
            port.is_empty() && !host.contains(':') && name.contains('.') && !is_file(name)
        }
        (false, false) => false,
    }
}

fn most_similar(scheme: &str) -> Option<&'static str> {
    let similarity = |known: &&str| strsim::jaro_winkler(known, scheme);
    let best = SCHEMES
        .iter()
        .max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(best) >= SIMILARITY_MIN).then_some(*best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_other_programs_lead_to_a_hint() {
        let cases = [
            ("rtsp://u:secret@cam/live", "rtsp://USER:PASSWORD@HOST"),
            ("RTSPS://cam/live", "-rtsp_transport tcp"),
            ("rtmp://cam/live", "ffmpeg"),
            ("srt://cam:9000?mode=caller", "ffmpeg"),
            ("udp://239.0.0.1:1234", "ffmpeg"),
            ("udp:239.0.0.1:1234", "ffmpeg"),
            ("gopher://cam/", "ffmpeg"),
            ("onvif://cam", "ONVIF"),
            ("onvif", "onvif"),
            ("/srv/pictures", "stills:DIR"),
            ("./pictures", "stills:DIR"),
            (".", "stills:DIR"),
            ("~/pictures", "stills:DIR"),
            ("pictures/front", "stills:DIR"),
            ("/tmp/a.mp4", "-stream_loop -1 -i FILE"),
            ("clip.MKV", "-stream_loop -1 -i FILE"),
            ("file:///tmp/a.mov", "-stream_loop -1 -i FILE"),
            ("/tmp/a.jpg", "the directory that holds the picture"),
            ("a.jpeg", "the directory that holds the picture"),
            ("/dev/media0", "/dev/video*"),
            ("/dev/ttyUSB0", "/dev/video*"),
            ("0", "/dev/video0"),
            ("video2", "/dev/video0"),
            ("usb", "/dev/video0"),
            ("csi", "rpicam:"),
            ("C:\\pictures", "Linux"),
            ("c:/pictures", "Linux"),
            ("\\\\nas\\pictures", "Linux"),
            ("COM3", "Linux"),
            ("192.168.1.5:8080/video", "http://HOST:PORT/PATH"),
            ("192.168.1.5", "http://HOST:PORT/PATH"),
            ("cam.local/video.mjpg", "http://HOST:PORT/PATH"),
            ("cam:8080", "http://HOST:PORT/PATH"),
            ("localhost:8080/?action=stream", "http://HOST:PORT/PATH"),
            ("[fe80::1]:80/x", "http://HOST:PORT/PATH"),
            ("admin:secret@192.168.1.5/video", "http://HOST:PORT/PATH"),
            ("admin:secret@cam:80/video", "http://HOST:PORT/PATH"),
            ("ffmpeg -i rtsp", "exec:COMMAND"),
            ("my-driver --fast", "exec:COMMAND"),
            ("- /dev/video0", "without a dash"),
            ("a: pattern:64x48", "front=/dev/video0"),
            ("http//cam/video", "write http://"),
            ("dev/video0", "/dev/video0"),
            ("testsrc", "pattern:"),
            ("x11grab", "x11grab"),
            ("stils:DIR", "did you mean stills:?"),
            ("htpp://cam/", "did you mean http:?"),
            ("patern:64x48", "did you mean pattern:?"),
            ("carrier-pigeon:", "expected one of v4l2:"),
            ("", "expected one of v4l2:"),
        ];
        for (text, expected) in cases {
            let shown = UnknownSource::new(text).to_string();
            assert!(shown.contains(expected), "{text}: {shown}");
            assert!(!shown.contains("secret"), "{text}: {shown}");
        }
    }

    #[test]
    fn plain_word_may_be_a_command_unless_it_names_a_source() {
        assert!(
            ["record", "cameas", "helth"]
                .iter()
                .all(|word| UnknownSource::new(word).is_word())
        );
        assert!(
            !["0", "usb", "a:", "/x", "rtsp"]
                .iter()
                .any(|word| UnknownSource::new(word).is_word())
        );
    }
}

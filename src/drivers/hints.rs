//! What to write instead of a source that there is none of: people name what they have in the words
//! of another program.
//!
//! Nothing of the text is repeated but its scheme: the rest may hold a password.

use std::fmt;

/// How each source is written: the list in the message about a source that does not exist.
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

/// How ffmpeg writes frames that are read here, from an input in place of INPUT.
macro_rules! ffmpeg {
    ($input:literal) => {
        concat!(
            "have ffmpeg decode it: 'exec:ffmpeg -nostdin -loglevel error ",
            $input,
            " -an -q:v 5 -f mjpeg -'"
        )
    };
}

const RTSP: &str = ffmpeg!("-rtsp_transport tcp -i rtsp://USER:PASSWORD@HOST/PATH");
const INPUT: &str = ffmpeg!("-i URL");
const FILE: &str = ffmpeg!("-re -stream_loop -1 -i FILE");
const SCREEN: &str = ffmpeg!("-f x11grab -i :0");
const ONVIF: &str = "onvif describes a camera but carries no pictures; write the http:// address of its snapshots or \
                     MJPEG stream, or for its rtsp:// address 'exec:ffmpeg -nostdin -loglevel error -rtsp_transport \
                     tcp -i rtsp://USER:PASSWORD@HOST/PATH -an -q:v 5 -f mjpeg -'";
const FOLDER: &str = "a folder of JPEGs is stills:DIR, a video file 'exec:ffmpeg -re -stream_loop -1 -i FILE -an \
                      -q:v 5 -f mjpeg -'";
const PICTURE: &str = "write the folder that holds the picture: stills:DIR";
const HTTP: &str = "write http:// in front of the host, as in http://HOST:PORT/PATH";
const DEVICE: &str = "a camera of this machine is /dev/video0; \"framecast cameras\" lists them";
const OTHER_DEVICE: &str =
    "only /dev/video* devices give pictures; \"framecast cameras\" lists those of cameras";
const RIBBON: &str = "the ribbon camera of a Raspberry Pi is rpicam:";
const PATTERN: &str = "a test picture is pattern:1280x720?fps=30";
const COMMAND: &str = "a command that writes JPEGs is exec:COMMAND ARGUMENTS";
const WINDOWS: &str = "framecast runs on Linux, where a folder is named like \
                       stills:/mnt/pictures and a camera /dev/video0";
const NAME: &str = "a name stands before =, as in front=/dev/video0";
const DASH: &str = "write each source on a line of its own, without a dash before it";

/// Endings of files that hold a video.
const VIDEOS: [&str; 12] = [
    "mp4", "mkv", "avi", "mov", "webm", "ts", "m4v", "mjpeg", "mjpg", "h264", "flv", "m3u8",
];
/// Endings of files that hold a picture.
const PICTURES: [&str; 7] = ["jpg", "jpeg", "png", "gif", "bmp", "webp", "heic"];
/// Words of other programs for a source, and what it is here. A scheme stands before `:`.
const WORDS: [(&[&str], &str); 8] = [
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
        RIBBON,
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
/// The schemes of sources, for those that are misspelt.
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

/// Two words are as good as one if they are so alike, from 0 to 1 (Jaro-Winkler).
const LIKENESS_MIN: f64 = 0.85;

/// A text that is no source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What may be shown of the text.
    shown: Option<String>,
    hint: Option<&'static str>,
    alike: Option<&'static str>,
    is_word: bool,
}

impl Unknown {
    /// Finds out what is meant by `text`.
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
        // Before an `@` stands a user, and a text without a scheme may be a password.
        let shown =
            is_plain(scheme) && !text[scheme.len()..].contains('@') || is_scheme(text, scheme);
        let hint = hint(text, &scheme.to_ascii_lowercase());
        Self {
            shown: shown.then(|| scheme.to_owned()),
            hint,
            alike: hint
                .is_none()
                .then(|| alike(&scheme.to_ascii_lowercase()))
                .flatten(),
            is_word: is_plain(text),
        }
    }

    /// Whether it is a plain word that no other program has for a source: it may as well be a
    /// misspelt command.
    pub fn is_word(&self) -> bool {
        self.is_word && self.hint.is_none()
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.shown {
            Some(shown) => write!(f, "there is no source {shown:?}; ")?,
            None => f.write_str("that is no source; ")?,
        }
        match (self.hint, self.alike) {
            (Some(hint), _) => f.write_str(hint),
            (None, Some(alike)) => write!(f, "did you mean {alike}:?"),
            (None, None) => write!(f, "the sources are {}", SOURCES.join(", ")),
        }
    }
}

fn is_scheme(text: &str, scheme: &str) -> bool {
    !scheme.is_empty() && text[scheme.len()..].starts_with("://")
}

fn hint(text: &str, scheme: &str) -> Option<&'static str> {
    let rest = text.get(scheme.len()..).unwrap_or_default();
    let ending = text
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .rsplit_once('.');
    let ending = ending
        .map(|(_, ending)| ending.to_ascii_lowercase())
        .unwrap_or_default();
    let ends_with = |endings: &[&str]| endings.contains(&ending.as_str());
    let file = || match () {
        () if ends_with(&PICTURES) => PICTURE,
        () if ends_with(&VIDEOS) => FILE,
        () => FOLDER,
    };
    let is_drive =
        scheme.len() == 1 && scheme.as_bytes()[0].is_ascii_alphabetic() && rest.starts_with(':');
    let port = rest
        .strip_prefix(':')
        .map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    let is_port = port.is_some_and(|port| port.parse::<u16>().is_ok());
    let is_word = text == scheme || rest.starts_with(':');
    let word = WORDS
        .iter()
        .find(|(words, _)| words.contains(&scheme))
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
        _ if word.is_some() && is_word && !is_port => word,
        _ if text.contains(char::is_whitespace) && !text.contains("://") => Some(COMMAND),
        _ if is_host(text) => Some(HTTP),
        _ if rest.starts_with("://") => alike(scheme).is_none().then_some(INPUT),
        _ if ends_with(&PICTURES) || ends_with(&VIDEOS) || text.contains('/') => Some(file()),
        _ => None,
    }
}

/// Whether `text` is `word` and a number, as devices are called.
fn is_numbered(word: &str, text: &str) -> bool {
    let number = text
        .get(..word.len())
        .filter(|start| start.eq_ignore_ascii_case(word))
        .map(|_| &text[word.len()..]);
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Whether `text` begins with a host, by its port or the dots in it, and perhaps a user before it.
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
        let ending = name
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_ascii_lowercase())
            .unwrap_or_default();
        authority.len() == text.len()
            && (PICTURES.contains(&&*ending) || VIDEOS.contains(&&*ending))
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

fn alike(scheme: &str) -> Option<&'static str> {
    let likeness = |known: &&str| strsim::jaro_winkler(known, scheme);
    let best = SCHEMES
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= LIKENESS_MIN).then_some(*best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_programs_are_understood() {
        let cases = [
            ("rtsp://u:secret@cam/live", "rtsp://USER:PASSWORD@HOST"),
            ("RTSPS://cam/live", "-rtsp_transport tcp"),
            ("rtmp://cam/live", "ffmpeg"),
            ("srt://cam:9000?mode=caller", "ffmpeg"),
            ("udp://239.0.0.1:1234", "ffmpeg"),
            ("udp:239.0.0.1:1234", "ffmpeg"),
            ("gopher://cam/", "ffmpeg"),
            ("onvif://cam", "onvif"),
            ("onvif", "onvif"),
            ("/srv/pictures", "stills:DIR"),
            ("./pictures", "stills:DIR"),
            (".", "stills:DIR"),
            ("~/pictures", "stills:DIR"),
            ("pictures/front", "stills:DIR"),
            ("/tmp/a.mp4", "-stream_loop -1 -i FILE"),
            ("clip.MKV", "-stream_loop -1 -i FILE"),
            ("file:///tmp/a.mov", "-stream_loop -1 -i FILE"),
            ("/tmp/a.jpg", "the folder that holds the picture"),
            ("a.jpeg", "the folder that holds the picture"),
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
            ("carrier-pigeon:", "the sources are v4l2:"),
            ("", "the sources are v4l2:"),
        ];
        for (text, expected) in cases {
            let shown = Unknown::new(text).to_string();
            assert!(shown.contains(expected), "{text}: {shown}");
            assert!(!shown.contains("secret"), "{text}: {shown}");
        }
    }

    #[test]
    fn a_word_that_may_be_a_command_is_told_from_a_source() {
        assert!(
            ["record", "cameas", "helth"]
                .iter()
                .all(|word| Unknown::new(word).is_word())
        );
        assert!(
            !["0", "usb", "a:", "/x", "rtsp"]
                .iter()
                .any(|word| Unknown::new(word).is_word())
        );
    }
}

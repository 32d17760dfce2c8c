//! What each answer must be.

use framecast::hub::{Body, BodyKind, Next, Subscription};
use framecast::wire::avi::FILE_BYTES_MAX;
use serde::de::IgnoredAny;

use super::World;

/// The lines of a head (RFC 9112, section 2.1), the status line first.
pub fn head(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).expect("a head is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head ends");
    assert!(
        body.is_empty() || body.starts_with("--frame\r\n"),
        "{body:?}"
    );
    let lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
    let status = lines[0]
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.split_once(' '))
        .expect("a status line");
    assert!(
        status.0.len() == 3
            && status
                .0
                .parse::<u16>()
                .is_ok_and(|code| (200..600).contains(&code)),
        "{lines:?}"
    );
    for line in &lines[1..] {
        let (name, value) = line.split_once(": ").expect("a field");
        assert!(
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
            "{line:?}"
        );
        assert!(!value.chars().any(char::is_control), "{line:?}");
    }
    for date in lines.iter().filter_map(|line| line.strip_prefix("Date: ")) {
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    }
    lines
}

/// A body with an end.
pub fn body(path: &str, head: &[String], body: &[u8]) {
    let is = |kind: &str| {
        head.iter().any(|line| {
            line.strip_prefix("Content-Type: ")
                .is_some_and(|it| it.starts_with(kind))
        })
    };
    let is_well = head[0].starts_with("HTTP/1.1 200 ");
    if is("application/json") {
        serde_json::from_slice::<IgnoredAny>(body).expect("JSON");
    } else if path == "/metrics" && is_well {
        metrics(
            std::str::from_utf8(body).expect("text"),
            is("application/openmetrics-text"),
        );
    } else if is("text/plain") {
        let text = std::str::from_utf8(body).expect("text");
        assert!(text.ends_with('\n'), "{text:?}");
    }
}

/// Prometheus' text: every line is a comment, or a name, maybe labels, and a number.
fn metrics(page: &str, is_open: bool) {
    assert!(!page.is_empty() && (!is_open || page.ends_with("# EOF\n")));
    for line in page
        .lines()
        .filter(|line| !line.starts_with("# ") && !line.is_empty())
    {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(
            series.starts_with("framecast_") || series.starts_with("process_"),
            "{line}"
        );
        assert_eq!(series.contains('{'), series.ends_with('}'), "{line}");
    }
}

/// The head of a stream, and what precedes its first part.
pub fn stream(world: &World, subscription: &Subscription) {
    head(&subscription.head);
    assert!(
        subscription.delay
            <= world.hub.live().channels[subscription.camera]
                .history
                .span()
    );
    assert!(subscription.label.len() <= 64);
}

/// The first chunks of a body.
pub fn produce(world: &World, body: &mut dyn Body, chunks_max: usize) -> (Vec<u8>, bool) {
    let mut made = Vec::new();
    for _ in 0..chunks_max {
        let chunk = match body.next(world.hub.live(), world.now) {
            Next::Chunk(chunk) => chunk.bytes,
            Next::NotYet { .. } => break,
            Next::End => return (made, true),
        };
        assert!(chunk.len() <= 16 * 1024, "a chunk of {} bytes", chunk.len());
        made.extend_from_slice(&chunk);
    }
    body.take_missed();
    (made, false)
}

/// What has been made of a body, and whether that is all of it.
pub fn made(kind: BodyKind, length: Option<u64>, (body, is_whole): &(Vec<u8>, bool)) {
    assert!(!is_whole || length.is_none_or(|length| length == body.len() as u64));
    match kind {
        BodyKind::Table => table(std::str::from_utf8(body).expect("text")),
        BodyKind::Events => events(std::str::from_utf8(body).expect("text")),
        BodyKind::Clip if *is_whole && body.starts_with(b"RIFF") => avi(body),
        BodyKind::Clip | BodyKind::Frames => {}
    }
}

/// A row has its five cells: number, time, size in bytes, milliseconds, size in pixels.
fn table(page: &str) {
    let rows = page.split("<tbody>\n").nth(1).expect("a table begins");
    for row in rows.lines().filter(|line| !line.starts_with("</table>")) {
        let cells: Vec<&str> = row
            .strip_prefix("<tr><td>")
            .expect("a row")
            .split("<td>")
            .collect();
        let [number, time, bytes, pause, size] = cells[..] else {
            panic!("{row}")
        };
        assert!(
            number.parse::<u64>().is_ok() && bytes.parse::<u64>().is_ok(),
            "{row}"
        );
        assert!(
            time.len() == 23 && ("2000".."A").contains(&&time[..4]),
            "{row}"
        );
        assert!(
            pause == "–" || pause.parse::<f64>().is_ok_and(|pause| pause >= 0.0),
            "{row}"
        );
        let size = size.split_once('×').expect("a size");
        assert!(
            size.0.parse::<u16>().is_ok() && size.1.parse::<u16>().is_ok(),
            "{row}"
        );
    }
}

/// Server-sent events: blocks of fields, with numbers that rise and data that is JSON.
fn events(text: &str) {
    let mut last = 0;
    for block in text.split_terminator("\n\n") {
        if let Some(pause) = block.strip_prefix("retry: ") {
            assert!(pause.parse::<u32>().is_ok(), "{block}");
            continue;
        }
        let lines: Vec<&str> = block.lines().collect();
        let [id, event, data] = lines[..] else {
            panic!("{block}")
        };
        let id = id
            .strip_prefix("id: ")
            .and_then(|id| id.parse::<u64>().ok())
            .expect("a number");
        assert!(id > last && event.starts_with("event: "), "{block}");
        last = id;
        serde_json::from_str::<IgnoredAny>(data.strip_prefix("data: ").expect("data"))
            .expect("JSON");
    }
}

/// A RIFF file: each chunk ends where its length says, and all of them together at the end of the
/// file.
fn avi(file: &[u8]) {
    assert!(file.len() as u64 <= FILE_BYTES_MAX);
    let mut rest = file;
    let (_, whole) = chunk(&mut rest);
    assert!(rest.is_empty() && whole.starts_with(b"AVI "));
    let mut rest = &whole[4..];
    let mut codes = Vec::new();
    while !rest.is_empty() {
        let (code, data) = chunk(&mut rest);
        codes.push(code);
        if data.starts_with(b"movi") {
            let mut pictures = &data[4..];
            while !pictures.is_empty() {
                assert_eq!(&chunk(&mut pictures).0, b"00dc");
            }
        }
    }
    assert_eq!(codes, [*b"LIST", *b"LIST", *b"idx1"]);
}

fn chunk<'a>(rest: &mut &'a [u8]) -> ([u8; 4], &'a [u8]) {
    let (code, behind) = rest.split_first_chunk::<4>().expect("a code");
    let (length, behind) = behind.split_first_chunk::<4>().expect("a length");
    let length = u32::from_le_bytes(*length) as usize;
    let (data, behind) = behind.split_at(length);
    *rest = behind.get(length % 2..).expect("its padding");
    (*code, data)
}

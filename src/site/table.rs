//! A table of frames, rendered while it is sent: without end, with a row for each frame as it is
//! published, or with a number of rows, for which the frame records are repeated as often as
//! needed.

use std::fmt::Write;
use std::mem;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::auth::Scope;
use super::token;
use crate::hub::{Body, BodyKind, Next};
use crate::stream::FrameRecord;
use crate::stream::{EventLog, Live, Topic};

/// A chunk is sent once it has reached this size.
const CHUNK_BYTES: usize = 12 * 1024;

/// Room for one more row.
const ROW_BYTES_MAX: usize = 256;

/// The body of one `/table` response. Its progress is a number, so a table of ten million rows
/// takes no more memory than one of ten.
#[derive(Debug)]
pub struct Table {
    camera: usize,
    name: String,
    /// The token for its links, and the scope of that.
    token: Option<(String, Scope)>,
    /// The rest of the page's head, if links with a long token make it larger than a chunk.
    opening: Bytes,
    rows_left: Option<u64>,
    /// The id of the last record sent.
    last_id: u64,
    /// Its number among the records of the camera.
    last_number: Option<u64>,
    /// Records that were skipped since [`take_missed`](Body::take_missed).
    missed: u64,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Opening,
    Rows,
    Closed,
}

impl Table {
    /// Returns a table of the frames of `camera` with `rows` rows, or without end.
    pub fn new(camera: usize, name: &str, rows: Option<u64>) -> Self {
        Self {
            camera,
            name: name.to_owned(),
            token: None,
            opening: Bytes::new(),
            rows_left: rows,
            last_id: 0,
            last_number: None,
            missed: 0,
            progress: Progress::Opening,
        }
    }

    /// Adds the token of the request to each link.
    pub fn with_token(self, token: Option<(String, Scope)>) -> Self {
        Self { token, ..self }
    }

    /// Writes rows until the chunk is full or no more records exist.
    fn rows(&mut self, out: &mut String, log: &EventLog) {
        while self.rows_left != Some(0) && out.len() < CHUNK_BYTES {
            let records = log.frames_after(self.camera, self.last_id);
            if records.len() == 0 {
                if self.rows_left.is_none() || self.last_id == 0 {
                    return;
                }
                // All records are sent: repeat them.
                self.last_id = 0;
            }
            for record in records {
                if self.rows_left == Some(0) || out.len() >= CHUNK_BYTES {
                    return;
                }
                row(out, record);
                if self.rows_left.is_none() {
                    let expected = self
                        .last_number
                        .map_or(record.number, |last| last.saturating_add(1));
                    self.missed = self
                        .missed
                        .saturating_add(record.number.saturating_sub(expected));
                    self.last_number = Some(record.number);
                }
                self.last_id = record.id;
                self.rows_left = self.rows_left.map(|rows| rows.saturating_sub(1));
            }
        }
    }
}

impl Body for Table {
    fn kind(&self) -> BodyKind {
        BodyKind::Table
    }

    fn topics(&self) -> Vec<Topic> {
        let is_endless = self.rows_left.is_none();
        is_endless
            .then_some(Topic::Frames {
                camera: self.camera,
            })
            .into_iter()
            .collect()
    }

    fn next(&mut self, live: &Live, _: Instant) -> Next {
        if self.progress == Progress::Closed {
            return Next::End;
        }
        let mut out = String::with_capacity(CHUNK_BYTES + ROW_BYTES_MAX);
        if self.progress == Progress::Opening {
            self.progress = Progress::Rows;
            let mut opening = opening(&self.name);
            if let Some((token, scope)) = self.token.take() {
                opening = token::add_to_links(&opening, &token, scope);
            }
            match opening.len() {
                ..=CHUNK_BYTES => out.push_str(&opening),
                _ => self.opening = opening.into(),
            }
        }
        if !self.opening.is_empty() {
            return Next::bytes(self.opening.split_to(self.opening.len().min(CHUNK_BYTES)));
        }
        self.rows(&mut out, &live.event_log);
        if self.rows_left == Some(0) {
            self.progress = Progress::Closed;
            out.push_str("</table>\n");
        }
        Next::bytes(out)
    }

    fn keep_alive(&self) -> Option<Bytes> {
        Some(Bytes::from_static(b"\n"))
    }

    fn take_missed(&mut self) -> u64 {
        mem::take(&mut self.missed)
    }
}

/// Returns the page up to the first row. It and the rows omit the end tags that HTML allows to
/// omit.
fn opening(name: &str) -> String {
    let query = utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    include_str!("static/table.html")
        .replace("{query}", &query)
        .replace("{name}", &escaped(name))
}

/// Returns `text` with the special characters of HTML escaped (WHATWG HTML, section 13.3).
fn escaped(text: &str) -> String {
    let replacements = [
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("\"", "&quot;"),
        ("'", "&#39;"),
    ];
    replacements
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn row(out: &mut String, record: &FrameRecord) {
    // A space lets date and time wrap in a narrow window.
    let captured =
        humantime::format_rfc3339_millis(SystemTime::from(record.captured_wall)).to_string();
    let captured = captured.replace('T', " ").replace('Z', "");
    let _ = write!(
        out,
        "<tr><td>{}<td>{captured}<td>{}<td>",
        record.sequence, record.bytes
    );
    match record.interval {
        Some(interval) => {
            let tenths = interval.as_micros() / 100;
            let _ = write!(out, "{}.{}", tenths / 10, tenths % 10);
        }
        None => out.push('–'),
    }
    let _ = writeln!(out, "<td>{}×{}", record.width, record.height);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::assets::{VIEWER, find};

    #[test]
    fn camera_name_is_escaped_in_text_and_links() {
        let page = opening("a<b> & \"K\u{fc}che\" {query}");
        assert!(
            page.contains("<title>Frames of a&lt;b&gt; &amp; &quot;K\u{fc}che&quot; {query} "),
            "{page}"
        );
        assert!(
            page.contains("table?camera=a%3Cb%3E%20%26%20%22K%C3%BCche%22%20%7Bquery%7D&amp;rows="),
            "{page}"
        );
    }

    #[test]
    fn all_pages_have_the_same_header() {
        let header = |page: &str| {
            let from = page.find("<header>").unwrap();
            let until = page.find("</header>").unwrap();
            page[from..until].replace(" aria-current=\"page\"", "")
        };
        let pages = [VIEWER.linking_text(), find("/loop").unwrap().linking_text()];
        for page in pages {
            assert_eq!(header(page.unwrap()), header(&opening("camera")));
        }
    }
}

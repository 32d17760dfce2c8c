//! A table of frames, row by row as it is made: of the last so many, and then of each as it is published; or of any
//! number, for which the past is told again and again.

use std::fmt::Write;
use std::mem;
use std::time::SystemTime;

use bytes::Bytes;

use super::token;
use crate::stream::journal::Fact;
use crate::stream::{Journal, Produced, Producer};

/// A chunk is sent once it has grown to this size.
const CHUNK_BYTES: usize = 12 * 1024;

/// Room for one more row.
const ROW_BYTES_MAX: usize = 256;

/// Writes the table for one reader. What it has told is a number, so a table of ten million rows takes no more memory
/// than one of ten.
#[derive(Debug)]
pub struct Table {
    camera: usize,
    name: String,
    /// What its links carry on.
    token: Option<String>,
    rows_left: Option<u64>,
    /// The number in the journal of the last frame told of.
    told: u64,
    /// And among those of its camera, once there is one.
    told_number: Option<u64>,
    /// Frames that have no row and never will, since somebody asked last.
    untold: u64,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Opening,
    Rows,
    Closed,
}

impl Table {
    /// A table of `rows` rows, or one without end, of the frames of `camera`. It is called `name`, in which there is
    /// nothing that means something in HTML.
    pub fn new(camera: usize, name: &str, rows: Option<u64>) -> Self {
        Self {
            camera,
            name: name.to_owned(),
            token: None,
            rows_left: rows,
            told: 0,
            told_number: None,
            untold: 0,
            progress: Progress::Opening,
        }
    }

    /// The same, with the token that it was asked for with in each of its links.
    pub fn carrying(self, token: Option<String>) -> Self {
        Self { token, ..self }
    }

    /// Writes rows until the chunk is large enough or there are no more for now.
    fn rows(&mut self, out: &mut String, journal: &Journal) {
        while self.rows_left != Some(0) && out.len() < CHUNK_BYTES {
            let facts = journal.frames_after(self.camera, self.told);
            if facts.len() == 0 {
                if self.rows_left.is_none() || self.told == 0 {
                    return;
                }
                // The past has been told: tell it again.
                self.told = 0;
            }
            for fact in facts {
                if self.rows_left == Some(0) || out.len() >= CHUNK_BYTES {
                    return;
                }
                row(out, fact);
                if self.rows_left.is_none() {
                    self.untold += self.told_number.map_or(0, |told| fact.number.saturating_sub(told + 1));
                    self.told_number = Some(fact.number);
                }
                self.told = fact.id;
                self.rows_left = self.rows_left.map(|rows| rows - 1);
            }
        }
    }
}

impl Producer for Table {
    fn produce(&mut self, journal: &Journal) -> Produced {
        if self.progress == Progress::Closed {
            return Produced::End;
        }
        let mut out = String::with_capacity(CHUNK_BYTES + ROW_BYTES_MAX);
        if self.progress == Progress::Opening {
            self.progress = Progress::Rows;
            let opening = opening(&self.name);
            match self.token.take() {
                Some(token) => out.push_str(&token::carry_on(&opening, &token)),
                None => out.push_str(&opening),
            }
        }
        self.rows(&mut out, journal);
        if self.rows_left == Some(0) {
            self.progress = Progress::Closed;
            out.push_str("</table>\n");
        }
        if out.is_empty() { Produced::NotYet } else { Produced::Chunk(out.into()) }
    }

    fn sign_of_life(&self) -> Bytes {
        Bytes::from_static(b"\n")
    }

    fn take_untold(&mut self) -> u64 {
        mem::take(&mut self.untold)
    }
}

/// What precedes the first row. The columns have their widths at once (`table-layout: fixed`), so the rows stand still
/// while more of them come; end tags that HTML lets go without are left out.
fn opening(name: &str) -> String {
    format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{name}, frame by frame</title>\n\
         <link rel=\"icon\" href=\"favicon.svg\">\n\
         <link rel=\"stylesheet\" href=\"table.css\">\n\
         <h1>{name}, frame by frame</h1>\n\
         <p>This table is made while you read it. First come the frames that are remembered, at most the last\n\
         thousand, then one row for each frame as it is published. The server keeps no page: it makes the next few\n\
         rows once your browser has taken the last, and of a table of ten million rows it holds twelve kilobytes.\n\
         <p><a href=\"./\">The live picture</a> · <a href=\"loop\">The loop at work</a> ·\n\
         <a href=\"table?camera={name}&amp;rows=100000\">A table with an end</a>\n\
         <table>\n\
         <thead><tr><th scope=\"col\">Frame<th scope=\"col\">Captured (UTC)<th scope=\"col\">Bytes\
         <th scope=\"col\">After (ms)<th scope=\"col\">Size\n\
         <tbody>\n"
    )
}

fn row(out: &mut String, fact: &Fact) {
    let captured = humantime::format_rfc3339_millis(SystemTime::from(fact.captured_at));
    let _ = write!(out, "<tr><td>{}<td>{captured}<td>{}<td>", fact.sequence, fact.bytes);
    match fact.interval {
        Some(interval) => {
            let tenths = interval.as_micros() / 100;
            let _ = write!(out, "{}.{}", tenths / 10, tenths % 10);
        }
        None => out.push('–'),
    }
    let _ = writeln!(out, "<td>{}×{}", fact.width, fact.height);
}

//! Bodies that are made as they are sent: the real producers, and somebody who looks over their shoulder.
//!
//! What a producer makes becomes due the moment it is made, so that it is checked as it leaves like everything else;
//! and it is read by one who knows every frame that was published.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use framecast::hub::{Journal, Next, Producer, Topic};

use crate::ledger::{Camera, Fact, Ledger, Published};
use crate::link::Link;
use crate::transcript::spell;

/// No chunk is larger: a producer has its time, and no more.
const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// What a peer is sent while it is made.
#[derive(Debug)]
pub struct Body {
    pub reads: Reads,
    pub is_chunked: bool,
    /// What it follows if it has no end.
    pub follows: Vec<Topic>,
    pub is_endless: bool,
    /// When something was last made of it.
    pub said_at: Instant,
    /// The number in the journal of what was told last, and of the newest there was when it began.
    pub told: u64,
    pub joined: u64,
    /// For each camera, how many of its frames there were up to the one that was told of or known last, if there is
    /// one; and how many of all were passed over since the last look.
    noted: Vec<Option<u64>>,
    untold: u64,
    has_begun: bool,
    turn: u64,
}

/// What it is to be read as.
#[derive(Debug)]
pub enum Reads {
    Table {
        camera: usize,
        rows_left: Option<u64>,
        has_ended: bool,
    },
    Events,
    /// These pictures, one after another, of the first of which so many bytes have been made.
    Clip {
        pictures: VecDeque<Rc<Published>>,
        made_bytes: usize,
    },
}

impl Body {
    pub fn new(reads: Reads, is_chunked: bool, follows: Vec<Topic>, told: u64, ledger: &Ledger) -> Self {
        let is_endless = !follows.is_empty();
        let (said_at, joined) = (ledger.now, ledger.journal_id);
        // A listener that does not say what it knows is told from now on; a table begins with what is remembered then.
        let known = if told == 0 { joined } else { told };
        let noted = |camera: &Camera| matches!(reads, Reads::Events).then(|| camera.noted_up_to(known));
        let noted = ledger.cameras.iter().map(noted).collect();
        let (has_begun, turn, untold) = (false, 0, 0);
        Self { reads, is_chunked, follows, is_endless, said_at, told, joined, noted, untold, has_begun, turn }
    }

    /// Bytes as they must leave.
    pub fn framed(&self, bytes: &[u8]) -> Bytes {
        if !self.is_chunked {
            return Bytes::copy_from_slice(bytes);
        }
        [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat().into()
    }

    /// What must leave at its end.
    pub fn end(&self) -> Bytes {
        Bytes::from_static(if self.is_chunked { b"0\r\n\r\n" } else { b"" })
    }

    /// Whether all that there is has been told.
    pub fn up_to_date(&self, ledger: &Ledger) -> Result<(), String> {
        for topic in &self.follows {
            let newest = ledger.newest(*topic).filter(|&id| id > self.joined && id > self.told);
            if let Some(id) = newest {
                return Err(format!("is not told of entry {id} after {}", self.told));
            }
        }
        Ok(())
    }

    /// The frames that are still to be made part of it.
    pub fn frames(&self) -> impl Iterator<Item = &Rc<Published>> {
        let pictures = match &self.reads {
            Reads::Clip { pictures, .. } => Some(pictures),
            _ => None,
        };
        pictures.into_iter().flatten()
    }

    /// Whether nothing is left to be made of it.
    fn is_complete(&self) -> bool {
        match &self.reads {
            Reads::Table { rows_left, has_ended, .. } => *rows_left == Some(0) && *has_ended,
            Reads::Events => false,
            Reads::Clip { pictures, .. } => pictures.is_empty(),
        }
    }

    /// Reads a chunk.
    fn take(&mut self, chunk: &[u8], ledger: &Ledger) -> Result<(), String> {
        if let Reads::Clip { pictures, made_bytes } = &mut self.reads {
            return take_pictures(chunk, pictures, made_bytes);
        }
        let mut text = std::str::from_utf8(chunk).map_err(|_| "no text")?;
        let is_table = matches!(self.reads, Reads::Table { .. });
        if !mem::replace(&mut self.has_begun, true) {
            let opening = if is_table { "<tbody>\n" } else { "retry: 2000\n\n" };
            let at = text.find(opening).ok_or("does not begin as it should")?;
            text = &text[at + opening.len()..];
        }
        if is_table { self.take_rows(text, ledger) } else { self.take_events(text, ledger) }
    }

    fn take_rows(&mut self, mut text: &str, ledger: &Ledger) -> Result<(), String> {
        let Reads::Table { camera, rows_left, has_ended } = &mut self.reads else { return Ok(()) };
        let facts = &ledger.cameras[*camera].facts;
        while !text.is_empty() && text != "</table>\n" {
            let next = facts.iter().find(|fact| fact.id > self.told);
            let next = next.or_else(|| facts.front().filter(|_| rows_left.is_some()));
            let fact = next.ok_or_else(|| format!("there is no frame for row {}", spell(text.as_bytes())))?;
            let row = row(fact);
            let rest = text.strip_prefix(row.as_str());
            text = rest.ok_or_else(|| format!("{row} is due, not {}", spell(text.as_bytes())))?;
            self.told = fact.id;
            if rows_left.is_none() {
                let noted = ledger.cameras[*camera].noted_up_to(fact.id);
                self.untold += self.noted[*camera].replace(noted).map_or(0, |before| noted - before - 1);
            }
            if let Some(rows) = rows_left {
                *rows = rows.checked_sub(1).ok_or("a table has more rows than were asked for")?;
            }
        }
        *has_ended = !text.is_empty();
        if *has_ended == (*rows_left == Some(0)) { Ok(()) } else { Err("a table ends elsewhere".into()) }
    }

    fn take_events(&mut self, text: &str, ledger: &Ledger) -> Result<(), String> {
        let events = text.strip_suffix("\n\n").filter(|_| !text.is_empty());
        let whole = if text.is_empty() { Some("") } else { events };
        let events = whole.ok_or_else(|| format!("an event is torn: {}", spell(text.as_bytes())))?;
        for event in events.split("\n\n").filter(|event| !event.is_empty()) {
            let (number, camera) = check_event(event, self.told, &self.follows, ledger)?;
            self.told = number;
            let Some(camera) = camera else { continue };
            let known = &ledger.cameras[camera];
            let noted = known.noted_up_to(number);
            let before = self.noted[camera].replace(noted).unwrap_or_default();
            self.untold += noted - before - 1;
            // What had happened before it came is told in full.
            let is_missed = |fact: &&Fact| fact.id < number.min(self.joined + 1);
            let missed = known.facts.iter().rfind(is_missed);
            if let Some(fact) = missed.filter(|fact| known.noted_up_to(fact.id) > before) {
                return Err(format!("is not told of entry {}, which it has missed", fact.id));
            }
        }
        Ok(())
    }
}

/// Reads a piece of a clip, of whose first picture so many bytes are made already.
fn take_pictures(
    mut piece: &[u8],
    pictures: &mut VecDeque<Rc<Published>>,
    made_bytes: &mut usize,
) -> Result<(), String> {
    while !piece.is_empty() {
        let picture = pictures.front().ok_or("a clip goes on behind its last picture")?.jpeg();
        let left = &picture[*made_bytes..];
        let (made, rest) = piece.split_at(left.len().min(piece.len()));
        if !left.starts_with(made) {
            return Err(format!("N1: {} is due, not {}", spell(left), spell(made)));
        }
        *made_bytes += made.len();
        if *made_bytes == picture.len() {
            pictures.pop_front();
            *made_bytes = 0;
        }
        piece = rest;
    }
    Ok(())
}

/// One event: its number rises, and it says what happened. Returns its number, and whose frame it tells of.
fn check_event(event: &str, told: u64, follows: &[Topic], ledger: &Ledger) -> Result<(u64, Option<usize>), String> {
    let mut lines = event.lines();
    let mut field = |name| lines.next().and_then(|line| line.strip_prefix(name)).unwrap_or_default();
    let (id, kind, data) = (field("id: "), field("event: "), field("data: "));
    let number: u64 = id.parse().map_err(|_| format!("no event: {event}"))?;
    if number <= told {
        return Err(format!("event {number} follows event {told}"));
    }
    let topic = follows.iter().find(|topic| match topic {
        Topic::Frames { camera } => {
            let fact = ledger.cameras[*camera].facts.iter().find(|fact| fact.id == number);
            kind == "frame" && fact.is_some_and(|fact| data == frame(*camera, fact))
        }
        Topic::State => kind == "state" && ledger.state == Some((number, data.to_owned())),
        Topic::Loop => kind == "loop" && ledger.turns == Some((number, data.to_owned())),
    });
    match topic {
        Some(Topic::Frames { camera }) => Ok((number, Some(*camera))),
        Some(_) => Ok((number, None)),
        None => Err(format!("nothing of the kind happened: {event}")),
    }
}

fn row(fact: &Fact) -> String {
    let captured = humantime::format_rfc3339_millis(UNIX_EPOCH + fact.captured_at).to_string();
    let captured = captured.replace('T', " ").replace('Z', "");
    let interval = match fact.interval {
        Some(interval) => format!("{}.{}", interval.as_millis(), interval.as_micros() / 100 % 10),
        None => "–".into(),
    };
    format!("<tr><td>{}<td>{captured}<td>{}<td>{interval}<td>4×3\n", fact.sequence, fact.bytes)
}

fn frame(camera: usize, fact: &Fact) -> String {
    format!(
        "{{\"camera\":\"{camera}\",\"sequence\":{},\"captured_at\":{:?},\"bytes\":{},\"width\":4,\"height\":3}}",
        fact.sequence,
        fact.captured_at.as_micros() as f64 / 1e6,
        fact.bytes
    )
}

/// A producer, and what must be true whenever it is asked.
#[derive(Debug)]
pub struct Watched {
    pub producer: Box<dyn Producer>,
    pub link: Weak<RefCell<Link>>,
    pub ledger: Rc<RefCell<Ledger>>,
    pub budget_bytes: usize,
    pub silence: Duration,
}

impl Watched {
    /// Hands what was made over to the transcript; or blames somebody.
    fn note(&self, made: &[u8], is_chunk: bool) {
        let Some(link) = self.link.upgrade() else { return };
        let link = &mut *link.borrow_mut();
        let ledger = &mut *self.ledger.borrow_mut();
        let id = link.id;
        if link.transcript.has_bytes_due() {
            ledger.blame(|| format!("connection {id}: more is made before the last has left"));
        }
        let Some(body) = &mut link.transcript.body else {
            return ledger.blame(|| format!("connection {id}: something is made for nobody"));
        };
        if is_chunk {
            if body.turn == ledger.turns_begun || ledger.made_bytes >= self.budget_bytes {
                ledger.blame(|| format!("connection {id}: more is made than a turn allows"));
            }
            body.turn = ledger.turns_begun;
            ledger.made_bytes += made.len();
            if let Err(fault) = body.take(made, ledger) {
                ledger.blame(|| format!("connection {id}: {fault}"));
            }
            ledger.untold += mem::take(&mut body.untold);
        } else if ledger.now < body.said_at + self.silence {
            ledger.blame(|| format!("connection {id}: silence is broken too early"));
        }
        if made.is_empty() || made.len() > CHUNK_BYTES_MAX {
            ledger.blame(|| format!("connection {id}: a chunk of {} bytes", made.len()));
        }
        body.said_at = ledger.now;
        ledger.moves += 1;
        let due = body.framed(made);
        link.transcript.expect(due);
    }

    fn end(&self) {
        let Some(link) = self.link.upgrade() else { return };
        let link = &mut *link.borrow_mut();
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.moves += 1;
        let Some(body) = link.transcript.body.take() else { return };
        if !body.is_complete() {
            ledger.blame(|| format!("a body ends before its end: {body:?}"));
        }
        link.transcript.expect(body.end());
        // Where nothing follows the last picture of a clip, this is when it is through.
        link.replied_at = ledger.now;
    }
}

impl Producer for Watched {
    fn next(&mut self, journal: &Journal) -> Next {
        let produced = self.producer.next(journal);
        match &produced {
            Next::Chunk(chunk) => self.note(&chunk.bytes, true),
            Next::NotYet => {}
            Next::End => self.end(),
        }
        produced
    }

    fn sign_of_life(&self) -> Bytes {
        let bytes = self.producer.sign_of_life();
        self.note(&bytes, false);
        bytes
    }

    fn length(&self) -> Option<u64> {
        self.producer.length()
    }

    fn take_untold(&mut self) -> u64 {
        self.producer.take_untold()
    }

    fn holds(&self, allocation: &Bytes) -> bool {
        self.producer.holds(allocation)
    }
}

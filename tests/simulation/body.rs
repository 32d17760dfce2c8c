//! Checks of bodies that are produced as they are sent: the real bodies, wrapped.
//!
//! A chunk becomes due when the body returns it, and is compared as it leaves. Its content is
//! checked here against the model, which knows every published frame.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use framecast::hub::{self, BodyKind, Next};
use framecast::stream::{Live, Topic};

use crate::link::Link;
use crate::model::{Model, Published, Record};
use crate::transcript::quote;

/// The largest chunk. Each connection gets one per turn.
const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// A body in progress.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    is_chunked: bool,
    /// The topics of an endless body.
    pub follows: Vec<Topic>,
    pub is_endless: bool,
    /// When a chunk was last made.
    pub made_at: Duration,
    /// The entry of the event log that was sent last, and the newest one when the body began.
    last_id: u64,
    joined: u64,
    /// For each camera, how many of its frames were recorded up to the last sent one; and how many
    /// events were missed since the last check.
    recorded: Vec<Option<u64>>,
    missed: u64,
    has_begun: bool,
    turn: u64,
}

/// The content of a body.
#[derive(Debug)]
pub enum Kind {
    /// With this number of rows, or endless.
    Table {
        camera: usize,
        rows_left: Option<u64>,
    },
    Events,
    /// These JPEGs, one after another; `made_bytes` of the first one have been returned.
    Clip {
        frames: VecDeque<Rc<Published>>,
        made_bytes: usize,
    },
}

impl Body {
    /// Creates a body. The peer knows the event log up to entry `last_id`, if that is not 0.
    pub fn new(
        kind: Kind,
        is_chunked: bool,
        follows: Vec<Topic>,
        last_id: u64,
        model: &Model,
    ) -> Self {
        // Events begin after the last one that the peer knows, or now. A table begins with the
        // records.
        let known = if last_id == 0 { model.log_id } else { last_id };
        let is_events = matches!(kind, Kind::Events);
        let recorded = model
            .cameras
            .iter()
            .map(|camera| is_events.then(|| camera.recorded_up_to(known)));
        Self {
            kind,
            is_chunked,
            is_endless: !follows.is_empty(),
            follows,
            made_at: model.now,
            last_id,
            joined: model.log_id,
            recorded: recorded.collect(),
            missed: 0,
            has_begun: false,
            turn: 0,
        }
    }

    /// Returns a chunk as it must leave.
    fn framed(&self, bytes: &[u8]) -> Bytes {
        if self.is_chunked {
            [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"]
                .concat()
                .into()
        } else {
            Bytes::copy_from_slice(bytes)
        }
    }

    /// Returns the bytes that must leave at its end.
    pub fn end(&self) -> Bytes {
        Bytes::from_static(if self.is_chunked { b"0\r\n\r\n" } else { b"" })
    }

    /// Checks that the newest entries of its topics have been sent.
    pub fn up_to_date(&self, model: &Model) -> Result<(), String> {
        let newest = self
            .follows
            .iter()
            .filter_map(|topic| model.newest(*topic))
            .max()
            .unwrap_or(0);
        if newest > self.joined.max(self.last_id) {
            Err(format!(
                "entry {newest} is not sent, the last was {}",
                self.last_id
            ))
        } else {
            Ok(())
        }
    }

    /// Returns the frames that it needs for later chunks.
    pub fn frames(&self) -> impl Iterator<Item = &Rc<Published>> {
        let frames = if let Kind::Clip { frames, .. } = &self.kind {
            Some(frames)
        } else {
            None
        };
        frames.into_iter().flatten()
    }

    /// Whether it has returned its last chunk.
    fn is_complete(&self) -> bool {
        match &self.kind {
            Kind::Table { rows_left, .. } => *rows_left == Some(0),
            Kind::Events => false,
            Kind::Clip { frames, .. } => frames.is_empty(),
        }
    }

    /// Checks a chunk.
    fn take(&mut self, chunk: &[u8], model: &Model) -> Result<(), String> {
        if let Kind::Clip { frames, made_bytes } = &mut self.kind {
            return take_frames(chunk, frames, made_bytes);
        }
        let mut text = std::str::from_utf8(chunk).map_err(|_| "a chunk is not UTF-8")?;
        let opening = if let Kind::Events = self.kind {
            "retry: 2000\n\n"
        } else {
            "<tbody>\n"
        };
        if !mem::replace(&mut self.has_begun, true) {
            let at = text
                .find(opening)
                .ok_or("a body begins with the wrong bytes")?;
            text = &text[at + opening.len()..];
        }
        match self.kind {
            Kind::Table { camera, rows_left } => self.take_rows(camera, rows_left, text, model),
            _ => self.take_events(text, model),
        }
    }

    fn take_rows(
        &mut self,
        camera: usize,
        mut left: Option<u64>,
        mut text: &str,
        model: &Model,
    ) -> Result<(), String> {
        let records = &model.cameras[camera].records;
        while !text.is_empty() && text != "</table>\n" {
            let next = records.iter().find(|record| record.id > self.last_id);
            let next = next.or_else(|| records.front().filter(|_| left.is_some()));
            let record =
                next.ok_or_else(|| format!("row {} has no frame", quote(text.as_bytes())))?;
            let row = row(record);
            let rest = text.strip_prefix(row.as_str());
            text = rest.ok_or_else(|| format!("{row} is due, not {}", quote(text.as_bytes())))?;
            self.last_id = record.id;
            match &mut left {
                Some(rows) => {
                    *rows = rows
                        .checked_sub(1)
                        .ok_or("a table has more rows than requested")?
                }
                None => drop(self.skip_to(camera, record.id, model)),
            }
        }
        self.kind = Kind::Table {
            camera,
            rows_left: left,
        };
        // A table ends with its last row.
        if text.is_empty() == (left == Some(0)) {
            Err("a table ends at the wrong row".into())
        } else {
            Ok(())
        }
    }

    fn take_events(&mut self, text: &str, model: &Model) -> Result<(), String> {
        for event in text.split_inclusive("\n\n") {
            let id = event
                .strip_prefix("id: ")
                .and_then(|rest| rest.lines().next()?.parse().ok());
            let id: u64 = id.ok_or_else(|| format!("not an event: {event}"))?;
            if id <= self.last_id {
                return Err(format!("event {id} follows event {}", self.last_id));
            }
            self.last_id = id;
            let topic = self
                .follows
                .iter()
                .find(|topic| model.event(**topic, id).is_some_and(|known| known == event));
            let Topic::Frames { camera } =
                *topic.ok_or_else(|| format!("an event that did not happen: {event}"))?
            else {
                continue;
            };
            let before = self.skip_to(camera, id, model);
            // Events from before the body began are all sent.
            let camera = &model.cameras[camera];
            let earlier = camera
                .records
                .iter()
                .rfind(|record| record.id < id.min(self.joined + 1));
            if let Some(record) = earlier.filter(|record| camera.recorded_up_to(record.id) > before)
            {
                return Err(format!("entry {} is left out", record.id));
            }
        }
        Ok(())
    }

    /// Counts the records between the last sent one and this one as missed. Returns the number of
    /// the last sent one.
    fn skip_to(&mut self, camera: usize, id: u64, model: &Model) -> u64 {
        let recorded = model.cameras[camera].recorded_up_to(id);
        let before = self.recorded[camera]
            .replace(recorded)
            .unwrap_or(recorded - 1);
        self.missed += recorded - before - 1;
        before
    }
}

/// Checks a chunk of a clip. `made_bytes` of its first JPEG were checked before.
fn take_frames(
    mut chunk: &[u8],
    frames: &mut VecDeque<Rc<Published>>,
    made_bytes: &mut usize,
) -> Result<(), String> {
    while !chunk.is_empty() {
        let jpeg = frames
            .front()
            .ok_or("a clip goes on after its last picture")?
            .jpeg();
        let left = &jpeg[*made_bytes..];
        let (made, rest) = chunk.split_at(left.len().min(chunk.len()));
        if !left.starts_with(made) {
            return Err(format!("N1: {} is due, not {}", quote(left), quote(made)));
        }
        *made_bytes += made.len();
        if *made_bytes == jpeg.len() {
            frames.pop_front();
            *made_bytes = 0;
        }
        chunk = rest;
    }
    Ok(())
}

fn row(record: &Record) -> String {
    let captured = humantime::format_rfc3339_millis(UNIX_EPOCH + record.captured_at).to_string();
    let captured = captured.replace('T', " ").replace('Z', "");
    let interval = match record.interval {
        Some(interval) => format!(
            "{}.{}",
            interval.as_millis(),
            interval.as_micros() / 100 % 10
        ),
        None => "–".into(),
    };
    format!(
        "<tr><td>{}<td>{captured}<td>{}<td>{interval}<td>4×3\n",
        record.sequence, record.bytes
    )
}

/// A body of the site, with checks at each call.
#[derive(Debug)]
pub struct Watched {
    pub inner: Box<dyn hub::Body>,
    pub link: Weak<RefCell<Link>>,
    pub model: Rc<RefCell<Model>>,
}

impl Watched {
    /// Checks a chunk, or the end.
    fn note(&self, made: Option<&[u8]>, is_chunk: bool) {
        let Some(link) = self.link.upgrade() else {
            return;
        };
        let link = &mut *link.borrow_mut();
        let model = &mut *self.model.borrow_mut();
        model.moves += 1;
        let outcome = match made {
            Some(made) => make(link, made, is_chunk, model),
            None => end(link, model),
        };
        outcome.unwrap_or_else(|fault| model.fail(|| format!("connection {}: {fault}", link.id)));
    }
}

/// Checks a chunk that a body returned. It is due now.
fn make(link: &mut Link, made: &[u8], is_chunk: bool, model: &mut Model) -> Result<(), String> {
    if link.transcript.has_bytes_due() {
        return Err("a chunk is made before the last one has left".into());
    }
    let body = link
        .transcript
        .body
        .as_mut()
        .ok_or("a chunk of a body that was not requested")?;
    if made.is_empty() || made.len() > CHUNK_BYTES_MAX {
        return Err(format!("a chunk of {} bytes", made.len()));
    }
    if !is_chunk && model.now < body.made_at + model.limits.keep_alive_after {
        return Err("keep-alive bytes are sent too early".into());
    }
    if is_chunk {
        if body.turn == model.turn || model.made_bytes >= model.limits.make_budget_bytes {
            return Err("more is made than the budget of a turn".into());
        }
        body.turn = model.turn;
        model.made_bytes += made.len();
        body.take(made, model)?;
        model.missed += mem::take(&mut body.missed);
    }
    body.made_at = model.now;
    let due = body.framed(made);
    link.transcript.expect(due, None);
    Ok(())
}

/// Checks the end of a body.
fn end(link: &mut Link, model: &mut Model) -> Result<(), String> {
    let Some(body) = link.transcript.body.take() else {
        return Ok(());
    };
    link.transcript.expect(body.end(), None);
    // If no bytes follow the body, the reply is complete now.
    link.replied_at = model.now;
    if body.is_complete() {
        Ok(())
    } else {
        Err(format!("a body ends too early: {body:?}"))
    }
}

impl hub::Body for Watched {
    fn kind(&self) -> BodyKind {
        self.inner.kind()
    }

    fn next(&mut self, live: &Live, now: Instant) -> Next {
        let next = self.inner.next(live, now);
        match &next {
            Next::Chunk(chunk) => self.note(Some(&chunk.bytes), true),
            Next::NotYet { .. } => {}
            Next::End => self.note(None, true),
        }
        next
    }

    fn topics(&self) -> Vec<Topic> {
        self.inner.topics()
    }

    fn keep_alive(&self) -> Option<Bytes> {
        let bytes = self.inner.keep_alive();
        bytes.iter().for_each(|bytes| self.note(Some(bytes), false));
        bytes
    }

    fn length(&self) -> Option<u64> {
        self.inner.length()
    }

    fn take_missed(&mut self) -> u64 {
        self.inner.take_missed()
    }

    fn holds(&self, allocation: &Bytes) -> bool {
        self.inner.holds(allocation)
    }
}

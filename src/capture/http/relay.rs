//! Handing on what a camera sends: a stream frame by frame, or single pictures by the clock.

use std::io::{self, Write};

use bytes::BytesMut;
use log::LevelFilter;
use ureq::http::StatusCode;
use ureq::http::header::ETAG;

use super::client::{Answer, Client};
use super::{Fault, Http, HttpError};
use crate::capture::clock::Ticks;
use crate::capture::{CaptureError, Parts};
use crate::wire::jpeg::FRAME_BYTES_MAX;
use crate::wire::multipart::{PartDecoder, read_message};
use crate::wire::source::{Part, Reason, Rejected, SourceDecoder};

/// So much of a body of unknown kind is read to tell what it is. White space may precede a first boundary.
const START_BYTES_MAX: usize = 1024;

/// The fields of a part that concern us. A server that gives single pictures may send them with each.
const PART_FIELDS: [&str; 2] = ["X-Timestamp", "X-Frame-Sequence"];

/// Relays what `source` gives until it ends, which is an error, or nobody takes the frames any more.
pub(super) fn run(source: &Http, parts: &mut Parts) -> Result<(), CaptureError> {
    // At the next level the HTTP client would log every byte, and the credentials among them.
    log::set_max_level(log::max_level().min(LevelFilter::Debug));
    let mut client = Client::new(source);
    let mut answer = client.get(None)?;
    let mut relay = Relay { parts, frames: 0 };
    match Kind::of(&mut answer)? {
        Kind::Parts(boundary) => {
            let mut decoder = PartDecoder::new(boundary.as_deref(), FRAME_BYTES_MAX);
            relay.stream(answer, |received| decoder.decode(received))
        }
        Kind::Undeclared => {
            let mut decoder = SourceDecoder::new(FRAME_BYTES_MAX);
            relay.stream(answer, |received| decoder.decode(received))
        }
        Kind::Picture => relay.poll(answer, &mut client, source.fps.unwrap_or(super::FPS_DEFAULT)),
    }
}

/// What a camera sends.
enum Kind {
    /// A multipart body and the boundary it declares.
    Parts(Option<String>),
    /// A stream of parts or pictures under a type that does not say so.
    Undeclared,
    /// One picture.
    Picture,
}

impl Kind {
    /// Tells the kind of an answer by its content type and, where that leaves it open, by how its body begins.
    fn of(answer: &mut Answer) -> Result<Self, HttpError> {
        let content_type = answer.field("Content-Type").unwrap_or_default().to_owned();
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind.starts_with("multipart/") {
            return Ok(Self::Parts(boundary_of(&content_type)));
        }
        while answer.received.trim_ascii_start().len() < 2 && answer.received.len() < START_BYTES_MAX {
            if !answer.read()? {
                break;
            }
        }
        match answer.received.trim_ascii_start() {
            [0xff, 0xd8, ..] if kind.starts_with("image/") || answer.is_finite => Ok(Self::Picture),
            [0xff, 0xd8, ..] | [b'-', b'-', ..] => Ok(Self::Undeclared),
            [] => Err(answer.failed(Fault::Ended { frames: 0 })),
            _ if kind.is_empty() => Err(answer.failed(Fault::NotVideo("something of unknown type".to_owned()))),
            _ if kind == "text/html" => Err(answer.failed(Fault::NotVideo("a page (text/html)".to_owned()))),
            _ => Err(answer.failed(Fault::NotVideo(kind))),
        }
    }
}

/// The boundary that a multipart type declares (RFC 2046, section 5.1.1). No boundary holds a semicolon.
fn boundary_of(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, boundary) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    Some(boundary.trim().to_owned())
}

/// Where the frames go.
struct Relay<'a, 'b> {
    parts: &'a mut Parts<'b>,
    /// How many have come.
    frames: u64,
}

impl Relay<'_, '_> {
    /// Sends the frames of a body on as they come in.
    fn stream(
        &mut self,
        mut answer: Answer,
        mut decode: impl FnMut(&mut BytesMut) -> Result<Option<Part>, Rejected>,
    ) -> Result<(), CaptureError> {
        loop {
            match decode(&mut answer.received) {
                Ok(Some(part)) => self.send(part)?,
                Ok(None) if answer.read()? => {}
                Ok(None) => return Err(answer.failed(Fault::Ended { frames: self.frames }).into()),
                Err(rejected) => {
                    tell(&rejected);
                    self.parts.report_rejected(rejected.reason)?;
                }
            }
        }
    }

    /// Sends the picture of `first` on, then asks for another one at every tick.
    fn poll(&mut self, first: Answer, client: &mut Client, fps: f64) -> Result<(), CaptureError> {
        let mut known = first.headers.get(ETAG).cloned();
        self.send_picture(first)?;
        for _ in Ticks::new(fps).skip(1) {
            let answer = match client.get(known.as_ref()) {
                // A connection that is kept open may be closed just when it is used again (RFC 9112, section 9.3.1).
                Err(HttpError { fault: Fault::Closed, .. }) => client.get(known.as_ref())?,
                answer => answer?,
            };
            if answer.status != StatusCode::NOT_MODIFIED {
                known = answer.headers.get(ETAG).cloned();
                self.send_picture(answer)?;
            }
        }
        Ok(())
    }

    fn send_picture(&mut self, answer: Answer) -> Result<(), CaptureError> {
        match picture(answer)? {
            Ok(part) => self.send(part)?,
            Err(flaw) => tell(&flaw),
        }
        Ok(())
    }

    fn send(&mut self, part: Part) -> Result<(), CaptureError> {
        self.frames += 1;
        self.parts.relay(part)
    }
}

/// Reads the single picture of an answer to its end, or says what is wrong with it.
///
/// It is decoded as a part with the fields of the answer: what holds for the pictures of a stream holds for it too.
fn picture(mut answer: Answer) -> Result<Result<Part, String>, HttpError> {
    while answer.received.len() <= FRAME_BYTES_MAX && answer.read()? {}
    let mut message = Vec::new();
    for name in PART_FIELDS {
        let value = answer.field(name).unwrap_or_default();
        message.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(answer.received.trim_ascii_start());
    match read_message(&message, FRAME_BYTES_MAX) {
        Ok(part) => Ok(Ok(part)),
        Err(Rejected { reason: Reason::Truncated, .. }) => Ok(Err("a picture was cut short".to_owned())),
        Err(rejected) => Ok(Err(rejected.to_string())),
    }
}

/// Tells of a flawed frame. Nobody may be listening, and that is no reason to stop.
fn tell(flaw: &impl ToString) {
    drop(writeln!(io::stderr(), "left out: {}", flaw.to_string()));
}

//! Handing on what a camera sends: a stream frame by frame, or single pictures by the clock.
//!
//! A source that gives whole pictures is well, whatever happens between them: a stream that ends, a
//! connection that is refused or a status of 503 leads to another request, until the patience with
//! the source is over. Then the driver ends with the last fault, and the server takes over: it
//! shows the camera as offline and starts the driver again.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::client::{Answer, Client, Read};
use super::error::Fault;
use super::kind::{Kind, START_BYTES_MAX};
use super::settings::{FPS_DEFAULT, Http};
use crate::drivers::clock::Ticks;
use crate::drivers::driver::{Driver, Parts};
use crate::drivers::error::CaptureError;
use crate::wire::jpeg::Splitter;
use crate::wire::multipart::{PartDecoder, parse_message};
use crate::wire::part::{Part, Reason, Rejected};

/// The fields of a response that concern its picture. A server that gives single pictures may send
/// them with each.
const PICTURE_FIELDS: [&str; 2] = ["X-Timestamp", "X-Frame-Sequence"];

/// The wait before a request that follows a failed one: at least the first, and no longer than the
/// second even where pictures are asked for less often.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// A picture without a length, on a connection that stays open, is alone if nothing follows it for
/// this long.
const ALONE_AFTER: Duration = Duration::from_secs(1);

/// A line that was logged is not logged again before there was no reason to for this long.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// Relays what `source` gives until that ends, which is an error, or the frames are not read any
/// more.
pub(super) fn run(source: &Http, parts: &mut Parts) -> Result<(), CaptureError> {
    let fps = source.fps.unwrap_or(FPS_DEFAULT);
    let mut relay = Relay::new(source, parts);
    let mut client = Client::new(source);
    let mut ticks = Ticks::new(fps);
    loop {
        ticks.next();
        while let Err(interruption) = relay
            .relay_next(&mut client)
            .and_then(|()| relay.check_patience())
        {
            match interruption {
                Interruption::Camera(fault) if relay.may_retry(&fault) => {
                    relay.log(&format!("{fault}; asking again"))
                }
                Interruption::Camera(fault) => {
                    return Err(source.failed(relay.explain(fault)).into());
                }
                Interruption::Output(error) => return Err(error),
            }
            thread::sleep(
                Duration::from_secs_f64((1.0 / fps).min(RETRY_MAX.as_secs_f64())).max(RETRY_MIN),
            );
        }
    }
}

/// What to do about a flaw that has no remedy of its own.
const FLAWED_REMEDY: &str = "look at the address with a browser, or restart the camera";

/// What ends the relay of one response.
enum Interruption {
    Camera(Fault),
    Output(CaptureError),
}

impl From<Fault> for Interruption {
    fn from(fault: Fault) -> Self {
        Self::Camera(fault)
    }
}

/// Finds the frames in a body.
enum Decoder {
    Parts(PartDecoder),
    Jpegs(Splitter),
}

impl Decoder {
    fn decode(&mut self, received: &mut BytesMut) -> Result<Option<Part>, Rejected> {
        match self {
            Self::Parts(decoder) => decoder.decode(received),
            Self::Jpegs(splitter) => splitter.decode(received),
        }
    }

    /// Takes the frame that `received` ends with, if only its end marker is missing.
    fn finish(&mut self, received: &mut BytesMut) -> Option<Part> {
        match self {
            Self::Parts(decoder) => decoder.finish(received),
            Self::Jpegs(splitter) => splitter.finish(received),
        }
    }

    /// How many bytes have been taken off what was received.
    fn consumed(&self) -> usize {
        let tally = match self {
            Self::Parts(decoder) => decoder.tally(),
            Self::Jpegs(splitter) => splitter.tally(),
        };
        usize::try_from(tally.bytes()).unwrap_or(usize::MAX)
    }
}

/// Where the frames go, and what is known of where they come from.
struct Relay<'a, 'b, 'c> {
    source: &'a Http,
    parts: &'b mut Parts<'c>,
    /// How many have come.
    frames: u64,
    /// Why flawed ones were rejected before the first whole one. They are not logged yet: if none
    /// comes, the error says so.
    flaws: Vec<Reason>,
    /// When the newest did; before the first, when the driver was started.
    newest_at: Instant,
    /// The newest picture of a camera that was asked for a single one.
    newest: Option<Part>,
    /// The tag of the newest picture (RFC 9110, section 8.8.3).
    tag: Option<Vec<u8>>,
    /// A picture has turned out to be alone on a connection that stays open.
    is_alone: bool,
    logged: Vec<(String, Instant)>,
}

impl<'a, 'b, 'c> Relay<'a, 'b, 'c> {
    fn new(source: &'a Http, parts: &'b mut Parts<'c>) -> Self {
        let newest_at = Instant::now();
        Self {
            source,
            parts,
            frames: 0,
            flaws: Vec::new(),
            newest_at,
            newest: None,
            tag: None,
            is_alone: false,
            logged: Vec::new(),
        }
    }

    /// The fault, or what explains it better: flaws in all the pictures that came.
    fn explain(&self, fault: Fault) -> Fault {
        match (self.flaws.first(), fault) {
            (Some(reason), Fault::Ended { .. } | Fault::NoPicture(_) | Fault::Silent(_)) => {
                let remedy = reason.remedy(self.parts.frame_bytes_max());
                Fault::Flawed(*reason, remedy.unwrap_or_else(|| FLAWED_REMEDY.to_owned()))
            }
            (_, fault) => fault,
        }
    }

    /// Whether the camera has been well, and may be again before the patience with it is over.
    fn may_retry(&self, fault: &Fault) -> bool {
        self.frames > 0 && !fault.is_lasting() && self.patience_left() > Duration::ZERO
    }

    /// Whether there still need not have been a whole picture, whatever was sent instead.
    fn check_patience(&self) -> Result<(), Interruption> {
        if self.patience_left().is_zero() {
            Err(Fault::NoPicture(self.source.frame_timeout().unwrap_or_default()).into())
        } else {
            Ok(())
        }
    }

    /// For how long there need not be a picture.
    fn patience_left(&self) -> Duration {
        self.source
            .frame_timeout()
            .unwrap_or_default()
            .saturating_sub(self.newest_at.elapsed())
    }

    /// Sends one request, and relays what comes of it.
    fn relay_next(&mut self, client: &mut Client) -> Result<(), Interruption> {
        let mut answer = client.get(self.tag.as_deref())?;
        if answer.head.status == 304 {
            client.keep(answer);
            return self.confirm_newest();
        }
        self.tag = answer.head.all("ETag").next().map(<[u8]>::to_vec);
        match self.kind(&mut answer)? {
            Kind::Parts(boundary) => {
                let decoder = PartDecoder::new(boundary.as_deref(), self.parts.frame_bytes_max());
                self.stream(&mut answer, Decoder::Parts(decoder))?;
            }
            Kind::UndeclaredParts => {
                self.stream(
                    &mut answer,
                    Decoder::Parts(PartDecoder::new(None, self.parts.frame_bytes_max())),
                )?;
            }
            Kind::Jpegs => self.jpegs(&mut answer)?,
        }
        client.keep(answer);
        Ok(())
    }

    /// The newest picture is still what the camera sees. It is sent again before the patience with
    /// the source is over: what has no news is not offline.
    fn confirm_newest(&mut self) -> Result<(), Interruption> {
        match self
            .newest
            .clone()
            .filter(|_| self.patience_left() < self.source.frame_timeout().unwrap_or_default() / 2)
        {
            Some(part) => self.send(Part {
                captured_at: None,
                sequence: None,
                ..part
            }),
            None => Ok(()),
        }
    }

    /// Reads as much of a body as tells what it is.
    fn kind(&self, answer: &mut Answer) -> Result<Kind, Fault> {
        let timeout = self.source.timeout();
        loop {
            if let Some(kind) = Kind::of(&answer.head, &answer.body) {
                return Ok(kind);
            }
            if answer.body.len() >= START_BYTES_MAX || Kind::is_foreign(&answer.body) {
                return Err(Kind::fault(&answer.head, &answer.body));
            }
            match answer.read(timeout)? {
                Read::More => {}
                Read::Silence if answer.body.is_empty() => return Err(Fault::Silent(timeout)),
                Read::End | Read::Silence => return Err(Kind::fault(&answer.head, &answer.body)),
            }
        }
    }

    /// Relays the parts of a body.
    fn stream(&mut self, answer: &mut Answer, mut decoder: Decoder) -> Result<(), Interruption> {
        let before = self.frames;
        let mut start = Vec::new();
        loop {
            if start.len() < START_BYTES_MAX {
                let known = start.len().saturating_sub(decoder.consumed());
                start.extend_from_slice(answer.body.get(known..).unwrap_or_default());
            }
            self.decode(&mut decoder, &mut answer.body)?;
            if self.frames == 0
                && let Some(fault) = Kind::part_fault(&start)
            {
                return Err(fault.into());
            }
            let read = self.read(answer)?;
            if read == Read::End
                && let Some(part) = decoder.finish(&mut answer.body)
            {
                self.send(part)?;
            }
            let fault = match read {
                Read::More => continue,
                Read::End if self.frames > before => return Ok(()),
                // A length that ends before the first picture is none.
                Read::End if answer.has_ended_by_length() => {
                    answer.ignore_length();
                    continue;
                }
                Read::End => Fault::Ended {
                    frames: self.frames,
                },
                Read::Silence => Fault::Silent(self.source.timeout()),
            };
            let foreign = Kind::undeclared_fault(&answer.head, &start).filter(|_| self.frames == 0);
            return Err(foreign.unwrap_or(fault).into());
        }
    }

    /// Relays JPEGs with nothing but a few bytes between them: one, or as many as come.
    fn jpegs(&mut self, answer: &mut Answer) -> Result<(), Interruption> {
        let before = self.frames;
        let mut decoder = Decoder::Jpegs(Splitter::new(self.parts.frame_bytes_max()));
        let timeout = self.source.timeout();
        let interval = Duration::from_secs_f64(1.0 / self.source.fps.unwrap_or(FPS_DEFAULT));
        let wait = if self.is_alone {
            interval.min(ALONE_AFTER)
        } else {
            interval.max(ALONE_AFTER)
        };
        loop {
            self.decode_jpegs(&mut decoder, answer, before)?;
            let read = match self.frames - before {
                1 => answer.read(wait.min(timeout))?,
                _ => self.read(answer)?,
            };
            match read {
                Read::More => {}
                Read::Silence if self.frames == before + 1 => {
                    self.is_alone = true;
                    return Ok(());
                }
                Read::Silence => match decoder.finish(&mut answer.body) {
                    Some(part) => return self.send(part),
                    None => return Err(Fault::Silent(timeout).into()),
                },
                Read::End => return self.end_jpegs(answer, before),
            }
        }
    }

    /// What is left at the end of a body is a picture without an end marker, or a part of one.
    fn end_jpegs(&mut self, answer: &mut Answer, before: u64) -> Result<(), Interruption> {
        if answer.body.starts_with(b"\xff\xd8") {
            match parse_message(
                &picture_message(answer, &answer.body),
                self.parts.frame_bytes_max(),
            ) {
                Ok(part) => self.send(part)?,
                Err(rejected) => self.reject(&rejected)?,
            }
        } else if self.frames == before {
            self.reject(&Rejected {
                reason: Reason::NotJpeg,
                bytes: answer.body.len(),
                by_driver: false,
            })?;
        }
        Ok(())
    }

    /// Sends on what is whole of the JPEGs received. The first one has the fields of the response.
    fn decode_jpegs(
        &mut self,
        decoder: &mut Decoder,
        answer: &mut Answer,
        before: u64,
    ) -> Result<(), Interruption> {
        let has_fields = PICTURE_FIELDS
            .iter()
            .any(|name| answer.head.all(name).next().is_some());
        loop {
            match decoder.decode(&mut answer.body) {
                Ok(Some(part)) if has_fields && self.frames == before => {
                    let part = parse_message(
                        &picture_message(answer, &part.jpeg),
                        self.parts.frame_bytes_max(),
                    )
                    .unwrap_or(part);
                    self.send(part)?;
                }
                Ok(Some(part)) => self.send(part)?,
                Ok(None) => return Ok(()),
                Err(rejected) => self.reject(&rejected)?,
            }
        }
    }

    fn decode(
        &mut self,
        decoder: &mut Decoder,
        received: &mut BytesMut,
    ) -> Result<(), Interruption> {
        loop {
            match decoder.decode(received) {
                Ok(Some(part)) => self.send(part)?,
                Ok(None) => return Ok(()),
                Err(rejected) => self.reject(&rejected)?,
            }
        }
    }

    /// Waits for more of a body: each wait has its bound, and so have all of them without a whole
    /// picture.
    fn read(&self, answer: &mut Answer) -> Result<Read, Interruption> {
        match answer.read(self.source.timeout())? {
            Read::More => self.check_patience().map(|()| Read::More),
            read => Ok(read),
        }
    }

    fn send(&mut self, part: Part) -> Result<(), Interruption> {
        self.frames += 1;
        for reason in std::mem::take(&mut self.flaws) {
            self.log_rejected(reason);
        }
        self.newest = self.tag.is_some().then(|| part.clone());
        self.newest_at = Instant::now();
        self.parts.relay(part).map_err(Interruption::Output)
    }

    fn reject(&mut self, rejected: &Rejected) -> Result<(), Interruption> {
        let reason = rejected.reason;
        match self.frames {
            0 if self.flaws.contains(&reason) => {}
            0 => self.flaws.push(reason),
            _ => self.log_rejected(reason),
        }
        self.parts
            .report_rejected(reason)
            .map_err(Interruption::Output)
    }

    fn log_rejected(&mut self, reason: Reason) {
        let sentence = reason.message(self.parts.frame_bytes_max());
        self.log(&format!(
            "frames are rejected: {sentence}; others like them are only counted"
        ));
    }

    /// Logs a line, unless it was logged already and there has been reason to since.
    fn log(&mut self, line: &str) {
        let now = Instant::now();
        self.logged
            .retain(|(_, at)| now.duration_since(*at) < WELL_AFTER);
        match self.logged.iter_mut().find(|(logged, _)| logged == line) {
            Some((_, at)) => *at = now,
            None => {
                self.logged.push((line.to_owned(), now));
                // Standard error may be closed, and that is no reason to stop.
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
    }
}

/// The picture of a response as a message with its fields: what holds for the pictures of a stream
/// holds for it too.
fn picture_message(answer: &Answer, jpeg: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(jpeg.len() + 256);
    for name in PICTURE_FIELDS {
        if let Some(value) = answer.head.all(name).next() {
            message.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
    }
    message.extend(b"\r\n");
    message.extend(jpeg);
    message
}

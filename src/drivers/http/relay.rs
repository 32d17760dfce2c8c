//! Relays the frames of a camera: a stream frame by frame, or single pictures at the rate `fps`.
//!
//! After the first picture, errors are retried: a stream that ends, a refused connection or a 503
//! leads to another request, until the frame timeout. Then the driver exits with the last error;
//! the server shows the camera as offline and restarts the driver.

use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::client::{Client, Read, Response};
use super::error::Fault;
use super::kind::{Kind, START_BYTES_MAX};
use super::settings::{FPS_DEFAULT, Http};
use crate::drivers::clock::Ticks;
use crate::drivers::driver::{Driver, FrameWriter};
use crate::drivers::error::CaptureError;
use crate::drivers::stderr::log_line;
use crate::wire::jpeg::Splitter;
use crate::wire::multipart::{PartDecoder, parse_message};
use crate::wire::part::{Part, Reason, Rejected};

/// The header fields of a single picture that a framecast server sends.
const PICTURE_FIELDS: [&str; 2] = ["X-Timestamp", "X-Frame-Sequence"];

/// The range of the delay before a retry, which is otherwise the interval of pictures.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// A picture without a length, on a connection that stays open, is a single one if no other follows
/// within this time.
const SINGLE_AFTER: Duration = Duration::from_secs(1);

/// A line is logged again only if it did not occur for this time.
const LOG_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Relays the frames of `source` until a permanent error or the frame timeout, or until writing
/// fails.
pub(super) fn run(source: &Http, writer: &mut FrameWriter) -> Result<(), CaptureError> {
    let fps = source.fps.unwrap_or(FPS_DEFAULT);
    let mut relay = Relay::new(source, writer);
    let mut client = Client::new(source);
    let mut ticks = Ticks::new(fps);
    loop {
        ticks.next();
        while let Err(interruption) = relay
            .relay_next(&mut client)
            .and_then(|()| relay.check_frame_timeout())
        {
            match interruption {
                Interruption::Camera(fault) if relay.may_retry(&fault) => {
                    relay.log(&format!("{fault}; retrying"))
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

/// The remedy for rejected pictures whose reason has no remedy.
const REJECTED_REMEDY: &str = "open the address in a browser, or restart the camera";

/// Why relaying a response ended early.
enum Interruption {
    Camera(Fault),
    Output(CaptureError),
}

impl From<Fault> for Interruption {
    fn from(fault: Fault) -> Self {
        Self::Camera(fault)
    }
}

/// Decodes the frames of a body.
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

    /// Returns the last frame of `received`, if only its end marker is missing.
    fn finish(&mut self, received: &mut BytesMut) -> Option<Part> {
        match self {
            Self::Parts(decoder) => decoder.finish(received),
            Self::Jpegs(splitter) => splitter.finish(received),
        }
    }

    /// The number of bytes consumed so far.
    fn consumed(&self) -> usize {
        let tally = match self {
            Self::Parts(decoder) => decoder.tally(),
            Self::Jpegs(splitter) => splitter.tally(),
        };
        usize::try_from(tally.bytes()).unwrap_or(usize::MAX)
    }
}

/// The state of relaying one source.
struct Relay<'a, 'b, 'c> {
    source: &'a Http,
    writer: &'b mut FrameWriter<'c>,
    /// The number of frames written.
    frames: u64,
    /// The reasons of rejected pictures before the first frame. They are logged with the first
    /// frame; if there is none, the first reason is the driver's error.
    rejected: Vec<Reason>,
    /// The time of the newest frame; before the first, the start of the driver.
    newest_at: Instant,
    /// The newest picture, if it has a tag.
    newest: Option<Part>,
    /// The entity tag of the newest picture (RFC 9110, section 8.8.3).
    tag: Option<Vec<u8>>,
    /// Whether the camera sends single pictures without a length and keeps the connection open.
    is_single: bool,
    /// The logged lines, and when each occurred last.
    logged: Vec<(String, Instant)>,
}

impl<'a, 'b, 'c> Relay<'a, 'b, 'c> {
    fn new(source: &'a Http, writer: &'b mut FrameWriter<'c>) -> Self {
        let newest_at = Instant::now();
        Self {
            source,
            writer,
            frames: 0,
            rejected: Vec::new(),
            newest_at,
            newest: None,
            tag: None,
            is_single: false,
            logged: Vec::new(),
        }
    }

    /// Replaces `fault` by a more precise one if all pictures were rejected.
    fn explain(&self, fault: Fault) -> Fault {
        match (self.rejected.first(), fault) {
            (Some(reason), Fault::Ended { .. } | Fault::NoPicture(_) | Fault::Silent(_)) => {
                let remedy = reason.remedy(self.writer.frame_bytes_max());
                Fault::Rejected(
                    *reason,
                    remedy.unwrap_or_else(|| REJECTED_REMEDY.to_owned()),
                )
            }
            (_, fault) => fault,
        }
    }

    /// Whether to retry: there was a frame before, and the frame timeout has not passed.
    fn may_retry(&self, fault: &Fault) -> bool {
        self.frames > 0 && !fault.is_permanent() && self.time_left() > Duration::ZERO
    }

    /// Fails if the frame timeout has passed.
    fn check_frame_timeout(&self) -> Result<(), Interruption> {
        if self.time_left().is_zero() {
            Err(Fault::NoPicture(self.source.frame_timeout().unwrap_or_default()).into())
        } else {
            Ok(())
        }
    }

    /// The time left until the frame timeout.
    fn time_left(&self) -> Duration {
        self.source
            .frame_timeout()
            .unwrap_or_default()
            .saturating_sub(self.newest_at.elapsed())
    }

    /// Sends one request, and relays the frames of its response.
    fn relay_next(&mut self, client: &mut Client) -> Result<(), Interruption> {
        let mut response = client.get(self.tag.as_deref())?;
        if response.head.status == 304 {
            client.reuse(response);
            return self.confirm_newest();
        }
        self.tag = response.head.all("ETag").next().map(<[u8]>::to_vec);
        match self.kind(&mut response)? {
            Kind::Parts(boundary) => {
                let decoder = PartDecoder::new(boundary.as_deref(), self.writer.frame_bytes_max());
                self.stream(&mut response, Decoder::Parts(decoder))?;
            }
            Kind::UndeclaredParts => {
                self.stream(
                    &mut response,
                    Decoder::Parts(PartDecoder::new(None, self.writer.frame_bytes_max())),
                )?;
            }
            Kind::Jpegs => self.jpegs(&mut response)?,
        }
        client.reuse(response);
        Ok(())
    }

    /// Handles 304: the picture is unchanged. Repeats it after half the frame timeout, so that the
    /// camera does not count as offline.
    fn confirm_newest(&mut self) -> Result<(), Interruption> {
        match self
            .newest
            .clone()
            .filter(|_| self.time_left() < self.source.frame_timeout().unwrap_or_default() / 2)
        {
            Some(part) => self.send(Part {
                captured_at: None,
                sequence: None,
                ..part
            }),
            None => Ok(()),
        }
    }

    /// Reads the start of a body and detects its kind.
    fn kind(&self, response: &mut Response) -> Result<Kind, Fault> {
        let timeout = self.source.timeout();
        loop {
            if let Some(kind) = Kind::detect(&response.head, &response.body) {
                return Ok(kind);
            }
            if response.body.len() >= START_BYTES_MAX || Kind::is_foreign(&response.body) {
                return Err(Kind::fault(&response.head, &response.body));
            }
            match response.read(timeout)? {
                Read::More => {}
                Read::Timeout if response.body.is_empty() => return Err(Fault::Silent(timeout)),
                Read::End | Read::Timeout => {
                    return Err(Kind::fault(&response.head, &response.body));
                }
            }
        }
    }

    /// Relays the parts of a body.
    fn stream(
        &mut self,
        response: &mut Response,
        mut decoder: Decoder,
    ) -> Result<(), Interruption> {
        let before = self.frames;
        let mut start = Vec::new();
        loop {
            if start.len() < START_BYTES_MAX {
                let known = start.len().saturating_sub(decoder.consumed());
                start.extend_from_slice(response.body.get(known..).unwrap_or_default());
            }
            self.decode(&mut decoder, &mut response.body)?;
            if self.frames == 0
                && let Some(fault) = Kind::part_fault(&start)
            {
                return Err(fault.into());
            }
            let read = self.read(response)?;
            if read == Read::End
                && let Some(part) = decoder.finish(&mut response.body)
            {
                self.send(part)?;
            }
            let fault = match read {
                Read::More => continue,
                Read::End if self.frames > before => return Ok(()),
                // The length is wrong: the body ends before the first picture.
                Read::End if response.has_ended_by_length() => {
                    response.ignore_length();
                    continue;
                }
                Read::End => Fault::Ended {
                    frames: self.frames,
                },
                Read::Timeout => Fault::Silent(self.source.timeout()),
            };
            let foreign =
                Kind::undeclared_fault(&response.head, &start).filter(|_| self.frames == 0);
            return Err(foreign.unwrap_or(fault).into());
        }
    }

    /// Relays one or more JPEGs with few bytes between them.
    fn jpegs(&mut self, response: &mut Response) -> Result<(), Interruption> {
        let before = self.frames;
        let mut decoder = Decoder::Jpegs(Splitter::new(self.writer.frame_bytes_max()));
        let timeout = self.source.timeout();
        let interval = Duration::from_secs_f64(1.0 / self.source.fps.unwrap_or(FPS_DEFAULT));
        let wait = if self.is_single {
            interval.min(SINGLE_AFTER)
        } else {
            interval.max(SINGLE_AFTER)
        };
        loop {
            self.decode_jpegs(&mut decoder, response, before)?;
            let read = match self.frames - before {
                1 => response.read(wait.min(timeout))?,
                _ => self.read(response)?,
            };
            match read {
                Read::More => {}
                Read::Timeout if self.frames == before + 1 => {
                    self.is_single = true;
                    return Ok(());
                }
                Read::Timeout => match decoder.finish(&mut response.body) {
                    Some(part) => return self.send(part),
                    None => return Err(Fault::Silent(timeout).into()),
                },
                Read::End => return self.end_jpegs(response, before),
            }
        }
    }

    /// Handles the rest of a body: a JPEG without an end marker, or a truncated one.
    fn end_jpegs(&mut self, response: &mut Response, before: u64) -> Result<(), Interruption> {
        if response.body.starts_with(b"\xff\xd8") {
            match parse_message(
                &picture_message(response, &response.body),
                self.writer.frame_bytes_max(),
            ) {
                Ok(part) => self.send(part)?,
                Err(rejected) => self.reject(&rejected)?,
            }
        } else if self.frames == before {
            self.reject(&Rejected {
                reason: Reason::NotJpeg,
                bytes: response.body.len(),
                by_driver: false,
            })?;
        }
        Ok(())
    }

    /// Relays the complete JPEGs received. The header fields of the response apply to the first.
    fn decode_jpegs(
        &mut self,
        decoder: &mut Decoder,
        response: &mut Response,
        before: u64,
    ) -> Result<(), Interruption> {
        let has_fields = PICTURE_FIELDS
            .iter()
            .any(|name| response.head.all(name).next().is_some());
        loop {
            match decoder.decode(&mut response.body) {
                Ok(Some(part)) if has_fields && self.frames == before => {
                    let part = parse_message(
                        &picture_message(response, &part.jpeg),
                        self.writer.frame_bytes_max(),
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

    /// Reads more of a body. Each read has a timeout, and all of them together have the frame
    /// timeout.
    fn read(&self, response: &mut Response) -> Result<Read, Interruption> {
        match response.read(self.source.timeout())? {
            Read::More => self.check_frame_timeout().map(|()| Read::More),
            read => Ok(read),
        }
    }

    fn send(&mut self, part: Part) -> Result<(), Interruption> {
        self.frames += 1;
        for reason in std::mem::take(&mut self.rejected) {
            self.log_rejected(reason);
        }
        self.newest = self.tag.is_some().then(|| part.clone());
        self.newest_at = Instant::now();
        self.writer.relay(part).map_err(Interruption::Output)
    }

    fn reject(&mut self, rejected: &Rejected) -> Result<(), Interruption> {
        let reason = rejected.reason;
        match self.frames {
            0 if self.rejected.contains(&reason) => {}
            0 => self.rejected.push(reason),
            _ => self.log_rejected(reason),
        }
        self.writer
            .report_rejected(reason)
            .map_err(Interruption::Output)
    }

    fn log_rejected(&mut self, reason: Reason) {
        let sentence = reason.message(self.writer.frame_bytes_max());
        self.log(&format!(
            "frame rejected: {sentence}; others like it are only counted"
        ));
    }

    /// Logs a line, unless it occurred within [`LOG_AGAIN_AFTER`].
    fn log(&mut self, line: &str) {
        let now = Instant::now();
        self.logged
            .retain(|(_, at)| now.duration_since(*at) < LOG_AGAIN_AFTER);
        match self.logged.iter_mut().find(|(logged, _)| logged == line) {
            Some((_, at)) => *at = now,
            None => {
                self.logged.push((line.to_owned(), now));
                log_line(line);
            }
        }
    }
}

/// The picture of a response as a message with its header fields, so that it is checked like the
/// pictures of a stream.
fn picture_message(response: &Response, jpeg: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(jpeg.len() + 256);
    for name in PICTURE_FIELDS {
        if let Some(value) = response.head.all(name).next() {
            message.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
    }
    message.extend(b"\r\n");
    message.extend(jpeg);
    message
}

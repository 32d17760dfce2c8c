//! A hub with peers in memory. The test decides what a peer sends and how much its transport takes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::num::NonZeroU64;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::hub::Call;
use crate::hub::{
    Answer, Awaited, Body, Hub, Key, Limits, Permit, Readiness, Reply, Response, Subscription,
    Tick, Transport, Wake,
};
use crate::site::clip::{Clip, Format};
use crate::site::events::Events;
use crate::site::snapshot::{Driver, Server, Snapshot};
use crate::site::table::Table;
use crate::stream::Captured;
use crate::stream::{Peer, RateLimit};
use crate::wire::http::{ResponseHead, Status};
use crate::wire::jpeg::Picture;
use crate::wire::metadata::WallTime;
use crate::wire::multipart::{Framing, preamble};

pub const BOUNDARY: &str = "frame";

/// Both ends of one connection; a clone is the same connection.
#[derive(Clone, Debug, Default)]
pub struct Line(Rc<RefCell<Ends>>);

#[derive(Debug, Default)]
struct Ends {
    incoming: VecDeque<u8>,
    ended: bool,
    outgoing: Vec<u8>,
    room_bytes: usize,
    writes: usize,
    /// The address of the last byte that was written.
    source: usize,
    shut: bool,
    is_reset: bool,
}

impl Line {
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        self.0.borrow_mut().incoming.extend(bytes.as_ref());
    }

    pub fn end(&self) {
        self.0.borrow_mut().ended = true;
    }

    /// Makes writes fail, as after a reset.
    pub fn reset(&self) {
        self.0.borrow_mut().is_reset = true;
    }

    pub fn set_room(&self, bytes: usize) {
        self.0.borrow_mut().room_bytes = bytes;
    }

    pub fn is_shut(&self) -> bool {
        self.0.borrow().shut
    }

    pub fn writes(&self) -> usize {
        self.0.borrow().writes
    }

    pub fn source(&self) -> usize {
        self.0.borrow().source
    }

    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().outgoing)
    }

    pub fn take_text(&self) -> String {
        String::from_utf8(self.take()).unwrap()
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ends = self.0.borrow_mut();
        if ends.incoming.is_empty() && !ends.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        ends.incoming.read(buffer)
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut ends = self.0.borrow_mut();
        ends.writes += 1;
        if ends.is_reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if ends.room_bytes == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut written = 0;
        for slice in slices {
            let taken = slice.len().min(ends.room_bytes);
            ends.outgoing.extend_from_slice(&slice[..taken]);
            ends.room_bytes -= taken;
            ends.source = slice.as_ptr_range().end as usize;
            written += taken;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Line {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().shut = true;
        Ok(())
    }
}

/// A hub with one camera, a clock, and a small site.
pub struct Fixture {
    pub hub: Hub<Line>,
    pub began: Instant,
    pub now: Instant,
    pub published: u64,
    /// The age of the next picture at its publication.
    pub age: Duration,
    /// Tickets of finished checks.
    pub finished: Vec<u64>,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    /// Takes a snapshot of the hub.
    pub fn snapshot(&self) -> Snapshot {
        let server = Server {
            drivers: vec![Driver::default()],
            ..Server::default()
        };
        Snapshot::new(&self.hub, server, None, self.now)
    }

    pub fn with(limits: Limits) -> Self {
        let began = Instant::now();
        Self {
            hub: Hub::new(1, BOUNDARY, limits),
            began,
            now: began,
            published: 0,
            age: Duration::ZERO,
            finished: Vec::new(),
        }
    }

    /// Adds a connection whose transport takes everything. It has sent nothing.
    pub fn connect(&mut self) -> (Line, Key) {
        self.connect_from(Peer::Local)
    }

    /// Adds a connection from this peer.
    pub fn connect_from(&mut self, peer: Peer) -> (Line, Key) {
        let line = Line::default();
        line.set_room(usize::MAX);
        let key = self
            .hub
            .admit(peer, self.now, |_| Ok(line.clone()))
            .unwrap();
        (line, key)
    }

    /// Adds a connection that requests `target`, and takes the turns for it.
    pub fn ask(&mut self, target: &str) -> (Line, Key) {
        let (line, key) = self.connect();
        line.send(format!("GET {target} HTTP/1.1\r\nHost: cam\r\n\r\n"));
        self.readable(key);
        (line, key)
    }

    pub fn readable(&mut self, key: Key) {
        self.hub.ready(
            key,
            Readiness {
                readable: true,
                ..Default::default()
            },
        );
        self.turn();
    }

    /// Reports that both directions of the connection have ended.
    pub fn gone(&mut self, key: Key) {
        self.hub.ready(
            key,
            Readiness {
                gone: true,
                ..Default::default()
            },
        );
        self.turn();
    }

    pub fn writable(&mut self, key: Key) {
        self.hub.ready(
            key,
            Readiness {
                writable: true,
                ..Default::default()
            },
        );
        self.turn();
    }

    pub fn turn_once(&mut self) {
        let (began, now, finished) = (self.began, self.now, &self.finished);
        self.hub.turn(
            Tick::at(now),
            || now,
            |call, hub| Reply {
                permit: permit(call, began),
                client: call.peer,
                answer: answer(call, hub, finished),
            },
        );
    }

    /// Takes turns while the hub has work.
    pub fn turn(&mut self) {
        for _ in 0..1000 {
            self.turn_once();
            if self.hub.next_wake() != Wake::Now {
                return;
            }
        }
        panic!("the hub always has work");
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.turn();
    }

    /// Finishes the check `ticket`.
    pub fn finish_check(&mut self, ticket: u64) {
        self.finished.push(ticket);
        self.hub.check_finished(ticket, self.now);
        self.turn();
    }

    /// Publishes a frame of this size, different from all others.
    pub fn publish(&mut self, bytes: usize) -> Vec<u8> {
        let jpeg = self.publish_between_turns(bytes);
        self.turn();
        jpeg
    }

    /// Publishes a frame, and takes no turn.
    pub fn publish_between_turns(&mut self, bytes: usize) -> Vec<u8> {
        self.capture(bytes, Hub::publish)
    }

    /// Publishes a placeholder.
    pub fn publish_placeholder(&mut self, bytes: usize) -> Vec<u8> {
        let jpeg = self.capture(bytes, Hub::publish_placeholder);
        self.turn();
        jpeg
    }

    fn capture(
        &mut self,
        bytes: usize,
        show: fn(&mut Hub<Line>, usize, Captured<'_>, Instant),
    ) -> Vec<u8> {
        self.published += 1;
        let mut jpeg = vec![self.published as u8; bytes];
        jpeg[..8].copy_from_slice(&self.published.to_be_bytes());
        let picture = Picture {
            width: 4,
            height: 3,
            huffman_tables: true,
        };
        let captured_wall =
            WallTime::nearest(Duration::from_millis(1_700_000_000_000 + self.published));
        show(
            &mut self.hub,
            0,
            Captured {
                jpeg: &jpeg,
                picture,
                captured_wall,
                age: self.age,
                sequence: None,
            },
            self.now,
        );
        jpeg
    }
}

/// Returns the permit that the parameters `until_ms`, since the start of the test, and `credential`
/// describe.
fn permit(call: &Call, began: Instant) -> Permit {
    let number = |name: &str| {
        call.request
            .parameter(name)
            .map(|number| number.parse().unwrap())
    };
    let until = number("until_ms").map(|until_ms| began + Duration::from_millis(until_ms));
    Permit {
        until,
        credential: number("credential").unwrap_or(0),
    }
}

/// Answers a request.
fn answer(call: &Call, hub: &Hub<Line>, finished: &[u64]) -> Answer {
    match call.request.path.as_str() {
        "/stream" => {
            let framing = match call.request.parameter("framing").as_deref() {
                Some("advance") => Framing::Advance,
                _ => Framing::Length,
            };
            let number = |name: &str| {
                call.request
                    .parameter(name)
                    .map(|number| number.parse().unwrap())
            };
            let rate_limit = RateLimit {
                interval: number("interval_ms").map(Duration::from_millis),
                bytes_per_second: number("rate").and_then(NonZeroU64::new),
            };
            let head = [&b"HEAD\r\n\r\n"[..], &preamble(BOUNDARY, framing)].concat();
            let delay = number("delay_ms").map_or(Duration::ZERO, Duration::from_millis);
            Answer::Subscribe(Subscription {
                camera: 0,
                framing,
                delay,
                rate_limit,
                label: String::new(),
                head: head.into(),
            })
        }
        "/wait" => {
            let after = call
                .request
                .parameter("after")
                .map_or(0, |after| after.parse().unwrap());
            match &hub.live().channels[0].live {
                Some(frame) if frame.sequence > after => respond("frame".into()),
                _ if call.waited => respond("timeout".into()),
                _ => Answer::Wait(Awaited::Frame { camera: 0, after }),
            }
        }
        "/check" if call.waited => respond("timeout".into()),
        "/check" => {
            let ticket = call
                .request
                .parameter("ticket")
                .map_or(0, |ticket| ticket.parse().unwrap());
            if finished.contains(&ticket) {
                respond("finished".into())
            } else {
                Answer::Wait(Awaited::CheckResult { ticket })
            }
        }
        "/table" => {
            let rows = call
                .request
                .parameter("rows")
                .map(|rows| rows.parse().unwrap());
            stream(Table::new(0, "camera", rows))
        }
        "/events" => {
            let last = call
                .request
                .parameter("last")
                .map(|last| last.parse().unwrap());
            let events = Events::new(
                vec![(0, "camera".into())],
                true,
                last,
                &hub.live().event_log,
            );
            stream(events)
        }
        "/clip" => {
            let frames: Vec<_> = hub.live().channels[0]
                .history
                .last(Duration::from_secs(10))
                .collect();
            stream(Clip::new(Format::Mjpeg, &frames).unwrap())
        }
        "/large" => respond("x".repeat(100_000)),
        "/nothing" => Answer::Respond(Response::new(ResponseHead::new(Status::NoContent), None)),
        path => respond(path.to_owned()),
    }
}

fn stream(body: impl Body + 'static) -> Answer {
    Answer::Stream(ResponseHead::new(Status::Ok), Box::new(body))
}

fn respond(body: String) -> Answer {
    Answer::Respond(Response::new(
        ResponseHead::new(Status::Ok),
        Some(body.into()),
    ))
}

/// Returns the part of a frame of [`Fixture::publish`] with its delimiter, in the framing `length`.
pub fn part(number: u64, jpeg: &[u8]) -> Vec<u8> {
    let captured = 1_700_000_000_000 + number;
    let header = format!(
        "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}.{:03}000\r\n\
         X-Frame-Sequence: {number}\r\n\r\n",
        jpeg.len(),
        captured / 1000,
        captured % 1000,
    );
    [header.as_bytes(), jpeg, b"\r\n--frame\r\n"].concat()
}

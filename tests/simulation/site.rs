//! Answers to requests, and what of them must arrive.

use std::time::{Duration, Instant};

use bytes::Bytes;
use framecast::stream::hub::Call;
use framecast::stream::{Answer, Awaited, Hub, Limits, Response, Subscription};
use framecast::wire::http::{ResponseHead, Status};
use framecast::wire::multipart::{Framing, preamble};

use crate::ledger::{BOUNDARY, Ledger, jpeg};
use crate::link::{End, Link};
use crate::script::{Ask, Message};
use crate::transcript::Viewing;

/// The camera number under which the bytes of pages are derived.
const PAGES: usize = 99;

/// A request that waits for a frame.
#[derive(Debug)]
pub struct Wait {
    pub message: Message,
    pub camera: usize,
    pub after: u64,
    pub until: Instant,
    /// The hub was asked to give up on the camera.
    pub is_given_up: bool,
}

/// Answers one call, and notes in the transcript what is due for it.
pub fn answer(call: &Call, link: &mut Link, message: Message, hub: &Hub<End>, ledger: &mut Ledger) -> Answer {
    let mut reply = Due { link, message: &message, limits: hub.limits(), stopping: ledger.stopping };
    match message.ask {
        Ask::Page { bytes } => reply.with(Status::Ok, Bytes::from_static(jpeg(PAGES, bytes as u64, bytes))),
        Ask::Nothing => {
            reply.head(Status::NoContent, None);
            Answer::Respond(Response { head: ResponseHead::new(Status::NoContent), body: None })
        }
        Ask::Last { bytes } => {
            let bytes = Bytes::from_static(jpeg(PAGES, bytes as u64, bytes));
            reply.link.transcript.expect(bytes.clone());
            reply.link.script.is_over = true;
            Answer::Preformed(bytes)
        }
        Ask::Snapshot { camera } => reply.snapshot(camera, 0, hub, ledger).unwrap_or_else(|| reply.none()),
        Ask::Newer { camera, after } => match reply.snapshot(camera, after, hub, ledger) {
            Some(answer) => answer,
            None if call.waited => reply.none(),
            None => {
                let until = ledger.now + hub.limits().wait_timeout;
                link.wait = Some(Wait { message, camera, after, until, is_given_up: false });
                Answer::Wait(Awaited::Frame { camera, after })
            }
        },
        Ask::Stream { camera, framing, interval } => {
            let head = head(framing);
            link.transcript.expect(head.clone());
            link.transcript.viewing = Some(Viewing::new(camera, framing, interval, ledger));
            Answer::Subscribe(Subscription { camera, framing, interval, label: String::new(), head })
        }
    }
}

fn head(framing: Framing) -> Bytes {
    [b"HTTP/1.1 200 OK\r\n\r\n", preamble(BOUNDARY, framing).as_ref()].concat().into()
}

/// What is due for one request.
struct Due<'a> {
    link: &'a mut Link,
    message: &'a Message,
    limits: &'a Limits,
    stopping: bool,
}

impl Due<'_> {
    fn head(&mut self, status: Status, length: Option<usize>) {
        let script = &mut self.link.script;
        let keeps = self.message.keep_alive
            && script.asked < self.limits.requests_per_connection_max
            && !self.link.end_consumed
            && !self.stopping;
        script.is_over = !keeps;
        let length = length.map_or(String::new(), |length| format!("Content-Length: {length}\r\n"));
        let connection = if keeps { "keep-alive" } else { "close" };
        let (code, phrase) = (status.code(), status.reason_phrase());
        let head = format!("HTTP/1.1 {code} {phrase}\r\n{length}Connection: {connection}\r\n\r\n");
        self.link.transcript.expect(head.into());
    }

    fn with(&mut self, status: Status, body: Bytes) -> Answer {
        self.head(status, Some(body.len()));
        if !self.message.head_only {
            self.link.transcript.expect(body.clone());
        }
        Answer::Respond(Response { head: ResponseHead::new(status), body: Some(body) })
    }

    fn none(&mut self) -> Answer {
        self.with(Status::ServiceUnavailable, Bytes::from_static(b"none"))
    }

    /// The newest frame, if there is one with a higher sequence than `after`.
    fn snapshot(&mut self, camera: usize, after: u64, hub: &Hub<End>, ledger: &mut Ledger) -> Option<Answer> {
        let due = ledger.cameras[camera].live.clone();
        let frame = hub.frame(camera);
        if frame.map(|frame| frame.sequence) != due.as_ref().map(|due| due.sequence) {
            ledger.blame(|| format!("camera {camera} shows another frame than its newest"));
        }
        let (due, frame) = (due?, frame?);
        if due.sequence <= after {
            return None;
        }
        let body = frame.jpeg();
        self.head(Status::Ok, Some(body.len()));
        if !self.message.head_only {
            self.link.transcript.expect_picture(due);
        }
        Some(Answer::Respond(Response { head: ResponseHead::new(Status::Ok), body: Some(body) }))
    }
}

/// When a picture was taken: a time that follows from its number.
pub fn captured_at(number: u64) -> Duration {
    Duration::from_micros(1_700_000_000_000_000 + number * 1_001)
}

//! Answers to requests, and what of them must arrive.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framecast::hub::Call;
use framecast::hub::{
    Answer, Awaited, Hub, Limits, Permit, Producer, Production, Purpose, Reply, Response, Subscription, Topic,
};
use framecast::site::clip::{Clip, Format};
use framecast::site::events::Events;
use framecast::site::table::Table;
use framecast::stream::Frame;
use framecast::wire::http::{ResponseHead, Status};
use framecast::wire::multipart::{Framing, preamble};

use crate::body::{Body, Reads, Watched};
use crate::checks;
use crate::ledger::{BOUNDARY, Ledger, jpeg};
use crate::link::{End, Link};
use crate::script::{Ask, Message};
use crate::transcript::Viewing;
use crate::world::Links;

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

/// A connection and the truth, to be handed on to whoever makes its body.
pub struct Both<'a> {
    pub link: &'a Rc<RefCell<Link>>,
    pub ledger: &'a Rc<RefCell<Ledger>>,
}

/// Answers the requests of one turn.
pub struct Desk<'a> {
    pub links: &'a Links,
    pub ledger: &'a Rc<RefCell<Ledger>>,
    pub is_tracing: bool,
}

impl Desk<'_> {
    /// Answers one call. What is wrong with it goes to the ledger.
    pub fn reply(&self, call: &Call, hub: &Hub<End>) -> Reply {
        let answer = self.try_answer(call, hub).unwrap_or_else(|fault| {
            self.ledger.borrow_mut().blame(|| fault);
            Answer::Preformed(Bytes::new())
        });
        let link = self.links.iter().find(|(known, _)| *known == call.key).map(|(_, link)| link.borrow());
        let until = link.and_then(|link| link.transcript.viewing.as_ref()?.until);
        Reply { answer, client: call.peer, permit: Permit { until, credential: 0 } }
    }

    fn try_answer(&self, call: &Call, hub: &Hub<End>) -> Result<Answer, String> {
        let key = call.key;
        let known = self.links.iter().find(|(known, _)| *known == key);
        let Some((_, link)) = known.filter(|_| hub.contains(key)) else {
            // It was handed out before its peer was lost; the answer is dropped.
            return Ok(Answer::Preformed(Bytes::new()));
        };
        if self.is_tracing {
            println!("#{} asks for {}", key.number, call.request.path);
        }
        let message = {
            let link = &mut *link.borrow_mut();
            let ledger = &mut *self.ledger.borrow_mut();
            ledger.moves += 1;
            match link.wait.take() {
                Some(wait) => checks::asked_again(&wait, call, ledger).map(|()| wait.message)?,
                None if link.transcript.has_reply_due() || link.transcript.is_subscriber() => {
                    return Err(format!("#{} is asked for more than one thing at a time", key.number));
                }
                None => link.script.next(&call.request.path)?,
            }
        };
        let answer = answer(call, &Both { link, ledger: self.ledger }, message, hub);
        let link = &mut *link.borrow_mut();
        if let Some(viewing) = link.transcript.viewing.as_mut() {
            let ledger = &mut *self.ledger.borrow_mut();
            let is_greeted = u64::from(ledger.camera(viewing.camera).is_shown);
            viewing.start = ledger.camera(viewing.camera).published - is_greeted;
            viewing.published += is_greeted;
            ledger.counts.published += is_greeted;
        }
        Ok(answer)
    }
}

/// Answers one call, and notes in the transcript what is due for it.
fn answer(call: &Call, both: &Both<'_>, message: Message, hub: &Hub<End>) -> Answer {
    let link = &mut *both.link.borrow_mut();
    let ledger = &mut *both.ledger.borrow_mut();
    if let Ask::Table { .. } | Ask::Events { .. } | Ask::Clip { .. } = message.ask {
        return produce(both, link, &message, hub, ledger);
    }
    let mut reply = Due { link, message: &message, limits: hub.limits(), stopping: ledger.stopping };
    match message.ask {
        Ask::Page { bytes } => reply.with(Status::Ok, Bytes::from_static(jpeg(PAGES, bytes as u64, bytes))),
        Ask::Nothing => {
            reply.head(Status::NoContent, None);
            Answer::Respond(Response::new(ResponseHead::new(Status::NoContent), None))
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
        Ask::Table { .. } | Ask::Events { .. } | Ask::Clip { .. } => reply.none(),
        Ask::Stream { camera, is_late, framing, pace, permitted } => {
            let head = head(framing);
            link.transcript.expect(head.clone());
            let (place, delay) = match is_late {
                true => (ledger.cameras.len() + camera, ledger.delay),
                false => (camera, Duration::ZERO),
            };
            let mut viewing = Viewing::new(place, framing, pace, ledger);
            viewing.until = permitted.map(|permitted| ledger.now + permitted);
            link.transcript.viewing = Some(viewing);
            Answer::Subscribe(Subscription { camera, framing, delay, pace, label: String::new(), head })
        }
    }
}

/// What makes a body, and how that is to be read.
struct Making {
    producer: Box<dyn Producer>,
    purpose: Purpose,
    reads: Reads,
    follows: Vec<Topic>,
    /// The number in the journal of what the peer says it knows.
    told: u64,
}

/// What makes the body that is asked for, if there is anything to make it of.
fn making(message: &Message, hub: &Hub<End>, ledger: &mut Ledger) -> Option<Making> {
    let journal = hub.journal();
    let (producer, purpose, reads, follows, told): (Box<dyn Producer>, _, _, _, _) = match message.ask {
        Ask::Table { camera, rows } => {
            if rows.is_some() && ledger.cameras[camera].facts.is_empty() {
                return None;
            }
            let follows = if rows.is_none() { vec![Topic::Frames { camera }] } else { Vec::new() };
            let reads = Reads::Table { camera, rows_left: rows, has_ended: false };
            (Box::new(Table::new(camera, "camera", rows)), Purpose::Table, reads, follows, 0)
        }
        Ask::Events { cameras, tells_loop, last } => {
            let named = (0..cameras).map(|camera| (camera, camera.to_string())).collect();
            let events = Events::new(named, tells_loop, last, journal);
            let follows = events.follows();
            let told = last.filter(|&last| last <= ledger.journal_id).unwrap_or(0);
            (Box::new(events), Purpose::Events, Reads::Events, follows, told)
        }
        Ask::Clip { camera, span } => {
            let pictures = ledger.cameras[camera].last_seconds(span);
            let frames: Vec<&Frame> = hub.channels()[camera].history.last(span).collect();
            let numbers = pictures.iter().map(|picture| picture.sequence);
            if !numbers.eq(frames.iter().map(|frame| frame.sequence)) {
                ledger.blame(|| format!("the last {span:?} of camera {camera} are not what was shown then"));
            }
            // An AVI can be refused for its length; a file of this kind has no bound.
            let clip = Clip::new(Format::Mjpeg, &frames).ok().filter(|_| !pictures.is_empty())?;
            (Box::new(clip), Purpose::Clip, Reads::Clip { pictures, made_bytes: 0 }, Vec::new(), 0)
        }
        _ => return None,
    };
    Some(Making { producer, purpose, reads, follows, told })
}

/// A body of the real site's, made as it is sent.
fn produce(both: &Both<'_>, link: &mut Link, message: &Message, hub: &Hub<End>, ledger: &mut Ledger) -> Answer {
    let Some(Making { producer, purpose, reads, follows, told }) = making(message, hub, ledger) else {
        return Due { link, message, limits: hub.limits(), stopping: ledger.stopping }.none();
    };
    let is_endless = !follows.is_empty();
    let length = producer.length();
    let is_chunked = !message.is_old && length.is_none();
    let keeps = message.keep_alive
        && (is_chunked || length.is_some())
        && !is_endless
        && link.script.asked < hub.limits().requests_per_connection_max
        && !link.end_consumed
        && !ledger.stopping;
    link.script.is_over = !keeps;
    let framing = match length {
        Some(length) => format!("Content-Length: {length}\r\n"),
        None if is_chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
        None => String::new(),
    };
    let connection = if keeps { "keep-alive" } else { "close" };
    let head = format!("HTTP/1.1 200 OK\r\n{framing}Connection: {connection}\r\n\r\n");
    link.transcript.expect(head.into());
    if !message.head_only {
        let body = Body::new(reads, is_chunked, follows.clone(), told, ledger);
        match is_endless && ledger.stopping {
            true => link.transcript.expect(body.end()),
            false => link.transcript.body = Some(body),
        }
    }
    let watched = Watched {
        producer,
        link: Rc::downgrade(both.link),
        ledger: both.ledger.clone(),
        budget_bytes: hub.limits().produce_budget_bytes,
        silence: hub.limits().sign_of_life_after,
    };
    Answer::Produce(Production {
        head: ResponseHead::new(Status::Ok),
        producer: Box::new(watched),
        purpose,
        follows,
        is_endless,
    })
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
        Answer::Respond(Response::new(ResponseHead::new(status), Some(body)))
    }

    fn none(&mut self) -> Answer {
        self.with(Status::ServiceUnavailable, Bytes::from_static(b"none"))
    }

    /// The newest frame, if there is one with a higher sequence than `after`.
    fn snapshot(&mut self, camera: usize, after: u64, hub: &Hub<End>, ledger: &mut Ledger) -> Option<Answer> {
        let due = ledger.cameras[camera].live.clone();
        let frame = hub.channels()[camera].live.as_ref();
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
        Some(Answer::Respond(Response::new(ResponseHead::new(Status::Ok), Some(body))))
    }
}

/// When a picture was taken: a time that follows from its number.
pub fn captured_at(number: u64) -> Duration {
    Duration::from_micros(1_700_000_000_000_000 + number * 1_001)
}

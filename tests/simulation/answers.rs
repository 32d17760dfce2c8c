//! Answers to requests, and the bytes that they make due.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use framecast::hub::{self, Answer, Awaited, Call, Hub, Permit, Reply, Response, Subscription};
use framecast::site::clip::{Clip, Format};
use framecast::site::events::Events;
use framecast::site::table::Table;
use framecast::stream::Frame;
use framecast::stream::Topic;
use framecast::wire::http::{ResponseHead, Status};
use framecast::wire::multipart::preamble;

use crate::body::{Body, Kind, Watched};
use crate::checks;
use crate::link::{End, Link, Wait};
use crate::model::{BOUNDARY, Model, Published, jpeg};
use crate::script::{Ask, Message, Stream};
use crate::transcript::Viewing;
use crate::world::{BEGINNING, Links};

/// The camera number of the bytes of pages.
const PAGES: usize = 99;

/// Answers the requests of one turn.
pub struct Site<'a> {
    pub links: &'a Links,
    pub model: &'a Rc<RefCell<Model>>,
    pub is_verbose: bool,
}

impl Site<'_> {
    /// Answers one call. The model records a failed check.
    pub fn reply(&self, call: &Call, hub: &Hub<End>) -> Reply {
        let link = self
            .links
            .iter()
            .find(|(key, _)| *key == call.key && hub.connections().get(*key).is_some());
        // The connection of a call may be closed by now. The hub drops the answer.
        let answer = link.and_then(|(_, link)| {
            let answer = self.answer(call, link, hub);
            answer
                .map_err(|fault| self.model.borrow_mut().fail(|| fault))
                .ok()
        });
        let until = link.and_then(|(_, link)| link.borrow().transcript.viewing.as_ref()?.until);
        let answer = answer.unwrap_or(Answer::Preformed(Bytes::new()));
        let until = until.map(|until| *BEGINNING + until);
        Reply {
            answer,
            client: call.peer,
            permit: Permit {
                until,
                credential: 0,
            },
        }
    }

    fn answer(
        &self,
        call: &Call,
        shared: &Rc<RefCell<Link>>,
        hub: &Hub<End>,
    ) -> Result<Answer, String> {
        if self.is_verbose {
            println!("#{} asks for {}", call.key.number, call.request.path);
        }
        let link = &mut *shared.borrow_mut();
        let model = &mut *self.model.borrow_mut();
        model.moves += 1;
        let message = match link.wait.take() {
            Some(wait) => checks::asked_again(&wait, call, model).map(|()| wait.message)?,
            None if link.transcript.has_reply_due() || link.transcript.is_subscriber() => {
                return Err(format!(
                    "#{}: a request is handed out during another one",
                    call.key.number
                ));
            }
            None => link.script.next(&call.request.path)?,
        };
        let mut exchange = Exchange {
            link,
            model,
            hub,
            message,
        };
        let Some((inner, kind, last_id)) = exchange.body()? else {
            return exchange.answer(call.waited);
        };
        if inner.topics().is_empty()
            != matches!(
                kind,
                Kind::Table {
                    rows_left: Some(_),
                    ..
                } | Kind::Clip { .. }
            )
        {
            return Err(format!(
                "a body must have topics if and only if it is endless: {kind:?}"
            ));
        }
        exchange.expect_body(inner.length(), kind, inner.topics(), last_id);
        let link = Rc::downgrade(shared);
        let watched = Watched {
            inner,
            link,
            model: self.model.clone(),
        };
        Ok(Answer::Stream(
            ResponseHead::new(Status::Ok),
            Box::new(watched),
        ))
    }
}

/// A body of the site, its content, and the last entry of the event log that the peer knows.
type Made = (Box<dyn hub::Body>, Kind, u64);

/// One request and the bytes that it makes due.
struct Exchange<'a> {
    link: &'a mut Link,
    model: &'a mut Model,
    hub: &'a Hub<End>,
    message: Message,
}

impl Exchange<'_> {
    /// Returns the body that was requested, unless it would be empty.
    fn body(&mut self) -> Result<Option<Made>, String> {
        Ok(Some(match self.message.ask {
            Ask::Table { camera, rows }
                if rows.is_none() || !self.model.cameras[camera].records.is_empty() =>
            {
                let table = Box::new(Table::new(camera, "camera", rows));
                (
                    table,
                    Kind::Table {
                        camera,
                        rows_left: rows,
                    },
                    0,
                )
            }
            Ask::Events {
                cameras,
                has_loop,
                last,
            } => {
                let named = (0..cameras)
                    .map(|camera| (camera, camera.to_string()))
                    .collect();
                let events = Events::new(named, has_loop, last, &self.hub.live().event_log);
                let last_id = last.filter(|&last| last <= self.model.log_id).unwrap_or(0);
                (Box::new(events), Kind::Events, last_id)
            }
            Ask::Clip { camera, span } => {
                let frames = self.model.cameras[camera].last_seconds(span);
                let frames_of_hub: Vec<&Frame> = self.hub.live().channels[camera]
                    .history
                    .last(span)
                    .collect();
                if !frames
                    .iter()
                    .map(|frame| frame.sequence)
                    .eq(frames_of_hub.iter().map(|frame| frame.sequence))
                {
                    return Err(format!(
                        "the last {span:?} of camera {camera} are the wrong frames"
                    ));
                }
                // Only AVI has a limit of length.
                match Clip::new(Format::Mjpeg, &frames_of_hub)
                    .ok()
                    .filter(|_| !frames.is_empty())
                {
                    Some(clip) => (
                        Box::new(clip),
                        Kind::Clip {
                            frames,
                            made_bytes: 0,
                        },
                        0,
                    ),
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        }))
    }

    /// Answers any other request.
    fn answer(mut self, waited: bool) -> Result<Answer, String> {
        Ok(match self.message.ask {
            Ask::Page { bytes } => self.respond(Status::Ok, page(bytes), None),
            Ask::Nothing => {
                self.expect_head(Status::NoContent, "", true);
                Answer::Respond(Response::new(ResponseHead::new(Status::NoContent), None))
            }
            Ask::Last { bytes } => {
                self.link.transcript.expect(page(bytes), None);
                self.link.script.is_over = true;
                Answer::Preformed(page(bytes))
            }
            Ask::Snapshot { camera } => self.snapshot(camera, 0)?.unwrap_or_else(|| self.none()),
            Ask::Newer { camera, after } => match self.snapshot(camera, after)? {
                Some(answer) => answer,
                None if waited => self.none(),
                None => {
                    let until = self.model.now + self.model.limits.wait_timeout;
                    self.link.wait = Some(Wait {
                        message: self.message,
                        camera,
                        after,
                        until,
                        has_failed: false,
                    });
                    Answer::Wait(Awaited::Frame { camera, after })
                }
            },
            Ask::Table { .. } | Ask::Events { .. } | Ask::Clip { .. } => self.none(),
            Ask::Stream(Stream {
                camera,
                is_delayed,
                framing,
                rate_limit,
                permitted,
            }) => {
                let head: Bytes = [
                    b"HTTP/1.1 200 OK\r\n\r\n",
                    preamble(BOUNDARY, framing).as_ref(),
                ]
                .concat()
                .into();
                let delay = if is_delayed {
                    self.model.delay
                } else {
                    Duration::ZERO
                };
                let mut viewing = Viewing::new(camera, delay, framing, rate_limit, self.model);
                viewing.until = permitted.map(|permitted| self.model.now + permitted);
                self.link.transcript.expect(head.clone(), None);
                self.link.transcript.viewing = Some(viewing);
                Answer::Subscribe(Subscription {
                    camera,
                    framing,
                    delay,
                    rate_limit,
                    label: String::new(),
                    head,
                })
            }
        })
    }

    fn expect_head(&mut self, status: Status, framing: &str, may_keep: bool) {
        let script = &mut self.link.script;
        let keeps = may_keep
            && self.message.keep_alive
            && script.asked < self.model.limits.requests_per_connection_max
            && !self.link.end_consumed
            && !self.model.is_stopping();
        script.is_over = !keeps;
        let connection = if keeps { "keep-alive" } else { "close" };
        let (code, phrase) = (status.code(), status.reason_phrase());
        let head = format!("HTTP/1.1 {code} {phrase}\r\n{framing}Connection: {connection}\r\n\r\n");
        self.link.transcript.expect(head.into(), None);
    }

    fn expect_body(&mut self, length: Option<u64>, kind: Kind, follows: Vec<Topic>, last_id: u64) {
        let is_chunked = !self.message.is_old && length.is_none();
        let framing = match length {
            Some(length) => format!("Content-Length: {length}\r\n"),
            None if is_chunked => "Transfer-Encoding: chunked\r\n".into(),
            None => String::new(),
        };
        self.expect_head(
            Status::Ok,
            &framing,
            !framing.is_empty() && follows.is_empty(),
        );
        let body = Body::new(kind, is_chunked, follows, last_id, self.model);
        match body.is_endless && self.model.is_stopping() {
            _ if self.message.head_only => {}
            true => self.link.transcript.expect(body.end(), None),
            false => self.link.transcript.body = Some(body),
        }
    }

    /// Responds with these bytes: those of `frame`, if there is one.
    fn respond(&mut self, status: Status, body: Bytes, frame: Option<Rc<Published>>) -> Answer {
        self.expect_head(status, &format!("Content-Length: {}\r\n", body.len()), true);
        if !self.message.head_only {
            self.link.transcript.expect(
                frame.as_ref().map_or(body.clone(), |frame| frame.jpeg()),
                frame,
            );
        }
        Answer::Respond(Response::new(ResponseHead::new(status), Some(body)))
    }

    fn none(&mut self) -> Answer {
        self.respond(
            Status::ServiceUnavailable,
            Bytes::from_static(b"none"),
            None,
        )
    }

    /// Responds with the newest frame if its sequence exceeds `after`.
    fn snapshot(&mut self, camera: usize, after: u64) -> Result<Option<Answer>, String> {
        let due = self.model.cameras[camera].live.clone();
        let frame = self.hub.live().channels[camera].live.as_ref();
        if frame.map(|frame| frame.sequence) != due.as_ref().map(|due| due.sequence) {
            return Err(format!("camera {camera}: the live frame is not the newest"));
        }
        let newer = due.zip(frame).filter(|(due, _)| due.sequence > after);
        Ok(newer.map(|(due, frame)| self.respond(Status::Ok, frame.jpeg(), Some(due))))
    }
}

fn page(bytes: usize) -> Bytes {
    Bytes::from_static(jpeg(PAGES, bytes as u64, bytes))
}

/// Returns the time of capture of a frame, which follows from its number.
pub fn captured_at(number: u64) -> Duration {
    Duration::from_micros(1_700_000_000_000_000 + number * 1_001)
}

//! The bytes that one connection must be sent, compared as they leave.
//!
//! At every moment exactly one next byte is right: the rest of the part in flight, then the bytes
//! of a reply, then the newest frame. So nothing is parsed and nothing is stored.

use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use framecast::stream::RateLimit;
use framecast::stream::counts::FrameCounts;
use framecast::wire::multipart::Framing;

use crate::body::Body;
use crate::model::{CLOSING, Model, Published};

/// This number of bytes identifies a frame when a part begins; the rest is compared as it leaves.
const HEAD_BYTES: usize = 200;

/// The bytes that are due, in order, and the source of more.
#[derive(Debug, Default)]
pub struct Transcript {
    due: VecDeque<Due>,
    pub viewing: Option<Viewing>,
    /// The body in progress.
    pub body: Option<Body>,
}

/// Bytes that must follow.
#[derive(Debug)]
struct Due {
    left: Bytes,
    has_begun: bool,
    /// The frame that they are part of.
    frame: Option<Rc<Published>>,
}

/// The request of a viewer, and the frames it has been sent.
#[derive(Debug, Default)]
pub struct Viewing {
    pub camera: usize,
    pub delay: Duration,
    framing: Framing,
    rate_limit: RateLimit,
    pub since: Duration,
    /// The part in flight: when it began, and whether it is a repeat.
    pub part: Option<(Duration, bool)>,
    /// The sequence of the last part that has begun, and when it did.
    pub last: Option<(u64, Duration)>,
    /// Frames up to this number were published before.
    start: u64,
    /// The counts of the frames since, without the skipped ones.
    pub counts: FrameCounts,
    /// Parts that have begun, the bytes of all but the last, and of the last.
    begun: u64,
    earlier_bytes: usize,
    last_bytes: usize,
    /// When its permit ends, if it does. From `ended_at` on, no further part may begin.
    pub until: Option<Duration>,
    pub ended_at: Option<Duration>,
    /// The closing delimiter is due, or has been sent.
    pub is_ending: bool,
}

impl Transcript {
    /// Makes these bytes due next; `frame` is the frame that they are part of.
    pub fn expect(&mut self, left: Bytes, frame: Option<Rc<Published>>) {
        if !left.is_empty() {
            self.due.push_back(Due {
                left,
                has_begun: false,
                frame,
            });
        }
    }

    /// Whether bytes are due.
    pub fn has_bytes_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whether bytes are due, or chunks of a body that has an end.
    pub fn has_reply_due(&self) -> bool {
        self.has_bytes_due() || self.body.as_ref().is_some_and(|body| !body.is_endless)
    }

    /// Whether the peer gets the frames of a camera, or another endless body.
    pub fn is_subscriber(&self) -> bool {
        self.viewing.is_some() || self.body.as_ref().is_some_and(|body| body.is_endless)
    }

    /// Whether a part or a reply is partly sent.
    pub fn is_mid_chunk(&self) -> bool {
        self.due.front().is_some_and(|due| due.has_begun)
    }

    /// Returns the frames that are partly sent, or that a body needs.
    pub fn frames_held(&self) -> impl Iterator<Item = &Rc<Published>> {
        self.due
            .iter()
            .filter_map(|due| due.frame.as_ref())
            .chain(self.body.iter().flat_map(Body::frames))
    }

    /// Checks bytes that leave.
    pub fn take(&mut self, mut bytes: &[u8], model: &Model) -> Result<(), String> {
        while !bytes.is_empty() {
            if let Some(viewing) = self
                .viewing
                .as_mut()
                .filter(|viewing| self.due.is_empty() && !viewing.is_ending)
            {
                // With nothing due, a viewer gets the newest frame, or the end of the stream.
                let (left, frame) = viewing.begin(bytes, model)?;
                self.expect(left, frame);
            }
            let Some(due) = self.due.front_mut() else {
                return Err(format!("nothing is due, but {} leaves", quote(bytes)));
            };
            let length = due.left.len().min(bytes.len());
            if due.left[..length] != bytes[..length] {
                return Err(format!(
                    "N1: {} is due, not {}",
                    quote(&due.left),
                    quote(bytes)
                ));
            }
            due.has_begun = true;
            due.left.advance(length);
            if due.left.is_empty() {
                self.due.pop_front();
                self.viewing.iter_mut().for_each(Viewing::delivered);
            }
            bytes = &bytes[length..];
        }
        Ok(())
    }
}

impl Viewing {
    pub fn new(
        camera: usize,
        delay: Duration,
        framing: Framing,
        rate_limit: RateLimit,
        model: &Model,
    ) -> Self {
        let newest = &model.cameras[camera];
        // The newest frame is the first one.
        let first = u64::from(newest.shown(delay, model.now).is_some());
        Self {
            camera,
            delay,
            framing,
            rate_limit,
            since: model.now,
            start: newest.published(delay, model.now) - first,
            counts: FrameCounts {
                offered: first,
                ..FrameCounts::default()
            },
            ended_at: model.stopping_at.and(Some(model.now)),
            ..Self::default()
        }
    }

    /// Counts the offered frames, up to the end of the stream: by its permit, if `may_end`, or by
    /// the shutdown.
    pub fn update(&mut self, may_end: bool, model: &Model) {
        if self.ended_at.is_some() {
            return;
        }
        self.counts.offered =
            model.cameras[self.camera].published(self.delay, model.now) - self.start;
        let is_over = model.is_stopping() || self.until.is_some_and(|until| model.now >= until);
        self.ended_at = (may_end && is_over).then_some(model.now);
    }

    /// Checks that the part that begins is of the newest frame, and allowed by the rate limit.
    /// Returns the bytes that are due.
    fn begin(
        &mut self,
        bytes: &[u8],
        model: &Model,
    ) -> Result<(Bytes, Option<Rc<Published>>), String> {
        if self.ended_at.is_some() {
            self.is_ending = true;
            return Ok((CLOSING, None));
        }
        let Some(newest) = model.cameras[self.camera].shown(self.delay, model.now) else {
            return Err(format!("N3: no frame is due, but {} leaves", quote(bytes)));
        };
        let part = newest.part(self.framing);
        let head = bytes.len().min(part.len()).min(HEAD_BYTES);
        if part[..head] != bytes[..head] {
            return Err(format!(
                "N3: frame {} is due, not {}",
                newest.sequence,
                quote(bytes)
            ));
        }
        let last = self.last.map(|(sequence, _)| sequence);
        if last.is_some_and(|last| last > newest.sequence) {
            return Err(format!(
                "N2: frame {} follows frame {last:?}",
                newest.sequence
            ));
        }
        self.begun += 1;
        self.earlier_bytes += mem::replace(&mut self.last_bytes, part.len());
        self.within_rate_limit(model.now - self.since)?;
        self.last = Some((newest.sequence, model.now));
        self.part = Some((model.now, last == Some(newest.sequence)));
        Ok((part, Some(newest.clone())))
    }

    /// The part in flight, if there is one, has been sent.
    fn delivered(&mut self) {
        match self.part.take() {
            Some((_, true)) => self.counts.repeated += 1,
            Some((_, false)) => self.counts.delivered += 1,
            None => {}
        }
    }

    /// Checks the rate limits: in frames, and in bytes of the parts before this one.
    fn within_rate_limit(&self, time: Duration) -> Result<(), String> {
        if let Some(interval) = self.rate_limit.interval {
            let allowed = 1 + time.as_nanos() / interval.as_nanos();
            if u128::from(self.begun) > allowed {
                return Err(format!(
                    "{} frames, the rate limit allows {allowed}",
                    self.begun
                ));
            }
        }
        if let Some(rate) = self.rate_limit.bytes_per_second {
            let allowed = u128::from(rate.get()) * time.as_nanos() / 1_000_000_000;
            if self.earlier_bytes as u128 > allowed {
                return Err(format!(
                    "{} bytes, the rate limit allows {allowed}",
                    self.earlier_bytes
                ));
            }
        }
        Ok(())
    }

    /// Returns how long the rate limit holds back the next part.
    pub fn time_of_last(&self) -> Duration {
        let bytes_time = self
            .rate_limit
            .bytes_per_second
            .map_or(Duration::ZERO, |rate| {
                let nanos =
                    (self.last_bytes as u128 * 1_000_000_000).div_ceil(u128::from(rate.get()));
                Duration::from_nanos(nanos as u64)
            });
        bytes_time.max(self.rate_limit.interval.unwrap_or_default())
    }
}

/// Formats the first bytes for a message.
pub fn quote(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(120)];
    format!("\"{}\" ({} bytes)", shown.escape_ascii(), bytes.len())
}

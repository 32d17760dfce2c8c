//! What one connection must be sent, to the byte, checked as it is sent.
//!
//! At every moment there is exactly one right next byte: the rest of the part that has begun, then what an answer said,
//! then the newest frame there is. So nothing is parsed and nothing is kept: what leaves is compared with what must.

use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use framecast::stream::Pace;
use framecast::wire::multipart::Framing;

use crate::body::Body;
use crate::ledger::{CLOSING, Ledger, Published};

/// So many bytes tell one frame from another; the rest is compared as it leaves.
const HEAD_BYTES: usize = 200;

/// The bytes that are due, in their order, and the stream that follows them if the peer is a viewer.
#[derive(Debug, Default)]
pub struct Transcript {
    replies: VecDeque<Reply>,
    pub viewing: Option<Viewing>,
    /// What is sent while it is made.
    pub body: Option<Body>,
}

/// Bytes that must follow; `frame` is the frame they are a picture of.
#[derive(Debug)]
pub struct Reply {
    pub left: Bytes,
    pub has_begun: bool,
    pub frame: Option<Rc<Published>>,
}

/// What a viewer asked for and what it has been given.
#[derive(Debug)]
pub struct Viewing {
    pub camera: usize,
    pub framing: Framing,
    pub pace: Pace,
    pub since: Instant,
    /// The part in flight.
    pub part: Option<Part>,
    /// The sequence of the last part that has begun, and when it did.
    pub last: Option<(u64, Instant)>,
    /// The camera's frames before this one were never to be shown to this viewer.
    pub first: u64,
    /// Frames up to this number were not for it.
    pub start: u64,
    pub published: u64,
    pub delivered: u64,
    pub repeated: u64,
    /// Parts that have begun, the bytes of those before the last, and of the last.
    begun: u64,
    paid_bytes: usize,
    last_bytes: usize,
    /// When its permit ends, if it does, and the first turn at or after that.
    pub until: Option<Instant>,
    pub ended_at: Option<Instant>,
    /// The closing delimiter is due, or has been sent.
    pub is_ending: bool,
}

#[derive(Debug)]
pub struct Part {
    pub frame: Rc<Published>,
    pub begun: Instant,
    pub is_fresh: bool,
    left: Bytes,
}

impl Transcript {
    /// These bytes are due next, if there are any.
    pub fn expect(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.replies.push_back(Reply { left: bytes, has_begun: false, frame: None });
    }

    /// A picture is due next.
    pub fn expect_picture(&mut self, frame: Rc<Published>) {
        self.replies.push_back(Reply { left: frame.jpeg(), has_begun: false, frame: Some(frame) });
    }

    /// Whether bytes are due that must arrive.
    pub fn has_bytes_due(&self) -> bool {
        !self.replies.is_empty()
    }

    /// Whether a reply is due, or the rest of one that is still to be made.
    pub fn has_reply_due(&self) -> bool {
        self.has_bytes_due() || self.body.as_ref().is_some_and(|body| !body.is_endless)
    }

    /// Whether this is a subscriber: of a camera's frames, or of a body without end.
    pub fn is_subscriber(&self) -> bool {
        self.viewing.is_some() || self.body.as_ref().is_some_and(|body| body.is_endless)
    }

    /// Whether all that is due is there already.
    pub fn is_reply(&self) -> bool {
        self.viewing.is_none() && self.body.is_none()
    }

    /// Whether a part or a reply is partly sent.
    pub fn is_mid_chunk(&self) -> bool {
        let is_mid_part = self.viewing.as_ref().is_some_and(|viewing| viewing.part.is_some());
        is_mid_part || self.replies.front().is_some_and(|reply| reply.has_begun)
    }

    /// The frames that are partly sent, or promised.
    pub fn frames_held(&self) -> impl Iterator<Item = &Rc<Published>> {
        let part = self.viewing.iter().filter_map(|viewing| viewing.part.as_ref()).map(|part| &part.frame);
        let replies = self.replies.iter().filter_map(|reply| reply.frame.as_ref());
        part.chain(replies).chain(self.body.iter().flat_map(Body::frames))
    }

    /// Checks bytes that leave.
    pub fn take(&mut self, mut bytes: &[u8], ledger: &mut Ledger) -> Result<(), String> {
        while !bytes.is_empty() {
            self.begin(bytes, ledger)?;
            let Some(left) = self.next() else { return Err(format!("nobody expects {}", spell(bytes))) };
            let length = left.len().min(bytes.len());
            if left[..length] != bytes[..length] {
                return Err(format!("N1: {} is due, not {}", spell(left), spell(bytes)));
            }
            left.advance(length);
            self.finish(ledger);
            bytes = &bytes[length..];
        }
        Ok(())
    }

    fn next(&mut self) -> Option<&mut Bytes> {
        if let Some(part) = self.viewing.as_mut().and_then(|viewing| viewing.part.as_mut()) {
            return Some(&mut part.left);
        }
        let reply = self.replies.front_mut()?;
        reply.has_begun = true;
        Some(&mut reply.left)
    }

    /// Where nothing is due, a viewer is given the newest frame; or the end of the stream, if the end has come.
    fn begin(&mut self, bytes: &[u8], ledger: &mut Ledger) -> Result<(), String> {
        let Some(viewing) = self.viewing.as_mut().filter(|viewing| viewing.part.is_none()) else { return Ok(()) };
        if !self.replies.is_empty() || viewing.is_ending {
            return Ok(());
        }
        if viewing.is_over(ledger) {
            viewing.is_ending = true;
            self.replies.push_back(Reply { left: CLOSING, has_begun: false, frame: None });
            return Ok(());
        }
        viewing.begin(bytes, ledger)
    }

    fn finish(&mut self, ledger: &mut Ledger) {
        if self.replies.front().is_some_and(|reply| reply.left.is_empty()) {
            self.replies.pop_front();
        }
        let Some(viewing) = &mut self.viewing else { return };
        if let Some(part) = viewing.part.take_if(|part| part.left.is_empty()) {
            let (own, all) = match part.is_fresh {
                true => (&mut viewing.delivered, &mut ledger.counts.delivered),
                false => (&mut viewing.repeated, &mut ledger.counts.repeated),
            };
            *own += 1;
            *all += 1;
        }
    }
}

impl Viewing {
    pub fn new(camera: usize, framing: Framing, pace: Pace, ledger: &Ledger) -> Self {
        let camera_now = ledger.camera(camera);
        Self {
            camera,
            framing,
            pace,
            since: ledger.now,
            part: None,
            last: None,
            first: camera_now.shown().map_or(camera_now.sequence + 1, |frame| frame.sequence),
            start: 0,
            published: 0,
            delivered: 0,
            repeated: 0,
            begun: 0,
            paid_bytes: 0,
            last_bytes: 0,
            until: None,
            ended_at: None,
            is_ending: false,
        }
    }

    /// Whether no further part may begin: the server is going down, or its permit has ended.
    pub fn is_over(&self, ledger: &Ledger) -> bool {
        ledger.stopping || self.until.is_some_and(|until| ledger.now >= until)
    }

    /// A turn begins, in which its permit may end.
    pub fn turn(&mut self, now: Instant) {
        if self.until.is_some_and(|until| now >= until) {
            self.ended_at.get_or_insert(now);
        }
    }

    /// A part begins: it must be the newest frame, and one this viewer may be shown now.
    fn begin(&mut self, bytes: &[u8], ledger: &Ledger) -> Result<(), String> {
        let camera = ledger.camera(self.camera);
        let Some(newest) = &camera.newest else { return Err("N1: a part begins before there is a frame".into()) };
        let part = newest.part(self.framing);
        let head = bytes.len().min(part.len()).min(HEAD_BYTES);
        if part[..head] != bytes[..head] {
            let found = camera.recognise(bytes, self.framing);
            return Err(match found {
                Some(old) => format!("N3: frame {old} begins, but the newest is {}", newest.sequence),
                None => format!("N1: frame {} is due, not {}", newest.sequence, spell(bytes)),
            });
        }
        if newest.sequence < self.first {
            return Err(format!("N3: frame {} was taken back before this viewer came", newest.sequence));
        }
        let last = self.last.map(|(sequence, _)| sequence);
        if last.is_some_and(|last| last > newest.sequence) {
            return Err(format!("N2: frame {} follows frame {last:?}", newest.sequence));
        }
        self.begun += 1;
        self.paid_bytes += mem::replace(&mut self.last_bytes, part.len());
        self.within_pace(ledger.now - self.since)?;
        let is_fresh = last != Some(newest.sequence);
        self.last = Some((newest.sequence, ledger.now));
        self.part = Some(Part { frame: newest.clone(), begun: ledger.now, is_fresh, left: part });
        Ok(())
    }

    /// Neither more frames have begun than the viewer asked for, nor did one before its predecessors were paid for.
    fn within_pace(&self, time: Duration) -> Result<(), String> {
        if let Some(interval) = self.pace.interval {
            let allowed = 1 + time.as_nanos() / interval.as_nanos();
            if u128::from(self.begun) > allowed {
                return Err(format!("{} frames where the viewer's rate allows {allowed}", self.begun));
            }
        }
        if let Some(rate) = self.pace.bytes_per_second {
            let allowed = u128::from(rate.get()) * time.as_nanos() / 1_000_000_000;
            if self.paid_bytes as u128 > allowed {
                return Err(format!("{} bytes where the viewer's bucket allows {allowed}", self.paid_bytes));
            }
        }
        Ok(())
    }

    /// How long what was begun last may hold back what follows.
    pub fn time_of_last(&self) -> Duration {
        self.pace.time_of(self.last_bytes)
    }
}

/// The beginning of some bytes, for a report.
pub fn spell(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(60)];
    format!("\"{}\" ({} bytes)", shown.escape_ascii(), bytes.len())
}

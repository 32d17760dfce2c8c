//! Both ends of one connection: the peer, and the transport of the hub.
//!
//! The edges are as rare as epoll allows: after "would block" in a direction, one event comes when
//! that direction is ready, and no other before the next "would block". Bytes that leave are
//! compared at once and then only counted.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use framecast::hub::{Readiness, Transport};
use framecast::stream::Topic;

use crate::model::Model;
use crate::profile::Profile;
use crate::random::Random;
use crate::script::{Message, Script};
use crate::transcript::Transcript;

/// A request that waits for a frame.
#[derive(Debug)]
pub struct Wait {
    pub message: Message,
    pub camera: usize,
    pub after: u64,
    pub until: Duration,
    /// The camera failed meanwhile.
    pub has_failed: bool,
}

/// One connection.
#[derive(Debug, Default)]
pub struct Link {
    pub id: u64,
    pub profile: Profile,
    pub script: Script,
    pub transcript: Transcript,
    /// The request that waits for a frame.
    pub wait: Option<Wait>,
    /// Bytes that the peer has sent, and how many of them the hub has read.
    pub sent: usize,
    pub consumed: usize,
    pub peer_ended: bool,
    pub end_consumed: bool,
    pub reset: bool,
    /// The hub received the event that both directions have ended.
    pub had_hangup: bool,
    pub admitted_at: Duration,
    /// When the first byte of the current request was read.
    pub head_at: Duration,
    /// When the last byte of a reply was written.
    pub replied_at: Duration,
    /// When the transport last took a byte.
    pub wrote_at: Duration,
    /// The last call returned "interrupted". The next one does not, so that there is progress.
    was_interrupted: bool,
    /// The last read returned "interrupted": the hub has not read the input.
    pub was_read_interrupted: bool,
    /// Since when the transport has taken no byte.
    pub blocked_since: Option<Duration>,
    /// When the hub shut down writing.
    pub shut_at: Option<Duration>,
    /// Bytes that the hub read after that.
    pub drained: usize,
    pub reading: Direction,
    pub writing: Direction,
    random: Random,
    /// Bytes that the peer has not read yet.
    queued: usize,
    /// The event that both directions have ended is on its way, or has been delivered.
    gone: bool,
    has_hung_up: bool,
}

/// The edges of one direction of a transport.
#[derive(Debug)]
pub struct Direction {
    /// It returned "would block" and has not become ready since: an edge will come.
    pub is_owed: bool,
    /// An event is on its way.
    pub event: bool,
    /// The hub may try: an event came since the last "would block".
    pub may_try: bool,
    /// It is not ready, regardless of the buffers: see [`Profile::hiccups`].
    is_stuck: bool,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            is_owed: true,
            event: false,
            may_try: true,
            is_stuck: false,
        }
    }
}

impl Direction {
    fn would_block(&mut self) -> io::Error {
        self.is_owed = true;
        self.may_try = false;
        ErrorKind::WouldBlock.into()
    }

    /// Creates an event if the direction is ready and an edge is owed.
    fn update(&mut self, is_ready: bool) {
        if self.is_owed && is_ready && !self.is_stuck {
            self.is_owed = false;
            self.event = true;
        }
    }
}

impl Link {
    pub fn new(id: u64, profile: Profile, script: Script, random: Random, now: Duration) -> Self {
        let times = Self {
            admitted_at: now,
            head_at: now,
            replied_at: now,
            wrote_at: now,
            ..Self::default()
        };
        Self {
            id,
            profile,
            script,
            random,
            ..times
        }
    }

    /// Lets the peer and the network act as their profile says.
    pub fn tick(&mut self) {
        let profile = &self.profile;
        let random = &mut self.random;
        if random.chance(profile.unstick) {
            (self.reading.is_stuck, self.writing.is_stuck) = (false, false);
        }
        if self.queued > 0 && random.chance(profile.reads) {
            self.queued -= self.queued.min(profile.read_bytes);
        }
        let room = (self.consumed + profile.receive_buffer).saturating_sub(self.sent);
        if room > 0 && !self.peer_ended && random.chance(profile.sends) {
            self.sent += self.script.send(self.sent, room.min(profile.send_bytes));
        }
        if random.chance(profile.leaves) && !self.reset {
            self.peer_ended |= !profile.resets;
            self.reset = profile.resets;
            self.gone |= self.reset;
        }
        if self.reset {
            self.queued = 0;
        }
        if self.shut_at.is_some() {
            self.peer_ended |= self.queued == 0 && random.chance(profile.parts);
            self.gone |= self.peer_ended && !mem::replace(&mut self.has_hung_up, self.peer_ended);
        }
        self.update_edges();
    }

    /// Repairs the network; the peer reads all waiting bytes.
    pub fn recover(&mut self) {
        (self.reading.is_stuck, self.writing.is_stuck, self.queued) = (false, false, 0);
    }

    /// Stops the faults of this connection. The peer reads everything from now on.
    pub fn calm_down(&mut self) {
        self.profile = Profile::calm();
        self.update_edges();
    }

    fn update_edges(&mut self) {
        let readable = self.sent > self.consumed || self.peer_ended || self.reset;
        self.reading.update(readable);
        let room = self.profile.send_buffer.saturating_sub(self.queued);
        self.writing
            .update(room >= self.profile.low_water.min(self.profile.send_buffer) || self.reset);
    }

    pub fn has_event(&self) -> bool {
        self.reading.event || self.writing.event || self.gone
    }

    /// Takes the event that is on its way.
    pub fn take_event(&mut self) -> Readiness {
        let event = Readiness {
            readable: self.reading.event,
            writable: self.writing.event,
            gone: self.gone,
        };
        self.reading.event = false;
        self.writing.event = false;
        self.gone = false;
        event
    }

    /// Records that the hub receives an event, true or spurious.
    pub fn on_event(&mut self, event: Readiness) {
        self.reading.may_try |= event.readable || event.gone;
        self.writing.may_try |= event.writable;
        self.had_hangup |= event.gone;
    }

    /// Whether the connection must be subscribed to a topic.
    pub fn follows(&self, topic: Topic) -> bool {
        let viewing = self
            .transcript
            .viewing
            .as_ref()
            .filter(|_| self.shut_at.is_none());
        let cameras = [
            viewing.map(|viewing| viewing.camera),
            self.wait.as_ref().map(|wait| wait.camera),
        ];
        cameras
            .into_iter()
            .flatten()
            .any(|camera| topic == Topic::Frames { camera })
            || self
                .transcript
                .body
                .as_ref()
                .is_some_and(|body| body.follows.contains(&topic))
    }

    /// The deadline of the current request head; earlier during a shutdown.
    pub fn head_deadline(&self, model: &Model) -> Duration {
        let since = if self.script.asked == 0 {
            self.admitted_at
        } else {
            self.head_at.max(self.replied_at)
        };
        let deadline = since + model.limits.request_timeout;
        model
            .last_call_until()
            .map_or(deadline, |until| until.min(deadline))
    }

    fn is_interrupted(&mut self) -> bool {
        self.was_interrupted = !self.was_interrupted && self.random.chance(self.profile.interrupts);
        self.was_interrupted
    }

    fn read(&mut self, buffer: &mut [u8], model: &mut Model) -> io::Result<usize> {
        if !self.reading.may_try {
            model.fail(|| format!("connection {}: read before the edge that is owed", self.id));
        }
        if self.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        self.was_read_interrupted = self.is_interrupted();
        if self.was_read_interrupted {
            return Err(ErrorKind::Interrupted.into());
        }
        let available = self.sent - self.consumed;
        if available == 0 && self.peer_ended {
            self.end_consumed = true;
            model.moves += 1;
            return Ok(0);
        }
        if available == 0 || self.random.chance(self.profile.hiccups) {
            self.reading.is_stuck = available > 0;
            return Err(self.reading.would_block());
        }
        let count = available
            .min(buffer.len())
            .min(self.random.up_to(self.profile.chunk_bytes));
        buffer[..count].copy_from_slice(&self.script.bytes[self.consumed..self.consumed + count]);
        if self.consumed == self.script.awaited_from {
            self.head_at = model.now;
        }
        self.consumed += count;
        self.drained += if self.shut_at.is_some() { count } else { 0 };
        model.moves += 1;
        model.fold(self.id << 32 | count as u64);
        Ok(count)
    }

    fn write(&mut self, slices: &[IoSlice<'_>], model: &mut Model) -> io::Result<usize> {
        if !self.writing.may_try {
            model.fail(|| {
                format!(
                    "connection {}: written to before the edge that is owed",
                    self.id
                )
            });
        }
        if self.shut_at.is_some() {
            model.fail(|| format!("connection {}: written to after its shutdown", self.id));
        }
        if self.reset {
            return Err(self
                .random
                .pick(&[ErrorKind::ConnectionReset, ErrorKind::BrokenPipe])
                .into());
        }
        if self.is_interrupted() {
            return Err(ErrorKind::Interrupted.into());
        }
        let room = self.profile.send_buffer.saturating_sub(self.queued);
        if room == 0 || self.random.chance(self.profile.hiccups) {
            self.writing.is_stuck = room > 0;
            let since = if self.transcript.is_mid_chunk() {
                self.wrote_at
            } else {
                model.now
            };
            self.blocked_since.get_or_insert(since);
            return Err(self.writing.would_block());
        }
        let most = room.min(self.random.up_to(self.profile.chunk_bytes));
        let mut count = 0;
        for slice in slices {
            let taken = &slice[..slice.len().min(most - count)];
            if let Err(fault) = self.check(taken, model) {
                model.fail(|| format!("connection {}: {fault}", self.id));
            }
            count += taken.len();
        }
        self.queued += count;
        self.blocked_since = None;
        self.wrote_at = model.now;
        model.moves += 1;
        model.fold(self.id << 33 | count as u64);
        Ok(count)
    }

    fn check(&mut self, bytes: &[u8], model: &mut Model) -> Result<(), String> {
        let is_silent = !self.transcript.is_subscriber() && !self.transcript.has_reply_due();
        let deadline = self.head_deadline(model);
        if is_silent && let Some(refusal) = self.script.refusal(self.consumed, deadline, model.now)
        {
            self.transcript.expect(refusal, None);
        }
        self.transcript.take(bytes, model)?;
        if !self.transcript.has_reply_due() && !self.transcript.is_subscriber() {
            self.replied_at = model.now;
        }
        Ok(())
    }

    fn shut(&mut self, model: &mut Model) {
        let is_over = self
            .transcript
            .viewing
            .as_ref()
            .map_or(self.script.is_over, |viewing| viewing.is_ending);
        if self.transcript.has_reply_due()
            || self.transcript.body.is_some()
            || !(is_over || model.is_stopping())
        {
            model.fail(|| {
                format!(
                    "connection {}: shut down before its last reply has left",
                    self.id
                )
            });
        }
        self.shut_at = Some(model.now);
        model.moves += 1;
    }

    /// The hub drops the transport.
    fn close(&mut self, model: &mut Model) {
        if !model.is_reaping {
            model.fail(|| {
                format!(
                    "connection {}: the transport is dropped within a turn",
                    self.id
                )
            });
        }
        let Some(shut_at) = self.shut_at else { return };
        let has_lingered = model.now >= shut_at + model.limits.linger_timeout;
        // On a close with unread input, the kernel sends RST and discards undelivered output.
        let loses_reply = self.queued > 0 && self.sent > self.consumed && !self.reset;
        if loses_reply && !has_lingered && self.drained <= model.limits.linger_bytes_max {
            model.fail(|| {
                format!(
                    "connection {}: closed on unread input, its reply is lost",
                    self.id
                )
            });
        }
    }
}

/// The hub's end of a connection.
#[derive(Debug)]
pub struct End {
    pub link: Rc<RefCell<Link>>,
    pub model: Rc<RefCell<Model>>,
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let model = &mut *self.model.borrow_mut();
        model.called();
        self.link.borrow_mut().read(buffer, model)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let model = &mut *self.model.borrow_mut();
        model.called();
        self.link.borrow_mut().write(slices, model)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for End {
    fn shutdown_write(&mut self) -> io::Result<()> {
        let model = &mut *self.model.borrow_mut();
        let link = &mut *self.link.borrow_mut();
        if link.reset {
            return Err(ErrorKind::NotConnected.into());
        }
        link.shut(model);
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.link.borrow_mut().close(&mut self.model.borrow_mut());
    }
}

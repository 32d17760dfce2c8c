//! `framecast publish`: frames from standard input to Redis, for any number of machines to show or
//! to work on.
//!
//! It is an ordinary blocking program that knows nothing of the server, and two threads keep it
//! from ever being late: one reads frames and keeps only the newest, the other sends. So whoever
//! writes the frames is never held up, however long Redis takes or is away, and what is sent next
//! is what was captured last.
//!
//! A message is the header block of a part and its JPEG, divided by a blank line
//! ([`EncodedPart::message`]).

mod newest;
mod target;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind, IsTerminal, Read};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use redis::{cmd, pipe};

use self::newest::Newest;
pub use self::target::Target;
use crate::clock::wall_time;
use crate::drivers::redis::{Connection, Fault, Link, Place, say};
use crate::wire::decoder::SourceDecoder;
use crate::wire::metadata::{Sequence, WallTime};
use crate::wire::multipart::EncodedPart;
use crate::wire::part::{Part, Reason};

/// What is said once frames go out, the first time and after each outage. The server knows by it
/// that all is well.
pub const PUBLISHING: &str = "publishing to ";

/// The variable by which a publisher is given its target: every user of the machine can read an
/// argument list, only the same user an environment.
pub const TARGET_VARIABLE: &str = "FRAMECAST_TARGET";

/// Bytes read at once: what a pipe holds, unless it was told otherwise (pipe(7)).
const PIECE_BYTES: usize = 64 * 1024;

/// Redis may think for this long about one frame, as when it is paused. Newer frames take the place
/// of the one behind it meanwhile.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is said at most that frames were left out.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Why a publisher ended.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Redis does not take frames.
    #[error("no frames to {address}: {fault}")]
    Redis {
        /// The address, without user and password.
        address: String,
        /// What went wrong.
        fault: Fault,
    },
    /// Frames cannot be typed.
    #[error(
        "standard input is a terminal; pipe frames into it, as in ffmpeg ... -f mjpeg - | framecast publish URL"
    )]
    Terminal,
    /// There is no second thread to be had.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Standard input failed.
    #[error("cannot read standard input: {0}")]
    Stdin(io::Error),
}

/// Publishes what comes in on standard input at `target` until it ends. A frame larger than
/// `frame_bytes_max` is left out.
///
/// # Errors
/// Standard input cannot be read, or somebody must change something at Redis first. That Redis is
/// away is no error.
pub fn run(target: &Target, frame_bytes_max: usize) -> Result<(), PublishError> {
    if io::stdin().is_terminal() {
        return Err(PublishError::Terminal);
    }
    let newest = Arc::new(Newest::default());
    let reader = {
        let newest = Arc::clone(&newest);
        let repeats = target.address.place == Place::Channel;
        thread::Builder::new().spawn(move || {
            let read = read_frames(&newest, frame_bytes_max, repeats);
            newest.close();
            read
        })
    };
    let reader = reader.map_err(PublishError::Thread)?;
    let mut sender = Sender {
        target,
        newest: &newest,
        link: Link::new(&target.address),
        counts: Counts::new(),
    };
    let sent = sender.run();
    sender.report(true);
    sent.map_err(|fault| PublishError::Redis {
        address: target.address.to_string(),
        fault,
    })?;
    // The input has ended, or there would still be something to send.
    reader.join().unwrap_or(Ok(())).map_err(PublishError::Stdin)
}

/// Reads frames until there are no more, and makes each the newest. A frame that a server `repeats`
/// for want of a newer one lets those who have just subscribed see something; it is no new work.
fn read_frames(newest: &Newest, frame_bytes_max: usize, repeats: bool) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut decoder = SourceDecoder::new(frame_bytes_max);
    let mut received = BytesMut::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut said: Vec<Reason> = Vec::new();
    let mut numbering = Numbering::default();
    loop {
        match decoder.decode(&mut received) {
            Ok(Some(part)) => {
                if let Some(frame) = numbering.number(&part, repeats) {
                    newest.put(frame);
                }
                continue;
            }
            Err(rejected) if said.contains(&rejected.reason) => continue,
            Err(rejected) => {
                said.push(rejected.reason);
                say(&format!(
                    "{}; others like it are left out silently",
                    rejected.message(frame_bytes_max)
                ));
                continue;
            }
            Ok(None) => {}
        }
        match input.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => received.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The number and the time that each frame goes out with: its own, or the next and now.
#[derive(Default)]
struct Numbering {
    sequence: u64,
    captured_at: Option<WallTime>,
}

impl Numbering {
    fn number(&mut self, part: &Part, repeats: bool) -> Option<Bytes> {
        let captured_at = part
            .captured_at
            .unwrap_or_else(|| WallTime::nearest(wall_time()));
        let sequence = part
            .sequence
            .map(Sequence::get)
            .unwrap_or(self.sequence.saturating_add(1));
        if !repeats && (sequence, Some(captured_at)) == (self.sequence, self.captured_at) {
            return None;
        }
        (self.sequence, self.captured_at) = (sequence, Some(captured_at));
        Some(
            EncodedPart::encode("", sequence, captured_at, &part.clone().with_tables().jpeg)
                .message(),
        )
    }
}

/// Sends the newest frame, again and again.
struct Sender<'a> {
    target: &'a Target,
    newest: &'a Newest,
    link: Link<'a>,
    counts: Counts,
}

/// What became of frames that nobody gets.
struct Counts {
    /// Frames that were lost with a connection.
    lost: u64,
    /// Frames that were taken off a full list.
    dropped: u64,
    /// The sum of what was said last, and when.
    reported: u64,
    reported_at: Instant,
}

impl Counts {
    fn new() -> Self {
        Self {
            lost: 0,
            dropped: 0,
            reported: 0,
            reported_at: Instant::now(),
        }
    }
}

impl Sender<'_> {
    /// Sends until there are no more frames. Once the input has ended, Redis is not waited for.
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            match self.send_all() {
                Ok(()) => return Ok(()),
                Err(fault) if fault.is_lasting() || self.newest.is_over() => return Err(fault),
                Err(fault) => self
                    .link
                    .lost(&format!("no frames to {}", self.target.address), &fault),
            }
        }
    }

    /// Sends over one connection, as long as it holds.
    fn send_all(&mut self) -> Result<(), Fault> {
        let mut connection = self.link.connect()?;
        connection.set_read_timeout(Some(REPLY_TIMEOUT))?;
        connection.set_write_timeout(Some(REPLY_TIMEOUT))?;
        let mut told = false;
        while let Some(message) = self.newest.take() {
            if let Err(fault) = self.send(&mut connection, &message) {
                // It may have arrived all the same, so it is not sent again.
                self.counts.lost += 1;
                return Err(fault);
            }
            self.link.well();
            if !std::mem::replace(&mut told, true) {
                say(&format!("{PUBLISHING}{}", self.target.address));
            }
            self.report(false);
        }
        Ok(())
    }

    fn send(&mut self, connection: &mut Connection, message: &[u8]) -> Result<(), Fault> {
        let Target {
            address,
            frames_max,
            ..
        } = self.target;
        match address.place {
            Place::Channel => cmd("PUBLISH")
                .arg(&address.name)
                .arg(message)
                .exec(connection)?,
            Place::List => {
                let last = *frames_max as isize - 1;
                let mut push = pipe();
                push.atomic()
                    .lpush(&address.name, message)
                    .ltrim(&address.name, 0, last)
                    .ignore();
                let (length,): (u64,) = push.query(connection)?;
                self.counts.dropped += length.saturating_sub(u64::from(*frames_max));
            }
        }
        Ok(())
    }

    /// Says how many frames were left out: now and then, and at the end.
    fn report(&mut self, at_end: bool) {
        let skipped = self.newest.skipped() + self.counts.lost;
        let dropped = self.counts.dropped;
        let due = at_end || self.counts.reported_at.elapsed() >= REPORT_INTERVAL;
        if !due || skipped + dropped == self.counts.reported {
            return;
        }
        (self.counts.reported, self.counts.reported_at) = (skipped + dropped, Instant::now());
        let mut words = format!("frames skipped so far because Redis was away or slow: {skipped}");
        if self.target.address.place == Place::List {
            words += &format!(
                "; dropped because {} waited already: {dropped}",
                self.target.frames_max
            );
        }
        if !at_end {
            words = format!("{PUBLISHING}{}; {words}", self.target.address);
        }
        say(&words);
    }
}

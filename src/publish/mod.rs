//! `framecast publish`: publishes frames from standard input to Redis, for other machines to show
//! or to process.
//!
//! It is a blocking program that does not depend on the server. One thread reads frames and stores
//! only the newest, another one sends it. So the writer of the frames never blocks, even if Redis
//! is slow or down, and the newest frame is sent next.
//!
//! A message is the header block of a part, a blank line and the JPEG ([`EncodedPart::message`]).

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
use crate::drivers::redis::{AddressKind, Connection, Fault, Link};
use crate::drivers::stderr::log_line;
use crate::wire::decoder::SourceDecoder;
use crate::wire::metadata::{Sequence, WallTime};
use crate::wire::multipart::EncodedPart;
use crate::wire::part::{Part, Reason};

/// The prefix of the log line after the first frame of each connection. It reports success to the
/// server.
pub const PUBLISHING: &str = "publishing to ";

/// The environment variable with the target of a publisher. It may contain a password: every user
/// of the machine can read the arguments of a process, but only its own user the environment.
pub const TARGET_VARIABLE: &str = "FRAMECAST_TARGET";

/// The size of the read buffer: the default capacity of a pipe (pipe(7)).
const BUFFER_BYTES: usize = 64 * 1024;

/// The timeout of Redis's reply to one frame. Redis may be paused; newer frames replace the waiting
/// one in the meantime.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// The minimum interval of log lines about skipped frames.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Why a publisher ended.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Redis does not accept frames.
    #[error("{address}: {fault}")]
    Redis {
        /// The address, without credentials.
        address: String,
        /// What went wrong.
        fault: Fault,
    },
    /// Standard input is a terminal.
    #[error(
        "standard input is a terminal; pipe frames into it, as in ffmpeg ... -f mjpeg - | framecast publish URL"
    )]
    Terminal,
    /// The second thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Standard input cannot be read.
    #[error("standard input: cannot read: {0}")]
    Stdin(io::Error),
}

/// Publishes the frames of standard input to `target`, until end of file. Frames larger than
/// `frame_bytes_max` bytes are rejected.
///
/// # Errors
/// Standard input cannot be read, or Redis rejects frames permanently. If Redis is down, it retries
/// instead.
pub fn run(target: &Target, frame_bytes_max: usize) -> Result<(), PublishError> {
    if io::stdin().is_terminal() {
        return Err(PublishError::Terminal);
    }
    let newest = Arc::new(Newest::default());
    let reader = {
        let newest = Arc::clone(&newest);
        let repeats = target.address.kind == AddressKind::Channel;
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
    // The sender returns after the reader has closed `newest`, so that this does not block.
    reader.join().unwrap_or(Ok(())).map_err(PublishError::Stdin)
}

/// Reads frames until end of file, and stores each as the newest. `repeats` is whether to publish a
/// repeated frame too: on a channel, new subscribers need one; in a list, it would be processed
/// twice.
fn read_frames(newest: &Newest, frame_bytes_max: usize, repeats: bool) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut decoder = SourceDecoder::new(frame_bytes_max);
    let mut received = BytesMut::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut logged: Vec<Reason> = Vec::new();
    let mut numbering = Numbering::default();
    loop {
        match decoder.decode(&mut received) {
            Ok(Some(part)) => {
                if let Some(message) = numbering.encode(&part, repeats) {
                    newest.put(message);
                }
                continue;
            }
            Err(rejected) if logged.contains(&rejected.reason) => continue,
            Err(rejected) => {
                logged.push(rejected.reason);
                log_line(format_args!(
                    "{}; others like it are not logged",
                    rejected.message(frame_bytes_max)
                ));
                continue;
            }
            Ok(None) => {}
        }
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The sequence and the capture time of the newest frame.
#[derive(Default)]
struct Numbering {
    sequence: u64,
    captured_at: Option<WallTime>,
}

impl Numbering {
    /// Encodes a frame as a message, with the sequence and capture time that it states, or else the
    /// next sequence and the current time. Returns `None` for a repeated frame, unless `repeats`.
    fn encode(&mut self, part: &Part, repeats: bool) -> Option<Bytes> {
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

/// Sends frames to Redis, always the newest.
struct Sender<'a> {
    target: &'a Target,
    newest: &'a Newest,
    link: Link<'a>,
    counts: Counts,
}

/// The counts of frames that no consumer receives.
struct Counts {
    /// Frames lost with a connection.
    lost: u64,
    /// Frames removed from a full list.
    dropped: u64,
    /// The sum of the counts when they were last logged.
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
    /// Sends frames until the input ends. After that, it does not reconnect to Redis.
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            match self.send_all() {
                Ok(()) => return Ok(()),
                Err(fault) if fault.is_permanent() || self.newest.is_closed() => return Err(fault),
                Err(fault) => self.link.lost(&fault),
            }
        }
    }

    /// Connects, and sends frames until the connection fails or the input ends.
    fn send_all(&mut self) -> Result<(), Fault> {
        let mut connection = self.link.connect()?;
        connection.set_read_timeout(Some(REPLY_TIMEOUT))?;
        connection.set_write_timeout(Some(REPLY_TIMEOUT))?;
        let mut is_logged = false;
        while let Some(message) = self.newest.take() {
            if let Err(fault) = self.send(&mut connection, &message) {
                // It is not sent again: Redis may have received it.
                self.counts.lost += 1;
                return Err(fault);
            }
            self.link.recovered();
            if !std::mem::replace(&mut is_logged, true) {
                log_line(format_args!("{PUBLISHING}{}", self.target.address));
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
        match address.kind {
            AddressKind::Channel => cmd("PUBLISH")
                .arg(&address.name)
                .arg(message)
                .exec(connection)?,
            AddressKind::List => {
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

    /// Logs the counts of skipped frames: periodically if they have changed, and at the end.
    fn report(&mut self, at_end: bool) {
        let skipped = self.newest.skipped() + self.counts.lost;
        let dropped = self.counts.dropped;
        let due = at_end || self.counts.reported_at.elapsed() >= REPORT_INTERVAL;
        if !due || skipped + dropped == self.counts.reported {
            return;
        }
        (self.counts.reported, self.counts.reported_at) = (skipped + dropped, Instant::now());
        let mut line = format!("frames skipped, Redis down or slow: {skipped}");
        if self.target.address.kind == AddressKind::List {
            line += &format!("; dropped, list full: {dropped}");
        }
        if !at_end {
            line = format!("{PUBLISHING}{}; {line}", self.target.address);
        }
        log_line(line);
    }
}

//! The pipe of frames of a driver or a placeholder renderer, and what has been read of it.

use std::io::{self, ErrorKind, Read};
use std::process::Child;
use std::time::{Duration, Instant};

use log::Level;
use mio::unix::pipe::Receiver;
use mio::{Interest, Registry, Token};

use super::useless::Useless;
use crate::clock::wall_time;
use crate::server::settings::WarmUp;
use crate::server::stderr_log::StderrLog;
use crate::stream::Captured;
use crate::wire::facts::WallTime;
use crate::wire::pieces::{PieceDecoder, Work};
use crate::wire::source::{Part, Reason, Rejected, Repair, Tally};

/// Asked of the kernel for the pipe, so that a large frame comes in one piece.
const PIPE_BYTES: usize = 1024 * 1024;

/// Bytes read from the pipe at once: no more than is decoded soon.
const PIECE_BYTES: usize = 64 * 1024;

/// Reads and decodes the frames that one process writes.
#[derive(Debug)]
pub(super) struct FrameReader {
    /// The pipe, until it has ended.
    output: Option<Receiver>,
    decoder: PieceDecoder,
    /// The largest frame accepted, in bytes.
    frame_bytes_max: usize,
    /// What has come since the newest frame.
    useless: Useless,
    /// When the newest frame came; before the first, when the process was started.
    pub(super) newest_at: Instant,
    first_at: Option<Instant>,
    /// Reasons of rejection, and repairs, that have been logged.
    reasons_logged: Vec<Reason>,
    repairs_logged: Vec<Repair>,
}

impl FrameReader {
    /// Takes the standard output of `process`, and registers it under `token`.
    pub(super) fn open(
        process: &mut Child,
        token: Token,
        registry: &Registry,
        frame_bytes_max: usize,
        now: Instant,
    ) -> io::Result<Self> {
        let output = process
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("its standard output is no pipe"))?;
        let mut output = Receiver::from(output);
        // A smaller pipe works as well, only in more pieces.
        let _ = rustix::pipe::fcntl_setpipe_size(&output, PIPE_BYTES);
        output.set_nonblocking(true)?;
        registry.register(&mut output, token, Interest::READABLE)?;
        Ok(Self {
            output: Some(output),
            decoder: PieceDecoder::new(frame_bytes_max),
            frame_bytes_max,
            useless: Useless::default(),
            newest_at: now,
            first_at: None,
            reasons_logged: Vec::new(),
            repairs_logged: Vec::new(),
        })
    }

    /// Reads and decodes until the pipe would block, has ended, or the budget of a turn is spent.
    /// Returns whether the budget was spent: then there may be more, and no edge will report it.
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        now: Instant,
        log: &mut StderrLog,
        mut publish: impl FnMut(&Part),
    ) -> bool {
        let mut work = Work::TURN;
        loop {
            // Before reading on: what an earlier turn has left.
            self.decode(&mut work, now, log, &mut publish);
            if work.is_spent() {
                return true;
            }
            let Some(output) = &mut self.output else {
                if let Some(part) = self.decoder.finish() {
                    self.accept(part, now, log, &mut publish);
                }
                return false;
            };
            match output.read(&mut scratch[..PIECE_BYTES]) {
                Ok(0) => self.output = None,
                Ok(count) => {
                    self.useless.note(&scratch[..count], now);
                    self.decoder.push(&scratch[..count]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => {
                    self.output = None;
                    log.log(Level::Warn, &format!("cannot read its pipe: {error}"));
                }
            }
        }
    }

    fn decode(
        &mut self,
        work: &mut Work,
        now: Instant,
        log: &mut StderrLog,
        publish: &mut impl FnMut(&Part),
    ) {
        loop {
            match self.decoder.decode(work) {
                Ok(Some(part)) => self.accept(part, now, log, publish),
                Ok(None) => return,
                Err(rejected) => self.reject(&rejected, log),
            }
        }
    }

    fn accept(
        &mut self,
        part: Part,
        now: Instant,
        log: &mut StderrLog,
        publish: &mut impl FnMut(&Part),
    ) {
        self.newest_at = now;
        self.first_at.get_or_insert(now);
        self.useless = Useless::after(&self.tally());
        if let Some(repair) = part
            .repair
            .filter(|repair| !self.repairs_logged.contains(repair))
        {
            self.repairs_logged.push(repair);
            log.log(
                Level::Warn,
                &format!("{repair}; further ones are only counted"),
            );
        }
        publish(&part.with_tables());
    }

    fn reject(&mut self, rejected: &Rejected, log: &mut StderrLog) {
        self.useless.rejected = Some(rejected.reason);
        // A driver logs what it rejects itself.
        if !rejected.by_driver && !self.reasons_logged.contains(&rejected.reason) {
            self.reasons_logged.push(rejected.reason);
            log.log(
                Level::Warn,
                &format!(
                    "{}; further ones are only counted",
                    rejected.sentence(self.frame_bytes_max)
                ),
            );
        }
    }

    /// Whether the pipe has ended: no more frames will come.
    pub(super) fn has_ended(&self) -> bool {
        self.output.is_none()
    }

    /// Whether a frame has come.
    pub(super) fn has_frames(&self) -> bool {
        self.first_at.is_some()
    }

    /// Whether its pictures may still be dark or out of focus.
    pub(super) fn is_warming_up(&self, warm_up: WarmUp, now: Instant) -> bool {
        match warm_up {
            WarmUp::Frames(count) => self.tally().accepted.frames <= u64::from(count),
            WarmUp::Time(time) => self
                .first_at
                .is_none_or(|first| now.saturating_duration_since(first) < time),
        }
    }

    /// What became of the bytes that were read.
    pub(super) fn tally(&self) -> Tally {
        self.decoder.tally()
    }

    /// Bytes that are not yet known to be a frame or none.
    pub(super) fn buffered_bytes(&self) -> u64 {
        self.decoder.buffered_bytes() as u64
    }

    /// Why what it writes is useless, once that is beyond doubt.
    pub(super) fn complaint(&self, now: Instant) -> Option<String> {
        self.useless
            .complaint(&self.tally(), self.frame_bytes_max, now)
    }

    /// The same of a process that has exited: nothing will follow.
    pub(super) fn last_complaint(&self) -> Option<String> {
        self.useless
            .last_complaint(&self.tally(), self.frame_bytes_max)
    }

    /// When there is a complaint if nothing more is written.
    pub(super) fn complaint_at(&self) -> Option<Instant> {
        self.useless.complaint_at(&self.tally())
    }
}

/// A frame as the hub takes it. Here, once a frame, the wall time that another program states
/// becomes an age, and so a time on the monotonic clock.
pub(super) fn shot(part: &Part) -> Captured<'_> {
    let wall_now = WallTime::nearest(wall_time());
    let captured_wall = part.captured_at.unwrap_or(wall_now);
    let age: Duration = wall_now.saturating_since(captured_wall);
    Captured {
        jpeg: &part.jpeg,
        picture: part.picture,
        captured_wall,
        age,
        sequence: part.sequence,
    }
}

//! Reads and decodes the frames that a driver or a placeholder renderer writes to its pipe.

use std::io::{self, ErrorKind, Read};
use std::process::Child;
use std::time::{Duration, Instant};

use log::Level;
use mio::unix::pipe::Receiver;
use mio::{Interest, Registry, Token};

use super::unusable::UnusableOutput;
use crate::clock::wall_time;
use crate::server::settings::WarmUp;
use crate::server::stderr_log::StderrLog;
use crate::stream::Captured;
use crate::wire::budget::{BudgetedDecoder, DecodeBudget};
use crate::wire::metadata::WallTime;
use crate::wire::part::{Part, Reason, Rejected, Repair, Tally};

/// The capacity of the pipe, so that the driver can write a large frame without waiting.
const PIPE_BYTES: usize = 1024 * 1024;

/// Bytes of one read, so that little undecoded input is held.
const READ_BYTES: usize = 64 * 1024;

/// Reads and decodes the frames of one process.
#[derive(Debug)]
pub(super) struct FrameReader {
    /// The pipe, until its end.
    output: Option<Receiver>,
    decoder: BudgetedDecoder,
    /// The largest frame accepted, in bytes.
    frame_bytes_max: usize,
    /// The output since the newest frame.
    unusable: UnusableOutput,
    /// When the newest frame arrived; before the first, when the process was started.
    pub(super) newest_at: Instant,
    first_at: Option<Instant>,
    /// Rejections and repairs that were logged, each once.
    rejections_logged: Vec<Reason>,
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
            .ok_or_else(|| io::Error::other("stdout is not a pipe"))?;
        let mut output = Receiver::from(output);
        // May fail, as over the limit of this user (pipe(7)). A smaller pipe takes more reads.
        let _ = rustix::pipe::fcntl_setpipe_size(&output, PIPE_BYTES);
        output.set_nonblocking(true)?;
        registry.register(&mut output, token, Interest::READABLE)?;
        Ok(Self {
            output: Some(output),
            decoder: BudgetedDecoder::new(frame_bytes_max),
            frame_bytes_max,
            unusable: UnusableOutput::default(),
            newest_at: now,
            first_at: None,
            rejections_logged: Vec::new(),
            repairs_logged: Vec::new(),
        })
    }

    /// Reads and decodes, and calls `publish` for each frame. Ends when the pipe would block (an
    /// edge is owed), has ended, or the budget of a turn is reached. Returns whether the budget was
    /// reached: then there may be more, and no edge will report it.
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        now: Instant,
        log: &mut StderrLog,
        mut publish: impl FnMut(&Part),
    ) -> bool {
        let mut budget = DecodeBudget::TURN;
        loop {
            // First the bytes that an earlier turn has left: no event reports them.
            self.decode(&mut budget, now, log, &mut publish);
            if budget.is_spent() {
                return true;
            }
            let Some(output) = &mut self.output else {
                if let Some(part) = self.decoder.finish() {
                    self.accept(part, now, log, &mut publish);
                }
                return false;
            };
            match output.read(&mut scratch[..READ_BYTES]) {
                Ok(0) => self.output = None,
                Ok(count) => {
                    self.unusable.record(&scratch[..count], now);
                    self.decoder.push(&scratch[..count]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => {
                    self.output = None;
                    log.log(Level::Warn, &format!("read: {error}"));
                }
            }
        }
    }

    fn decode(
        &mut self,
        budget: &mut DecodeBudget,
        now: Instant,
        log: &mut StderrLog,
        publish: &mut impl FnMut(&Part),
    ) {
        loop {
            match self.decoder.decode(budget) {
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
        self.unusable = UnusableOutput::after_frame(&self.tally());
        if let Some(repair) = part
            .repair
            .filter(|repair| !self.repairs_logged.contains(repair))
        {
            self.repairs_logged.push(repair);
            log.log(
                Level::Warn,
                &format!("{repair}; counting further ones, not logging them"),
            );
        }
        publish(&part.with_tables());
    }

    fn reject(&mut self, rejected: &Rejected, log: &mut StderrLog) {
        self.unusable.rejected = Some(rejected.reason);
        // The driver logs the frames that it rejects itself.
        if !rejected.by_driver && !self.rejections_logged.contains(&rejected.reason) {
            self.rejections_logged.push(rejected.reason);
            log.log(
                Level::Warn,
                &format!(
                    "{}; counting further ones, not logging them",
                    rejected.message(self.frame_bytes_max)
                ),
            );
        }
    }

    /// Whether the pipe has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.output.is_none()
    }

    /// Whether there was a frame.
    pub(super) fn has_frames(&self) -> bool {
        self.first_at.is_some()
    }

    /// Whether the pictures may still be dark or out of focus.
    pub(super) fn is_warming_up(&self, warm_up: WarmUp, now: Instant) -> bool {
        match warm_up {
            WarmUp::Frames(count) => self.tally().accepted.frames <= u64::from(count),
            WarmUp::Time(time) => self
                .first_at
                .is_none_or(|first| now.saturating_duration_since(first) < time),
        }
    }

    /// Counts the bytes read, by what they were.
    pub(super) fn tally(&self) -> Tally {
        self.decoder.tally()
    }

    /// Bytes read that may still become a frame.
    pub(super) fn buffered_bytes(&self) -> u64 {
        self.decoder.buffered_bytes() as u64
    }

    /// Why the output is unusable, once that is certain.
    pub(super) fn problem(&self, now: Instant) -> Option<String> {
        self.unusable
            .problem(&self.tally(), self.frame_bytes_max, now)
    }

    /// Why the output of a process that has exited was unusable.
    pub(super) fn problem_at_exit(&self) -> Option<String> {
        self.unusable
            .problem_at_exit(&self.tally(), self.frame_bytes_max)
    }

    /// When [`FrameReader::problem`] must be called, if the process writes nothing more.
    pub(super) fn problem_at(&self) -> Option<Instant> {
        self.unusable.problem_at(&self.tally())
    }
}

/// Converts a frame for the hub. The driver states the capture as wall time; the hub needs an age,
/// to place it on the monotonic clock.
pub(super) fn captured(part: &Part) -> Captured<'_> {
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
